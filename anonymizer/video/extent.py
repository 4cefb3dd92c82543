"""How long a file ought to be by what it says itself: bytes by its outermost boxes, and time."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import IO, Final

import av
from av.container import InputContainer
from av.video.stream import VideoStream

_EBML, _SEGMENT = bytes.fromhex("1A45DFA3"), bytes.fromhex("18538067")
_WHOLE_FILE: Final = {"matroska,webm", "flv"}
"""Formats whose header gives one duration for all streams."""


def promised_bytes(path: Path) -> int | None:
    """Where the last box of a Matroska, AVI, MP4 or MOV file ends; None if nothing says so.

    A file that is shorter was cut off, whatever else is wrong with it.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] == _EBML:
            return _end_of_segment(file)
        if head[:4] == b"RIFF":
            return _end_of_boxes(file, size, "little")
        if head[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide"):
            return _end_of_boxes(file, size, "big")
    return None


def _end_of_segment(file: IO[bytes]) -> int | None:
    """Behind the EBML header comes one segment (RFC 9559, section 5.1)."""
    file.seek(4)
    header = _vint(file)
    if header is None:
        return None
    file.seek(header, 1)
    if file.read(4) != _SEGMENT:
        return None
    length = _vint(file)
    return None if length is None else file.tell() + length


def _vint(file: IO[bytes]) -> int | None:
    """An EBML size (RFC 8794, section 4); None if it is unknown, as in live recordings."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    more = 8 - first[0].bit_length()
    value = int.from_bytes(bytes([first[0] & (0x7F >> more)]) + file.read(more), "big")
    return None if value == (1 << 7 * (more + 1)) - 1 else value


def _end_of_boxes(file: IO[bytes], size: int, order: str) -> int | None:
    """End of a chain of boxes: RIFF (name, length of the rest) or MP4 (length of all, name)."""
    end = 0
    while end < size:
        file.seek(end)
        head = file.read(16)
        if order == "little":
            length = int.from_bytes(head[4:8], "little") + 8
            length = 0 if length == 8 or head[:4] != b"RIFF" else length
        else:
            length = int.from_bytes(head[:4], "big")
            length = int.from_bytes(head[8:16], "big") if length == 1 else length
        if length < 8:  # to the end of the file, unfinished, or not a box
            return end or None
        end += length
    return end


class Reach:
    """How far the packets of a file came, beside what its header promises.

    Args:
        container: The open film.
        stream: Its picture.
    """

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self._container, self._stream = container, stream
        self._everything = container.format.name in _WHOLE_FILE
        self._end = Fraction(0)
        self._packets = 0
        self._byte = 0

    def note(self, packet: av.Packet[av.stream.Stream]) -> None:
        """Take account of one packet, of any stream."""
        ours = packet.stream_index == self._stream.index
        self._packets += ours
        self._byte = max(self._byte, (packet.pos or 0) + packet.size)
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is not None and packet.time_base and (ours or self._everything):
            self._end = max(self._end, (stamp + (packet.duration or 0)) * packet.time_base)

    @property
    def missing_frames(self) -> int:
        """About how many frames of the end never came; 0 where the header promises nothing."""
        if self._container.format.name == "avi":
            return max(0, self._stream.frames - self._packets)
        promised = self._promised
        rate = self._stream.average_rate
        if promised is None or not rate:
            return 0
        return max(0, round((promised - self._end) * rate))

    @property
    def _promised(self) -> Fraction | None:
        """When the film ends, in seconds, by its header."""
        if self._everything:
            known = self._container.duration
            return Fraction(known, av.time_base) if known else None
        stream = self._stream
        if "mov" not in self._container.format.name or not stream.duration or not stream.time_base:
            return None
        return (stream.duration + (stream.start_time or 0)) * stream.time_base

    def unread(self) -> float:
        """Share of the file behind the last packet."""
        size = self._container.size
        return max(0, size - self._byte) / size if size > 0 else 0.0
