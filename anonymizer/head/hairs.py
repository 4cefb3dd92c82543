"""Strokes painted into the skin texture: brows and beards as soft strands, the lash line.

All positions are texels `(column, row)`; lengths with the unit "head" are head units, turned into
texels through the height of the texture (32 head units).
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.head.anatomy import smooth
from anonymizer.head.layout import HEIGHT
from anonymizer.head.traits import Appearance

Plane = NDArray[np.float32]

STRANDS: Final = 420
"""Strands of one brow before the density thins them."""

BEARD: Final = 60.0
"""Strands of a beard for each square head unit on which it grows."""


def line_cover(size: int, points: NDArray[np.float64], width: float, blur: float) -> Plane:
    """Soft stroke (size, size) in [0, 1] along a smoothed curve; width and blur in head units."""
    picture = np.zeros((size, size), np.uint8)
    curve = np.round(smooth(points, 10) * 16).astype(np.int32)
    thickness = max(1, round(width * size / HEIGHT))
    cv2.polylines(picture, [curve], False, 255, thickness, cv2.LINE_AA, 4)
    soft = cv2.GaussianBlur(
        picture.astype(np.float32) / 255, (0, 0), max(0.4, blur * size / HEIGHT)
    )
    return np.asarray(soft, np.float32)


def _profile(along: NDArray[np.float64]) -> NDArray[np.float64]:
    """Half height of the brow as a share of its thickest, from inner end (0) to tail (1)."""
    rise = np.clip(0.55 + 3.0 * along, 0, 1)
    fall = np.clip((1.02 - along) / 0.62, 0, 1) ** 0.8
    return rise * fall


def _strands(
    look: Appearance, middle: NDArray[np.float64], unit: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Strands (N, 3, 2) of the brow on the viewer's right, in texels; `unit` texels per head unit.

    At the inner end hairs stand up, along the arch they lie outwards, above the middle line they
    bend down to it.
    """
    count = round(STRANDS * (0.35 + 0.65 * look.brow_density))
    along = np.sort(rng.beta(1.05, 1.15, count))
    curve = smooth(middle, 16)
    index = along * (len(curve) - 1)
    low = np.minimum(index.astype(int), len(curve) - 2)
    part = (index - low)[:, None]
    centre = curve[low] * (1 - part) + curve[low + 1] * part
    across = np.clip(rng.normal(0, 0.5, count), -1, 1)
    lift = look.brow_height + look.brow_angle * (along - 0.4)
    root = centre.copy()
    root[:, 1] -= unit * (across * look.brow_thickness * _profile(along) + lift)
    tilt = np.radians(66 - 95 * along - 22 * across) + rng.normal(0, 0.16, count)
    heading = np.stack([np.cos(tilt) * 1.25, -np.sin(tilt)], 1)
    length = unit * rng.uniform(0.28, 0.6, count)[:, None] * (0.7 + 0.5 * _profile(along)[:, None])
    bend = np.array([0.18, 0.16]) * length
    return np.stack([root - 0.4 * heading * length, root, root + 0.6 * heading * length + bend], 1)


def _laid(strands: NDArray[np.float64], size: int, layers: int, opacity: float) -> Plane:
    """Cover (size, size) of strands (N, K, 2), in texels, that lie over each other in layers."""
    levels = np.zeros((size, size), np.float32)
    for group in np.array_split(strands, layers):
        picture = np.zeros((size, size), np.uint8)
        cv2.polylines(
            picture, list(np.round(group * 16).astype(np.int32)), False, 255, 1, cv2.LINE_AA, 4
        )
        levels = levels + (1 - levels) * picture.astype(np.float32) * (opacity / 255)
    return levels


def _one_brow(
    look: Appearance, middle: NDArray[np.float64], size: int, rng: np.random.Generator
) -> Plane:
    strands = _strands(look, middle, size / HEIGHT, rng)
    levels = _laid(strands[rng.permutation(len(strands))], size, 6, 0.42)
    unit = size / HEIGHT
    mass = cv2.GaussianBlur(levels, (0, 0), 0.14 * unit)
    cover = (0.35 + 0.65 * look.brow_density) * (0.75 * levels + 0.75 * mass)
    return np.asarray(np.clip(cover, 0, 0.94), np.float32)


def brow_cover(
    look: Appearance, middle: NDArray[np.float64], size: int, rng: np.random.Generator
) -> Plane:
    """Cover (size, size) in [0, 1] of both brows; the two differ in their strands only."""
    right = _one_brow(look, middle, size, rng)
    left = _one_brow(look, middle, size, rng)[:, ::-1]
    return np.asarray(np.maximum(right, left), np.float32)


def lash_cover(
    look: Appearance, upper: NDArray[np.float64], lower: NDArray[np.float64], size: int
) -> Plane:
    """Cover of the lash line of one eye: a dark soft line above, a faint one below."""
    raised = upper - np.array([0.0, 0.03 * size / HEIGHT])
    weight = 0.62 + 0.3 * look.make_up
    above = line_cover(size, raised, 0.13 + 0.12 * look.make_up, 0.05) * weight
    below = line_cover(size, lower, 0.07, 0.06) * (0.30 + 0.35 * look.make_up)
    return np.asarray(np.clip(np.maximum(above, below), 0, 1), np.float32)


def beard_cover(look: Appearance, where: Plane, size: int) -> Plane:
    """Cover (size, size), in [0, 1], of the strands of a beard that grows `where` (size, size).

    They hang down and a little outwards; where there is less of it they are fewer, not fainter.
    """
    rng = np.random.default_rng([look.seed, 1])
    unit = size / HEIGHT
    likely = where.ravel().astype(np.float64)
    count = round(BEARD * float(likely.sum()) / unit**2)
    places = rng.choice(len(likely), count, p=likely / likely.sum())
    row, column = np.divmod(places, size)
    root = np.stack([column, row], 1) + rng.uniform(-0.5, 0.5, (count, 2))
    outwards = 0.5 * np.sign(root[:, :1] - size / 2)
    heading = np.concatenate([outwards, np.ones((count, 1))], 1)
    heading = heading + rng.normal(0, 0.45, (count, 2))
    long = 0.12 + 0.5 * look.stubble
    length = unit * long * rng.uniform(0.5, 1.2, (count, 1))
    ends = np.stack([root, root + heading * length], 1)
    return _laid(ends, size, 6, 0.85)
