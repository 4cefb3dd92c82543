"""Noise that moves with the picture and stays white.

A value is a pure function of (seed, frame of birth, cell of birth, channel), so noise is moved by
naming the cell it came from: nothing is interpolated, nothing is kept, and any frame of any chunk
can be drawn alone.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

FIXED: Final = -1
"""Frame of birth of cells that belong to the picture's frame, not to anything that moves."""
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_RANGE: Final = 1 << 20
"""Cells lie within this many of the middle of the numbering."""


def cells(
    places: NDArray[np.float32], births: NDArray[np.int64], index: int, factor: tuple[float, float]
) -> NDArray[np.int64]:
    """Names ``(h, w)`` of noise cells, no two alike.

    Args:
        places: ``(h, w, 2)`` where the middle of each cell was, in pixels (x, y), in the frame ...
        births: ``(h, w)`` ... with this index.
        index: of the frame that the cells are for; cells that come second get new noise.
        factor: pixels per cell, (x, y).
    """
    column, row = (
        np.floor((places[..., axis] + 0.5) / factor[axis]).astype(np.int64) for axis in (0, 1)
    )
    names = _named(births, row, column)
    first = np.zeros(names.size, np.bool_)
    first[np.unique(names, return_index=True)[1]] = True
    own_row, own_column = np.divmod(np.arange(names.size).reshape(names.shape), names.shape[1])
    own = _named(np.full_like(births, index), own_row, own_column)
    return np.where(first.reshape(names.shape), names, own)


def _named(
    births: NDArray[np.int64], row: NDArray[np.int64], column: NDArray[np.int64]
) -> NDArray[np.int64]:
    row, column = ((part + _RANGE // 2) % _RANGE for part in (row, column))
    return ((births + 1) * _RANGE + row) * _RANGE + column


def normals(names: NDArray[np.int64], channels: int, seed: int) -> NDArray[np.float32]:
    """Standard normal numbers ``(N, channels, h, w)`` for names ``(N, h, w)`` (Box and Muller)."""
    start = _mixed(np.array([seed % 2**64], np.uint64))[0]
    base = _mixed(names.astype(np.uint64) ^ start)[:, None]
    channel = np.arange(1, channels + 1, dtype=np.uint64)[:, None, None]
    state = _mixed(base + channel * _GOLDEN)
    radius = np.sqrt(-2 * np.log1p(-_uniform(state)))
    turn = 2 * np.pi * _uniform(_mixed(state ^ _GOLDEN))
    return np.asarray(radius * np.cos(turn), np.float32)


def _uniform(state: NDArray[np.uint64]) -> NDArray[np.float64]:
    """The upper 53 bits as a number in [0, 1)."""
    return np.asarray((state >> np.uint64(11)) * 2.0**-53)


def _mixed(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The output function of SplitMix64 (Steele, Lea and Flood 2014)."""
    state = state + _GOLDEN
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
