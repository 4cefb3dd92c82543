"""What HEVC says of a stream outside of its pictures, and how its parameter sets are renumbered.

ITU-T H.265, 7.3.1.2 (unit headers), 7.3.2 (parameter sets), 7.3.6 (slices) and annex E.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from anonymizer.video import nals
from anonymizer.video.h264 import Bits, Look, Unusual, pixel_shape

VPS, SPS, PPS = 32, 33, 34
"""Unit types of HEVC: parameter sets of layers, sequences and pictures."""
PICTURES: Final = (*range(10), *range(16, 22))
"""Unit types of HEVC: slices."""
IRAP: Final = range(16, 24)
"""Unit types of HEVC of which slices say whether earlier pictures are shown."""
_PROFILE: Final = 88
"""Bits of a profile."""
_LEVEL: Final = 8
_LAYERS: Final = 8
NUMBERS: Final = 16
"""Of parameter sets of layers, and of sequences."""
PPS_NUMBERS: Final = range(16, 31, 2)
"""Numbers of picture parameter sets whose code takes 8 bits more than that of 0, and ends in 1."""


@dataclass(frozen=True, slots=True)
class Sps:
    """A sequence parameter set."""

    layers: int
    """``sps_max_sub_layers_minus1``"""
    nested: bool
    profile: tuple[int, int, int]
    """Profile space, tier and number."""
    compatible: int
    """32 flags: which profiles a decoder may have."""
    constraints: int
    """48 flags."""
    level: int
    number: int
    look: Look
    reorder: int
    """Pictures decoded before, and shown after another."""
    fields: bool
    """Whether pictures are fields."""


def kind(unit: bytes) -> int:
    """Unit type of HEVC."""
    return unit[0] >> 1 & 63


def layer(unit: bytes) -> int:
    """``nuh_layer_id``: 0 for all that is not a second view, a finer picture or transparency."""
    return (unit[0] & 1) << 5 | unit[1] >> 3


def number_of(unit: bytes) -> int:
    """The number of a parameter set.

    Raises:
        Unusual: if it cannot be read.
    """
    bits = Bits(nals.unescaped(unit[2:]))
    if kind(unit) == VPS:
        return bits(4)
    return bits.unsigned() if kind(unit) == PPS else sps_of(unit).number


def sps_of(unit: bytes) -> Sps:
    """Read a sequence parameter set.

    Raises:
        Unusual: if it cannot be read, or has lists for scaling.
    """
    bits = Bits(nals.unescaped(unit[2:]))
    bits(4)
    layers, nested = bits(3), bool(bits())
    profile = bits(2), bits(), bits(5)
    compatible, constraints, level = bits(32), bits(48), bits(_LEVEL)
    _skip_layers(bits, layers)
    number = bits.unsigned()
    chroma = bits.unsigned()
    if chroma == 3 and bits():
        raise Unusual("colours are coded apart")
    size = bits.unsigned(), bits.unsigned()
    crop = (0, 0, 0, 0)
    if bits():
        crop = bits.unsigned(), bits.unsigned(), bits.unsigned(), bits.unsigned()
    depth = 8 + bits.unsigned(), 8 + bits.unsigned()
    order = bits.unsigned() + 4
    reorder = 0
    for _ in range(layers + 1 if bits() else 1):
        _, reorder, _ = bits.unsigned(), bits.unsigned(), bits.unsigned()
    _skip_tools(bits, order)
    aspect, full, colour, place, fields = _usability(bits) if bits() else _UNSAID
    look = Look(chroma, depth, size, crop, aspect, full, colour, place)
    return Sps(
        layers, nested, profile, compatible, constraints, level, number, look, reorder, fields
    )


def _skip_layers(bits: Bits, layers: int) -> None:
    """Profiles and levels of sub-layers (7.3.3)."""
    told = [(bits(), bits()) for _ in range(layers)]
    if layers:
        bits(2 * (_LAYERS - layers))
    for profile, level in told:
        bits(_PROFILE * profile + _LEVEL * level)


def _skip_tools(bits: Bits, order: int) -> None:
    """What blocks are made of, and which pictures are looked back at (7.3.2.2.1)."""
    for _ in range(6):  # sizes of blocks and depths of trees
        bits.unsigned()
    if bits() and bits():
        raise Unusual("parameter sets have lists for scaling")
    bits(2)
    if bits():  # samples as they are
        bits(8)
        bits.unsigned(), bits.unsigned(), bits()
    count = 0
    for index in range(bits.unsigned()):
        count = _references(bits, index, count)
    if bits():
        bits((order + 1) * bits.unsigned())
    bits(2)


def _references(bits: Bits, index: int, before: int) -> int:
    """How many pictures a set of references holds (7.3.7); ``before`` is that of the one before."""
    if index and bits():
        bits(), bits.unsigned()
        return sum(1 for _ in range(before + 1) if bits() or bits())
    behind, ahead = bits.unsigned(), bits.unsigned()
    for _ in range(behind + ahead):
        bits.unsigned(), bits()
    return behind + ahead


_UNSAID: Final = ((0, 0), False, (2, 2, 2), 0, False)


def _usability(bits: Bits) -> tuple[tuple[int, int], bool, tuple[int, int, int], int, bool]:
    """Pixel shape, full range, colour, place of chroma, and whether pictures are fields."""
    aspect, full, colour, place, _ = _UNSAID
    if bits():
        aspect = pixel_shape(bits)
    if bits():
        bits()  # overscan
    if bits():
        bits(3)
        full = bool(bits())
        if bits():
            colour = bits(8), bits(8), bits(8)
    if bits():
        place, _ = bits.unsigned(), bits.unsigned()
    bits()  # neutral chroma
    return aspect, full, colour, place, bool(bits())


@dataclass(frozen=True, slots=True)
class Numbers:
    """Numbers for parameter sets that have number 0."""

    vps: int
    sps: int
    pps: int
    """One of `PPS_NUMBERS`."""

    def given_to(self, unit: bytes) -> bytes:
        """A parameter set or slice with these numbers; other units as they are.

        Raises:
            Unusual: if it has other numbers than 0.
        """
        if kind(unit) in (VPS, SPS, PPS):
            return unit[:2] + nals.escaped(_packed(self._set(unit)))
        if kind(unit) in PICTURES:
            return self._slice(unit)
        return unit

    def _set(self, unit: bytes) -> str:
        content = nals.unescaped(unit[2:])
        bits = f"{int.from_bytes(content, 'big'):0{8 * len(content)}b}"
        if number_of(unit) != 0 or (kind(unit) == PPS and bits[1] != "1"):
            raise Unusual("our encoder numbers its parameter sets in an unknown way")
        if kind(unit) == VPS:
            return f"{self.vps:04b}{bits[4:]}"
        if kind(unit) == PPS:
            return _code(self.pps) + _code(self.sps) + bits[2:]
        at = 4 + 3 + 1 + _PROFILE + _LEVEL
        if int(bits[4:7], 2):
            raise Unusual("our encoder writes sub-layers")
        return f"{self.vps:04b}{bits[4:at]}{_code(self.sps)}{bits[at + 1 :]}"

    def _slice(self, unit: bytes) -> bytes:
        """The code of the number is longer by one byte exactly, so that all behind it stays.

        Neither of the two bytes that are new is 0: nothing needs escaping that did not before.
        """
        before = 1 + (kind(unit) in IRAP)
        first = f"{unit[2]:08b}"
        if first[before] != "1":
            raise Unusual("our encoder numbers its parameter sets in an unknown way")
        longer = first[:before] + _code(self.pps) + first[before + 1 :]
        return unit[:2] + int(longer, 2).to_bytes(2, "big") + unit[3:]


def _code(value: int) -> str:
    """``ue(v)`` of 9.2."""
    bits = f"{value + 1:b}"
    return "0" * (len(bits) - 1) + bits


def _packed(bits: str) -> bytes:
    """Bits up to the last 1, which ends a unit, and zeros to the end of the byte."""
    kept = bits.rstrip("0")
    kept += "0" * (-len(kept) % 8)
    return int(kept, 2).to_bytes(len(kept) // 8, "big")
