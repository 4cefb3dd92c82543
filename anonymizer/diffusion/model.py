"""One adapter for all denoising networks: `(x, sigma, condition) -> x0`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from diffusers import ControlNetModel, UNet2DConditionModel, UNet2DModel
from torch import Tensor

from anonymizer.diffusion.memory import Batches
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
    pooled: Tensor | None = None
    """(1, P) summary of the text, for networks that are told it and the size (SDXL)."""
    size: tuple[int, int] = (0, 0)
    """(height, width) in pixels, told together with `pooled`."""
    control: Tensor | None = None
    """(N, 3, H, W) in [0, 1] what a ControlNet is shown."""
    picture: Tensor | None = None
    """(1, 1, D) or (1, 1, L, D) what an image encoder says of the picture that an IP-Adapter takes
    as an example, the same for every frame."""

    def part(self, frames: slice) -> Condition:
        """The condition of some of the frames."""
        channels, control = (
            None if each is None else each[frames] for each in (self.channels, self.control)
        )
        return replace(self, channels=channels, control=control)

    def words(self, like: Tensor) -> dict[str, Any]:
        """Keywords that tell a network the text, for as many frames and in the type of `like`."""
        count = len(like)
        told: dict[str, Any] = {}
        added: dict[str, Any] = {}

        def for_each(values: Tensor) -> Tensor:
            return values.to(like.dtype).expand(count, *values.shape[1:])

        if self.text is not None:
            told["encoder_hidden_states"] = for_each(self.text)
        if self.pooled is not None:
            place = [*self.size, 0, 0, *self.size]  # of the picture, its corner, and the target
            added["text_embeds"] = for_each(self.pooled)
            added["time_ids"] = for_each(torch.tensor([place], device=like.device))
        if self.picture is not None:
            added["image_embeds"] = [for_each(self.picture)]
        return told | ({"added_cond_kwargs": added} if added else {})


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Control:
    """A network beside the denoiser that steers it by pictures (Zhang et al. 2023)."""

    network: ControlNetModel
    scale: float = 1.0


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
    """Frames given to the network at once, as long as memory allows."""
    least: int = 1
    """Frames that a call may not be cut below, should memory run out."""
    control: Control | None = None
    works_on: torch.device | None = None
    """Where it computes, if that is not where its weights are."""
    side_by_side: bool = False
    """Whether batches are computed at the same time: small networks on processors."""
    batches: Batches = field(init=False)

    def __post_init__(self) -> None:
        batches = Batches(self.batch, self.least, side_by_side=self.side_by_side)
        object.__setattr__(self, "batches", batches)

    @property
    def halvings(self) -> int:
        """What latents' sides should be a multiple of: the network halves them on its way down."""
        return int(2 ** (len(self.network.config.block_out_channels) - 1))

    @property
    def device(self) -> torch.device:
        """Where its inputs have to be."""
        return self.works_on or torch.device(self.network.device)

    def __call__(self, x: Tensor, sigma: float, condition: Condition) -> Tensor:
        """Estimate of the clean latents (N, C, h, w) float32 of noisy ones at one noise level."""
        time = round(timestep_from_sigma(self.schedule.sigmas, sigma))
        return self.batches.run(
            lambda part: self._estimate(x[part], sigma, time, condition.part(part)), len(x)
        )

    def given(self, condition: Condition) -> Denoiser:
        """The denoiser under one condition."""
        return partial(_under, self, condition)

    def _estimate(self, x: Tensor, sigma: float, time: int, condition: Condition) -> Tensor:
        seen = (x / math.sqrt(1 + sigma**2)).to(self.network.dtype)
        told = condition.words(seen)
        if self.control is not None and condition.control is not None:
            told |= _steered(self.control, seen, time, condition.control, told)
        if condition.channels is not None:
            seen = torch.cat([seen, condition.channels.to(seen.dtype)], 1)
        output = self.network(seen, time, **told).sample.float()
        return x0_from_output(output, x, sigma, self.schedule.prediction)


def _steered(
    control: Control, seen: Tensor, time: int, shown: Tensor, told: dict[str, Any]
) -> dict[str, Any]:
    """Keywords that hand what a ControlNet says to the denoiser."""
    down, middle = control.network(
        seen,
        time,
        controlnet_cond=shown.to(seen.dtype),
        conditioning_scale=control.scale,
        return_dict=False,
        **told,
    )
    return {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}


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
