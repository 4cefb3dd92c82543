"""A plain denoising loop around a tiny UNet, for the tests of FRESCO."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from anonymizer.data import Clip
from mediators import fresco
from tests.mediators import tokens
from tests.mediators.tokens import LEVELS

SIZE = (64, 128)
LATENTS = (4, 8, 16)
TIMES = (701, 401, 351, 201, 1)
MECHANISMS = (
    "cross_frame",
    "temporal_attention",
    "spatial_attention",
    "temporal_loss",
    "spatial_loss",
)
OFF = dict.fromkeys(MECHANISMS, False)
GENTLE = {"rate": 0.05, "iterations": 3}


def text(rows=2):
    return tokens.noise(rows, 3, 12, seed=4)


def clip_of(count=4, seed=0) -> Clip:
    return tokens.seen(tokens.frames(count, seed, SIZE))


@dataclass
class Looking:
    """A reference that shows a model some latents."""

    model: Any
    latents: torch.Tensor
    drawn: bool = True
    levels: np.ndarray = field(default_factory=lambda: LEVELS)
    conditions: torch.Tensor = field(default_factory=text)

    def look(self):
        called(self.model, self.latents, 1, self.conditions)


def called(model, x, time, conditions=None, **options):
    """Estimates (G, N, C, h, w) of noise under G conditions, in one call."""
    conditions = text() if conditions is None else conditions
    repeated = conditions.repeat_interleave(len(x), 0)
    rows = x.repeat(len(conditions), 1, 1, 1)
    result = model(rows, time, encoder_hidden_states=repeated, **options).sample
    return result.reshape(len(conditions), *x.shape)


def sampled(model, x, times=TIMES):
    """DDIM with guidance; the plain loop that any pipeline has."""
    for time, after in zip(times, (*times[1:], 0), strict=True):
        without, told = called(model, x, time)
        guided = without + 3 * (told - without)
        sigma, lower = LEVELS[time], LEVELS[after]
        x0 = x * np.sqrt(1 + sigma**2) - sigma * guided
        x = (x0 + lower * guided) / np.sqrt(1 + lower**2)
        x = x.float()
    return x


@torch.no_grad()
def painted(model, mediation, x=None, reference: Any = "own", times=TIMES):
    count = len(mediation.clip.indices) - len(mediation.anchors)
    x = tokens.noise(1, *LATENTS).repeat(count, 1, 1, 1) if x is None else x
    if reference == "own":
        reference = Looking(model, tokens.noise(count, *LATENTS, seed=7))
    with mediation.attach(model, reference):
        return sampled(model, x, times)


def made(clip=None, motion=None, carry=None, **options) -> Any:
    switches = GENTLE | options
    mediator = fresco.build(correspond=motion or tokens.drifting(), **switches)
    return mediator.prepare(clip_of() if clip is None else clip, carry)
