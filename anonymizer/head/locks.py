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

FAINT: Final = 0.15
"""What belongs to a head no more than this says nothing of how hair and skin look."""
UNLIKE: Final = (0.4, 0.7)
"""Difference in colour, of 2, from which something may be no hair of a track, and is none."""
LIT: Final = (0.25, 0.5)
"""The same of what is between strands of hair: there it is a gap."""
DARK: Final = 0.1
"""Share of the hair seen that is as dark as that inside: light falls on what is outside."""
SHADE: Final = 0.05
"""How fast lighter hair counts less for how it is inside; of 2."""
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

    What is `seen` (s, s, 3) counts as much as it is `hair` (s, s), and like that of the track.
    """
    weights = np.where(hair > FAINT, hair, 0) * (1 - unlike(seen, track.colour, LIT))
    shown = min(1.0, float(weights.sum()) / (ENOUGH * len(weights)))
    own = shown * (1 - rise(depth, (0.0, INSIDE)))
    beside = continued(seen, weights)
    return np.asarray(track.colour + own[..., None] * (beside - track.colour), np.float32)
