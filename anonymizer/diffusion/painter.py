"""The networks and the loop they run in, shared by the replacers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from numpy.typing import NDArray
from torch import Tensor

from anonymizer.diffusion import conditions
from anonymizer.diffusion.autoencoder import Autoencoder
from anonymizer.diffusion.guidance import mediated
from anonymizer.diffusion.model import LatentModel
from anonymizer.diffusion.sampling import sample_ddim

if TYPE_CHECKING:
    import numpy as np

    from anonymizer.data import Clip
    from anonymizer.protocols import Denoiser, Mediation


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

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return torch.device(self.model.network.device)

    def encoded(self, images: Tensor) -> Tensor:
        """Latents, on the networks' device, of pictures (N, 3, S, S)."""
        return self.autoencoder.encode(images.to(self.device))

    def checked(self, clip: Clip) -> Clip:
        """The clip, if it has the painter's size."""
        if clip.size != self.size:
            raise ValueError(f"crops have {clip.size} pixels a side, this model wants {self.size}")
        return clip

    def agreed(self, denoise: Denoiser, mediation: Mediation, sigmas: Sequence[float]) -> Denoiser:
        """The denoiser with mediation in all steps but the last."""
        codec = self.round_trip or self.autoencoder
        return mediated(denoise, mediation, self.coherence, codec=codec, last=sigmas[-2])

    def painted(
        self, denoise: Denoiser, x: Tensor, sigmas: Sequence[float], mediation: Mediation
    ) -> NDArray[np.uint8]:
        """Crops (N, S, S, 3) sampled from latents `x` at noise level `sigmas[0]`."""
        with mediation.attach(self.model.network):
            latents = sample_ddim(denoise, x, sigmas)
        return conditions.images(self.autoencoder.decode(latents))


def source(clip: Clip) -> Tensor:
    """The new crops' ORIGINAL pixels (N, 3, S, S): whoever calls this gives up non-interference."""
    return conditions.pictures(clip.pixels[clip.lead :])
