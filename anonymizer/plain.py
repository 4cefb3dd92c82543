"""Replacers without a model: solid cover, blur, mosaic. Baselines, and what small faces get.

``cover`` looks only at what surrounds the protected area (P1 holds). ``blur`` and ``mosaic`` are
made of the face itself: they are for those who name them, never a fallback.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer import crops
from anonymizer.data import Clip
from anonymizer.errors import UnknownPart
from anonymizer.protocols import Mediation, Replacer

SIZE: Final = 128
"""Side of the crops that plain replacers ask for."""


class Cover:
    """One solid colour: the mean of a ring around the protected area over the whole clip."""

    size: int = SIZE

    def replace(self, clip: Clip, mediation: Mediation, seed: int) -> NDArray[np.uint8]:
        """Crops of one colour; grey where nothing around the face can be seen."""
        rings = crops.ring(clip.mask, clip.hidden)
        seen = clip.context[rings]
        colour = seen.mean(axis=0).round().astype(np.uint8) if len(seen) else np.uint8(crops.GREY)
        shape = (len(clip.indices) - clip.lead, clip.size, clip.size, 3)
        return np.broadcast_to(colour, shape).copy()


class Blur:
    """The face itself under a Gaussian of a fifth of its width. Does not satisfy P1."""

    size: int = SIZE

    def replace(self, clip: Clip, mediation: Mediation, seed: int) -> NDArray[np.uint8]:
        """Blurred originals."""
        sigma = clip.size / 8
        return np.stack(
            [
                cv2.GaussianBlur(crop, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
                for crop in clip.pixels[clip.lead :]
            ]
        )


class Mosaic:
    """The face itself as four by four averaged cells a crop. Does not satisfy P1.

    A cell is a quarter of the crop, more than a quarter of the face.
    """

    size: int = SIZE

    def replace(self, clip: Clip, mediation: Mediation, seed: int) -> NDArray[np.uint8]:
        """Mosaics of the originals."""
        side = (clip.size, clip.size)
        return np.stack(
            [
                cv2.resize(
                    cv2.resize(crop, (4, 4), interpolation=cv2.INTER_AREA),
                    side,
                    interpolation=cv2.INTER_NEAREST,
                )
                for crop in clip.pixels[clip.lead :]
            ]
        )


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
