"""The outline of a drawn head, and of the hair that may be on it."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.head.reflection import rise

Array = NDArray[np.float32]

SOLID: Final = 0.97
"""Coverage from which a painting shows nothing but the drawn face."""
BLACK: Final = (0.55, 0.75)
"""Darkness, of 1, from which what is seen above a face may be hair, and is."""
CROWN: Final = 1 / 8
"""How far hair goes up from the drawn skull, as a share of S."""
THICK: Final = 2 / 7
"""Width, as a share of S, of the disc by which hair that is seen makes the skull thicker."""
RIM: Final = 1 / 120
"""Softness of the skull's edge, as a share of S."""
NOTCH: Final = 1 / 8
"""Width, as a share of S, of what is smoothed away along the edge of the skull."""
TEMPLES: Final = 1 / 10
"""Height, as a share of S, over which a skull above the middle of the face begins to show."""
JAW: Final = 1 / 10
"""The same of the sides of a head above its chin."""
NAPE: Final = 0.6
"""How far hair reaches lower for each pixel behind the middle of a face that is turned aside."""
TURNED: Final = (0.15, 0.3)
"""Mean across of a face's normals from which it is turned aside, and at which wholly."""


def raised(head: NDArray[np.bool_]) -> Array:
    """The drawn head (s, s) with hair on top."""
    up = np.ones((round(CROWN * len(head)) + 1, 1), np.uint8)
    return np.asarray(cv2.dilate(head.astype(np.float32), up, anchor=(0, 0)), np.float32)


def black(seen: Array, head: NDArray[np.bool_]) -> Array:
    """How far what is seen (s, s, 3) on the drawn head or above may be black hair.

    Before a black wall it looks like that, and so does the wall.
    """
    return np.asarray(raised(head) * rise(-seen.max(-1), BLACK), np.float32)


def thick(head: NDArray[np.bool_]) -> Array:
    """The drawn head (s, s) with hair around it."""
    side = 2 * round(THICK * len(head) / 2) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return np.asarray(cv2.dilate(head.astype(np.float32), disc), np.float32)


def silhouette(head: NDArray[np.bool_], rows: Array, above: Array, hairy: Array) -> Array:
    """The drawn head (s, s), as much as `rows` (s, 1) say, and hair on it.

    That makes it higher with hair `above` it, and thicker where it is `hairy`.
    """
    whole = np.maximum.reduce([head * rows, raised(head) * above, thick(head) * hairy])
    return np.asarray(cv2.GaussianBlur(whole, (0, 0), RIM * len(head)), np.float32)


def smooth(head: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A silhouette (S, S) without notches, such as that between neck and hair."""
    side = 2 * round(NOTCH * len(head) / 2) + 1
    return np.asarray(cv2.medianBlur(head.astype(np.uint8), side) > 0)


def above_middle(face: NDArray[np.bool_], turned: float) -> Array:
    """1 well above the mean row of a face (s, s), 0 below; 0 without a face.

    Behind a face that is `turned` aside, -1 to 1, hair reaches lower, down to the nape.
    """
    rows, columns = face.sum(1), face.sum(0)
    places = np.arange(len(face))
    count = max(1, rows.sum())
    behind = (columns @ places / count - places) * turned
    low = rows @ places / count + NAPE * behind.clip(0, None)
    above = (low - places[:, None]) / (TEMPLES * len(face))
    return np.asarray(above.clip(0, 1) * face.any(), np.float32)


def above_chin(framed: Array) -> Array:
    """1 well above the last row that a face reaches without its neck, 0 below (S, 1)."""
    rows = np.flatnonzero(framed.max(1) > SOLID)
    chin = rows[-1] if len(rows) else 0
    above = (chin - np.arange(len(framed))) / (JAW * len(framed))
    return np.asarray(above.clip(0, 1)[:, None], np.float32)


def turn(face: NDArray[np.bool_], normals: Array) -> float:
    """How far, in [-1, 1], a face (s, s) with normals (s, s, 3) is turned aside: 1 to the right."""
    across = float(normals[face, 0].mean()) if face.any() else 0.0
    return float(np.sign(across) * rise(np.asarray(abs(across)), TURNED))
