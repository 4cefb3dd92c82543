"""Ears of a drawn head: shown where the film has neither hair nor ears of its own."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.head.guide import linear_from_srgb, srgb_from_linear
from anonymizer.head.reflection import rise

Array = NDArray[np.float32]

LEAST: Final = 1 / 2000
"""Share of a crop that an ear must cover to be one: others hardly show."""
CUT: Final = (0.3, 0.95)
"""Share of an ear outside the blank from which it fades, and at which there is none."""
TELLING: Final = 0.3
"""How sure it must be what is behind a head to tell hair from that."""
EDGE: Final = (0.0, 0.02)
"""Depths in the blank, as shares of S, from which ears show, and at which they do wholly."""
COVERED: Final = (0.3, 0.6)
"""Share of hair where an ear is from which it fades, and at which there is none."""
SHOWN: Final = (0.4, 0.6)
"""How free an ear of a track must be to show at all, and to show wholly."""


def sides(drawn: Array, face: NDArray[np.bool_]) -> list[Array]:
    """Cover (s, s) of the left and of the right ear in the picture, by `Guide.ears` (s, s, 2)."""
    columns = face.sum(0)
    places = np.arange(len(columns))
    middle = columns @ places / columns.sum() if face.any() else places.mean()
    return [drawn[..., 1] * (places < middle), drawn[..., 1] * (places >= middle)]


def free(covers: list[Array], hair: Array, wall: float) -> Array:
    """How likely (2,) it is, in [0, 1], that no hair is over each ear; NaN where nobody can tell.

    Args:
        covers: of both, where they are hidden.
        hair: (s, s) share of hair, going on where it is not seen.
        wall: how sure it is what is behind the head.
    """
    found = np.full(2, np.nan, np.float32)
    for at, cover in enumerate(covers):
        total = float(cover.sum())
        if wall > TELLING and total >= LEAST * cover.size:
            found[at] = 1 - rise(np.array((cover * hair).sum() / total), COVERED)
    return found


def opacity(covers: list[Array], hidden: NDArray[np.bool_], likely: Array) -> Array:
    """How far (S, S) ears are to be laid over the film, by what is `hidden` (S, S) of it.

    Where the film goes on it may have an ear of its own; what is cut by that is soft.

    Args:
        covers: (S, S) of both.
        hidden: (S, S) where the film may not be read.
        likely: (2,) that no hair is over them, by the track; NaN for none.
    """
    depth = cv2.distanceTransform(hidden.astype(np.uint8), cv2.DIST_L2, 3)
    inside = rise(np.minimum(depth, len(depth)) / len(depth), EDGE)  # without an edge all is
    total = np.zeros_like(inside)
    for cover, shown in zip(covers, rise(np.nan_to_num(likely), SHOWN), strict=True):
        outside = (cover * ~hidden).sum() / max(float(cover.sum()), 1e-6)
        total += shown * (1 - rise(outside, CUT)) * inside * cover
    return total


def with_ears(around: Array, skin: Array, drawn: Array, shares: Array) -> Array:
    """What is around a face (S, S, 3) in [-1, 1], with ears of its `skin` (S, S, 3) over it.

    Those are `drawn` (S, S, 2) as in `Guide`, and cover `shares` (S, S) of each pixel.
    """
    there = shares > 0
    light = drawn[there, 0] / np.maximum(drawn[there, 1], 1e-6)
    own = srgb_from_linear(linear_from_srgb((skin[there] + 1) / 2) * light[:, None]) * 2 - 1
    result = around.copy()
    result[there] += shares[there, None] * (own - around[there])
    return result
