"""Samplers: pure functions `(denoise, x, sigmas) -> x`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from anonymizer.protocols import Denoiser


def sample_ddim(denoise: Denoiser, x: Tensor, sigmas: Sequence[float]) -> Tensor:
    """DDIM with eta = 0 (Song et al. 2021, Eq. 12), which is Euler's method in sigma.

    In the coordinates `x = x0 + sigma * noise` the step keeps the estimated clean latent and the
    estimated noise and lowers sigma. Exact, whatever the steps, when the denoiser knows the answer.

    Args:
        denoise: `(x, sigma) -> x0`.
        x: latents at noise level `sigmas[0]`.
        sigmas: decreasing; after a final 0 the last estimate is returned as it is.
    """
    for sigma, lower in pairwise(sigmas):
        x0 = denoise(x, sigma)
        x = x0 + (x - x0) * (lower / sigma)
    return x
