"""Opening files and reading their packets, some damage tolerated."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from anonymizer.errors import UnreadableVideo
from anonymizer.video.damage import Awaited, Damage
from anonymizer.video.extent import Reach
from anonymizer.video.failures import check_readable, reading

_NOT_FILMS = {"tty", "hls", "dash", "concat", "sdp", "imf", "image2"}
"""Text drawn as a film, and lists that make FFmpeg open other files or wait for them."""


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


def is_film(stream: Stream) -> bool:
    """Whether it is a video stream that shows more than an attached picture."""
    return stream.type == "video" and not is_cover(stream)


def picture_stream(container: InputContainer, path: Path, number: int = 0) -> VideoStream:
    """The ``number``-th video stream that is no attached picture, from 0.

    Raises:
        UnreadableVideo: if there is none, or FFmpeg has no decoder for it.
    """
    films = [stream for stream in container.streams.video if is_film(stream)]
    if number >= len(films):
        raise UnreadableVideo(path, "has no video stream" + f" {number + 1}" * (number > 0))
    if films[number].codec_context is None:
        raise UnreadableVideo(path, "its codec is unknown here; convert it to H.264 first")
    return films[number]


def films_of(path: Path) -> list[int]:
    """Numbers of the streams of a file that are films.

    Raises:
        UnreadableVideo: if it cannot be opened.
    """
    with reading(path), open_input(path) as container:
        return [stream.index for stream in container.streams.video if is_film(stream)]


def decoding_stream(container: InputContainer, path: Path, number: int = 0) -> VideoStream:
    """What ``picture_stream`` returns, set up to be decoded.

    Raises:
        UnreadableVideo: like ``picture_stream``.
    """
    stream = picture_stream(container, path, number)
    # Threads that decode whole frames report damage late, and PyAV then drops good frames.
    stream.thread_type = "SLICE"
    return stream


def packets_of(
    container: InputContainer,
    streams: list[Stream],
    damage: Damage,
    reach: Reach | None = None,
) -> Iterator[av.Packet[Stream]]:
    """Packets of some streams in file order, without empty ones, past unreadable places.

    ``reach`` is told of the packets of all streams.
    """
    wanted = {stream.index for stream in streams}
    while True:
        try:
            for packet in container.demux():
                if reach is not None and (packet.size or packet.dts is not None):
                    reach.note(packet)
                if packet.size and packet.stream_index in wanted:
                    yield packet  # an empty one is the end, or a frame that AVI repeats
        except av.error.InvalidDataError as error:
            damage.bad(error)
        else:
            return


def pictures_of(
    container: InputContainer,
    stream: VideoStream,
    damage: Damage,
    reach: Reach | None = None,
    decoder: VideoCodecContext | None = None,
) -> Iterator[av.VideoFrame]:
    """Decoded pictures in the order they are shown; packets that cannot be decoded are skipped.

    ``decoder`` is used instead of the stream's own.
    """
    decode = (decoder or stream).decode
    awaited = Awaited(damage, container.format.name)
    for packet in packets_of(container, [stream], damage, reach):
        try:
            pictures = decode(packet)
        except av.error.FFmpegError as error:
            damage.bad(error, tolerated=awaited.tolerant)
        else:
            damage.good()
            awaited.sent(packet)
            yield from _noted(pictures, awaited)
    try:
        pictures = decode(None)
    except av.error.FFmpegError as error:
        damage.bad(error)
    else:
        yield from _noted(pictures, awaited)
        awaited.end()


def _noted(pictures: list[av.VideoFrame], awaited: Awaited) -> Iterator[av.VideoFrame]:
    for picture in pictures:
        awaited.came(picture)
        yield picture
