"""How sharp the film is around a face: where it is out of focus what is painted is softer.

Out of focus fine structure is missing. So the energy of two bands is compared, one twice as fine as
the other: of an edge in focus it has 0.7 of the other's spread, of one blurred by 2 pixels 0.5, by
3 pixels 0.4. Noise has more, and then nothing is blurred, nor where there is hardly an edge: shade
on a wall is no haze. Of the film only what is not hidden is read (invariant P1).
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
"""Pixels a side at which larger crops are looked at."""
BANDS: Final = (1.4, 2.8, 5.6)
"""Spreads of the Gaussians between which both bands lie, in those pixels."""
REACH: Final = 15.0
"""Distance from the blank at which what is seen counts 1/e, in those pixels."""
CHIN: Final = 0.75
"""Row from which a crop shows neck and shoulders, as a share of its side."""
OWN: Final = 4.0
"""How many times these count: a face is as sharp as they are, a wall may be far behind it."""
LUMA: Final = np.array([0.30, 0.59, 0.11], np.float32)
"""Weights of the channels."""
SHARP: Final = 0.57
"""Ratio of the spreads from which a film is in focus: it is 0.60 to 0.90 in five films that are,
and 0.42 to 0.56 in the audience of a sixth, which is not."""
BLURRED: Final = 0.45
"""Ratio of one that is so far out of focus that no more is painted."""
MOST: Final = 1.5 / 128
"""Spread of the blur that is painted at most, as a share of the crop's side: half of what such
films have. With more of it pictures of one new person are less alike to an embedder."""
EDGES: Final = (0.01, 0.025)
"""Spread of the coarser band, as a share of the light, from which there are edges, and enough of
them. Shade on a wall has 0.007 at most, what is around filmed faces 0.029 and more."""
BLACK: Final = 2.0
"""Light added to that, of 255: so much is noise."""
LEAST: Final = 0.3
"""Spread in pixels below which a blur is none."""
KEPT: Final = 0.97
"""Share of what a track knows that is left after a frame: a lens takes its time."""


@dataclass(frozen=True, slots=True)
class Focus:
    """What is seen of it in a frame, or known of a track so far: energies, 0 of nothing."""

    fine: float = 0.0
    coarse: float = 0.0
    light: float = 0.0
    """Of all that was looked at."""
    weight: float = 0.0
    """How much that was."""

    @classmethod
    def of(cls, context: NDArray[np.uint8], hidden: NDArray[np.bool_]) -> Focus:
        """Of a crop (S, S, 3) where it is not `hidden` (S, S)."""
        seen = np.where(hidden[..., None], 0, context).astype(np.float32) @ LUMA
        whole = _reduced((~hidden).astype(np.float32)) > 1 - 1e-3
        light = continued(_reduced(seen)[..., None], whole)[..., 0]
        levels = [cv2.GaussianBlur(light, (0, 0), spread) for spread in BANDS]
        weights = np.exp(-cv2.distanceTransform(whole.astype(np.uint8), cv2.DIST_L2, 3) / REACH)
        weights[round(CHIN * len(weights)) :] *= OWN
        weights *= whole
        fine, coarse = (float((np.square(a - b) * weights).sum()) for a, b in pairwise(levels))
        return cls(fine, coarse, float((light * weights).sum()), float(weights.sum()))

    def after(self, seen: Focus) -> Focus:
        """With one more frame."""
        return Focus(
            KEPT * self.fine + seen.fine,
            KEPT * self.coarse + seen.coarse,
            KEPT * self.light + seen.light,
            KEPT * self.weight + seen.weight,
        )

    @property
    def softness(self) -> float:
        """Spread of the blur, as a share of the crop's side, that makes a drawing half as soft."""
        if not self.weight or not self.coarse:
            return 0.0
        contrast = (self.coarse / self.weight) ** 0.5 / (self.light / self.weight + BLACK)
        ratio = (self.fine / self.coarse) ** 0.5
        low, enough = EDGES
        told = float(np.clip((contrast - low) / (enough - low), 0, 1))
        return told * MOST * float(np.clip((SHARP - ratio) / (SHARP - BLURRED), 0, 1))


def softened(
    painted: NDArray[np.uint8],
    hidden: NDArray[np.bool_],
    head: NDArray[np.bool_],
    softness: float,
) -> NDArray[np.uint8]:
    """A painting (S, S, 3) as soft as `Focus.softness` says where a `head` (S, S) is drawn.

    So are its edges, as far as the film is `hidden` (S, S). Beside it the painting stays as it is:
    what goes on there is the film, as soft as that is.
    """
    spread = softness * len(head)
    if spread < LEAST:
        return painted
    reach = 2 * round(2 * spread) + 1
    near = cv2.dilate(head.astype(np.float32), np.ones((reach, reach), np.uint8))
    share = (cv2.GaussianBlur(near, (0, 0), spread) * hidden)[..., None]
    soft = cv2.GaussianBlur(painted, (0, 0), spread).astype(np.float32)
    return np.asarray((painted + share * (soft - painted)).round(), np.uint8)


def _reduced(picture: Array) -> Array:
    """A picture (S, S) of at most `SIDE` pixels a side."""
    if len(picture) <= SIDE:
        return picture
    return np.asarray(cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.float32)
