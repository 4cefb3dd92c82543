"""A depth-buffered triangle rasteriser in plain NumPy.

Triangles become rows, rows become runs of pixels, and the nearest fragment of each pixel wins:
three expansions with `np.repeat`, no loop over triangles. Orthographic, so everything is linear in
the picture and no perspective correction is needed.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """The visible fragments of a picture, one for each pixel that is covered."""

    pixel: NDArray[np.intp]
    """(F,) flat pixel index `y * size + x`, increasing."""
    triangle: NDArray[np.intp]
    """(F,) index of the triangle seen there."""
    weights: NDArray[np.float32]
    """(F, 3) barycentric weights of its corners at the pixel's centre."""


Runs = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]


def _expand(counts: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Owner of each item and its number within the owner, for `counts[i]` items of owner i."""
    owner = np.repeat(np.arange(len(counts)), counts)
    first = np.cumsum(counts) - counts
    return owner, np.arange(len(owner)) - first[owner]


def _edges(corner: NDArray[np.float64]) -> NDArray[np.float64]:
    """Coefficients (M, 3, 3) of the barycentric weights: `a x + b y + c` for each corner."""
    x, y = corner[..., 0], corner[..., 1]
    after, last = [1, 2, 0], [2, 0, 1]
    a = y[:, after] - y[:, last]
    b = x[:, last] - x[:, after]
    c = x[:, after] * y[:, last] - x[:, last] * y[:, after]
    twice_area = c.sum(1)
    return np.asarray(np.stack([a, b, c], -1) / twice_area[:, None, None])


def _runs(corner: NDArray[np.float64], edges: NDArray[np.float64], size: int) -> Runs:
    """Triangle, row and half-open column range packed as (triangle, row * size + start, length)."""
    low = np.clip(np.ceil(corner[..., 1].min(1)), 0, size).astype(np.intp)
    high = np.clip(np.floor(corner[..., 1].max(1)) + 1, 0, size).astype(np.intp)
    owner, step = _expand(np.maximum(high - low, 0))
    row = low[owner] + step
    a, b, c = (np.ascontiguousarray(edges[..., k])[owner] for k in range(3))  # (R, 3)
    with np.errstate(divide="ignore", invalid="ignore"):
        cut = -(b * row[:, None] + c) / a
    left = np.where(a > 1e-12, cut, -np.inf).max(1)
    right = np.where(a < -1e-12, cut, np.inf).min(1)
    start = np.ceil(np.clip(left - 1e-7, 0, size)).astype(np.intp)
    stop = np.floor(np.clip(right + 1e-7, -1, size - 1)).astype(np.intp) + 1
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
    corner = np.asarray(points, np.float64)[triangles]  # (M, 3, 3)
    one, two = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    front = np.flatnonzero(one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0] < -1e-9)
    corner = corner[front]
    edges = _edges(corner)
    run_owner, first, length = _runs(corner, edges, size)
    run, step = _expand(length)
    pixel, owner = first[run] + step, run_owner[run]
    plane = np.einsum("mkc,mk->mc", edges, corner[..., 2])  # depth = a x + b y + c
    x, y = pixel % size, pixel // size
    depth = plane[owner, 0] * x + plane[owner, 1] * y + plane[owner, 2]
    winner = _nearest(pixel, depth, size)
    pixel, owner = pixel[winner], owner[winner]
    x, y = pixel % size, pixel // size
    chosen = edges[owner]  # (F, 3, 3)
    weights = chosen[..., 0] * x[:, None] + chosen[..., 1] * y[:, None] + chosen[..., 2]
    weights = np.clip(weights, 0, 1)
    weights /= weights.sum(1, keepdims=True)
    return Hits(pixel, front[owner], weights.astype(np.float32))


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
    total = values[corners[:, 0]] * weights[:, :1]
    total += values[corners[:, 1]] * weights[:, 1:2]
    total += values[corners[:, 2]] * weights[:, 2:]
    return np.asarray(total, np.float32)
