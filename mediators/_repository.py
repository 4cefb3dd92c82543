"""Harmonization: every pixel becomes the mean of the pixels with its id (MeDM, Eq. 1-3).

Sums are integers: estimates are scaled by a power of two that cannot overflow and rounded, so the
result is the same bit for bit in any order, on any device and with any number of threads, and a
window can slide by adding and subtracting. On one CPU thread this costs what float sums cost.
The 31 bits are shared by value and count; where more than 64 pixels share an id, 63 are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Average = Literal["mean", "median"]
"""What a trajectory agrees on: the mean, or the middle value of each channel, which no outlier
moves."""

_MANY: Final = 64
"""Up to so many float32 values of full precision can be added in 31 bits."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Anchor:
    """Values that ids are drawn to after averaging."""

    values: Tensor
    """``(M, 3)`` float32 of ids 0 to M - 1."""
    weights: Tensor
    """``(N, M)`` float32 in [0, 1]: share of the anchor in the value of an id in frame n."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Members:
    """The P active pixels of one crop."""

    places: Tensor
    """``(P,)`` indices into (S, S), increasing."""
    ids: Tensor
    """``(P,)``."""
    alone: Tensor
    """Those of the P that share their id with no other pixel of the chunk."""

    def to(self, device: torch.device) -> Members:
        """The same on a device."""
        return Members(self.places.to(device), self.ids.to(device), self.alone.to(device))

    def read(self, plane: Tensor) -> Tensor:
        """Their values ``(P,)`` in a plane ``(S, S)``, as float32."""
        flat = plane.reshape(-1)
        whole = len(self.places) == len(flat)
        return (flat if whole else flat.index_select(0, self.places)).float()

    def write(self, plane: Tensor, values: Tensor) -> None:
        """Put values ``(P,)`` into a contiguous plane ``(S, S)``."""
        plane.view(-1).index_copy_(0, self.places, values.to(plane.dtype))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Repository:
    """Which pixels of N crops belong together: the plan of a chunk."""

    frames: tuple[Members, ...]
    counts: Tensor
    """``(K,)`` pixels of every id; 0 for ids that only the boundary frame shows."""
    largest: int
    """Of the counts."""

    @classmethod
    def of(cls, ids: NDArray[np.int32], count: int) -> Self:
        """The plan for ids ``(N, S, S)`` below ``count``, negative where inactive."""
        rows = ids.reshape(len(ids), -1)
        counts = np.bincount(ids[ids >= 0], minlength=count)
        return cls(
            frames=tuple(_members(row, counts) for row in rows),
            counts=torch.from_numpy(counts),
            largest=int(counts.max(initial=1)),
        )

    def to(self, device: torch.device) -> Repository:
        """The same plan on a device."""
        frames = tuple(frame.to(device) for frame in self.frames)
        return Repository(frames, self.counts.to(device), self.largest)

    def harmonize(
        self,
        x0: Tensor,
        *,
        window: int | None = None,
        anchor: Anchor | None = None,
        average: Average = "mean",
    ) -> Tensor:
        """Means, or medians, along trajectories.

        Args:
            x0: ``(N, 3, S, S)`` of any float type; sums do not depend on it.
            window: number of frames that a mean may span, centred; None for all. Medians span all.
            anchor: values to draw the means to.
            average: mean or median.

        Returns:
            A new tensor like ``x0``. Inactive pixels keep their bits, and so do those that share
            their id with no other unless they are anchored.

        Raises:
            FloatingPointError: if an active pixel is not finite.
        """
        result = x0.clone(memory_format=torch.contiguous_format)
        for channel in range(x0.shape[1]):
            own = [part.read(x0[n, channel]) for n, part in enumerate(self.frames)]
            if average == "median":
                means = self._middle(own)
            else:
                means = self._overall(own) if window is None else self._sliding(own, window)
            for n, values in enumerate(means):
                if anchor is not None:
                    _draw(values, self.frames[n].ids, anchor, n, channel)
                self.frames[n].write(result[n, channel], values)
        return result

    def _overall(self, own: list[Tensor]) -> Iterator[Tensor]:
        """New values of each frame's members: means over all frames."""
        fixed = _Fixed.of(own, self.largest)
        sums = fixed.zeros(self.counts)
        for part, values in zip(self.frames, own, strict=True):
            sums.scatter_add_(0, part.ids, fixed.of_floats(values))
        mean = fixed.mean(sums, self.counts)
        for part, values in zip(self.frames, own, strict=True):
            new = mean.index_select(0, part.ids)
            new[part.alone] = values[part.alone]
            yield new

    def _middle(self, own: list[Tensor]) -> Iterator[Tensor]:
        """The same with medians; of an even number of values the mean of the middle two."""
        values, ids = torch.cat(own), torch.cat([part.ids for part in self.frames])
        _Fixed.of(own, self.largest)  # refuses what is not finite
        values, order = values.sort()
        values = values[ids[order].argsort(stable=True)]
        first = self.counts.cumsum(0) - self.counts
        last = max(len(values) - 1, 0)
        low, high = ((first + (self.counts - odd) // 2).clamp(0, last) for odd in (1, 0))
        for part in self.frames:
            below, above = (values[at[part.ids]] for at in (low, high))
            yield torch.where(below == above, below, (below + above) / 2)

    def _sliding(self, own: list[Tensor], window: int) -> Iterator[Tensor]:
        """The same over the frames of a window around each; sums slide exactly."""
        fixed = _Fixed.of(own, self.largest)
        sums, counts = fixed.zeros(self.counts), torch.zeros_like(self.counts)

        def slide(n: int, sign: int) -> None:
            ids = self.frames[n].ids
            sums.scatter_add_(0, ids, sign * fixed.of_floats(own[n]))
            counts.scatter_add_(0, ids, torch.full_like(ids, sign))

        entered = 0
        for n, part in enumerate(self.frames):
            first = n - window // 2
            if first > 0:
                slide(first - 1, -1)
            for entering in range(entered, min(first + window, len(own))):
                slide(entering, 1)
                entered = entering + 1
            mean = fixed.mean(sums, counts).index_select(0, part.ids)
            yield torch.where(counts.index_select(0, part.ids) == 1, own[n], mean)


@dataclass(frozen=True, slots=True)
class _Fixed:
    """Integers that stand for floats."""

    scale: float
    """A power of two."""
    dtype: torch.dtype

    @classmethod
    def of(cls, own: list[Tensor], largest: int) -> Self:
        """The finest scale at which ``largest`` of the values can be added without overflow."""
        filled = [torch.stack(torch.aminmax(values)) for values in own if len(values)]
        peak = float(torch.stack(filled).abs().max()) if filled else 0.0
        if not math.isfinite(peak):
            raise FloatingPointError("an estimate to harmonize is not finite; it was not used")
        bits = math.frexp(peak * largest)[1]
        if largest > _MANY:
            return cls(math.ldexp(1, min(62 - bits, 200)), torch.int64)
        return cls(math.ldexp(1, min(30 - bits, 100)), torch.int32)

    def zeros(self, like: Tensor) -> Tensor:
        return torch.zeros_like(like, dtype=self.dtype)

    def of_floats(self, values: Tensor) -> Tensor:
        wide = values.double() if self.dtype == torch.int64 else values
        return (wide * self.scale).round_().to(self.dtype)

    def mean(self, sums: Tensor, counts: Tensor) -> Tensor:
        """Sums over counts in double precision, rounded once to float32."""
        return (sums.double() / counts.clamp(min=1)).div_(self.scale).float()


def _members(row: NDArray[np.int32], counts: NDArray[np.int64]) -> Members:
    places = np.flatnonzero(row >= 0)
    ids = row[places].astype(np.int64)
    alone = np.flatnonzero(counts[ids] == 1)
    return Members(torch.from_numpy(places), torch.from_numpy(ids), torch.from_numpy(alone))


def _draw(values: Tensor, ids: Tensor, anchor: Anchor, n: int, channel: int) -> None:
    """Move the values of anchored ids towards their anchors, in place."""
    at = torch.nonzero(ids < len(anchor.values)).squeeze(1)
    known = ids[at]
    values[at] = values[at].lerp(anchor.values[known, channel], anchor.weights[n, known])
