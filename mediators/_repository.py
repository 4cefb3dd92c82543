"""Harmonization: every pixel becomes the mean of the pixels with its id (MeDM, Eq. 1-3).

Sums are integers: estimates are scaled by a power of two that cannot overflow and rounded, so the
result is the same bit for bit in any order, on any device and with any number of threads, and a
window can slide by adding and subtracting. On one CPU thread this costs what float sums cost.
The 31 bits are shared by value and count; where more than 64 pixels share an id, 63 are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_MANY: Final = 64
"""Up to so many float32 values of full precision can be added in 31 bits."""


@dataclass(frozen=True, slots=True, eq=False)
class Anchor:
    """Values that ids are drawn to after averaging."""

    values: Tensor
    """``(M, 3)`` float32 of ids 0 to M - 1."""
    weights: Tensor
    """``(N, M)`` float32 in [0, 1]: share of the anchor in the value of an id in frame n."""


@dataclass(frozen=True, slots=True, eq=False)
class Repository:
    """Which pixels of N crops belong together: P active pixels with K ids."""

    members: Tensor
    """``(P,)`` indices of the active pixels into (N, S, S), increasing."""
    ids: Tensor
    """``(P,)`` their ids."""
    counts: Tensor
    """``(K,)`` pixels of every id; 0 for ids that only the boundary frame shows."""
    alone: Tensor
    """Members that share their id with no other, increasing."""
    bounds: tuple[int, ...]
    """Members of frame n are those from ``bounds[n]`` to ``bounds[n + 1]``."""
    largest: int
    """Of the counts."""
    side: int
    """S."""

    @classmethod
    def of(cls, ids: NDArray[np.int32], count: int) -> Self:
        """The plan for ids ``(N, S, S)`` below ``count``, negative where inactive."""
        flat = ids.ravel()
        members = np.flatnonzero(flat >= 0)
        own = flat[members].astype(np.int64)
        counts = np.bincount(own, minlength=count)
        ends = np.searchsorted(members, np.arange(len(ids) + 1) * ids[0].size)
        return cls(
            members=torch.from_numpy(members),
            ids=torch.from_numpy(own),
            counts=torch.from_numpy(counts),
            alone=torch.from_numpy(np.flatnonzero(counts[own] == 1)),
            bounds=tuple(ends.tolist()),
            largest=int(counts.max(initial=0)),
            side=ids.shape[-1],
        )

    def to(self, device: torch.device) -> Repository:
        """The same plan on a device."""
        return Repository(
            members=self.members.to(device),
            ids=self.ids.to(device),
            counts=self.counts.to(device),
            alone=self.alone.to(device),
            bounds=self.bounds,
            largest=self.largest,
            side=self.side,
        )

    def harmonize(
        self, x0: Tensor, *, window: int | None = None, anchor: Anchor | None = None
    ) -> Tensor:
        """Means along trajectories.

        Args:
            x0: ``(N, 3, S, S)`` of any float type; sums do not depend on it.
            window: number of frames that a mean may span, centred; None for all.
            anchor: values to draw the means to.

        Returns:
            A new tensor like ``x0``. Inactive pixels keep their bits, and so do those that share
            their id with no other unless they are anchored.

        Raises:
            FloatingPointError: if an active pixel is not finite.
        """
        result = x0.clone()
        for channel in range(x0.shape[1]):
            plane = x0[:, channel].reshape(-1)
            whole = len(self.members) == len(plane)
            own = (plane if whole else plane.index_select(0, self.members)).float()
            values = self._means(own) if window is None else self._windowed(own, window)
            if anchor is not None:
                self._draw(values, anchor, channel)
            values = values.to(x0.dtype)
            changed = values if whole else plane.index_copy(0, self.members, values)
            result[:, channel] = changed.view(-1, self.side, self.side)
        return result

    def _means(self, own: Tensor) -> Tensor:
        fixed, scale = self._fixed(own)
        sums = fixed.new_zeros(len(self.counts)).scatter_add_(0, self.ids, fixed)
        values = _mean(sums, self.counts, scale).index_select(0, self.ids)
        values[self.alone] = own[self.alone]
        return values

    def _windowed(self, own: Tensor, window: int) -> Tensor:
        """Means over the frames at most about half a window away; sums slide exactly."""
        fixed, scale = self._fixed(own)
        sums, counts = fixed.new_zeros(len(self.counts)), torch.zeros_like(self.counts)
        ones, values = torch.ones_like(self.ids), own.clone()
        frames, entered = len(self.bounds) - 1, 0
        for n in range(frames):
            stop = min(frames, n - window // 2 + window)
            for at, sign in ((entered, 1), (n - window // 2 - 1, -1)):
                for frame in range(at, stop) if sign > 0 else (at,) * (at >= 0):
                    part = self._frame(frame)
                    sums.scatter_add_(0, self.ids[part], sign * fixed[part])
                    counts.scatter_add_(0, self.ids[part], sign * ones[part])
            entered, part = stop, self._frame(n)
            mean = _mean(sums, counts, scale).index_select(0, self.ids[part])
            lonely = counts.index_select(0, self.ids[part]) == 1
            values[part] = torch.where(lonely, own[part], mean)
        return values

    def _frame(self, n: int) -> slice:
        return slice(self.bounds[n], self.bounds[n + 1])

    def _fixed(self, own: Tensor) -> tuple[Tensor, float]:
        """Values times a power of two as integers whose sums cannot overflow, and that power."""
        peak = float(own.abs().max()) if len(own) else 0.0
        if not math.isfinite(peak):
            raise FloatingPointError("an estimate to harmonize is not finite; it was not used")
        bits = math.frexp(peak * max(self.largest, 1))[1]
        if self.largest > _MANY:
            scale = math.ldexp(1, min(62 - bits, 200))
            return (own.double() * scale).round_().long(), scale
        scale = math.ldexp(1, min(30 - bits, 100))
        return (own * scale).round_().int(), scale

    def _draw(self, values: Tensor, anchor: Anchor, channel: int) -> None:
        """Move the values of anchored ids towards their anchors, in place."""
        for n in range(len(self.bounds) - 1):
            part = self._frame(n)
            ids = self.ids[part]
            at = torch.nonzero(ids < len(anchor.values)).squeeze(1)
            known = ids[at]
            old, goal = values[part][at], anchor.values[known, channel]
            values[part][at] = old + anchor.weights[n, known] * (goal - old)


def _mean(sums: Tensor, counts: Tensor, scale: float) -> Tensor:
    """Sums over counts in double precision, rounded once to float32."""
    return (sums.double() / counts.clamp(min=1) / scale).float()
