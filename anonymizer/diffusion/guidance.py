"""Guidance: closures around a denoiser. No sampler knows of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Final, Protocol

import torch
from torch import Tensor

if TYPE_CHECKING:
    from anonymizer.protocols import Denoiser

    Mediate = Callable[[Tensor, float], Tensor]
    """`(pictures, sigma) -> pictures`: what the frames agree on."""

LEAST_CHANGE: Final = 1 / 255
"""Frames that mediation moves nowhere as far as this, in pictures of [-1, 1], stay as they are."""


class Codec(Protocol):
    """Between pictures `(N, 3, H, W)` in about [-1, 1] and latents `(N, C, h, w)` of unit scale."""

    def encode(self, images: Tensor) -> Tensor:
        """Mode of the latents, scaled."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures, not clamped."""
        ...


def mediated(
    denoise: Denoiser, mediate: Mediate, strength: float, *, codec: Codec, last: float
) -> Denoiser:
    """Pull each estimate towards what the mediator says the frames agree on (MeDM, Eq. 6-9).

    With `y = decode(x0)` and the harmonized `g = mediate(y)`, the estimate becomes
    `x0 + strength * (encode(g) - encode(y))`: the loss of the autoencoder's round trip cancels, and
    nothing changes where `g` equals `y`. DDIM derives the noise from this estimate, so blending x0
    is blending the noise (Eq. 9).

    Args:
        denoise: estimates clean latents `(N, C, h, w)`.
        mediate: harmonizes pictures of all N frames together.
        strength: the paper's w in [0, 1]; 0 gives `denoise` itself back.
        codec: between latents and pictures.
        last: noise level of the last step, which is not mediated, nor any below it.
    """
    if strength == 0:
        return denoise

    def pulled(x: Tensor, sigma: float) -> Tensor:
        x0 = denoise(x, sigma)
        return x0 if sigma <= last else _harmonized(x0, sigma, mediate, strength, codec)

    return pulled


def _harmonized(
    x0: Tensor, sigma: float, mediate: Mediate, strength: float, codec: Codec
) -> Tensor:
    before = codec.decode(x0)
    after = mediate(before, sigma)
    moved = ~((after - before).abs().amax((1, 2, 3)) < LEAST_CHANGE)  # NaN counts as moved
    if not moved.any():
        return x0
    agreed, own = codec.encode(torch.cat([after[moved], before[moved]])).chunk(2)
    result = x0.clone()
    result[moved] += strength * (agreed - own)
    return result


def at_levels(levels: Collection[float], there: Denoiser, elsewhere: Denoiser) -> Denoiser:
    """One denoiser at these noise levels, another at all others."""

    def chosen(x: Tensor, sigma: float) -> Tensor:
        return (there if sigma in levels else elsewhere)(x, sigma)

    return chosen


def every_so_many(sigmas: Sequence[float], every: int) -> frozenset[float]:
    """Noise levels of each ``every``-th step, counted back from the last but one.

    What is agreed on there is hardly changed any more; that is why it is always among them.

    Args:
        sigmas: a descent, with its final 0.
        every: at least 1, which gives all levels but the last.
    """
    return frozenset(sigmas[:-2][::-1][::every])


def keep_known(denoise: Denoiser, known: Tensor, mask: Tensor) -> Denoiser:
    """Put the known latents back into every estimate.

    Args:
        denoise: estimates clean latents.
        known: clean latents, right where `mask` is 0.
        mask: broadcast against them; 1 where the estimate counts, 0 where the known latent does.
    """

    def kept(x: Tensor, sigma: float) -> Tensor:
        return torch.lerp(known, denoise(x, sigma), mask.to(known.dtype))

    return kept


def classifier_free(conditional: Denoiser, unconditional: Denoiser, scale: float) -> Denoiser:
    """Classifier-free guidance (Ho and Salimans 2022) on estimates of x0.

    At fixed x the noise is affine in x0, so this equals guidance on the noise.

    Args:
        conditional: told what is wanted.
        unconditional: told nothing, or what is not wanted.
        scale: 1 gives `conditional` itself back.
    """
    if scale == 1:
        return conditional

    def guided(x: Tensor, sigma: float) -> Tensor:
        base = unconditional(x, sigma)
        return base + scale * (conditional(x, sigma) - base)

    return guided


def instructed(
    conditional: Denoiser, shown: Denoiser, blind: Denoiser, scale: float, image_scale: float
) -> Denoiser:
    """Guidance by a text and by a picture (Brooks et al. 2023, Eq. 3) on estimates of x0.

    Args:
        conditional: told the text and shown the picture.
        shown: shown the picture only.
        blind: neither.
        scale: of the text.
        image_scale: of the picture.
    """

    def guided(x: Tensor, sigma: float) -> Tensor:
        nothing, picture, both = (each(x, sigma) for each in (blind, shown, conditional))
        return nothing + image_scale * (picture - nothing) + scale * (both - picture)

    return guided
