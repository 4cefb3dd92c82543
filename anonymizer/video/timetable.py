"""When the pictures of a film are shown and where decoding can begin, by its packets alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.stream import Stream
from av.video.stream import VideoStream
from numpy.typing import NDArray

from anonymizer.video import alpha, nals
from anonymizer.video.damage import Damage, Steps
from anonymizer.video.extent import Reach
from anonymizer.video.failures import reading
from anonymizer.video.packets import open_input, packets_of, picture_stream

_BY_UNITS: Final = ("h264", "hevc")
"""Codecs of which packets themselves say whether decoding can begin there."""
_BY_FLAG: Final = (
    "mpeg1video", "mpeg2video", "mpeg4", "mjpeg", "prores", "dnxhd", "ffv1", "png",
    "vp8", "vp9", "libvpx-vp9", "av1", "libdav1d",
)  # fmt: skip
"""Codecs of which key packets are such places."""


class Indivisible(Exception):
    """The film can only be read as a whole; the message says why."""


@dataclass(frozen=True, slots=True, eq=False)
class Timetable:
    """What the packets of a film say of its frames."""

    pts: NDArray[np.int64]
    """``(F,)`` increasing: of every frame."""
    entries: NDArray[np.int64]
    """Frames at which decoding can begin, increasing; the first is 0."""
    packets: NDArray[np.int64]
    """As many: the number of the packet of each, in file order."""
    warnings: tuple[str, ...] = ()
    """What reading the whole film would say of it."""

    def entry(self, frame: int) -> int:
        """Number of the last entry from which a frame can be reached."""
        return int(np.searchsorted(self.entries, frame, "right")) - 1


@dataclass(slots=True)
class _Listing:
    """What is noted while packets pass by."""

    pts: list[int] = field(default_factory=list)
    entries: list[tuple[int, int]] = field(default_factory=list)
    """(pts, number of the packet)"""


def timetable_of(path: Path, *, frames: int | None = None) -> Timetable:
    """Read the packets of a film and decode nothing.

    Args:
        path: The film.
        frames: How many its header promises.

    Raises:
        Indivisible: if packets do not tell for sure when each frame is shown.
        UnreadableVideo: if it cannot be read, or its end is cut off.
    """
    with reading(path), open_input(path) as container:
        stream = picture_stream(container, path)
        if alpha.has_alpha(stream):
            raise Indivisible("its transparency is a film of its own")
        codec = stream.codec_context.name
        if codec not in (*_BY_UNITS, *_BY_FLAG):
            raise Indivisible(f"nothing is known of where decoding of {codec} can begin")
        damage, reach = Damage(path), Reach(container, stream)
        listing = _Listing()
        for number, packet in enumerate(packets_of(container, [stream], damage, reach)):
            _note(listing, number, packet, stream)
        if damage.total:
            raise Indivisible("it is damaged")
        table = _table(listing)
        damage.check_end(len(table.pts), frames, reach)
        damage.check_steps(_steps(table.pts), stream.time_base or Fraction(1))
    return Timetable(table.pts, table.entries, table.packets, tuple(damage.warnings))


def _note(listing: _Listing, number: int, packet: av.Packet[Stream], stream: VideoStream) -> None:
    if packet.is_corrupt:
        raise Indivisible("it is damaged")
    if packet.pts is None:
        raise Indivisible(f"packet {number} does not say when it is shown")
    if not packet.is_discard:
        listing.pts.append(packet.pts)
    if packet.is_keyframe and (not listing.entries or _is_entry(packet, stream)):
        listing.entries.append((packet.pts, number))


def _is_entry(packet: av.Packet[Stream], stream: VideoStream) -> bool:
    codec = stream.codec_context.name
    if codec not in _BY_UNITS:
        return True
    length = nals.length_size(codec, stream.codec_context.extradata)
    return nals.is_entry(codec, bytes(packet), length)


def _table(listing: _Listing) -> Timetable:
    pts = np.array(sorted(listing.pts), np.int64)
    if not len(pts):
        raise Indivisible("it has no frame")
    if (np.diff(pts) == 0).any():
        raise Indivisible("frames share a time")
    if not listing.entries or listing.entries[0][1] != 0:
        raise Indivisible("it does not begin with a key frame")
    found = {int(np.searchsorted(pts, stamp)): number for stamp, number in listing.entries[1:]}
    found = {0: 0, **{frame: number for frame, number in found.items() if 0 < frame < len(pts)}}
    if sorted(found) != list(found):
        raise Indivisible("its key frames are out of order")
    frames, packets = (np.array(list(each), np.int64) for each in (found, found.values()))
    return Timetable(pts, frames, packets)


def _steps(pts: NDArray[np.int64]) -> Steps:
    steps = Steps()
    for one in pts.tolist():
        steps.note(one)
    return steps
