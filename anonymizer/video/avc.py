"""H.264 as a film speaks it: what its packets hold, and how ours are joined to them.

Its parameter sets have numbers, so that those of the source and of our encoder can live in one
stream; x264 writes the number that it is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anonymizer.video import nals
from anonymizer.video.configuration import Configuration
from anonymizer.video.dialects import Wish, alike
from anonymizer.video.h264 import Bits, Sps, Unusual, sps_of

_SLICE, _SPS, _PPS, _MARK, _FILLER = 1, nals.SPS, nals.PPS, 9, 12
"""Unit types."""
_TIMING, _UNREGISTERED = 1, 5
"""Types of messages that need a closer look."""
_HARMLESS: Final = (0, 6, 45, 47, 137, 144, 147)
"""Types of messages about buffers, where to begin, how to turn the picture, and its colours."""
_X264: Final = bytes.fromhex("dc45e9bde6d948b7962cd820d923eeef")
"""How the message begins in which x264 says how it was set up."""
_CLOCKS: Final = (1, 1, 1, 2, 2, 3, 3, 2, 3)
"""How many times of a clock a message about timing may hold, by how the picture is shown."""
_MOST_REFERENCES: Final = 3
"""What our encoder looks back at by itself."""
_PREDICTIVE: Final = 244
"""Profile of lossless pictures."""
_NUMBERS: Final = 32
"""Of sequence parameter sets."""


class Avc:
    """H.264 as a film speaks it.

    Args:
        extradata: What the film's file says of it.

    Raises:
        Unusual: if it says too little, or its pictures may be interlaced or differ.
    """

    codec: Final = "h264"
    encoder: Final = "libx264"
    parameters: Final = "x264-params"

    def __init__(self, extradata: bytes) -> None:
        self._extradata = extradata
        self._configuration = Configuration.read(extradata)
        all_sps = [sps_of(unit) for unit in self._configuration.sps]
        if not all_sps:
            raise Unusual("the file does not say what its pictures are like")
        if len({replace(sps, number=0, level=0) for sps in all_sps}) > 1:
            raise Unusual("its pictures are not all alike")
        self._sps = all_sps[0]
        self._sets = {*self._configuration.sps, *self._configuration.pps}
        if self._sps.interlaced:
            raise Unusual("its pictures may be interlaced")

    def noted(self, units: Sequence[bytes]) -> tuple[bool, bool]:
        """Whether a group begins with a packet, and whether it holds nothing but pictures."""
        kinds = [nals.kind(unit) for unit in units]
        for kind, unit in zip(kinds, units, strict=True):
            if kind in (_SPS, _PPS) and unit not in self._sets:
                raise Unusual("its parameter sets change inside the film")
        return nals.IDR in kinds, self._is_plain(units)

    def _is_plain(self, units: Sequence[bytes]) -> bool:
        known = (_SLICE, nals.IDR, nals.SEI, _SPS, _PPS, _MARK)
        for unit in units:
            if nals.kind(unit) == _FILLER and nals.is_filling(unit[1:]):
                continue
            if nals.kind(unit) not in known:
                return False
        return all(self._is_harmless(*message) for message in nals.messages(list(units)))

    def _is_harmless(self, kind: int, content: bytes) -> bool:
        if kind == _UNREGISTERED:
            return content.startswith(_X264)
        if kind == _TIMING:
            return not self._tells_time(content)
        return kind in _HARMLESS

    def _tells_time(self, content: bytes) -> bool:
        """Whether a message about timing holds the time of a clock."""
        if not self._sps.pictures_timed:
            return False
        try:
            bits = Bits(content)
            for length in self._sps.delays or ():
                bits(length)
            shown = bits(4)
            return shown >= len(_CLOCKS) or any(bits() for _ in range(_CLOCKS[shown]))
        except Unusual:
            return True

    def reorder(self, pts: NDArray[np.int64]) -> int:
        """How far pictures are reordered: by what the stream says, or by what can be seen."""
        return _reorder(self._sps, pts)

    def wishes(self, reorder: int) -> list[Wish]:
        """Parameters of x264."""
        free = sorted(set(range(_NUMBERS)) - self._configuration.numbers)
        if not free:
            raise Unusual("it has so many parameter sets that there is no number for another")
        wishes: list[Wish] = [("sps-id", free[0])]
        if reorder == 0:
            wishes.append(("bframes", 0))
        elif reorder == 1:
            wishes.append(("b-pyramid", "none"))
        held = self._sps.references if self._sps.held is None else self._sps.held
        if 0 < held < _MOST_REFERENCES:
            wishes.append(("ref", held))
        if held:
            wishes.append(("dpb-size", held))
        return wishes

    def insist(self, ours: bytes, reorder: int) -> None:
        """Insist on pictures of the same look and reach."""
        told = sps_of(Configuration.read(ours).sps[0])
        if not alike(told.look, self._sps.look):
            raise Unusual("its pictures are described otherwise than ours would be")
        if told.profile == _PREDICTIVE != self._sps.profile:
            # seen to be decoded wrongly by FFmpeg where a stream changes to it
            raise Unusual("lossless pictures of ours need another profile")
        if (told.reorder or 0) > reorder:
            raise Unusual("ours are reordered further than its pictures")

    def said(self, ours: bytes | None) -> bytes:
        """The box with the parameter sets of both."""
        if ours is None:
            return self._extradata
        mine, theirs = Configuration.read(ours), self._configuration
        return Configuration(theirs.sps + mine.sps, theirs.pps + mine.pps).box()

    def fitted(self, unit: bytes) -> bytes:
        """The unit as it is: x264 was told its numbers."""
        return unit


def _reorder(sps: Sps, pts: NDArray[np.int64]) -> int:
    seen = (np.arange(len(pts)) - np.searchsorted(np.sort(pts), pts)).max(initial=0)
    if sps.reorder is not None:
        return sps.reorder
    if seen and sps.order_type != 2:
        raise Unusual("it does not say how far its pictures are reordered")
    return 0
