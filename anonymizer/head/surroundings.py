"""What goes on around a drawn face inside the blanked area, as sharp as the film is there.

A small painter returns hair, wall and collar as haze. Here they come from the film around the
blank: its colours at the edge go on smoothly inwards, and its texture is mirrored over the edge.
The skull of the drawn head, where the blank hides it, takes the colours of hair and skin that are
seen on and around it. Of the film only what is not hidden is read (invariant P1).
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.head.composite import belongs, continued
from anonymizer.head.guide import Guide

Array = NDArray[np.float32]

EDGE: Final = 1 / 64
"""How fast pixels farther from the blank count less for what goes on inside, as a share of S."""
REACH: Final = 3
"""From so many times that distance on they do not count."""
TURNED: Final = 0.5
"""Texture at a depth d in the blank is that at so many d before it: hair is often a thin strip."""
FINE: Final = 1 / 48
"""What is finer than this share of S is texture."""
DEPTH: Final = 0.12
"""Depth, as a share of S, at which texture has faded away."""
THICK: Final = 2 / 7
"""Width, as a share of S, of the disc by which hair that is seen makes the skull thicker."""
HAIRY: Final = (0.4, 0.7)
"""Shares of hair at the edge of what is hidden from which there is some inside, and only that."""
NOTCH: Final = 1 / 8
"""Width, as a share of S, of what is smoothed away along the edge of the skull."""
EVEN: Final = 1 / 24
"""How far, as a share of S, what is beside hair is taken for hair, too."""
RIM: Final = 1 / 200
"""Softness of the skull's edge, as a share of S."""
HALF: Final = np.s_[::2, ::2]
"""What is smooth is made up at half the size."""
BARE: Final = 0.25
"""Weight of the lower half of a face for what the skull beside it looks like; the upper half has
none, so that it is not bare above and beside the forehead where hair is seen anywhere near."""
SOLID: Final = 0.97
"""Coverage from which a painting shows nothing but the drawn face."""


def surrounded(
    painted: NDArray[np.uint8],
    context: NDArray[np.uint8],
    hidden: NDArray[np.bool_],
    guide: Guide,
) -> NDArray[np.uint8]:
    """A painting (S, S, 3) cut out along the drawn face, and the film gone on around it.

    Towards the face's edge a painting shows some of what it was laid over before; there its colours
    of farther inside go on instead.

    Args:
        painted: (S, S, 3); kept as it is where nothing is hidden.
        context: (S, S, 3) the film; nothing is read where it is hidden.
        hidden: (S, S) where the film may not be read.
        guide: The drawn head at this size.
    """
    solid = cv2.erode((guide.coverage > SOLID).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    own = painted.astype(np.float32) / 127.5 - 1
    seen = np.where(hidden[..., None], 0, context.astype(np.float32) / 127.5 - 1)
    skin = _larger(continued(own[HALF], solid[HALF]), len(hidden))
    smooth = _behind(seen[HALF], hidden[HALF], guide.head[HALF], skin[HALF], solid[HALF])
    around = _larger(smooth, len(hidden)) + _texture(seen, hidden)
    face = np.where(solid[..., None], own, skin)
    laid = around + guide.framed[..., None] * (face - around)
    levels = ((laid + 1) * 127.5).round().clip(0, 255).astype(np.uint8)
    return np.where(hidden[..., None], levels, painted)


def _behind(
    seen: Array,
    hidden: NDArray[np.bool_],
    head: NDArray[np.bool_],
    skin: Array,
    face: NDArray[np.bool_],
) -> Array:
    """Smooth colours (S, S, 3) of what is beside the head and, on the skull, of hair and skin."""
    known = ~hidden
    near, head = _nearness(known), _smooth(head)
    hair = belongs(seen, known, head)
    low, high = HAIRY
    share = cv2.GaussianBlur(continued(hair[..., None], near), (0, 0), EVEN * len(hidden))
    hairy = ((share[..., None] - low) / (high - low)).clip(0, 1)
    bare = face & hidden & (np.indices(face.shape)[0] > _middle(face))
    skull = continued(np.where(bare[..., None], skin, seen), np.where(bare, BARE, near * hair))
    on_head = skull + hairy * (continued(seen, near * hair) - skull)
    beside = continued(seen, near)
    crown = cv2.dilate(head.astype(np.uint8), _disc(THICK, len(hidden))) * hairy[..., 0]
    inside = np.maximum(head, crown).astype(np.float32)
    inside = cv2.GaussianBlur(inside, (0, 0), RIM * len(hidden))
    return np.asarray(beside + inside[..., None] * (on_head - beside), np.float32)


def _larger(picture: Array, size: int) -> Array:
    """A picture of half the size, (S, S, 3)."""
    whole = cv2.resize(picture, (size, size), interpolation=cv2.INTER_LINEAR)
    return np.asarray(whole, np.float32)


def _nearness(known: NDArray[np.bool_]) -> Array:
    """Weights (S, S) of known pixels, 1 at the edge of what is not known."""
    spread = EDGE * len(known)
    away = cv2.distanceTransform(known.astype(np.uint8), cv2.DIST_L2, 5)
    weight = np.exp(-(away - 1).clip(0, REACH * spread) / spread)
    return np.where(known & (away < REACH * spread), weight, 0).astype(np.float32)


def _smooth(head: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A silhouette (S, S) without notches, such as that between neck and hair."""
    side = 2 * round(NOTCH * len(head) / 2) + 1
    return np.asarray(cv2.medianBlur(head.astype(np.uint8), side) > 0)


def _middle(area: NDArray[np.bool_]) -> float:
    """Mean row of an area (S, S); 0 if there is none."""
    rows = area.sum(1)
    return float(rows @ np.arange(len(rows)) / max(1, rows.sum()))


def _disc(share: float, size: int) -> NDArray[np.uint8]:
    """A disc that is a share of ``size`` wide."""
    side = 2 * round(share * size / 2) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)


def _texture(seen: Array, hidden: NDArray[np.bool_]) -> Array:
    """Fine structure (S, S, 3) of the film, mirrored over the edge of what is hidden; 0 elsewhere.

    Where the mirrored place is hidden, too, there is none.
    """
    size = len(hidden)
    known = (~hidden).astype(np.float32)
    depth = cv2.distanceTransform(hidden.astype(np.uint8), cv2.DIST_L2, 5)
    smooth = cv2.GaussianBlur(depth, (0, 0), size / 64)
    inwards = np.stack([cv2.Sobel(smooth, cv2.CV_32F, *axis, ksize=3) for axis in ((1, 0), (0, 1))])
    inwards /= np.maximum(np.hypot(*inwards), 1e-3)
    row, column = np.indices(hidden.shape, np.float32)
    back = np.minimum(depth, size) * (1 + TURNED)  # without any edge there is no depth
    places = column - inwards[0] * back, row - inwards[1] * back
    share = cv2.GaussianBlur(known[HALF], (0, 0), FINE * size / 2)[..., None]
    coarse = cv2.GaussianBlur(seen[HALF], (0, 0), FINE * size / 2) / np.maximum(share, 1e-3)
    fine = (seen - _larger(coarse, size)) * known[..., None]
    mirrored = cv2.remap(fine, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    there = cv2.remap(known, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT) > 0.99
    opacity = hidden * there * (1 - depth / (DEPTH * size)).clip(0, 1)
    return np.asarray(mirrored * opacity[..., None], np.float32)
