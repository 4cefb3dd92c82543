"""The film mirrored over the edge of what is hidden of it, stretched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

TURNED: Final = 0.2
"""The film at a depth d in the blank is that at so many d before it: hair is often a thin strip."""
CLEAR: Final = 1.0
"""Pixels by which what is mirrored is farther outside, so that nothing hidden is mixed in."""
DEPTH: Final = (0.12, 0.25)
"""Depths, as shares of S, from which what is mirrored fades, and at which it is gone."""
ROOTS: Final = (0.07, 0.11)
"""The same above the middle of a face, where strands would point away from it."""
AROUND: Final = 1 / 64
"""How far around a place, as a share of S, others say whether the film is known there."""
MOST: Final = (0.5, 0.9)
"""Shares of them that must be known to trust what is mirrored, and to trust it wholly."""
SURE: Final = 0.99
"""Share of known pixels from which a mirrored one is known."""


@dataclass(frozen=True, slots=True, eq=False)
class Reflection:
    """Where the film goes on from, inside what is hidden of it."""

    columns: Array
    rows: Array
    """(S, S) the place outside that is seen at each place inside."""
    depth: Array
    """(S, S) how far inside that is, in pixels; 0 outside."""
    trust: Array
    """(S, S) in [0, 1], less deep inside and where some of what is mirrored is hidden, too; 0 where
    that place is."""

    @classmethod
    def over(cls, hidden: NDArray[np.bool_], upper: Array) -> Reflection:
        """The mirror along the edge of what is hidden (S, S), of roots where it is `upper`."""
        size = len(hidden)
        distance = cv2.distanceTransform(hidden.astype(np.uint8), cv2.DIST_L2, 5)
        depth = np.asarray(np.minimum(distance, size), np.float32)  # without an edge there is none
        smooth = cv2.GaussianBlur(depth, (0, 0), size / 64)
        across = np.asarray(cv2.Sobel(smooth, cv2.CV_32F, 1, 0, ksize=3), np.float32)
        down = np.asarray(cv2.Sobel(smooth, cv2.CV_32F, 0, 1, ksize=3), np.float32)
        back = (depth * (1 + TURNED) + CLEAR) / np.maximum(np.hypot(across, down), 1e-3)
        row, column = np.indices(hidden.shape)
        columns = np.asarray(column - across * back, np.float32)
        rows = np.asarray(row - down * back, np.float32)
        known = _remapped((~hidden).astype(np.float32), columns, rows) > SURE
        around = cv2.GaussianBlur(known.astype(np.float32), (0, 0), AROUND * size)
        faded = rise(depth / size, DEPTH)
        faded += upper * (rise(depth / size, ROOTS) - faded)
        trust = hidden * known * rise(around, MOST) * (1 - faded)
        return cls(columns, rows, depth, trust.astype(np.float32))

    def picture(self, seen: Array) -> Array:
        """A picture (s, s) or (s, s, C) in the mirror; a smaller one is as much smaller inside."""
        step = -(-len(self.depth) // len(seen))
        columns, rows = (
            np.asarray(axis[::step, ::step] / step, np.float32)
            for axis in (self.columns, self.rows)
        )
        return _remapped(seen, columns, rows)


def _remapped(picture: Array, columns: Array, rows: Array) -> Array:
    mirrored = cv2.remap(picture, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(mirrored, np.float32)


def rise(values: NDArray[np.floating], between: tuple[float, float]) -> Array:
    """From 0 to 1 between two values."""
    low, high = between
    return np.asarray(((values - low) / (high - low)).clip(0, 1), np.float32)
