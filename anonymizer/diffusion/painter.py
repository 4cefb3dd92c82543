"""The networks and the loop they run in, shared by the replacers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anonymizer.diffusion import conditions
from anonymizer.diffusion.autoencoder import Autoencoder
from anonymizer.diffusion.guidance import at_levels, every_so_many, mediated
from anonymizer.diffusion.model import LatentModel
from anonymizer.diffusion.sampling import sample_ddim

if TYPE_CHECKING:
    from anonymizer.data import Clip
    from anonymizer.protocols import Denoiser, Mediation, Reference


@dataclass(frozen=True, slots=True, eq=False)
class Painter:
    """The networks, and the loop they run in."""

    model: LatentModel
    autoencoder: Autoencoder
    size: int
    """Side S of the crops."""
    coherence: float = 0.8
    """Strength of the mediation, the paper's w."""
    round_trip: Autoencoder | None = None
    """What mediation goes through inside the loop, if not ``autoencoder``: the same network in
    less precision. Both ends of a round trip lose the same, so little of it is seen."""
    every: int = 1
    """Mediation takes place in every so many steps, counted back from the last but one."""

    @property
    def device(self) -> torch.device:
        """Where the networks compute."""
        return self.model.device

    def encoded(self, images: Tensor) -> Tensor:
        """Latents, on the networks' device, of pictures (N, 3, S, S)."""
        return self.autoencoder.encode(images.to(self.device))

    def checked(self, clip: Clip) -> Clip:
        """The clip, if it has the painter's size."""
        if clip.size != self.size:
            raise ValueError(f"crops have {clip.size} pixels a side, this model wants {self.size}")
        return clip

    def serving(self, mediation: Mediation, count: int) -> Painter:
        """The same, giving the model `count` crops at once if the mediation wants them together."""
        if not mediation.together:
            return self
        batch = max(count, self.model.batch)
        return replace(self, model=replace(self.model, batch=batch, least=count))

    def reference(
        self, denoise: Denoiser, latents: Tensor, noise: Tensor, *, drawn: bool
    ) -> Reference:
        """What mediators of features may look at.

        Args:
            denoise: the model as it will be used, before any mediation.
            latents: (N, C, h, w) of pictures that show nothing of what is inside protected areas.
            noise: (N, C, h, w); that of the first crop is given to all.
            drawn: whether the pictures show a drawn face there.
        """
        return Sanitised(denoise, latents, noise, self.model.schedule.sigmas.numpy(), drawn)

    def agreed(self, denoise: Denoiser, mediation: Mediation, sigmas: Sequence[float]) -> Denoiser:
        """The denoiser with mediation in every so many steps, but never in the last."""
        codec = self.round_trip or self.autoencoder
        agreed = mediated(denoise, mediation, self.coherence, codec=codec, last=sigmas[-2])
        return at_levels(every_so_many(sigmas, self.every), agreed, denoise)

    def painted(
        self,
        denoise: Denoiser,
        x: Tensor,
        sigmas: Sequence[float],
        mediation: Mediation,
        reference: Reference | None = None,
    ) -> NDArray[np.uint8]:
        """Crops (N, S, S, 3) sampled from latents `x` at noise level `sigmas[0]`."""
        with mediation.attach(self.model.network, reference):
            latents = sample_ddim(denoise, x, sigmas)
        return conditions.images(self.autoencoder.decode(latents))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Sanitised:
    """The model before pictures without faces, or with drawn ones: a `Reference`."""

    denoise: Denoiser
    latents: Tensor
    """(N, C, h, w), clean."""
    noise: Tensor
    """(N, C, h, w), of which the first is used: pictures that are alike must be seen alike."""
    levels: NDArray[np.float64]
    drawn: bool

    def look(self) -> None:
        """Estimate the latents at the last but one timestep, where hardly any noise is left."""
        sigma = float(self.levels[1])
        self.denoise(self.latents + sigma * self.noise[:1].to(self.latents.device), sigma)


def source(clip: Clip) -> Tensor:
    """The new crops' ORIGINAL pixels (N, 3, S, S): whoever calls this gives up non-interference."""
    return conditions.pictures(clip.pixels[clip.lead :])
