"""Replacers without a model: solid cover, blur, mosaic. Baselines, and what small faces get.

``cover`` looks only at what surrounds the protected area (P1 holds). ``blur`` and ``mosaic`` are
made of the face itself: they are for those who name them, never a fallback. Where they change
hardly anything, as on a face that is one dark or distant spot already, there is a cover instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer import crops, geometry
from anonymizer.data import Clip
from anonymizer.errors import UnknownPart
from anonymizer.likeness import ALIKE, SAME, SIDE, likeness
from anonymizer.protocols import Mediation, Replacer

APART: Final = 12.0
"""Levels of 255 between a cover and what is around it."""
SIZE: Final = 128
"""Side of the crops that plain replacers ask for."""
HIDDEN: Final = ALIKE - 0.1
"""Likeness up to which a blurred or tiled face counts as hidden; a look at the film asks less."""
SHARES: Final = (1.0, 0.8, 0.6)
"""Sizes of the boxes looked at, as shares of the mask's."""
SHRUNK: Final = 4
"""Crops are made smaller by this to be blurred: what it takes away the blur would, too."""
CHANGED: Final = 1.4 * SAME
"""Least difference in grey levels, root of the mean square, of a face and what is put there."""


@dataclass(frozen=True, slots=True, eq=False)
class Painted:
    """A sketch that is finished: mediation has nothing to add."""

    moving: Clip
    pixels: NDArray[np.uint8]
    """``(N, S, S, 3)``."""

    def paint(self, mediation: Mediation) -> NDArray[np.uint8]:
        """The crops as they are."""
        return self.pixels


class Cover:
    """One solid colour: that of a ring around the protected area over the whole clip, set apart.

    In the dark a face may be of no other colour than what is around it: a second look could not
    tell a cover of that colour from the face.
    """

    size: int = SIZE
    provider: Final = "cpu"

    def sketch(self, clip: Clip, seed: int) -> Painted:
        """Crops of one colour; grey where nothing around the face can be seen."""
        rings = crops.ring(clip.mask, clip.hidden)
        seen = clip.context[rings]
        mean = seen.mean(axis=0) if len(seen) else np.full(3, crops.GREY)
        colour = (mean + np.where(mean.mean() < 128, APART, -APART)).round().astype(np.uint8)
        shape = (len(clip.indices) - clip.lead, clip.size, clip.size, 3)
        return Painted(clip, np.broadcast_to(colour, shape).copy())


class Blur:
    """The face itself under a Gaussian of a fifth of its width. Does not satisfy P1."""

    size: int = SIZE
    provider: Final = "cpu"

    def sketch(self, clip: Clip, seed: int) -> Painted:
        """Blurred originals."""
        side, few = (clip.size, clip.size), (clip.size // SHRUNK, clip.size // SHRUNK)
        blurred = []
        for crop in clip.pixels[clip.lead :]:
            small = cv2.resize(crop, few, interpolation=cv2.INTER_AREA)
            small = cv2.GaussianBlur(small, (0, 0), few[0] / 8, borderType=cv2.BORDER_REPLICATE)
            blurred.append(cv2.resize(small, side, interpolation=cv2.INTER_CUBIC))
        return _unlike(clip, np.stack(blurred).astype(np.uint8))


class Mosaic:
    """The face itself as four by four averaged cells a crop. Does not satisfy P1.

    A cell is a quarter of the crop, more than a quarter of the face.
    """

    size: int = SIZE
    provider: Final = "cpu"

    def sketch(self, clip: Clip, seed: int) -> Painted:
        """Mosaics of the originals."""
        side = (clip.size, clip.size)
        cells = [
            cv2.resize(crop, (4, 4), interpolation=cv2.INTER_AREA)
            for crop in clip.pixels[clip.lead :]
        ]
        tiled = [cv2.resize(few, side, interpolation=cv2.INTER_NEAREST) for few in cells]
        return _unlike(clip, np.stack(tiled).astype(np.uint8))


def _unlike(clip: Clip, pixels: NDArray[np.uint8]) -> Painted:
    """Changed originals (N, S, S, 3), or covers if one of them still looks as it did."""
    new = slice(clip.lead, None)
    for each in zip(clip.pixels[new], pixels, clip.mask[new], strict=True):
        if _alike(*each):
            return Cover().sketch(clip, 0)
    return Painted(clip, pixels)


def _alike(before: NDArray[np.uint8], after: NDArray[np.uint8], mask: NDArray[np.float32]) -> bool:
    """Whether a look at the film may take a changed face for the original.

    It looks at the face's box, which lies somewhere inside the mask.
    """
    x, y, width, height = cv2.boundingRect((mask > 0).astype(np.uint8))
    if not width:  # nothing is going to be pasted
        return False
    whole = (float(x), float(y), float(x + width), float(y + height))
    for share in SHARES:
        box = geometry.expand(whole, share)
        alike = likeness(before, after, box)
        if alike is not None and alike > HIDDEN:
            return True
        left, top, right, bottom = (round(edge) for edge in box)
        patches = [
            cv2.resize(crop[top:bottom, left:right], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
            for crop in (before, after)
        ]
        if np.square(np.subtract(*patches, dtype=np.float32)).mean() < CHANGED**2:
            return True
    return False


_REPLACERS: Final[dict[str, type[Cover | Blur | Mosaic]]] = {
    "cover": Cover,
    "blur": Blur,
    "mosaic": Mosaic,
}


def build(name: str) -> Replacer:
    """The plain replacer of that name.

    Raises:
        UnknownPart: if there is none.
    """
    if name not in _REPLACERS:
        raise UnknownPart(f"unknown replacer {name!r}; plain ones: {', '.join(_REPLACERS)}")
    return _REPLACERS[name]()
