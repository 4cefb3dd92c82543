"""Opening files and reading their packets, some damage tolerated."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from anonymizer.errors import DamagedVideo, UnreadableVideo
from anonymizer.video.failures import check_readable

DAMAGED_IN_A_ROW = 8
"""As many damaged packets without a good one between them end the reading."""

_NOT_FILMS = {"tty", "hls", "dash", "concat", "sdp", "imf", "image2"}
"""Text drawn as a film, and lists that make FFmpeg open other files or wait for them."""

_log = logging.getLogger(__name__)


def open_input(path: Path) -> InputContainer:
    """Open a film by FFmpeg; nothing but this file is ever read, and no network.

    Raises:
        UnreadableVideo: if it is no regular file, or a list of other files. PyAV's own errors pass.
    """
    check_readable(path)
    options = {"protocol_whitelist": "file", "format_whitelist": _films(), "fflags": "+genpts"}
    try:
        return av.open(f"file:{path}", mode="r", options=options, metadata_errors="replace")
    except av.error.ArgumentError as error:  # a format that is not allowed
        raise UnreadableVideo(path, "is not a video, but text or a list of files") from error


@cache
def _films() -> str:
    """All formats that FFmpeg can read but those of _NOT_FILMS, as it wants to be told."""
    return ",".join(sorted(av.formats_available - _NOT_FILMS))


def is_cover(stream: Stream) -> bool:
    """Whether a video stream is really a picture attached to the file."""
    return bool(stream.disposition & Disposition.attached_pic)


def picture_stream(container: InputContainer, path: Path) -> VideoStream:
    """The first video stream that is no attached picture.

    Raises:
        UnreadableVideo: if there is none, or FFmpeg has no decoder for it.
    """
    for stream in container.streams.video:
        if is_cover(stream):
            continue
        if stream.codec_context is None:
            raise UnreadableVideo(path, "its codec is unknown here; convert it to H.264 first")
        return stream
    raise UnreadableVideo(path, "has no video stream")


class Damage:
    """Counts damaged packets and ends the reading after too many in a row."""

    __slots__ = ("_path", "_row", "total")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._row = 0
        self.total = 0
        """All damaged packets so far."""

    def good(self) -> None:
        """Note a packet that could be used."""
        self._row = 0

    def bad(self, error: Exception) -> None:
        """Note a packet that could not.

        Raises:
            DamagedVideo: if it is the last one tolerated.
        """
        self.total += 1
        self._row += 1
        if self.total == 1:
            _log.warning("%s: skipping a damaged packet", self._path.name)
        if self._row >= DAMAGED_IN_A_ROW:
            reason = f"{self._row} damaged packets in a row; repair the file by remuxing it first"
            raise DamagedVideo(self._path, reason) from error

    def check_end(self, frames: int, expected: int | None) -> None:
        """Tell a damaged end from one that is missing.

        Headers may count frames that are never shown, so the number alone proves nothing.

        Raises:
            DamagedVideo: if something was damaged and too many frames more than that are missing.
        """
        missing = (expected or 0) - frames - self.total
        if self.total and missing >= DAMAGED_IN_A_ROW:
            raise DamagedVideo(self._path, f"is cut off after {frames} of {expected} frames")


def packets_of(
    container: InputContainer, streams: list[Stream], damage: Damage
) -> Iterator[av.Packet[Stream]]:
    """Packets of some streams in file order, without empty ones, past unreadable places."""
    while True:
        try:
            for packet in container.demux(streams):
                if packet.size:  # empty: the end, or a frame that AVI repeats
                    yield packet
        except av.error.InvalidDataError as error:
            damage.bad(error)
        else:
            return


def pictures_of(
    container: InputContainer, stream: VideoStream, damage: Damage
) -> Iterator[av.VideoFrame]:
    """Decoded pictures in the order they are shown; packets that cannot be decoded are skipped."""
    for packet in packets_of(container, [stream], damage):
        try:
            pictures = stream.decode(packet)
        except av.error.FFmpegError as error:
            damage.bad(error)
        else:
            damage.good()
            yield from pictures
    try:
        yield from stream.decode(None)
    except av.error.FFmpegError as error:
        damage.bad(error)
