"""What hair that is seen around a blank says of how it looks inside it.

Colours are sRGB in [-1, 1]; s is half the side S of a crop. At the edge of the blank hair has the
colour of what is seen beside it; farther inside, where no light falls, that of the track.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.head.composite import continued
from anonymizer.head.hair import ENOUGH, Hair
from anonymizer.head.reflection import rise

Array = NDArray[np.float32]

HAIRY: Final = (0.35, 0.65)
"""Shares of hair at the edge of what is hidden from which there is some inside, and only that."""
FAINT: Final = 0.15
"""What belongs to a head no more than this says nothing of how hair and skin look."""
UNLIKE: Final = (0.4, 0.7)
"""Difference in colour, of 2, from which something may be no hair of a track, and is none."""
LIT: Final = (0.25, 0.5)
"""The same where there should be hair: between strands there is a gap, at an edge the wall."""
DARK: Final = 0.1
"""Share of the hair seen that is as dark as that inside: light falls on what is outside."""
SHADE: Final = 0.05
"""How fast lighter hair counts less for how it is inside; of 2."""
DIRECTIONS: Final = 72
"""Directions from the middle of a face in which hair is looked for."""
GAP: Final = 12
"""So many of them without any lie between two with hair at most if it goes on there."""
SEEN: Final = 0.5
"""Weight of what is seen in a direction below which that tells less of hair."""
INSIDE: Final = 0.1
"""Depth in the blank, as a share of S, at which hair has the colour of the track."""


def largest(channels: Array) -> Array:
    """The largest of the channels (h, w, C) of each pixel, faster than by `max`."""
    return np.asarray(np.maximum.reduce(cv2.split(channels)), np.float32)


def unlike(picture: Array, colour: Array, between: tuple[float, float]) -> Array:
    """How far (h, w) colours (h, w, 3) are from another, (3,) or (h, w, 3).

    0 at the first of two differences `between`, 1 at the second.
    """
    return rise(largest(np.abs(picture - colour)), between)


def inner(seen: Array, weights: Array, upper: Array) -> Array:
    """Weights (s, s) of hair and skin that are `seen` (s, s, 3), less for lighter where `upper`.

    Inside there is no light.
    """
    luma = seen.mean(-1)
    there = luma[(weights > 0) & (upper > 0)]
    dark = np.quantile(there, DARK) if there.size else 0.0
    shade = np.exp((dark - luma).clip(None, 0) / SHADE)
    return np.asarray(weights * (1 + upper * (shade - 1)), np.float32)


def coloured(seen: Array, hair: Array, depth: Array, track: Hair) -> Array:
    """The colour (s, s, 3) of a track's hair at each `depth` (s, s), a share of S, in the blank.

    What is `seen` (s, s, 3) counts as much as it is `hair` (s, s) close to the blank, and like that
    of the track.
    """
    weights = np.where(hair > FAINT, hair, 0) * (1 - unlike(seen, track.colour, LIT))
    shown = min(1.0, float(weights.sum()) / (ENOUGH * len(weights)))
    own = shown * (1 - rise(depth, (0.0, INSIDE)))
    beside = continued(seen, weights)
    return np.asarray(track.colour + own[..., None] * (beside - track.colour), np.float32)


def hanging(hair: Array, near: Array, middle: tuple[float, float]) -> Array:
    """How far (s, s) there is hair in the direction of each place, seen from a row and column.

    Where a blank reaches out over the edge of hair that is seen above and below, it goes on.

    Args:
        hair: (s, s) how much of what is seen is some.
        near: (s, s) weights of what is close to the blank.
        middle: row and column of the middle of the face.
    """
    row, column = np.indices(hair.shape, np.float32)
    turn = np.arctan2(column - middle[1], middle[0] - row) / (2 * np.pi)
    places = np.asarray(turn % 1 * DIRECTIONS, np.float32)
    which = places.astype(int).ravel() % DIRECTIONS
    seen, some = (np.bincount(which, w.ravel(), DIRECTIONS) for w in (near, near * hair))
    shares = np.asarray(some / np.maximum(seen, SEEN), np.float32)
    circle = rise(cv2.GaussianBlur(np.tile(shares, 3)[None], (0, 0), 1), HAIRY)
    closed = cv2.morphologyEx(circle, cv2.MORPH_CLOSE, np.ones((1, GAP + 1), np.uint8))
    once = np.ascontiguousarray(closed[:, DIRECTIONS : 2 * DIRECTIONS + 1])
    return np.asarray(cv2.remap(once, places, np.zeros_like(places), cv2.INTER_LINEAR), np.float32)
