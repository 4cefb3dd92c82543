"""Decoded samples beside the RGB picture, so that what is not painted can stay what it was."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

import av
import numpy as np
from numpy.typing import NDArray

from anonymizer.picture import Negative

Samples = NDArray[np.unsignedinteger[Any]]
"""One plane ``(h, w)``: uint8, or uint16 where samples have more bits."""

_NAMES: Final = re.compile(r"(?:(yuv)(a?)j?(420|422|440|444)p|(gray)|(gbr)(a?)p)(?:(9|1[0246])le)?")


@dataclass(frozen=True, slots=True)
class Layout:
    """What the planes of a planar pixel format hold: the picture's, then perhaps alpha."""

    kind: Literal["yuv", "gray", "gbr"]
    chroma: Literal["420", "422", "440", "444", ""] = ""
    """Of YUV: 4:2:0 halves both sides of chroma, 4:2:2 the width, 4:4:0 the height."""
    depth: int = 8
    """Bits of a sample."""
    alpha: bool = False

    @property
    def name(self) -> str:
        """FFmpeg's name of the format."""
        if self.kind == "gray" and self.alpha:
            return "ya8" if self.depth == 8 else f"ya{self.depth}le"
        kind = self.kind if not self.alpha else {"yuv": "yuva", "gbr": "gbra"}[self.kind]
        planar = "" if self.kind == "gray" else "p"
        return f"{kind}{self.chroma}{planar}" + (f"{self.depth}le" if self.depth > 8 else "")

    @property
    def halved(self) -> tuple[bool, bool]:
        """Whether chroma has half the width, and half the height."""
        return self.chroma in ("420", "422"), self.chroma in ("420", "440")

    @property
    def count(self) -> int:
        """Number of planes."""
        return (1 if self.kind == "gray" else 3) + self.alpha

    def is_halved(self, plane: int) -> tuple[bool, bool]:
        """Whether a plane has half the width, and half the height, of the picture."""
        return self.halved if plane in (1, 2) else (False, False)


def layout_of(pixel_format: str) -> Layout | None:
    """The layout of a format by FFmpeg's name; None where planes would not say it all."""
    match = _NAMES.fullmatch(pixel_format)
    if match is None:
        return None
    yuv, yuv_alpha, chroma, gray, gbr, gbr_alpha, depth = match.groups()
    return Layout(
        kind=cast("Literal['yuv', 'gray', 'gbr']", yuv or gray or gbr),
        chroma=cast("Literal['420', '422', '440', '444', '']", chroma or ""),
        depth=int(depth or 8),
        alpha=bool(yuv_alpha or gbr_alpha),
    )


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Native:
    """One decoded picture as its codec holds it, before it is turned upright."""

    layout: Layout
    size: tuple[int, int]
    """(width, height) in pixels."""
    planes: tuple[Samples, ...]
    """As many as the layout has; views of what the decoder wrote, read-only."""
    negative: Negative
    """Of the very RGB picture, upright: a frame that still shows it is unchanged."""


def planes_of(picture: av.VideoFrame, layout: Layout) -> list[Samples]:
    """Views of a picture's planes without the padding of their lines.

    Args:
        picture: In a format for which ``layout_of`` gave ``layout``.
        layout: Of that format.
    """
    kind = np.uint8 if layout.depth == 8 else np.uint16
    whole = [np.frombuffer(plane, kind).reshape(plane.height, -1) for plane in picture.planes]  # type: ignore[call-overload]  # PyAV's planes are buffers
    sizes = [size_of(picture, layout, plane) for plane in range(layout.count)]
    return [samples[:height, :width] for samples, (width, height) in zip(whole, sizes, strict=True)]


def size_of(picture: av.VideoFrame, layout: Layout, plane: int) -> tuple[int, int]:
    """Width and height of a plane of a picture."""
    across, down = layout.is_halved(plane)
    width, height = picture.width, picture.height
    return -(-width // 2) if across else width, -(-height // 2) if down else height
