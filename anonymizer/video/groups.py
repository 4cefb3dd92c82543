"""Groups of pictures of a film that could be copied as they are, packet for packet.

A group begins with a picture of H.264 from which on nothing looks back (IDR) and ends before the
next one. Only H.264 is copied: its parameter sets have numbers, so that those of the source and of
our encoder can live in one stream. What else packets hold may tell who was filmed, where and when,
so that a group with anything but pictures and harmless messages is not copied.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.stream import Stream
from numpy.typing import NDArray

from anonymizer.data import StreamInfo
from anonymizer.video import nals
from anonymizer.video.compressing import encoder_for
from anonymizer.video.configuration import Configuration
from anonymizer.video.damage import Damage
from anonymizer.video.encoding import Encoding
from anonymizer.video.failures import reading
from anonymizer.video.h264 import Bits, Look, Sps, Unusual, sps_of
from anonymizer.video.packets import open_input, packets_of, picture_stream
from anonymizer.video.timetable import Indivisible, Timetable

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


@dataclass(frozen=True, slots=True)
class Group:
    """Frames that need no others, and that no others need."""

    frames: range
    """Indices in the film."""
    packets: range
    """Numbers of their packets in the file."""
    plain: bool
    """Whether the packets hold nothing but pictures."""


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """The groups of a film, and what its packets need to be decoded."""

    groups: tuple[Group, ...]
    extradata: bytes
    configuration: Configuration
    sps: Sps
    pts: NDArray[np.int64]
    """``(F,)`` in the order of the packets."""
    reorder: int
    """Pictures decoded before, and shown after another."""


@dataclass(frozen=True, slots=True)
class _Noted:
    pts: int
    begins: bool
    plain: bool


def groups_of(path: Path, table: Timetable) -> Groups:
    """Read the packets of a film and decode nothing.

    Args:
        path: The film.
        table: Of the film.

    Raises:
        Indivisible: if no group of it can be copied.
        UnreadableVideo: if it cannot be read.
    """
    with reading(path), open_input(path) as container:
        stream = picture_stream(container, path)
        if stream.codec_context.name != "h264":
            raise Indivisible(f"only H.264 is copied, this is {stream.codec_context.name}")
        extradata = stream.codec_context.extradata or b""
        if nals.length_size("h264", extradata) != 4:
            raise Indivisible("its packets do not give lengths of four bytes")
        try:
            configuration = Configuration.read(extradata)
            known = _Known(configuration)
            packets = packets_of(container, [stream], Damage(path))
            noted = [known.noted(packet) for packet in packets]
            pts = np.array([one.pts for one in noted], np.int64)
            reorder = _reorder(known.sps, pts)
        except Unusual as error:
            raise Indivisible(str(error)) from error
    return Groups(_grouped(noted, table), extradata, configuration, known.sps, pts, reorder)


class _Known:
    """What is known of a stream when its packets are looked at."""

    def __init__(self, configuration: Configuration) -> None:
        all_sps = [sps_of(unit) for unit in configuration.sps]
        if not all_sps:
            raise Unusual("the file does not say what its pictures are like")
        if len({replace(sps, number=0, level=0) for sps in all_sps}) > 1:
            raise Unusual("its pictures are not all alike")
        self.sps = all_sps[0]
        self._sets = {*configuration.sps, *configuration.pps}
        if self.sps.interlaced:
            raise Unusual("its pictures may be interlaced")

    def noted(self, packet: av.Packet[Stream]) -> _Noted:
        """What matters of a packet.

        Raises:
            Unusual: if parameter sets change inside the film, or it is cut by an edit list.
        """
        if packet.is_discard or packet.has_sidedata("new_extradata") or packet.pts is None:
            raise Unusual("the file hides pictures, or changes how they are coded")
        try:
            units = nals.units(bytes(packet), 4)
        except ValueError as error:
            raise Unusual("its packets are damaged") from error
        kinds = [nals.kind(unit) for unit in units]
        for kind, unit in zip(kinds, units, strict=True):
            if kind in (_SPS, _PPS) and unit not in self._sets:
                raise Unusual("its parameter sets change inside the film")
        return _Noted(packet.pts, nals.IDR in kinds, self._is_plain(units))

    def _is_plain(self, units: Sequence[bytes]) -> bool:
        known = (_SLICE, nals.IDR, nals.SEI, _SPS, _PPS, _MARK)
        for unit in units:
            if nals.kind(unit) == _FILLER and not unit[1:].rstrip(b"\x80").strip(b"\xff"):
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
        if not self.sps.pictures_timed:
            return False
        try:
            bits = Bits(content)
            for length in self.sps.delays or ():
                bits(length)
            shown = bits(4)
            return shown >= len(_CLOCKS) or any(bits() for _ in range(_CLOCKS[shown]))
        except Unusual:
            return True


def _reorder(sps: Sps, pts: NDArray[np.int64]) -> int:
    """How far pictures are reordered: by what the stream says, or by what can be seen."""
    seen = (np.arange(len(pts)) - np.searchsorted(np.sort(pts), pts)).max(initial=0)
    if sps.reorder is not None:
        return sps.reorder
    if seen and sps.order_type != 2:
        raise Unusual("it does not say how far its pictures are reordered")
    return 0


def _grouped(noted: Sequence[_Noted], table: Timetable) -> tuple[Group, ...]:
    if len(noted) != len(table.pts) or not noted[0].begins:
        raise Indivisible("it does not begin with a whole group")
    begins = [number for number, one in enumerate(noted) if one.begins]
    return tuple(_group(noted, table, range(*pair)) for pair in pairwise((*begins, len(noted))))


def _group(noted: Sequence[_Noted], table: Timetable, packets: range) -> Group:
    """A group and the frames it holds, which are as many in a row."""
    here = sorted(noted[number].pts for number in packets)
    frames = range(packets.start, packets.stop)
    if table.pts[frames.start : frames.stop].tolist() != here:
        raise Indivisible("its groups overlap in time")
    return Group(frames, packets, all(noted[number].plain for number in packets))


def matching(encoding: Encoding, info: StreamInfo, groups: Groups) -> Encoding:
    """The encoding made such that its packets and the film's can be one stream.

    Args:
        encoding: What the film would be encoded with.
        info: What its frames look like.
        groups: Of the film.

    Raises:
        Indivisible: if they cannot.
    """
    if encoding.codec != "libx264":
        raise Indivisible(f"what is new is encoded by {encoding.codec}, not as the film is")
    try:
        matched = _with(encoding, _wishes(groups))
        ours = _described(info, matched)
    except Unusual as error:
        raise Indivisible(str(error)) from error
    if _normal(ours.look) != _normal(groups.sps.look):
        raise Indivisible("its pictures are described otherwise than ours would be")
    if ours.profile == _PREDICTIVE != groups.sps.profile:
        # seen to be decoded wrongly by FFmpeg where a stream changes to it
        raise Indivisible("lossless pictures of ours need another profile")
    if (ours.reorder or 0) > groups.reorder:
        raise Indivisible("ours are reordered further than its pictures")
    return matched


def _wishes(groups: Groups) -> Iterator[tuple[str, int | str]]:
    """Parameters of x264."""
    free = sorted(set(range(_NUMBERS)) - groups.configuration.numbers)
    if not free:
        raise Unusual("it has so many parameter sets that there is no number for another")
    yield "sps-id", free[0]
    if groups.reorder == 0:
        yield "bframes", 0
    elif groups.reorder == 1:
        yield "b-pyramid", "none"
    held = groups.sps.references if groups.sps.held is None else groups.sps.held
    if 0 < held < _MOST_REFERENCES:
        yield "ref", held
    if held:
        yield "dpb-size", held


def _with(encoding: Encoding, wishes: Iterator[tuple[str, int | str]]) -> Encoding:
    name = "x264-params"
    more = [f"{wish}={value}" for wish, value in wishes]
    options = encoding.options | {name: ":".join([encoding.options[name], *more])}
    return replace(encoding, options=options)


def _described(info: StreamInfo, encoding: Encoding) -> Sps:
    """What our encoder will say of its pictures."""
    encoder = encoder_for(info, encoding)
    try:
        encoder.open()
    except av.error.FFmpegError as error:
        raise Unusual("our encoder cannot write what would fit") from error
    return sps_of(Configuration.read(encoder.extradata or b"").sps[0])


def _normal(look: Look) -> Look:
    """With square pixels said where nothing is."""
    return replace(look, aspect=(1, 1) if 0 in look.aspect else look.aspect)
