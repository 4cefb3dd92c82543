"""What the file of a picture says beside its samples, and what of that is kept."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final, Literal

from anonymizer.video.orientation import Orientation
from anonymizer.video.profiles import colours_of

Kind = Literal["png", "jpeg", "webp", "tiff", "bmp"]

_ORIENTATION, _CAMERA, _EXCHANGE = 0x0112, 0x8769, 0xA005
"""Tags of EXIF data; the last two say where further directories lie."""
_UPRIGHT: Final = Orientation()
_TURNED: Final = (
    _UPRIGHT,
    Orientation(False, True, False),
    Orientation(False, True, True),
    Orientation(False, False, True),
    Orientation(True, False, False),
    Orientation(True, True, False),
    Orientation(True, True, True),
    Orientation(True, False, True),
)
"""What the values 1 to 8 of EXIF's orientation ask for (EXIF 2.32, section 4.6.4)."""

ADOBE: Final = "Adobe RGB was named only in data that is left out; colours may look paler"
MORE: Final = "holds more behind the picture, such as a second one or a film; left out"
PROFILE: Final = "its colour profile is damaged; left out"
DAMAGED: Final = "is not a picture, or is damaged or cut off"


class NotRead(Exception):
    """A picture cannot be used; the words are for people."""


@dataclass(frozen=True, slots=True)
class Coding:
    """How finely a JPEG picture was coded."""

    tables: tuple[tuple[int, ...], ...]
    """Quantisation of luma and of chroma, 64 numbers by rows each; only luma's if it is grey."""
    sampling: tuple[int, int]
    """Samples of luma for one of chroma, across and down."""
    progressive: bool


@dataclass(frozen=True, slots=True)
class Labels:
    """What is known of a picture but its samples."""

    kind: Kind
    """By what it begins with, whatever its name."""
    orientation: Orientation = _UPRIGHT
    """What is to be done to what is stored."""
    profile: bytes | None = None
    """An ICC profile that tells of colours only."""
    colours: tuple[tuple[bytes, bytes], ...] = ()
    """Parts of a PNG file that do the same."""
    coding: Coding | None = None
    """Of JPEG."""
    lossless: bool = True
    premultiplied: bool = False
    """Whether colours are multiplied by alpha."""
    grey: bool = False
    """Whether all that a PNG file stores is grey, and perhaps alpha."""
    clear: int | None = None
    """The grey value of a PNG picture without alpha that is transparent."""
    warnings: tuple[str, ...] = ()


def only_one(pictures: int) -> None:
    """Refuse animations: a film of them would lose its time, and one picture the others.

    Raises:
        NotRead: if there is more than one picture.
    """
    if pictures > 1:
        raise NotRead(f"is an animation of {pictures} pictures; convert it to a video first")


def turned(value: object) -> Orientation:
    """What a value of EXIF's orientation asks for; nothing if there is no such value."""
    known = isinstance(value, int) and 1 <= value <= len(_TURNED)
    return _TURNED[value - 1] if known else _UPRIGHT  # type: ignore[operator]  # known says so


def turned_by(exif: bytes) -> tuple[Orientation, tuple[str, ...]]:
    """How EXIF data asks a picture to be shown, and what is lost with the rest of it.

    What is damaged asks for nothing.
    """
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return _UPRIGHT, ()
    tags = _tags(exif, exif[4:8], order)
    (asked,) = struct.unpack(f"{order}H", tags.get(_ORIENTATION, bytes(4))[:2])
    camera = _tags(exif, tags.get(_CAMERA, b""), order)
    exchange = _tags(exif, camera.get(_EXCHANGE, b""), order)
    return turned(asked), (ADOBE,) if exchange.get(1, b"")[:3] == b"R03" else ()


def _tags(exif: bytes, where: bytes, order: str) -> dict[int, bytes]:
    """Tags of a directory and their four bytes: a value, or where it lies."""
    if len(where) != 4:
        return {}
    (at,) = struct.unpack(f"{order}I", where)
    if at < 8 or at + 2 > len(exif):
        return {}
    (count,) = struct.unpack_from(f"{order}H", exif, at)
    known = range(at + 2, min(at + 2 + 12 * count, len(exif) - 11), 12)
    return {
        struct.unpack_from(f"{order}H", exif, tag)[0]: exif[tag + 8 : tag + 12] for tag in known
    }


def cleaned(profile: bytes | None) -> tuple[bytes | None, tuple[str, ...]]:
    """A profile that tells of colours only, and a warning where it cannot be had."""
    kept = colours_of(profile) if profile else None
    return kept, () if kept or not profile else (PROFILE,)
