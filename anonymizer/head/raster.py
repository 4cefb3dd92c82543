"""A depth-buffered triangle rasteriser in plain NumPy.

Triangles become rows, rows become runs of pixels, and the nearest fragment of each pixel wins:
three expansions with `np.repeat`, no loop over triangles. Orthographic, so everything is linear in
the picture and no perspective correction is needed.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

SAMPLES: Final = 2
"""Samples per pixel along each axis (`_pool` is written for 2)."""
ONES: Final = np.ones(3, np.float32)
"""`values @ ONES` adds up channels, many times faster than a sum along so short an axis."""


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """The visible fragments of a picture, one for each pixel that is covered."""

    pixel: NDArray[np.intp]
    """(F,) flat pixel index `y * size + x`, increasing."""
    triangle: NDArray[np.intp]
    """(F,) index of the triangle seen there."""
    weights: NDArray[np.float32]
    """(F, 3) barycentric weights of its corners at the pixel's centre."""


Array = NDArray[np.float64]
Floats = NDArray[np.float32]
Indices = NDArray[np.intp]
Runs = tuple[Indices, Indices, Indices]


def _expand(counts: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Owner of each item and its number within the owner, for `counts[i]` items of owner i."""
    owner = np.repeat(np.arange(len(counts)), counts)
    first = np.cumsum(counts) - counts
    return owner, np.arange(len(owner)) - first[owner]


def _edges(x: Array, y: Array) -> Array:
    """Barycentric weights as planes: `a x + b y + c` by [coefficient, corner, triangle]."""
    after, last = [1, 2, 0], [2, 0, 1]
    a = y[after] - y[last]
    b = x[last] - x[after]
    c = x[after] * y[last] - x[last] * y[after]
    planes = np.stack([a, b, c])
    return np.asarray(planes / (c[0] + c[1] + c[2]))


def _runs(y: Array, edges: Array, size: int) -> Runs:
    """Runs of pixels inside the triangles as (triangle, flat index of the first pixel, length)."""
    low = np.minimum(np.minimum(y[0], y[1]), y[2])
    high = np.maximum(np.maximum(y[0], y[1]), y[2])
    top = np.clip(np.ceil(low), 0, size).astype(np.intp)
    bottom = np.clip(np.floor(high) + 1, 0, size).astype(np.intp)
    owner, step = _expand(np.maximum(bottom - top, 0))
    row = top[owner] + step
    left, right = np.zeros(len(owner)), np.full(len(owner), size - 1.0)
    for a, b, c in edges.swapaxes(0, 1):
        steep = abs(a) > 1e-12
        slope = np.where(steep, a, 1.0)
        cut = np.take(-b / slope, owner) * row + np.take(-c / slope, owner)
        left = np.maximum(left, np.where(np.take(steep & (a > 0), owner), cut - 1e-7, 0.0))
        right = np.minimum(right, np.where(np.take(steep & (a < 0), owner), cut + 1e-7, size))
    start = np.ceil(np.minimum(left, size)).astype(np.intp)
    stop = np.floor(np.maximum(right, -1)).astype(np.intp) + 1
    return owner, row * size + start, np.maximum(stop - start, 0)


def rasterise(points: NDArray[np.floating], triangles: NDArray[np.integer], size: int) -> Hits:
    """Find what is visible at each pixel of a square picture.

    Args:
        points: (N, 3) `(x, y, depth)`: picture position, integers at pixel centres, y down; a
            larger depth is nearer.
        triangles: (M, 3) corner indices. Only triangles that run clockwise on the screen (front
            faces of an outward mesh with y flipped to point down) are drawn.
        size: side of the picture in pixels.

    Returns:
        The nearest front-facing fragment at every covered pixel centre.
    """
    x, y, depth = np.asarray(points, np.float64).T[:, triangles.T]  # (3, M) each
    area = (x[1] - x[0]) * (y[2] - y[0]) - (y[1] - y[0]) * (x[2] - x[0])
    front = np.flatnonzero(area < -1e-9)
    x, y, depth = x[:, front], y[:, front], depth[:, front]
    edges = _edges(x, y)
    run_owner, first, length = _runs(y, edges, size)
    run, step = _expand(length)
    pixel, owner = np.take(first, run) + step, np.take(run_owner, run)
    plane = (edges * depth).sum(1)  # depth = plane[0] x + plane[1] y + plane[2]
    winner = _nearest(pixel, _evaluate(plane, owner, pixel, size), size)
    pixel, owner = pixel[winner], owner[winner]
    second, third = (_evaluate(edges[:, k], owner, pixel, size) for k in (1, 2))
    second, third = np.clip(second, 0, 1), np.clip(third, 0, 1)
    weights = np.stack([np.clip(1 - second - third, 0, 1), second, third], 1)
    return Hits(pixel, front[owner], weights.astype(np.float32))


def _evaluate(plane: Array, owner: Indices, pixel: Indices, size: int) -> Array:
    """Value at pixels of the planes [coefficient, triangle] that their owners name."""
    y, x = np.divmod(pixel, size)
    a, b, c = plane
    return np.asarray(np.take(a, owner) * x + np.take(b, owner) * y + np.take(c, owner))


def _nearest(pixel: NDArray[np.intp], depth: NDArray[np.float64], size: int) -> NDArray[np.intp]:
    """Indices of the fragment with the largest depth at each pixel, by increasing pixel.

    Depth is rounded to 2^-31 of its range and packed above the fragment's number, so that one
    integer maximum decides; of equals the later fragment wins.
    """
    if not len(pixel):
        return np.empty(0, np.intp)
    low = float(depth.min())
    unit = (2.0**31 - 1) / max(float(depth.max()) - low, 1e-12)
    key = (((depth - low) * unit).astype(np.int64) << 32) | np.arange(len(depth), dtype=np.int64)
    buffer = np.full(size * size, -1, np.int64)
    np.maximum.at(buffer, pixel, key)
    return np.asarray(buffer[buffer >= 0] & 0xFFFFFFFF, np.intp)


def interpolate(
    hits: Hits, triangles: NDArray[np.integer], values: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Values (N, K) of vertices at the visible fragments, (F, K)."""
    corners = triangles[hits.triangle]
    weights = hits.weights
    table = np.asarray(values, np.float32)
    total = np.take(table, corners[:, 0], axis=0) * weights[:, :1]
    total += np.take(table, corners[:, 1], axis=0) * weights[:, 1:2]
    total += np.take(table, corners[:, 2], axis=0) * weights[:, 2:]
    return np.asarray(total, np.float32)


def averaged(size: int, hits: Hits, values: Floats) -> tuple[Floats, Floats]:
    """Sum (S, S, K) of the samples of each pixel and how many of them are covered (S, S).

    `hits` are those of a picture of `SAMPLES` times the size, with `values` (F, K).
    """
    fine = np.zeros((size * SAMPLES * size * SAMPLES, values.shape[1]), np.float32)
    fine[hits.pixel] = values
    covered = np.zeros(len(fine), np.float32)
    covered[hits.pixel] = 1
    return _pool(fine.reshape(size * SAMPLES, -1, values.shape[1])), _pool(
        covered.reshape(size * SAMPLES, -1)
    )


def _pool(fine: Floats) -> Floats:
    """Sum over squares of 2 x 2 samples of (H, W, ...)."""
    rows = fine[::2] + fine[1::2]
    return np.asarray(rows[:, ::2] + rows[:, 1::2], np.float32)
