"""Boxes and similarity transforms: pure functions on numbers.

Conventions: points are ``(x, y)`` in pixels with integers at pixel centres; boxes
``(x0, y0, x1, y1)`` are half-open, so a box ends where the next pixel would start, and the box
``(0, 0, 1, 1)`` holds exactly the pixel whose centre is the point (0, 0); ``b_from_a`` is a 3x3
matrix on column vectors ``(x, y, 1)``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anonymizer.data import Box

Matrix = NDArray[np.float64]
"""``(3, 3)``."""


def area(box: Box) -> float:
    """Square pixels; 0 for an empty box."""
    x0, y0, x1, y1 = box
    return max(0.0, x1 - x0) * max(0.0, y1 - y0)


def centre(box: Box) -> tuple[float, float]:
    """Middle of the box as a point: half a pixel less than the mean of its edges."""
    x0, y0, x1, y1 = box
    return (x0 + x1 - 1) / 2, (y0 + y1 - 1) / 2


def expand(box: Box, factor: float) -> Box:
    """The box made larger by ``factor`` about its middle."""
    x0, y0, x1, y1 = box
    dx, dy = (x1 - x0) * (factor - 1) / 2, (y1 - y0) * (factor - 1) / 2
    return x0 - dx, y0 - dy, x1 + dx, y1 + dy


def union(a: Box, b: Box) -> Box:
    """The smallest box that holds both."""
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def clip(box: Box, width: float, height: float) -> Box:
    """The part of the box inside a picture; it may be empty."""
    x0, x1 = (min(max(x, 0.0), width) for x in (box[0], box[2]))
    y0, y1 = (min(max(y, 0.0), height) for y in (box[1], box[3]))
    return x0, y0, x1, y1


def overlaps(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """Intersection areas of every pair: boxes ``(N, 4)`` and ``(M, 4)`` to ``(N, M)``."""
    first = np.asarray(a, np.float64).reshape(-1, 1, 4)
    second = np.asarray(b, np.float64).reshape(1, -1, 4)
    low = np.maximum(first[..., :2], second[..., :2])
    high = np.minimum(first[..., 2:], second[..., 2:])
    shared: NDArray[np.float64] = (high - low).clip(0).prod(axis=-1)
    return shared


def iou(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """Intersection over union of every pair: ``(N, 4)`` and ``(M, 4)`` to ``(N, M)`` in [0, 1]."""
    shared = overlaps(a, b)
    total = _areas(a)[:, None] + _areas(b)[None] - shared
    ratio: NDArray[np.float64] = shared / np.where(total > 0, total, 1)
    return ratio


def _areas(boxes: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(boxes, np.float64).reshape(-1, 4)
    sides = (array[:, 2:] - array[:, :2]).clip(0)
    product: NDArray[np.float64] = sides[:, 0] * sides[:, 1]
    return product


def similarity(
    *, scale: float = 1, angle: float = 0, shift: tuple[float, float] = (0, 0)
) -> Matrix:
    """Turn by ``angle`` radians (from +x towards +y), scale, then shift by (dx, dy)."""
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[cosine, -sine, shift[0]], [sine, cosine, shift[1]], [0.0, 0.0, 1.0]])


def apply(b_from_a: Matrix, points: ArrayLike) -> NDArray[np.float64]:
    """Points ``(..., 2)`` of a in b, by an affine matrix."""
    array = np.asarray(points, np.float64)
    moved: NDArray[np.float64] = array @ b_from_a[:2, :2].T + b_from_a[:2, 2]
    return moved


def grid(b_from_a: Matrix, size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where the pixels of a square picture a lie in b: x and y, each ``(size, size)``."""
    along = np.arange(size)
    across, down = (
        (turn[0] * along + (turn[1] * along + turn[2])[:, None]).astype(np.float32)
        for turn in b_from_a[:2]
    )
    return across, down


def inverse(b_from_a: Matrix) -> Matrix:
    """``a_from_b`` of an affine matrix.

    Raises:
        ValueError: if the matrix flattens the plane or is not finite.
    """
    turn = b_from_a[:2, :2]
    determinant = float(turn[0, 0] * turn[1, 1] - turn[0, 1] * turn[1, 0])
    if not np.isfinite(b_from_a).all() or abs(determinant) < 1e-12:
        raise ValueError(f"transform with determinant {determinant:g} cannot be inverted")
    (a, b), (c, d) = turn
    back = np.array([[d, -b], [-c, a]]) / determinant
    matrix = np.eye(3)
    matrix[:2, :2] = back
    matrix[:2, 2] = -back @ b_from_a[:2, 2]
    return matrix


def scale_of(b_from_a: Matrix) -> float:
    """Pixels of b per pixel of a of a similarity."""
    return float(np.hypot(b_from_a[0, 0], b_from_a[1, 0]))


def corners(box: Box) -> NDArray[np.float64]:
    """The four corner points ``(4, 2)`` of a box's outline, around it."""
    x0, y0, x1, y1 = (edge - 0.5 for edge in box)
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])


def bounds(points: ArrayLike) -> Box:
    """The smallest box whose outline holds the points ``(N, 2)``."""
    array = np.asarray(points, np.float64).reshape(-1, 2)
    (x0, y0), (x1, y1) = array.min(axis=0) + 0.5, array.max(axis=0) + 0.5
    return float(x0), float(y0), float(x1), float(y1)
