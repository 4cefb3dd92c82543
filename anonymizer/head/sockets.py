"""Lids from behind, and their shade on eyes: without it these are as light as paper, and stare."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.head.eyeballs import Balls
from anonymizer.head.model import HeadModel

Array = NDArray[np.float32]

SHUTTING: Final = (0.6, 0.9)
"""Shares of a blink at which an eyeball begins to be in the lid's shade, and at which it is."""
DEEP: Final = 0.6
"""How far the white of an eye goes on behind the margins of the lids, head units: eyeballs lie
deeper than these, and aslant one would see past them."""
DROP: Final = 0.16
"""How far below the upper lid its shade lies, as a share of the eyeball's radius."""
SOFTNESS: Final = 0.13
"""Spread of the shade, as the same."""
ABOVE: Final = 0.75
"""Share of light that the upper lid takes where it is all around."""
AROUND: Final = 0.55
"""Share of what is left that what is beside a place takes where that is all around."""


def between_lids(pixel: NDArray[np.intp], size: int, radius: float) -> Array:
    """Share (F,) of light that the lids let through to visible fragments of eyeballs.

    Args:
        pixel: (F,) flat index of each in a picture of `size` pixels a side; these and no others
            show eyes.
        size: of that.
        radius: of an eyeball in its pixels.
    """
    if not len(pixel):
        return np.ones(0, np.float32)
    row, column = np.divmod(pixel, size)
    margin = int(3 * SOFTNESS * radius + DROP * radius) + 2
    row, column = row - row.min() + margin, column - column.min() + margin
    closed = np.ones((row.max() + margin + 1, column.max() + margin + 1), np.float32)
    closed[row, column] = 0
    soft = np.asarray(cv2.GaussianBlur(closed, (0, 0), max(SOFTNESS * radius, 0.5)), np.float32)
    over = soft[row - round(DROP * radius), column]
    return np.asarray((1 - ABOVE * over) * (1 - AROUND * soft[row, column]), np.float32)


def sleeves(head: HeadModel, identity: NDArray[np.floating], skin: Array) -> Balls:
    """What goes on from the margins of the lids to the eyeballs, seen from the front.

    Args:
        head: whose eyes they are.
        identity: (K,) code.
        skin: (N, 3) its vertices.
    """
    margins, triangles = _margins(head)
    front = skin[margins]  # (2, P, 3)
    away = front - np.asarray(head.eyes(identity), np.float32)[:, None]
    normals = away / np.linalg.norm(away, axis=2, keepdims=True)
    points = np.stack([front, front - np.array([0, 0, DEEP], np.float32)], 1)
    return Balls(points.reshape(-1, 3), np.stack([normals, normals], 1).reshape(-1, 3), triangles)


@lru_cache(maxsize=4)
def _margins(head: HeadModel) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
    """Vertices (2, P) of the margins of both eyes' lids, and triangles (F, 3).

    These are of the P points of the first eye, P behind them, and as many of the second.
    """
    none = np.zeros(head.code_length)
    rest, count = head.vertices(none), len(head.parts)
    corners = head.triangles.astype(np.int64)
    edges = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])
    single = edges[~np.isin(edges @ [count, 1], edges @ [1, count])]
    found, triangles = list[NDArray[np.intp]](), list[NDArray[np.int64]]()
    for at, eye in enumerate(head.eyes(none)):
        near = np.linalg.norm(rest[single].mean(1) - eye, axis=1) < 1.5 * head.eye_radius
        margin = np.unique(single[near])
        first, second = np.searchsorted(margin, single[near]).T + 2 * at * len(margin)
        behind, next_behind = first + len(margin), second + len(margin)
        triangles.append(np.stack([second, first, behind], 1))
        triangles.append(np.stack([second, behind, next_behind], 1))
        found.append(margin)
    return np.stack(found), np.concatenate(triangles).astype(np.int32)


def sky_above(head: HeadModel, expression: NDArray[np.floating] | None, shut: float) -> Array:
    """How open the sky is above each eyeball (2,): shut lids leave a dark line, not a white one.

    Lids are shut by a blink of the weight `shut`.
    """
    if expression is None:
        return np.ones(2, np.float32)
    lids = [expression[head.expression_names.index(name)] for name in ("eyeBlink_R", "eyeBlink_L")]
    nearly, wholly = SHUTTING
    closed = ((np.array(lids) / shut - nearly) / (wholly - nearly)).clip(0, 1)
    return np.asarray(1 - closed, np.float32)
