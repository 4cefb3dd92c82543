"""What films tell of their colours besides code points: where chroma lies, and the display."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, cast

import av
import numpy as np
from av.sidedata.sidedata import Type
from numpy.typing import NDArray

from anonymizer.data import Colour
from anonymizer.video.colour import BT709, SCALING, swscale_matrix
from anonymizer.video.native import layout_of, planes_of

_DYNAMIC: Final = {
    Type.DYNAMIC_HDR_PLUS,
    Type.DYNAMIC_HDR_VIVID,
    Type.DOVI_METADATA,
    Type.DOVI_RPU_BUFFER,
}


_NAMES: Final = {
    "libx264": ("mastering-display", "cll", "chromaloc"),
    "libx265": ("master-display", "max-cll", "chromaloc"),
    "libsvtav1": ("mastering-display", "content-light", "chroma-sample-position"),
}
"""What encoders call the display, the light and the place of chroma."""

LEFT: Final = 0
TOP_LEFT: Final = 2
LOCATIONS: Final = ("left", "center", "topleft", "top", "bottomleft", "bottom")
"""FFmpeg's names of places of chroma, by their numbers."""
_TELLING: Final = {"h264": range(6), "hevc": range(6), "libdav1d": (TOP_LEFT,)}
"""Decoders that tell where chroma lies, and what they can tell."""


@dataclass(frozen=True, slots=True)
class Signals:
    """What a film tells of itself once for all frames."""

    display: tuple[Fraction, ...] = ()
    """x and y of red, green, blue and white; least and most light in cd/m2 (SMPTE ST 2086)."""
    light: tuple[int, ...] = ()
    """Brightest pixel and brightest mean of a frame in cd/m2 (CTA-861.3)."""
    dynamic: bool = False
    """Whether frames tell more, each of its own (HDR10+, Dolby Vision); that is not kept."""
    chroma: int = LEFT
    """Where the chroma of 4:2:0 lies, as H.273 numbers it (ChromaLocType)."""


def signals_in(colour: Colour) -> Signals:
    """What a description of colour tells; empty where it tells nothing."""
    return colour.signals if isinstance(colour.signals, Signals) else Signals()


def chroma_of(picture: av.VideoFrame, decoder: str) -> int:
    """Where the chroma of a decoded picture lies; LEFT, as is usual, where it does not tell.

    PyAV does not show what FFmpeg knows, but its conversion heeds it: one blue sample among grey
    ones shows where it is put. The picture's own samples are lost.
    """
    known = _TELLING.get(decoder, ())
    layout = layout_of(picture.format.name) if known else None
    if layout is None or layout.chroma != "420" or min(picture.width, picture.height) < 32:
        return LEFT
    picture.make_writable()
    planes = planes_of(picture, layout)
    for plane in planes:
        plane[:] = 1 << (layout.depth - 1)
    row, column = (side // 2 for side in planes[1].shape)
    planes[1][row, column] = (1 << layout.depth) - 1
    matrix = swscale_matrix(BT709)  # the picture's own may be one that swscale does not know
    converted = picture.reformat(format="rgb24", src_colorspace=matrix, interpolation=SCALING)
    shown = converted.to_ndarray()
    across, down = _middle(shown[..., 2].astype(np.float64))
    found = int(across - 2 * column > 0.25) + (0, 2, 4)[_step(down - 2 * row)]
    return found if found in known else LEFT


def _middle(blue: NDArray[np.float64]) -> tuple[float, float]:
    """Mean (x, y) of what is brighter than the rest."""
    weight = np.maximum(blue - np.median(blue), 0)
    y, x = np.mgrid[: blue.shape[0], : blue.shape[1]]
    return float((weight * x).sum() / weight.sum()), float((weight * y).sum() / weight.sum())


def _step(down: float) -> int:
    """0 for the middle between two rows, 1 for the upper row, 2 for the lower."""
    return 1 if down < 0.25 else 0 if down < 0.75 else 2


def signals_of(picture: av.VideoFrame, decoder: str = "") -> Signals | None:
    """What a decoded picture tells; None where that is nothing special. Its samples are lost.

    FFmpeg's structures: AVMasteringDisplayMetadata is ten fractions (x and y of red, green, blue
    and white, least and most light) and two truths; AVContentLightMetadata is two numbers.
    """
    told: Mapping[Any, Any] = {}
    with suppress(ValueError):  # side data of a kind that PyAV has no name for
        told = cast("Mapping[Any, Any]", picture.side_data)
    display = told.get(Type.MASTERING_DISPLAY_METADATA)
    light = told.get(Type.CONTENT_LIGHT_LEVEL)
    found = Signals(
        display=() if display is None else _display(np.frombuffer(display, np.int32)),
        light=() if light is None else tuple(np.frombuffer(light, np.uint32)[:2].tolist()),
        dynamic=any(kind in told for kind in _DYNAMIC),
        chroma=chroma_of(picture, decoder),
    )
    return None if found == Signals() else found


def _display(numbers: np.ndarray[Any, np.dtype[np.int32]]) -> tuple[Fraction, ...]:
    """The ten fractions; nothing unless both colours and light are told."""
    if not numbers[20:22].all() or not numbers[1:20:2].all():
        return ()
    return tuple(Fraction(int(a), int(b)) for a, b in numbers[:20].reshape(10, 2))


def parameters(colour: Colour, codec: str) -> dict[str, str]:
    """How an encoder is told, in its own syntax; empty where there is nothing to tell or no way."""
    told = signals_in(colour)
    if codec not in _NAMES:
        return {}
    display, light, chroma = _NAMES[codec]
    found = {}
    if told.display:
        found[display] = _written(told.display, exact=codec == "libsvtav1")
    if told.light:
        found[light] = ",".join(map(str, told.light))
    if told.chroma != LEFT and (codec != "libsvtav1" or told.chroma == TOP_LEFT):
        found[chroma] = LOCATIONS[told.chroma] if codec == "libsvtav1" else str(told.chroma)
    return found


def _written(display: tuple[Fraction, ...], *, exact: bool) -> str:
    """As numbers, or in the units of HEVC: 0.00002 of a coordinate, 0.0001 candela per m2."""
    scales = [1 if exact else 50_000] * 8 + [1 if exact else 10_000] * 2
    values = [value * scale for value, scale in zip(display, scales, strict=True)]
    words = [f"{float(value):.7f}" if exact else str(round(value)) for value in values]
    red, green, blue, white, light = (",".join(words[at : at + 2]) for at in range(0, 10, 2))
    least, most = light.split(",")
    return f"G({green})B({blue})R({red})WP({white})L({most},{least})"
