"""What films of high dynamic range say of the display they were mastered on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, cast

import av
import numpy as np
from av.sidedata.sidedata import Type

from anonymizer.data import Colour

_DYNAMIC: Final = {
    Type.DYNAMIC_HDR_PLUS,
    Type.DYNAMIC_HDR_VIVID,
    Type.DOVI_METADATA,
    Type.DOVI_RPU_BUFFER,
}


_NAMES: Final = {
    "libx264": ("mastering-display", "cll"),
    "libx265": ("master-display", "max-cll"),
    "libsvtav1": ("mastering-display", "content-light"),
}
"""What encoders call the display and the light."""


@dataclass(frozen=True, slots=True)
class Mastering:
    """What a film of high dynamic range tells of itself, once for all frames."""

    display: tuple[Fraction, ...] = ()
    """x and y of red, green, blue and white; least and most light in cd/m2 (SMPTE ST 2086)."""
    light: tuple[int, ...] = ()
    """Brightest pixel and brightest mean of a frame in cd/m2 (CTA-861.3)."""
    dynamic: bool = False
    """Whether frames tell more, each of its own (HDR10+, Dolby Vision); that is not kept."""


def mastering_in(colour: Colour) -> Mastering:
    """What a description of colour tells; empty where it tells nothing."""
    return colour.mastering if isinstance(colour.mastering, Mastering) else Mastering()


def mastering_of(picture: av.VideoFrame) -> Mastering | None:
    """What the side data of a decoded picture tells; None where it tells nothing.

    FFmpeg's structures: AVMasteringDisplayMetadata is ten fractions (x and y of red, green, blue
    and white, least and most light) and two truths; AVContentLightMetadata is two numbers.
    """
    try:
        told = cast("Mapping[Any, Any]", picture.side_data)
    except ValueError:  # side data of a kind that PyAV has no name for
        return None
    display = told.get(Type.MASTERING_DISPLAY_METADATA)
    light = told.get(Type.CONTENT_LIGHT_LEVEL)
    found = Mastering(
        display=() if display is None else _display(np.frombuffer(display, np.int32)),
        light=() if light is None else tuple(np.frombuffer(light, np.uint32)[:2].tolist()),
        dynamic=any(kind in told for kind in _DYNAMIC),
    )
    return None if found == Mastering() else found


def _display(numbers: np.ndarray[Any, np.dtype[np.int32]]) -> tuple[Fraction, ...]:
    """The ten fractions; nothing unless both colours and light are told."""
    if not numbers[20:22].all() or not numbers[1:20:2].all():
        return ()
    return tuple(Fraction(int(a), int(b)) for a, b in numbers[:20].reshape(10, 2))


def parameters(colour: Colour, codec: str) -> dict[str, str]:
    """How an encoder is told, in its own syntax; empty where there is nothing to tell or no way."""
    told = mastering_in(colour)
    if codec not in _NAMES:
        return {}
    display, light = _NAMES[codec]
    found = {}
    if told.display:
        found[display] = _written(told.display, exact=codec == "libsvtav1")
    if told.light:
        found[light] = ",".join(map(str, told.light))
    return found


def _written(display: tuple[Fraction, ...], *, exact: bool) -> str:
    """As numbers, or in the units of HEVC: 0.00002 of a coordinate, 0.0001 candela per m2."""
    scales = [1 if exact else 50_000] * 8 + [1 if exact else 10_000] * 2
    values = [value * scale for value, scale in zip(display, scales, strict=True)]
    words = [f"{float(value):.7f}" if exact else str(round(value)) for value in values]
    red, green, blue, white, light = (",".join(words[at : at + 2]) for at in range(0, 10, 2))
    least, most = light.split(",")
    return f"G({green})B({blue})R({red})WP({white})L({most},{least})"
