"""What H.264 says of a stream outside of its pictures.

ITU-T H.264, 7.3.2.1 (sequence parameter sets) and annex E (usability information).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from anonymizer.video import nals

FINE: Final = (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135)
"""Profiles that say how chroma and bits are laid out."""
_EXTENDED: Final = 255
"""Pixel shape that is given by two numbers."""
_RESOLVED: Final = {
    1: (1, 1), 2: (12, 11), 3: (10, 11), 4: (16, 11), 5: (40, 33), 6: (24, 11), 7: (20, 11),
    8: (32, 11), 9: (80, 33), 10: (18, 11), 11: (15, 11), 12: (64, 33), 13: (160, 99), 14: (4, 3),
    15: (3, 2), 16: (2, 1),
}  # fmt: skip
"""Pixel shapes that are given by one (table E-1)."""
_UNSPECIFIED: Final = (2, 2, 2)


class Unusual(Exception):
    """Something that is not read here; the message says what."""


class Bits:
    """Bits of a unit, one after the other.

    Raises:
        Unusual: if there are no more.
    """

    def __init__(self, content: bytes) -> None:
        self._value = int.from_bytes(content, "big")
        self._left = 8 * len(content)

    def __call__(self, count: int = 1) -> int:
        """The next ``count`` bits as a number, the highest first."""
        self._left -= count
        if self._left < 0:
            raise Unusual("a parameter set ends too early")
        return self._value >> self._left & (1 << count) - 1

    def unsigned(self) -> int:
        """The next number by the code ``ue(v)`` of 9.1."""
        zeros = 0
        while not self():
            zeros += 1
        return (1 << zeros) - 1 + self(zeros)

    def signed(self) -> int:
        """The next number by the code ``se(v)`` of 9.1.1."""
        code = self.unsigned()
        return (code + 1) // 2 if code % 2 else -(code // 2)


@dataclass(frozen=True, slots=True)
class Look:
    """What pictures of a stream are like: must be the same in streams that are joined."""

    chroma: int
    """``chroma_format_idc``"""
    depth: tuple[int, int]
    """Bits of luma and of chroma."""
    size: tuple[int, int]
    """In macroblocks."""
    crop: tuple[int, int, int, int]
    """In units of 7.4.2.1.1: left, right, top, bottom."""
    aspect: tuple[int, int]
    """Width and height of a pixel; (0, 0) if not said."""
    full_range: bool
    colour: tuple[int, int, int]
    """Primaries, transfer and matrix; 2 where not said."""
    chroma_place: int
    """Where the chroma of 4:2:0 lies; 0 where not said."""


@dataclass(frozen=True, slots=True)
class Sps:
    """A sequence parameter set."""

    profile: int
    constraints: int
    """The byte of flags behind the profile."""
    level: int
    number: int
    look: Look
    interlaced: bool
    """Whether pictures may be fields."""
    order_type: int
    """``pic_order_cnt_type``: with 2 pictures are shown in the order of decoding."""
    references: int
    reorder: int | None
    """Pictures decoded before, and shown after another; None if not said."""
    held: int | None
    """Pictures that a decoder must hold; None if not said."""
    delays: tuple[int, int] | None
    """Lengths of delays in a message about timing."""
    pictures_timed: bool
    """Whether such a message says how a picture is shown, and perhaps when it was filmed."""


@dataclass(frozen=True, slots=True)
class _Usability:
    """What annex E adds."""

    aspect: tuple[int, int] = (0, 0)
    full_range: bool = False
    colour: tuple[int, int, int] = _UNSPECIFIED
    chroma_place: int = 0
    reorder: int | None = None
    held: int | None = None
    delays: tuple[int, int] | None = None
    pictures_timed: bool = False


def sps_of(unit: bytes) -> Sps:
    """Read a sequence parameter set.

    Raises:
        Unusual: if it cannot be read, or has lists for scaling.
    """
    content = nals.unescaped(unit)
    if len(content) < 4 or nals.kind(content) != nals.SPS:
        raise Unusual("a parameter set ends too early")
    profile, constraints, level = content[1:4]
    bits = Bits(content[4:])
    number = bits.unsigned()
    chroma, depth = _samples(bits) if profile in FINE else (1, (8, 8))
    bits.unsigned()  # bits of frame numbers
    order_type = _order(bits)
    references = bits.unsigned()
    bits()  # gaps in frame numbers
    size = bits.unsigned() + 1, bits.unsigned() + 1
    interlaced = not bits()
    bits(1 + interlaced)  # how blocks are predicted
    crop = (0, 0, 0, 0)
    if bits():
        crop = bits.unsigned(), bits.unsigned(), bits.unsigned(), bits.unsigned()
    more = _usability(bits) if bits() else _Usability()
    look = Look(
        chroma, depth, size, crop, more.aspect, more.full_range, more.colour, more.chroma_place
    )
    return Sps(
        profile,
        constraints,
        level,
        number,
        look,
        interlaced,
        order_type,
        references,
        more.reorder,
        more.held,
        more.delays,
        more.pictures_timed,
    )


def _samples(bits: Bits) -> tuple[int, tuple[int, int]]:
    chroma = bits.unsigned()
    if chroma == 3 and bits():
        raise Unusual("colours are coded apart")
    depth = 8 + bits.unsigned(), 8 + bits.unsigned()
    bits()  # lossless without transform
    if bits():
        raise Unusual("parameter sets have lists for scaling")
    return chroma, depth


def _order(bits: Bits) -> int:
    kind = bits.unsigned()
    if kind == 0:
        bits.unsigned()
    elif kind == 1:
        bits()
        bits.signed(), bits.signed()
        for _ in range(bits.unsigned()):
            bits.signed()
    return kind


def _usability(bits: Bits) -> _Usability:
    aspect = pixel_shape(bits) if bits() else (0, 0)
    if bits():
        bits()  # overscan
    full, colour, place = False, _UNSPECIFIED, 0
    if bits():
        bits(3)
        full = bool(bits())
        colour = (bits(8), bits(8), bits(8)) if bits() else _UNSPECIFIED
    if bits():
        place, _ = bits.unsigned(), bits.unsigned()
    if bits():
        bits(65)  # units of time
    delays = [_buffering(bits) for _ in range(2) if bits()]
    if delays:
        bits()
    timed = bool(bits())
    reorder, held = _restrictions(bits) if bits() else (None, None)
    first = delays[0] if delays else None
    return _Usability(aspect, full, colour, place, reorder, held, first, timed)


def pixel_shape(bits: Bits) -> tuple[int, int]:
    """Width and height of a pixel, as H.264 and HEVC say them."""
    kind = bits(8)
    return (bits(16), bits(16)) if kind == _EXTENDED else _RESOLVED.get(kind, (0, 0))


def _buffering(bits: Bits) -> tuple[int, int]:
    """Lengths of delays from the parameters of a buffer."""
    count = bits.unsigned() + 1
    bits(8)
    for _ in range(count):
        bits.unsigned(), bits.unsigned(), bits()
    bits(5)
    removal, output = bits(5) + 1, bits(5) + 1
    bits(5)
    return removal, output


def _restrictions(bits: Bits) -> tuple[int, int]:
    bits()
    for _ in range(4):
        bits.unsigned()
    return bits.unsigned(), bits.unsigned()
