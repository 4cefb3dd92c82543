"""The shade of the lids on eyes: without it they are as light as paper, and stare."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.head.model import HeadModel

Array = NDArray[np.float32]

SHUTTING: Final = (0.6, 0.9)
"""Shares of a blink at which an eyeball begins to be in the lid's shade, and at which it is."""
DROP: Final = 0.16
"""How far below the upper lid its shade lies, as a share of the eyeball's radius."""
SOFTNESS: Final = 0.13
"""Spread of the shade, as the same."""
ABOVE: Final = 0.75
"""Share of light that the upper lid takes where it is all around."""
AROUND: Final = 0.55
"""Share of what is left that is taken at the edge of the opening by what is beside it."""


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
