"""The picture that painting begins with: the film around a face, and the drawn head inside."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.head.guide import Guide

Array = NDArray[np.float32]

FACE: Final = 0.9
"""Coverage from which the drawing, too, says what goes on around it."""
NEAR: Final = 1 / 8
"""How far around the drawn head hair is looked for, as a share of the crop's side."""
OTHER: Final = 0.2
"""Difference in colour, of 2, from which something is not the wall behind."""
RIM: Final = 1 / 64
"""Softness of the edge of the head, as a share of the crop's side."""
LITTLE: Final = 0.01
"""Weight of what is seen on the head for what is behind it: enough where nothing else is."""
DOUBT: Final = 0.05
"""Weight of what is on the head but looks like the wall behind: heads are narrower than drawn."""
EDGE: Final = 1 / 64
"""How fast pixels farther from the blank count less for what goes on inside, as a share of S; at
least a pixel."""
REACH: Final = 3
"""From so many times that distance on they do not count."""
FAITH: Final = 8
"""How soon a pixel that is known in part counts as known, when a hole is filled."""


def continued(picture: NDArray[np.floating], known: NDArray[np.floating | np.bool_]) -> Array:
    """The picture (S, S, C) where it is known, and smoothly on from there where it is not.

    Pull-push: unknown pixels take the mean of the nearest coarser picture that knows something.
    Where nothing is known at all the result is 0. `known` (S, S) in [0, 1] may be a weight.
    """
    weight = known.astype(np.float32)[..., None]
    filled = _pulled(np.concatenate([picture * weight, weight], -1, dtype=np.float32))
    return np.asarray(filled[..., :-1], np.float32)


def _pulled(picture: Array) -> Array:
    """Premultiplied channels and weight (h, w, C + 1) to those of weight 1 where there is any."""
    weight = picture[..., -1:]
    own = np.asarray(picture / np.maximum(weight, 1e-6), np.float32)
    if min(picture.shape[:2]) < 2:
        return own
    height, width = picture.shape[:2]
    coarse = _pulled(np.asarray(cv2.pyrDown(picture, borderType=cv2.BORDER_REPLICATE), np.float32))
    behind = np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR))
    trust = 1 - (1 - weight) ** FAITH
    return np.asarray(behind + trust * (own - behind), np.float32)


def compose(
    context: NDArray[np.uint8],
    hidden: NDArray[np.bool_],
    ours: NDArray[np.bool_],
    guide: Guide,
) -> Array:
    """The composite (S, S, 3) in [-1, 1].

    Context where it can be seen. Elsewhere what goes on smoothly from there: on the head what is
    seen of it, hair or skin, and the drawn face; beside it what is seen beside it. On this face's
    own area the guide lies over that, as far as it covers.

    Args:
        context: (S, S, 3) the film; nothing is read where it is hidden.
        hidden: (S, S) where the film may not be read.
        ours: (S, S) the part of it that belongs to this face.
        guide: the drawn head.
    """
    seen = np.where(hidden[..., None], 0, context.astype(np.float32) / 127.5 - 1)
    drawn = guide.colour * 2 - 1
    head = guide.head
    face = ours & hidden & (guide.coverage > FACE)
    on_head = np.where(face[..., None], drawn, seen)
    there = continued(on_head, np.where(face, 1, belongs(seen, ~hidden, head)))
    behind = continued(seen, ~hidden * np.where(head, LITTLE, 1))
    inside = cv2.GaussianBlur(
        (head & (ours | ~hidden)).astype(np.float32), (0, 0), RIM * len(hidden)
    )
    filled = behind + inside[..., None] * (there - behind)
    around = np.where(hidden[..., None], filled, seen)
    opacity = np.where(ours & hidden, guide.coverage, 0)[..., None]
    return np.asarray(around + opacity * (drawn - around), np.float32)


def belongs(seen: Array, known: NDArray[np.bool_], head: NDArray[np.bool_]) -> Array:
    """How much known pixels (S, S) show the head.

    As far as they differ from what is farther away: hair and skin do, the wall behind does not,
    of which a little is on the head all the same (`DOUBT`). Where nothing is farther away those on
    the head do, whatever they look like.
    """
    far = farther(known, head)
    if not far.any():
        return np.asarray(known & head, np.float32)
    wall = continued(seen, far)
    apart = np.maximum.reduce(cv2.split(np.abs(seen - wall)))
    other = ((apart - OTHER) / OTHER).clip(0, 1)
    return np.asarray(known * np.where(head, np.maximum(other, DOUBT), ~far * other), np.float32)


def farther(known: NDArray[np.bool_], head: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where known pixels (S, S) are too far away to show the head."""
    reach = 2 * round(NEAR * len(known)) + 1
    near = cv2.dilate((head | ~known).astype(np.uint8), np.ones((reach, reach), np.uint8))
    return np.asarray(known & (near == 0))


def structure(guide: Guide) -> Array:
    """What the painter is told of the head's form: normals, coverage (S, S, 4)."""
    return np.concatenate([guide.normals, guide.coverage[..., None]], -1)


def nearness(known: NDArray[np.bool_]) -> Array:
    """Weights (S, S) of known pixels, 1 at the edge of what is not known."""
    spread = max(1.0, EDGE * len(known))
    away = cv2.distanceTransform(known.astype(np.uint8), cv2.DIST_L2, 5)
    weight = np.exp(-(away - 1).clip(0, REACH * spread) / spread)
    return np.where(known & (away < REACH * spread), weight, 0).astype(np.float32)
