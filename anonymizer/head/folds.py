"""Folds of the skin, and what age makes of them: shade in the fold, light on the ridge below it.

Light comes from above, so a fold is dark and what bulges under it catches light. Everybody has
those of lid, lip and chin; the others come with age, and differ from person to person.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.head import anatomy
from anonymizer.head.hairs import line_cover
from anonymizer.head.layout import HEIGHT, texels, whole
from anonymizer.head.traits import Appearance

Plane = NDArray[np.float32]

RIDGE: Final = 0.5
"""Light on the ridge as a share of the shade in its fold."""
BELOW: Final = 0.3
"""How far the ridge lies below the fold, head units."""
PLACES: Final = 0.12
"""Spread of where people have their folds, head units."""
LIGHT: Final = 0.4
"""Share by which skin on a ridge is lighter where `relief` is -1."""
STEPS: Final = 10
"""Pieces of a line from one point of its curve to the next."""


@dataclass(frozen=True, slots=True)
class Fold:
    """A line on the right half of the face, or across it; the ends are faint."""

    curve: anatomy.Curve
    young: float
    """Depth without wrinkles, before the line is softened."""
    old: float
    """What wrinkles add to it, of which people have more or less."""
    width: float
    """Head units."""
    across: bool = False
    """Whether it goes across the whole face; else the other half has one, too."""


def _forehead(height: float, bend: float) -> Fold:
    points = tuple(
        (x, height + bend * np.cos(1.1 * x), 10.9 - 0.09 * x * x) for x in np.arange(-3.6, 3.7, 0.9)
    )
    return Fold(points, 0.0, 0.80, 0.12, across=True)


FOLDS: Final = (
    Fold((*anatomy.NASOLABIAL, (3.55, -4.1, 9.3)), 0.10, 0.70, 0.20),
    Fold(((2.85, -4.0, 9.9), (3.1, -5.0, 9.6), (3.0, -6.1, 9.5)), 0.0, 0.50, 0.18),
    Fold(((1.9, 2.65, 9.3), (2.8, 2.2, 9.5), (3.9, 2.2, 9.3), (4.7, 2.75, 8.7)), 0.10, 0.80, 0.18),
    Fold(((2.2, 1.9, 9.6), (3.1, 1.35, 9.5), (4.1, 1.4, 9.1)), 0.0, 0.50, 0.22),
    Fold(((4.85, 3.75, 8.3), (5.35, 4.1, 7.7), (5.9, 4.65, 6.9)), 0.0, 0.80, 0.10),
    Fold(((4.95, 3.4, 8.2), (5.5, 3.4, 7.5), (6.1, 3.5, 6.7)), 0.0, 0.80, 0.10),
    Fold(((4.8, 3.05, 8.3), (5.3, 2.65, 7.8), (5.85, 2.2, 7.2)), 0.0, 0.80, 0.10),
    Fold(((0.5, 5.2, 11.1), (0.42, 6.0, 11.2), (0.55, 6.8, 11.1)), 0.0, 0.45, 0.12),
    Fold(
        ((-1.8, -5.1, 10.6), (0.0, -5.45, 11.3), (1.8, -5.1, 10.6)), 0.10, 0.12, 0.20, across=True
    ),
    _forehead(7.6, 0.14),
    _forehead(8.35, -0.1),
    _forehead(9.0, 0.12),
)


def relief(look: Appearance, size: int) -> Plane:
    """Shade of folds, above 0, and light on ridges, below 0: (size, size) in [-1, 1]."""
    rng = np.random.default_rng([look.seed, 2])
    total = np.zeros((size, size), np.float32)
    for fold in FOLDS:
        place, chance = PLACES * rng.standard_normal(2), rng.uniform(0.3, 1.1, 2)
        moved = tuple((x + place[0], y + place[1], z) for x, y, z in fold.curve)
        curves = [moved] if fold.across else [moved, anatomy.mirrored(moved)]
        for curve, share in zip(curves, chance.tolist(), strict=False):
            depth = fold.young + look.wrinkles * fold.old * share
            if depth:
                total += depth * _stroke(texels(curve, size), size, fold.width)
    down = round(BELOW * size / HEIGHT)
    ridge = np.roll(total, down, 0) * (1 - 2 * total).clip(0)  # none in the shade of a fold
    return np.asarray(total - RIDGE * ridge, np.float32)


def _stroke(points: NDArray[np.float64], size: int, width: float) -> Plane:
    """Soft line (size, size) in [0, 1] through texels (N, 2), deepest half way."""
    curve = np.round(anatomy.smooth(points, STEPS) * 16).astype(np.int32)
    levels = 255 * np.sin(np.pi * (np.arange(len(curve) - 1) + 0.5) / (len(curve) - 1)) ** 0.7
    picture = np.zeros((size, size), np.uint8)
    thick = max(1, round(width * size / HEIGHT))
    for start, stop, level in zip(curve[:-1].tolist(), curve[1:].tolist(), levels, strict=True):
        cv2.line(picture, start, stop, float(level), thick, cv2.LINE_AA, 4)
    spread = max(0.4, 0.8 * width * size / HEIGHT)
    return np.asarray(
        cv2.GaussianBlur(picture.astype(np.float32) / 255, (0, 0), spread), np.float32
    )


def always(size: int) -> Plane:
    """Shade (size, size) of what everybody has: where the lips meet, and the crease of the lid."""
    shade = 0.45 * line_cover(size, texels(whole(anatomy.LIP_LINE), size), 0.10, 0.05)
    crease = tuple((x + 0.05, y + 0.42, z) for x, y, z in anatomy.UPPER_LID)
    for curve in (crease, anatomy.mirrored(crease)):
        shade = shade + 0.22 * line_cover(size, texels(curve, size), 0.10, 0.09)
    return np.asarray(shade, np.float32)


def folded(skin: Plane, look: Appearance) -> Plane:
    """Skin (size, size, 3), linear RGB, with its folds."""
    size = len(skin)
    form = relief(look, size)
    shade = np.clip(always(size) + form.clip(0, None), 0, 0.8)
    darker = 1 - shade[..., None] * np.array([0.7, 0.85, 0.85], np.float32)
    lighter = 1 + LIGHT * (-form).clip(0, 1)[..., None]
    return np.asarray(skin * darker * lighter, np.float32)
