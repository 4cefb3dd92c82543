"""Groups of pictures of a film that could be copied as they are, packet for packet.

A group begins with a picture from which on nothing looks back (IDR) and ends before the next one.
H.264 and HEVC are copied: their parameter sets have numbers, so that those of the source and of our
encoder can live in one stream. What else packets hold may tell who was filmed, where and when, so
that a group with anything but pictures and harmless messages is not copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from av.stream import Stream
from numpy.typing import NDArray

from anonymizer.data import StreamInfo
from anonymizer.video import nals
from anonymizer.video.avc import Avc
from anonymizer.video.compressing import encoder_for
from anonymizer.video.damage import Damage
from anonymizer.video.dialects import Dialect
from anonymizer.video.encoding import Encoding
from anonymizer.video.failures import reading
from anonymizer.video.h264 import Unusual
from anonymizer.video.hvc import Hvc
from anonymizer.video.packets import open_input, packets_of, picture_stream
from anonymizer.video.timetable import Indivisible, Timetable


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
    dialect: Dialect
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
        codec, extradata = stream.codec_context.name, stream.codec_context.extradata or b""
        if codec not in ("h264", "hevc"):
            raise Indivisible(f"only H.264 and HEVC are copied, this is {codec}")
        if nals.length_size(codec, extradata) != 4:
            raise Indivisible("its packets do not give lengths of four bytes")
        try:
            dialect: Dialect = Avc(extradata) if codec == "h264" else Hvc(extradata)
            packets = packets_of(container, [stream], Damage(path))
            noted = [_noted(packet, dialect) for packet in packets]
            pts = np.array([one.pts for one in noted], np.int64)
            reorder = dialect.reorder(pts)
        except Unusual as error:
            raise Indivisible(str(error)) from error
    return Groups(_grouped(noted, table), dialect, pts, reorder)


def _noted(packet: av.Packet[Stream], dialect: Dialect) -> _Noted:
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
    return _Noted(packet.pts, *dialect.noted(units))


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
    dialect = groups.dialect
    if encoding.codec != dialect.encoder:
        raise Indivisible(f"what is new is encoded by {encoding.codec}, not as the film is")
    try:
        more = [f"{wish}={value}" for wish, value in dialect.wishes(groups.reorder)]
        said = [encoding.options[dialect.parameters], *more]
        options = encoding.options | {dialect.parameters: ":".join(said)}
        matched = replace(encoding, options=options)
        dialect.insist(_said(info, matched), groups.reorder)
    except Unusual as error:
        raise Indivisible(str(error)) from error
    return matched


def _said(info: StreamInfo, encoding: Encoding) -> bytes:
    """What our encoder will say of its pictures."""
    encoder = encoder_for(info, encoding)
    try:
        encoder.open()
    except av.error.FFmpegError as error:
        raise Unusual("our encoder cannot write what would fit") from error
    return encoder.extradata or b""
