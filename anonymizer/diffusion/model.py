"""One adapter for all denoising networks: `(x, sigma, condition) -> x0`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from diffusers import UNet2DConditionModel, UNet2DModel
from torch import Tensor

from anonymizer.diffusion.schedule import Prediction, Schedule, timestep_from_sigma

if TYPE_CHECKING:
    from anonymizer.protocols import Denoiser


@dataclass(frozen=True, slots=True, eq=False)
class Condition:
    """What a network is told beside the noisy latents; None for what it does not take."""

    channels: Tensor | None = None
    """(N, K, h, w) appended to the noisy latents, in the order of the network's training."""
    text: Tensor | None = None
    """(1, L, D) hidden states of a text encoder, the same for every frame."""

    def split(self, frames: int, batch: int) -> Iterator[Condition]:
        """The conditions of sub-batches of `frames` frames."""
        for start in range(0, frames, batch):
            channels = None if self.channels is None else self.channels[start : start + batch]
            yield Condition(channels, self.text)


@dataclass(frozen=True, slots=True, eq=False)
class LatentModel:
    """A UNet of diffusers and the schedule it was trained with.

    Symbols: `x = x0 + sigma * noise`; the network sees `x / sqrt(1 + sigma^2)` and, following its
    `prediction`, returns the noise, `v = (noise - sigma * x0) / sqrt(1 + sigma^2)` (Salimans and
    Ho 2022), or x0.
    """

    network: UNet2DModel | UNet2DConditionModel
    schedule: Schedule
    batch: int = 16
    """Frames given to the network at once."""

    def __call__(self, x: Tensor, sigma: float, condition: Condition) -> Tensor:
        """Estimate of the clean latents (N, C, h, w) float32 of noisy ones at one noise level."""
        time = round(timestep_from_sigma(self.schedule.sigmas, sigma))
        parts = zip(torch.split(x, self.batch), condition.split(len(x), self.batch), strict=True)
        return torch.cat([self._estimate(part, sigma, time, told) for part, told in parts])

    def given(self, condition: Condition) -> Denoiser:
        """The denoiser under one condition."""
        return partial(_under, self, condition)

    def _estimate(self, x: Tensor, sigma: float, time: int, condition: Condition) -> Tensor:
        seen = x / math.sqrt(1 + sigma**2)
        if condition.channels is not None:
            seen = torch.cat([seen, condition.channels], 1)
        output = self._forward(seen.to(self.network.dtype), time, condition.text).float()
        return x0_from_output(output, x, sigma, self.schedule.prediction)

    def _forward(self, seen: Tensor, time: int, text: Tensor | None) -> Tensor:
        told = {}
        if text is not None:
            told["encoder_hidden_states"] = text.to(seen.dtype).expand(len(seen), -1, -1)
        output: Tensor = self.network(seen, time, **told).sample
        return output


def _under(model: LatentModel, condition: Condition, x: Tensor, sigma: float) -> Tensor:
    return model(x, sigma, condition)


def x0_from_output(output: Tensor, x: Tensor, sigma: float, prediction: Prediction) -> Tensor:
    """What a network's output says about the clean latents."""
    if prediction == "epsilon":
        return x - sigma * output
    if prediction == "v_prediction":
        variance = 1 + sigma**2
        return x / variance - output * (sigma / math.sqrt(variance))
    return output
