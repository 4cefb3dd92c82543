"""Mediators around pipelines of diffusers that keep their own loop.

A pipeline is given all frames as one batch. Mediators of features attach to its UNet; mediators of
pixels sit between UNet and scheduler, where estimates of the clean frames are made to agree. For
pipelines of Stable Diffusion that take ``prompt_embeds`` and ``latents``: from text, inpainting,
and both with a ControlNet. Their scheduler must step from one noisy latent alone, as DDIM's does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anonymizer.data import Clip
from anonymizer.diffusion import conditions
from anonymizer.diffusion.autoencoder import Autoencoder
from anonymizer.diffusion.guidance import mediated
from anonymizer.diffusion.model import x0_from_output
from anonymizer.diffusion.schedule import Prediction, Schedule

if TYPE_CHECKING:
    from anonymizer.protocols import Denoiser, Mediation

Pipeline = Any
"""A pipeline of diffusers."""


def whole_frames(frames: NDArray[np.uint8], hidden: NDArray[np.bool_] | None = None) -> Clip:
    """Frames as the clip that mediators prepare.

    Args:
        frames: ``(T, H, W, 3)``.
        hidden: ``(T, H, W)`` True where something new is painted, and nothing of what is there may
            reach it but its motion; None if all may be seen and all is painted.
    """
    count, height, width, _ = frames.shape
    area = np.zeros((count, height, width), np.bool_) if hidden is None else hidden
    return Clip(
        track=0,
        indices=tuple(range(count)),
        pixels=frames.copy(),
        context=np.where(area[..., None], np.uint8(128), frames),
        hidden=area.copy(),
        mask=np.ones(area.shape, np.float32) if hidden is None else area.astype(np.float32),
        frame_from_crop=np.repeat(np.eye(3)[None], count, 0),
        landmarks=np.zeros((count, 5, 2)),
    )


@contextmanager
def mediating(
    pipeline: Pipeline,
    mediation: Mediation,
    clip: Clip,
    prompt: str,
    *,
    negative: str = "",
    seed: int = 0,
    strength: float = 0.8,
) -> Iterator[dict[str, Any]]:
    """Mediate what a pipeline samples while open.

    Args:
        pipeline: of diffusers; it must be called with guidance.
        mediation: prepared for the clip, of which all frames are new.
        clip: the frames; of what is hidden nothing is shown to the model.
        prompt: for all frames.
        negative: what the prompt excludes.
        seed: of the noise.
        strength: of the agreement on pixels, in [0, 1].

    Yields:
        Arguments that the pipeline must be called with: prompts and noise for all frames, and what
        else is left to chance.
    """
    count, coder = len(clip.indices), Autoencoder(pipeline.vae)
    schedule = Schedule.from_config(pipeline.scheduler.config)
    words = pipeline.encode_prompt(prompt, pipeline.device, 1, True, negative)
    shape = (count, coder.channels, *(side // coder.factor for side in clip.shape))
    noise = mediation.noise(shape, seed).to(pipeline.device, pipeline.unet.dtype)
    look = Looking(pipeline, coder, clip, torch.cat([words[1], words[0]]), noise, schedule)
    told = {
        "prompt_embeds": words[0].repeat(count, 1, 1),
        "negative_prompt_embeds": words[1].repeat(count, 1, 1),
        "latents": noise,
        "generator": torch.Generator().manual_seed(seed % 2**63),
    }
    with (
        torch.no_grad(),
        mediation.attach(pipeline.unet, look),
        _agreeing(pipeline.scheduler, mediation, strength, coder, schedule),
    ):
        yield told


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Looking:
    """A pipeline's UNet before frames of which the hidden parts are blank: a `Reference`."""

    pipeline: Pipeline
    coder: Autoencoder
    clip: Clip
    words: Tensor
    """(2, L, D) what is not wanted, and what is."""
    noise: Tensor
    schedule: Schedule

    @property
    def levels(self) -> NDArray[np.float64]:
        """Noise level of every timestep."""
        return self.schedule.sigmas.numpy()

    @property
    def drawn(self) -> bool:
        """Whether there is anything to see in all places."""
        return not self.clip.hidden.any()

    def look(self) -> None:
        """One call under both conditions, at the last but one timestep."""
        network = self.pipeline.unet
        clean = self.coder.encode(conditions.blanked(self.clip).to(network.device))
        sigma = float(self.levels[1])
        seen = (clean + sigma * self.noise[:1]) / math.sqrt(1 + sigma**2)
        if network.config.in_channels > self.coder.channels:
            cells = conditions.hidden_cells(self.clip, self.coder.factor).to(clean)
            seen = torch.cat([seen, cells, clean], 1)
        told = self.words.repeat_interleave(len(seen), 0)
        network(seen.repeat(2, 1, 1, 1).to(network.dtype), 1, encoder_hidden_states=told)


@contextmanager
def _agreeing(
    scheduler: Any,  # noqa: ANN401 - of diffusers
    mediation: Mediation,
    strength: float,
    coder: Autoencoder,
    schedule: Schedule,
) -> Iterator[None]:
    """While open, each step but the last starts from estimates that agree."""
    own = scheduler.step

    @wraps(own)  # pipelines look what it takes
    def step(output: Tensor, time: Any, sample: Tensor, *rest: Any, **more: Any) -> Any:  # noqa: ANN401 - as diffusers has it
        sigma = float(schedule.sigmas[int(time)])
        x = sample.float() * math.sqrt(1 + sigma**2)
        x0 = x0_from_output(output.float(), x, sigma, schedule.prediction)
        last = float(schedule.sigmas[int(scheduler.timesteps[-1])])
        agreed = mediated(_constant(x0), mediation, strength, codec=coder, last=last)(x, sigma)
        if agreed is not x0:
            output = _output(agreed, x, sigma, schedule.prediction).to(output.dtype)
        return own(output, time, sample, *rest, **more)

    scheduler.step = step
    try:
        yield
    finally:
        del scheduler.step


def _output(x0: Tensor, x: Tensor, sigma: float, prediction: Prediction) -> Tensor:
    """What a network would have said, had it thought of these clean latents."""
    if prediction == "epsilon":
        return (x - x0) / sigma
    if prediction == "v_prediction":
        variance = 1 + sigma**2
        return (x / variance - x0) * (math.sqrt(variance) / sigma)
    return x0


def _constant(x0: Tensor) -> Denoiser:
    return lambda x, sigma: x0
