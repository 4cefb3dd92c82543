"""Where the samples of a pixel format lie, for formats that have a place for each.

Cameras, capture cards and old codecs mix planes, begin with the high byte, or shift samples to the
upper bits of a word. The same samples in planes of their own lose nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import av
import numpy as np
from av.video.format import VideoFormat

from anonymizer.picture import Negative
from anonymizer.video.native import Layout, Native, Samples, layout_of, size_of

Place = tuple[int, int, int]
"""Plane, first sample of a line, and steps to the next one, in samples."""


@dataclass(frozen=True, slots=True)
class Packing:
    """A pixel format as planes of a layout."""

    layout: Layout
    places: tuple[Place, ...]
    """Of each plane of the layout."""
    high_first: bool = False
    """Whether the high byte of a sample comes first."""
    shift: int = 0
    """Bits below a sample, which say nothing."""

    def planes_of(self, picture: av.VideoFrame) -> list[Samples]:
        """The planes of the layout: views of a picture in this format, where that is possible."""
        kind = "u1" if self.layout.depth + self.shift == 8 else "<u2"
        if self.high_first and kind == "<u2":
            kind = ">u2"
        lines = [
            np.frombuffer(plane, kind).reshape(plane.height, -1)  # type: ignore[call-overload]  # PyAV's planes are buffers
            for plane in picture.planes
        ]
        planes: list[Samples] = []
        for number, (plane, first, step) in enumerate(self.places):
            width, height = size_of(picture, self.layout, number)
            samples = lines[plane][:height, first::step][:, :width] >> self.shift
            planes.append(samples.astype(samples.dtype.newbyteorder("="), copy=False))
        return planes


def _line(order: str, wanted: str) -> tuple[Place, ...]:
    """Places in lines of one plane; ``order`` names what follows what, a dot nothing."""
    return tuple(
        (0, order.index(name), len(order) // order.count(name)) for name in wanted if name in order
    )


_LINES: Final[dict[str, tuple[str, Layout]]] = {
    "yuyv422": ("yuyv", Layout("yuv", "422")),
    "uyvy422": ("uyvy", Layout("yuv", "422")),
    "yvyu422": ("yvyu", Layout("yuv", "422")),
    "vyu444": ("vyu", Layout("yuv", "444")),
    "vuyx": ("vuy.", Layout("yuv", "444")),
    "vuya": ("vuya", Layout("yuv", "444", alpha=True)),
    "ayuv": ("ayuv", Layout("yuv", "444", alpha=True)),
    "uyva": ("uyva", Layout("yuv", "444", alpha=True)),
    "ayuv64": ("ayuv", Layout("yuv", "444", 16, alpha=True)),
    "xv48": ("uyv.", Layout("yuv", "444", 16)),
    "y216": ("yuyv", Layout("yuv", "422", 16)),
    "rgb24": ("rgb", Layout("gbr")),
    "bgr24": ("bgr", Layout("gbr")),
    "rgb0": ("rgb.", Layout("gbr")),
    "bgr0": ("bgr.", Layout("gbr")),
    "0rgb": (".rgb", Layout("gbr")),
    "0bgr": (".bgr", Layout("gbr")),
    "rgba": ("rgba", Layout("gbr", alpha=True)),
    "bgra": ("bgra", Layout("gbr", alpha=True)),
    "argb": ("argb", Layout("gbr", alpha=True)),
    "abgr": ("abgr", Layout("gbr", alpha=True)),
    "rgb48": ("rgb", Layout("gbr", depth=16)),
    "bgr48": ("bgr", Layout("gbr", depth=16)),
    "rgba64": ("rgba", Layout("gbr", depth=16, alpha=True)),
    "bgra64": ("bgra", Layout("gbr", depth=16, alpha=True)),
    "ya8": ("ya", Layout("gray", alpha=True)),
    "ya16": ("ya", Layout("gray", depth=16, alpha=True)),
}
_SHIFTED: Final[dict[str, tuple[str, Layout]]] = {
    "xv36": ("uyv.", Layout("yuv", "444", 12)),
    "y210": ("yuyv", Layout("yuv", "422", 10)),
    "y212": ("yuyv", Layout("yuv", "422", 12)),
}
_LUMA: Final = (0, 0, 1)
_BLUE_FIRST: Final = (_LUMA, (1, 0, 2), (1, 1, 2))
_RED_FIRST: Final = (_LUMA, (1, 1, 2), (1, 0, 2))
_PAIRS: Final = {
    "nv12": Packing(Layout("yuv", "420"), _BLUE_FIRST),
    "nv21": Packing(Layout("yuv", "420"), _RED_FIRST),
    "nv16": Packing(Layout("yuv", "422"), _BLUE_FIRST),
    "nv24": Packing(Layout("yuv", "444"), _BLUE_FIRST),
    "nv42": Packing(Layout("yuv", "444"), _RED_FIRST),
    "nv20": Packing(Layout("yuv", "422", 10), _BLUE_FIRST),
}
_CHROMAS: Final = {"0": "420", "2": "422", "4": "444"}


@cache
def packing_of(pixel_format: str) -> Packing | None:
    """How a format holds its samples, by FFmpeg's name; None where that is not so simple."""
    high_first = pixel_format.endswith("be")
    name = pixel_format.removesuffix("be").removesuffix("le")
    found = _packed(name) or _planar(name, pixel_format)
    if found is None:
        return None
    return Packing(found.layout, found.places, high_first, found.shift)


def _packed(name: str) -> Packing | None:
    if name in _PAIRS:
        return _PAIRS[name]
    if name in _LINES or name in _SHIFTED:
        order, layout = (_LINES | _SHIFTED)[name]
        wanted = {"yuv": "yuva", "gray": "ya", "gbr": "gbra"}[layout.kind]
        shift = 16 - layout.depth if name in _SHIFTED else 0
        return Packing(layout, _line(order, wanted), shift=shift)
    if len(name) == 4 and name[0] == "p" and name[1] in _CHROMAS and name[2:] in ("10", "12", "16"):
        depth = int(name[2:])
        layout = Layout("yuv", _CHROMAS[name[1]], depth)  # type: ignore[arg-type]  # one of them
        return Packing(layout, _BLUE_FIRST, shift=16 - depth)
    return None


def _planar(name: str, pixel_format: str) -> Packing | None:
    upper = name.endswith("msb")
    deep = pixel_format.endswith(("be", "le"))
    layout = layout_of(name.removesuffix("msb") + "le" * deep)
    if layout is None:
        return None
    places = tuple((plane, 0, 1) for plane in range(layout.count))
    return Packing(layout, places, shift=16 - layout.depth if upper else 0)


def native_of(picture: av.VideoFrame, negative: Negative) -> Native | None:
    """What to keep of a decoded picture besides its RGB; None where that is not possible.

    Args:
        picture: As decoded; it lives as long as what is returned.
        negative: Of the upright RGB picture that is made of it.
    """
    packing = packing_of(picture.format.name)
    if packing is None or any(plane.line_size <= 0 for plane in picture.planes):  # bottom to top
        return None
    planes = tuple(packing.planes_of(picture))
    for plane in planes:
        plane.flags.writeable = False
    return Native(packing.layout, (picture.width, picture.height), planes, negative)


def converted(pixel_format: str) -> str:
    """What is said of a format whose samples cannot be kept; empty where RGB of 8 bits does."""
    if packing_of(pixel_format) is not None or not pixel_format:
        return ""
    described = VideoFormat(pixel_format, 16, 16)
    bits = max((part.bits for part in described.components), default=8)
    if bits > 8:
        return f"samples of {bits} bits ({pixel_format}) pass through 8 bits"
    exact = described.is_rgb or described.has_palette or pixel_format.startswith("mono")
    return (
        "" if exact and not described.is_bayer else f"all samples are converted from {pixel_format}"
    )
