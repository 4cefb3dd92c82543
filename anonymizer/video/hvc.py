"""HEVC as a film speaks it: what its packets hold, and how ours are joined to them.

Its encoder numbers all parameter sets 0, as most do. Those of ours are given other numbers once
they are written, and so are the slices that name them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anonymizer.video import hevc, nals
from anonymizer.video.dialects import Wish, alike
from anonymizer.video.h264 import Unusual
from anonymizer.video.hevc import PPS, SPS, VPS, Numbers, Sps, sps_of

_IDR: Final = (19, 20)
"""Unit types of pictures from which nothing looks back, and at whose leading ones nothing does."""
_MARK, _FILLER, _BEFORE, _AFTER = 35, 38, 39, 40
"""Unit types: the last two hold messages."""
_SETS: Final = (VPS, SPS, PPS)
_UNREGISTERED: Final = 5
_HARMLESS: Final = (0, 1, 6, 47, 129, 130, 131, 132, 137, 144, 147, 148, 149)
"""Types of messages about buffers, where to begin, how to turn the picture, and its colours."""
_X265: Final = bytes.fromhex("2ca2de09b51747dbbb55a4fe7fc2fc4e")
"""How the message begins in which x265 says how it was set up."""
_HEAD: Final = 22
"""Bytes of the box before the number of its lists."""


class Hvc:
    """HEVC as a film speaks it.

    Args:
        extradata: What the film's file says of it.

    Raises:
        Unusual: if it says too little, or its pictures are fields or differ.
    """

    codec: Final = "hevc"
    encoder: Final = "libx265"
    parameters: Final = "x265-params"

    def __init__(self, extradata: bytes) -> None:
        units = units_of(extradata)
        self._sets = [unit for unit in units if hevc.kind(unit) in _SETS]
        self._messages = [
            unit for unit in units if hevc.kind(unit) == _BEFORE and _is_harmless(unit)
        ]
        all_sps = [sps_of(unit) for unit in self._sets if hevc.kind(unit) == SPS]
        if not all_sps:
            raise Unusual("the file does not say what its pictures are like")
        if len({replace(sps, number=0, level=0) for sps in all_sps}) > 1:
            raise Unusual("its pictures are not all alike")
        self._sps = all_sps[0]
        if self._sps.fields:
            raise Unusual("its pictures may be interlaced")
        self._numbers = _free(self._sets)

    def noted(self, units: Sequence[bytes]) -> tuple[bool, bool]:
        """Whether a group begins with a packet, and whether it holds nothing but pictures."""
        if any(len(unit) < 3 for unit in units):
            raise Unusual("its packets are damaged")
        pairs = [(hevc.kind(unit), unit) for unit in units]
        for kind, unit in pairs:
            if kind in _SETS and unit not in self._sets:
                raise Unusual("its parameter sets change inside the film")
        begins = any(kind in _IDR and not hevc.layer(unit) for kind, unit in pairs)
        return begins, all(map(_is_plain, units))

    def reorder(self, pts: NDArray[np.int64]) -> int:
        """How far pictures are reordered, by what the stream says."""
        return self._sps.reorder

    def wishes(self, reorder: int) -> list[Wish]:
        """Parameters of x265."""
        if reorder == 0:
            return [("bframes", 0)]
        return [("b-pyramid", 0)] if reorder == 1 else []

    def insist(self, ours: bytes, reorder: int) -> None:
        """Insist on pictures of the same look and profile, and of no further reach."""
        units = units_of(ours)
        for unit in units:
            self.fitted(unit)
        told = next((sps_of(unit) for unit in units if hevc.kind(unit) == SPS), None)
        if told is None or not alike(told.look, self._sps.look):
            raise Unusual("its pictures are described otherwise than ours would be")
        if told.profile[0] or told.profile[::2] != self._sps.profile[::2]:
            raise Unusual("ours need another profile than its pictures")
        if told.reorder > reorder:
            raise Unusual("ours are reordered further than its pictures")

    def said(self, ours: bytes | None) -> bytes:
        """The box with the parameter sets of both; of messages it holds harmless ones only."""
        mine = [] if ours is None else [self.fitted(unit) for unit in units_of(ours)]
        return box(
            [*self._sets, *(unit for unit in mine if hevc.kind(unit) in _SETS)], self._messages
        )

    def fitted(self, unit: bytes) -> bytes:
        """The unit with numbers that the film does not use."""
        return self._numbers.given_to(unit)


def _free(sets: Sequence[bytes]) -> Numbers:
    """Numbers that none of these parameter sets has."""
    used = {(hevc.kind(unit), hevc.number_of(unit)) for unit in sets}
    vps, sps = (
        next((number for number in range(hevc.NUMBERS) if (kind, number) not in used), None)
        for kind in (VPS, SPS)
    )
    pps = next((number for number in hevc.PPS_NUMBERS if (PPS, number) not in used), None)
    if vps is None or sps is None or pps is None:
        raise Unusual("it has so many parameter sets that there is no number for another")
    return Numbers(vps, sps, pps)


def _is_plain(unit: bytes) -> bool:
    kind = hevc.kind(unit)
    if hevc.layer(unit):
        return False
    if kind in _IDR:
        return not unit[2] & 64  # or the pictures before it would not be shown
    if kind == _FILLER:
        return nals.is_filling(unit[2:])
    if kind in (_BEFORE, _AFTER):
        return _is_harmless(unit)
    return kind in (*hevc.PICTURES, *_SETS, _MARK)


def _is_harmless(unit: bytes) -> bool:
    return all(
        name in _HARMLESS or (name == _UNREGISTERED and content.startswith(_X265))
        for name, content in nals.payloads(nals.unescaped(unit[2:]))
    )


def units_of(extradata: bytes) -> list[bytes]:
    """The units in the box of a file (ISO/IEC 14496-15, 8.3.3), or between start codes.

    Raises:
        Unusual: if the box ends too early.
    """
    if extradata[:1] != b"\1":
        return nals.units(extradata, 0)
    found: list[bytes] = []
    at = _HEAD + 1
    for _ in range(extradata[_HEAD] if len(extradata) > _HEAD else 0):
        count, at = int.from_bytes(extradata[at + 1 : at + 3], "big"), at + 3
        for _ in range(count):
            size = int.from_bytes(extradata[at : at + 2], "big")
            found.append(extradata[at + 2 : at + 2 + size])
            at += 2 + size
    if at > len(extradata) or any(len(unit) < 3 for unit in found):
        raise Unusual("what the file says of its parameter sets ends too early")
    return found


def box(sets: Sequence[bytes], messages: Sequence[bytes]) -> bytes:
    """The box, with lengths of four bytes; it promises as much as any stream needs."""
    all_sps = [sps_of(unit) for unit in sets if hevc.kind(unit) == SPS]
    lists = [[unit for unit in sets if hevc.kind(unit) == kind] for kind in _SETS]
    lists = [units for units in (*lists, list(messages)) if units]
    return _head(all_sps) + bytes([len(lists)]) + b"".join(map(_listed, lists))


def _head(all_sps: Sequence[Sps]) -> bytes:
    first = all_sps[0]
    space, _, profile = first.profile
    tier = max(sps.profile[1] for sps in all_sps)
    compatible, constraints = -1, -1
    for sps in all_sps:
        compatible, constraints = compatible & sps.compatible, constraints & sps.constraints
    layers = max(sps.layers for sps in all_sps) + 1
    nested = all(sps.nested for sps in all_sps)
    luma, chroma = (depth - 8 for depth in first.look.depth)
    return b"".join(
        (
            bytes([1, space << 6 | tier << 5 | profile]),
            compatible.to_bytes(4, "big"),
            constraints.to_bytes(6, "big"),
            bytes([max(sps.level for sps in all_sps), 0xF0, 0, 0xFC]),
            bytes([0xFC | first.look.chroma, 0xF8 | luma, 0xF8 | chroma, 0, 0]),
            bytes([layers << 3 | nested << 2 | 3]),
        )
    )


def _listed(units: Sequence[bytes]) -> bytes:
    """A list of units of one type, which holds all of them."""
    sizes = b"".join(len(unit).to_bytes(2, "big") + unit for unit in units)
    return bytes([0x80 | hevc.kind(units[0])]) + len(units).to_bytes(2, "big") + sizes
