"""The autoencoder between pictures and latents, whatever class of diffusers it is."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own name for it
from diffusers import AutoencoderKL, AutoencoderTiny
from torch import Tensor

from anonymizer.diffusion.memory import Batches


@dataclass(frozen=True, slots=True, eq=False)
class Autoencoder:
    """Pictures `(N, 3, H, W)` float32 in about [-1, 1] to latents of unit scale and back.

    A network with 3 k^2 input channels sees squares of k x k pixels as channels, in the order of
    `torch.nn.functional.pixel_unshuffle`.
    """

    network: AutoencoderKL | AutoencoderTiny
    batch: int = 16
    """Pictures given to the network at once, as long as memory allows."""
    side_by_side: bool = False
    """Whether such batches are computed at the same time: small networks on processors."""
    batches: Batches = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "batches", Batches(self.batch, side_by_side=self.side_by_side))

    @property
    def unshuffle(self) -> int:
        """Side k of the square of pixels that one input position holds."""
        return math.isqrt(self.network.config.in_channels // 3)

    @property
    def factor(self) -> int:
        """Pixels along one side of a latent cell."""
        config = self.network.config
        widths = getattr(config, "block_out_channels", None) or config.encoder_block_out_channels
        return int(self.unshuffle * 2 ** (len(widths) - 1))

    @property
    def channels(self) -> int:
        """C, the channels of a latent."""
        return int(self.network.config.latent_channels)

    def encode(self, images: Tensor) -> Tensor:
        """Latents (N, C, h, w) float32: the mode of their distribution, never a sample."""
        return self._batched(self._encode, images)

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures (N, 3, H, W) float32, not clamped."""
        return self._batched(self._decode, latents)

    def _batched(self, function: Callable[[Tensor], Tensor], values: Tensor) -> Tensor:
        return self.batches.run(lambda part: function(values[part]), len(values))

    def unscaled(self, latents: Tensor) -> Tensor:
        """Latents as the network itself has them, which InstructPix2Pix is shown."""
        centre, spread = self._scale(latents.device)
        raw: Tensor = latents * spread + centre
        return raw

    def _encode(self, images: Tensor) -> Tensor:
        folded = F.pixel_unshuffle(images, self.unshuffle).to(self.network.dtype)
        coded = self.network.encode(folded)
        if isinstance(self.network, AutoencoderTiny):
            latents = coded.latents
        else:
            latents = coded.latent_dist.mode()
        centre, spread = self._scale(images.device)
        scaled: Tensor = (latents.float() - centre) / spread
        return scaled

    def _decode(self, latents: Tensor) -> Tensor:
        raw = self.unscaled(latents).to(self.network.dtype)
        return F.pixel_shuffle(self.network.decode(raw).sample.float(), self.unshuffle)

    def _scale(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Centre and spread (1, C, 1, 1) of raw latents."""
        config = self.network.config

        def column(values: Sequence[float] | None, default: float) -> Tensor:
            return torch.tensor(values or [default], device=device).view(1, -1, 1, 1)

        centre = column(getattr(config, "latents_mean", None), 0.0)
        return centre, column(getattr(config, "latents_std", None), 1.0) / config.scaling_factor
