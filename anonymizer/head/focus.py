"""How sharp the film is around a face: what is painted is to be no sharper.

Out of focus fine structure is missing. So the energy of two bands is compared, one twice as fine as
the other: of an edge in focus it has 0.7 of the other's spread, of one blurred by 2 pixels 0.5, by
3 pixels 0.4. Noise has more, and then nothing is blurred. Of the film only what is not hidden is
read (invariant P1).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.head.composite import continued

Array = NDArray[np.float32]

SIDE: Final = 128
"""Pixels a side at which films are looked at."""
BANDS: Final = (1.4, 2.8, 5.6)
"""Spreads of the Gaussians between which both bands lie, in those pixels."""
REACH: Final = 15.0
"""Distance from the blank at which what is seen counts 1/e, in those pixels."""
LUMA: Final = np.array([0.30, 0.59, 0.11], np.float32)
"""Weights of the channels."""
SHARP: Final = 0.57
"""Ratio of the spreads from which a film is in focus: in six films it is 0.64 to 0.87 where it is,
and 0.45 to 0.56 where it is not."""
BLURRED: Final = 0.45
"""Ratio of one that is as far out of focus as is painted."""
MOST: Final = 2.6 / 128
"""Spread of the blur that is painted at most, as a share of the crop's side."""
LEAST: Final = 0.3
"""Spread in pixels below which a blur is none."""
KEPT: Final = 0.97
"""Share of what a track knows that is left after a frame: a lens takes its time."""


@dataclass(frozen=True, slots=True)
class Focus:
    """What is seen of it in a frame, or known of a track so far: energies, 0 of nothing."""

    fine: float = 0.0
    coarse: float = 0.0

    @classmethod
    def of(cls, context: NDArray[np.uint8], hidden: NDArray[np.bool_]) -> Focus:
        """Of a crop (S, S, 3) where it is not `hidden` (S, S)."""
        step = max(1, len(hidden) // SIDE)
        seen = np.where(hidden[..., None], 0, context).astype(np.float32) @ LUMA
        known = _reduced((~hidden).astype(np.float32), step)
        whole = known > 1 - 1e-3
        light = continued(_reduced(seen, step)[..., None], whole)[..., 0]
        levels = [cv2.GaussianBlur(light, (0, 0), spread) for spread in BANDS]
        away = cv2.distanceTransform(whole.astype(np.uint8), cv2.DIST_L2, 3)
        weights = np.exp(-away / REACH) * whole
        fine, coarse = (float((np.square(a - b) * weights).sum()) for a, b in pairwise(levels))
        return cls(fine, coarse)

    def after(self, seen: Focus) -> Focus:
        """With one more frame."""
        return Focus(KEPT * self.fine + seen.fine, KEPT * self.coarse + seen.coarse)

    @property
    def softness(self) -> float:
        """Spread of the blur, as a share of the crop's side, that makes a drawing as soft."""
        if not self.coarse:
            return 0.0
        ratio = (self.fine / self.coarse) ** 0.5
        return MOST * float(np.clip((SHARP - ratio) / (SHARP - BLURRED), 0, 1))


def softened(
    painted: NDArray[np.uint8], hidden: NDArray[np.bool_], softness: float
) -> NDArray[np.uint8]:
    """A painting (S, S, 3) as soft as `Focus.softness` says where the film is `hidden` (S, S)."""
    spread = softness * len(hidden)
    if spread < LEAST:
        return painted
    soft = cv2.GaussianBlur(painted, (0, 0), spread)
    return np.where(hidden[..., None], soft, painted)


def _reduced(picture: Array, step: int) -> Array:
    if step == 1:
        return picture
    side = len(picture) // step
    return np.asarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA), np.float32)
