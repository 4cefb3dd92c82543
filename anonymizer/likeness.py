"""Whether a place in a film still shows the face that was there.

Two faces at one place, in one pose and light, agree in their coarse shading and differ in fine
structure: brows, lids, nostrils, folds. What an encoder does to a picture is the reverse. So
structure finer than an eighth of the face is compared, by correlation, which light and contrast do
not change. docs/verification.md says where new faces lie and where originals that an encoder has
been over.
"""

from __future__ import annotations

from math import ceil, floor
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer import geometry
from anonymizer.data import Box

ALIKE: Final = 0.8
"""Likeness from which the original face is taken to be still there."""
LESS: Final = 0.12
"""What the likeness of a half counts less: two closed mouths in one place are much alike."""
GAP: Final = 0.2
"""From the middle to where a half begins, of the half width of a face."""
SIDE: Final = 32
"""Side of the patches that are compared; nothing smaller than this tells people apart."""
INNER: Final = 0.8
"""Share of the box whose ellipse is compared: hair around a face may stay."""
COARSE: Final = 3.0
"""Sigma in patch pixels of the blur that takes the shading away."""
FLAT: Final = 2.0
"""Contrast in grey levels under which fine structure is the encoder's, not the face's."""
SAME: Final = 3.0
"""Difference in grey levels up to which a face without fine structure is the same."""


def likeness(before: NDArray[np.uint8], after: NDArray[np.uint8], box: Box) -> float | None:
    """How much of the original face is still to be seen.

    Args:
        before: ``(H, W, 3)`` RGB, the original.
        after: ``(H', W', 3)`` RGB, what is to be checked; another size is another scale.
        box: Where the face is, in pixels of ``before``.

    Returns:
        Greatest correlation, in [-1, 1], of the whole face and, less `LESS`, of its four halves; 1
        where the face has no fine structure and its colour is the same. None outside of the
        picture.
    """
    place = geometry.expand(box, INNER)
    one = _patch(before, place, 1.0, 1.0)
    across, down = after.shape[1] / before.shape[1], after.shape[0] / before.shape[0]
    other = _patch(after, place, across, down)
    if one is None or other is None:
        return None
    fine, fine_after = _fine(one), _fine(other)
    parts = [part for part in _PARTS if fine[part].std() >= FLAT]
    if not parts:
        gap = float(np.sqrt(np.square(one - other)[_PARTS[0]].mean()))
        return 1.0 if gap <= SAME else 0.0
    values = [
        correlation(fine[part], fine_after[part]) - (0 if part is _PARTS[0] else LESS)
        for part in parts
    ]
    return max(values)


def _patch(
    image: NDArray[np.uint8], box: Box, across: float, down: float
) -> NDArray[np.float32] | None:
    """``(SIDE, SIDE, 3)`` of what a box shows, its coordinates scaled; None if nothing."""
    height, width = image.shape[:2]
    x0, y0, x1, y1 = box
    left, top = max(0, floor(x0 * across)), max(0, floor(y0 * down))
    part = image[top : max(0, ceil(y1 * down)), left : max(0, ceil(x1 * across))]
    if left >= width or top >= height or not part.size:
        return None
    small = cv2.resize(part, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)


def _fine(patch: NDArray[np.float32]) -> NDArray[np.float32]:
    """``(SIDE, SIDE)`` luma without what is coarser than about an eighth of it."""
    luma = cv2.cvtColor(patch, cv2.COLOR_RGB2GRAY)
    return np.asarray(luma - cv2.GaussianBlur(luma, (0, 0), COARSE), np.float32)


def correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Pearson's, 0 where one is flat."""
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / norm if norm > 1e-6 else 0.0


def _parts() -> list[NDArray[np.bool_]]:
    """The inscribed ellipse and its upper, lower, left and right half, apart by twice `GAP`.

    What the blur takes from the other half would hide a half that is still there.
    """
    y, x = (np.mgrid[:SIDE, :SIDE] + 0.5) / SIDE * 2 - 1
    whole = x * x + y * y <= 1
    return [whole, whole & (y < -GAP), whole & (y > GAP), whole & (x < -GAP), whole & (x > GAP)]


_PARTS: Final = _parts()
