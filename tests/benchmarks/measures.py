"""What `bench_faces` works out from landmarks, boxes and embeddings; no network in here.

Points are dlib's 68, (68, 2) as (x, y) in pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from anonymizer import geometry
from anonymizer.data import Box

Points = NDArray[np.float64]
T = TypeVar("T")

MIRRORED: Final = (
    *range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31, 45, 44, 43, 42,
    47, 46, 39, 38, 37, 36, 41, 40, 54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61,
    60, 67, 66, 65,
)  # fmt: skip
"""Which point of a mirrored picture is which of the picture."""
SHIFTS: Final = ((0.0, 0.0), (0.03, 0.0), (-0.03, 0.0), (0.0, 0.03), (0.0, -0.03))
"""Places (x, y) where a box is tried, as shares of its width."""
ONE_FACE: Final = 0.3
"""IoU from which two boxes are of the same face."""
_OWN_SIDE, _OWN_DROP = 0.78, 0.05
"""dlib's own boxes are squares of this share of the height of SCRFD's, this share lower: medians
over 446 frames of a talking face and of what was painted over it."""
ALIKE: Final = 1.5
"""Largest ratio of sizes of two faces that are compared."""


def own_box(box: Box, found: Sequence[Box] = ()) -> Box:
    """The box that dlib's own finder gives where SCRFD gives this one, or what it would about be.

    `found` is what it found around there, which may be the face of somebody beside.
    """
    x0, y0, x1, y1 = box
    half, x, y = _OWN_SIDE * (y1 - y0) / 2, (x0 + x1) / 2, (y0 + y1) / 2 + _OWN_DROP * (y1 - y0)
    usual = (x - half, y - half, x + half, y + half)
    shared = geometry.iou([usual], list(found))[0] if found else np.zeros(0)
    return found[int(shared.argmax())] if (shared >= ONE_FACE).any() else usual


def shifted(box: Box) -> list[Box]:
    """The box and four that are a little beside it."""
    x0, y0, x1, y1 = box
    side = x1 - x0
    return [(x0 + x * side, y0 + y * side, x1 + x * side, y1 + y * side) for x, y in SHIFTS]


def flipped_box(box: Box, width: int) -> Box:
    """The box in the mirrored picture of this width."""
    return (width - box[2], box[1], width - box[0], box[3])


def flipped_points(points: Points, width: int) -> Points:
    """Points of the mirrored picture as those of the picture of this width."""
    there = points[list(MIRRORED)].copy()
    there[:, 0] = width - 1 - there[:, 0]
    return there


def moves(points: Points) -> tuple[float, float]:
    """Gap of the inner lips, and nose from the middle of the eyes, in eye distances."""
    left, right = points[36:42].mean(0), points[42:48].mean(0)
    unit = float(np.hypot(*(right - left)))
    gap = float(np.hypot(*(points[61:64].mean(0) - points[65:68].mean(0)))) / unit
    return gap, turn(np.stack([left, right, points[30]]))


def turn(points: NDArray[np.floating]) -> float:
    """Nose from the middle of the eyes, in eye distances; points are eye, eye, nose, ..."""
    across = points[1] - points[0]
    return float((points[2] - (points[0] + points[1]) / 2) @ across / (across @ across))


def people(seen: Sequence[tuple[int, int, float, T]]) -> Iterator[tuple[T, T]]:
    """Pairs of different people: of different tracks in the same frame.

    Tracks of different shots may show the same person again, those in one frame cannot.

    Args:
        seen: frame, track, size in pixels and whatever is known of every face. Faces of sizes that
            differ by more than `ALIKE` make no pair.
    """
    frames: dict[int, list[tuple[int, float, T]]] = {}
    for frame, track, size, known in seen:
        frames.setdefault(frame, []).append((track, size, known))
    for faces in frames.values():
        for (one, small, a), (other, large, b) in combinations(faces, 2):
            if one != other and max(small, large) <= ALIKE * min(small, large):
                yield a, b


def correlation(a: Sequence[float] | Points, b: Sequence[float] | Points, least: int = 20) -> float:
    """Pearson's, NaN for fewer than `least` pairs."""
    return float(np.corrcoef(a, b)[0, 1]) if len(a) >= least else float("nan")
