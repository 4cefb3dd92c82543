"""Features that agree along flow and keep their frame's structure (FRESCO, feature optimization).

Everything is float32, in closed form and outside of autograd, so it runs in any gradient mode.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from mediators._difference import Differences
from mediators._likeness import Likeness

_BETAS: Final = (0.9, 0.999)
_EPSILON: Final = 1e-8
_VARIANCE: Final = 1e-5
"""Added to variances."""


@dataclass(frozen=True, slots=True)
class Descent:
    """How features are optimised."""

    iterations: int = 20
    rate: float = 0.2
    """Length of a step of Adam."""
    temporal: float = 2.0
    """Weight of the differences along flow."""
    spatial: float = 100.0
    """Weight of the differences in likeness."""
    least: float = 1e-3
    """Weighted losses below this are left alone: Adam would follow the sign of rounding."""


def optimised(
    features: Tensor,
    differences: Differences | None,
    likeness: Likeness | None,
    region: Tensor,
    how: Descent,
) -> Tensor:
    """Features that were led downhill, with their means and spreads restored.

    Args:
        features: ``(B, C, h, w)`` of any float type, N frames under each of B / N conditions.
        differences: along flow, among the N frames; None for no such loss.
        likeness: of the B frames; None for no such loss.
        region: ``(N, n)`` bool, the tokens that may change; means and spreads are theirs.
        how: steps and weights.

    Returns:
        A new tensor like ``features``, the same bits outside of the region; or ``features`` itself
        where there is nothing to do.
    """
    own = features.detach().flatten(2).transpose(1, 2).float().contiguous()
    free = region.repeat(len(own) // len(region), 1)[..., None]

    def slope(z: Tensor) -> tuple[float, Tensor]:
        loss, gradient = _losses(z, differences, likeness, len(region), how)
        return loss, gradient.mul_(free)

    best = descended(own, slope, how)
    if best is own:
        return features
    restored = torch.where(free, _restored(best, own, free), own)
    return restored.transpose(1, 2).reshape(features.shape).to(features.dtype)


def _losses(
    z: Tensor,
    differences: Differences | None,
    likeness: Likeness | None,
    frames: int,
    how: Descent,
) -> tuple[float, Tensor]:
    """The weighted sum of both losses at ``(B, n, C)``, and its gradient."""
    total, gradient = 0.0, torch.zeros_like(z)
    if likeness is not None:
        loss, slope = likeness.loss(z)
        total += how.spatial * loss
        gradient.add_(slope, alpha=how.spatial)
    if differences is not None:
        groups = z.view(-1, frames * z.shape[1], z.shape[2])
        for at, group in enumerate(groups):
            loss, slope = differences.loss(group)
            share = how.temporal / len(groups)
            total += share * loss
            gradient.view_as(groups)[at].add_(slope, alpha=share)
    return total, gradient


def descended(
    start: Tensor, slope: Callable[[Tensor], tuple[float, Tensor]], how: Descent
) -> Tensor:
    """The best of the places that Adam (Kingma and Ba 2015) visits; ``start`` itself if near."""
    loss, gradient = slope(start)
    if not loss >= how.least:
        return start
    best, lowest, z = start, loss, start.clone()
    mean, square = torch.zeros_like(z), torch.zeros_like(z)
    for step in range(1, how.iterations + 1):
        mean.lerp_(gradient, 1 - _BETAS[0])
        square.mul_(_BETAS[1]).addcmul_(gradient, gradient, value=1 - _BETAS[1])
        spread = (square / (1 - _BETAS[1] ** step)).sqrt_().add_(_EPSILON)
        z.addcdiv_(mean, spread, value=-how.rate / (1 - _BETAS[0] ** step))
        loss, gradient = slope(z)
        if loss < lowest:
            best, lowest = z.clone(), loss
    return best


def _restored(z: Tensor, own: Tensor, free: Tensor) -> Tensor:
    """``z`` (B, n, C) with the mean and spread of ``own`` in each channel, over free tokens.

    The only free token of a frame gets back what it had.
    """
    count = free.sum(1, keepdim=True)
    (centre, spread), (wanted, width) = (_moments(values, free, count) for values in (z, own))
    return (z - centre) / spread * width + wanted


def _moments(values: Tensor, free: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and spread (B, 1, C) over free tokens."""
    mean = (values * free).sum(1, keepdim=True) / count.clamp_min(1)
    square = ((values - mean) ** 2 * free).sum(1, keepdim=True)
    return mean, (square / (count - 1).clamp_min(1) + _VARIANCE).sqrt()
