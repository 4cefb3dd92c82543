"""Encodes the new picture and joins it with what is copied."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
from av.stream import Stream
from av.video.stream import VideoStream

from anonymizer.data import Frame, StreamInfo
from anonymizer.errors import UnwritableOutput
from anonymizer.video.colour import RGB, UNSPECIFIED, matrix_for, swscale_range
from anonymizer.video.composing import Composer, keeps
from anonymizer.video.copying import CopiedStreams, copy_labels
from anonymizer.video.encoding import Encoding, container_options
from anonymizer.video.native import layout_of
from anonymizer.video.orientation import Orientation, orientation_for
from anonymizer.video.signals import LOCATIONS, signals_in

_FORMATS: Final = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
}


class Muxer:
    """The encoder and the file being written; use it from one thread at a time."""

    def __init__(
        self, path: Path, info: StreamInfo, encoding: Encoding, copied: CopiedStreams
    ) -> None:
        self._path, self._info, self._encoding, self._copied = path, info, encoding, copied
        self._file = av.open(
            f"file:{path}",
            mode="w",
            format=_FORMATS[path.suffix.lower()],
            container_options=container_options(path, [info.time_base, *copied.time_bases]),
        )
        self._orientation = orientation_for(info.rotation, mirrored=info.mirrored)
        self._size = self._orientation.size((info.width, info.height))
        self._compose = Composer(
            self._size,
            encoding.pixel_format,
            self._orientation,
            matrix=self._matrix,
            full=encoding.is_rgb or info.colour.full_range is True,
            chroma=LOCATIONS[signals_in(info.colour).chroma],
        )
        self._start: int | None = None
        self._held: Frame | None = None
        self._count = 0
        self._durations: dict[int, int] = {}  # of frames in the encoder, which forgets them
        self._step = _usual_step(info)
        for stream in copied:
            if stream.index == copied.picture.index:
                self._stream = self._add_picture(stream)
            else:
                copied.add_to(self._file, stream)
        copied.copy_chapters(self._file)
        copied.start()

    def _add_picture(self, source: Stream) -> VideoStream:
        info, encoding = self._info, self._encoding
        os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 writes on the screen; 1: errors only
        options = dict(encoding.options)
        stream = self._file.add_stream(encoding.codec, rate=info.average_rate, options=options)
        assert isinstance(stream, VideoStream)
        context = stream.codec_context
        context.width, context.height = self._size
        context.pix_fmt = encoding.pixel_format
        context.time_base = stream.time_base = info.time_base
        if encoding.codec == "libx265" and self._path.suffix.lower() in (".mp4", ".m4v", ".mov"):
            context.codec_tag = "hvc1"  # players of Apple know no other
        if aspect := info.sample_aspect_ratio:
            context.sample_aspect_ratio = 1 / aspect if self._orientation.transpose else aspect
        if self._orientation != Orientation():
            stream.set_display_matrix(self._orientation.matrix)
        self._describe_colour(stream)
        copy_labels(source, stream)
        return stream

    def _describe_colour(self, stream: VideoStream) -> None:
        colour, context = self._info.colour, stream.codec_context
        context.color_primaries = colour.primaries or UNSPECIFIED
        context.color_trc = colour.transfer or UNSPECIFIED
        applied = None if self._keeps or colour.matrix is None else self._matrix
        context.colorspace = applied or colour.matrix or UNSPECIFIED
        if colour.full_range is not None:
            context.color_range = swscale_range(colour.full_range)
        if self._encoding.is_rgb:
            context.colorspace, context.color_range = RGB, swscale_range(True)

    @property
    def _keeps(self) -> bool:
        """Whether samples of the source are written as they are."""
        source, target = map(layout_of, (self._info.pixel_format, self._encoding.pixel_format))
        return source is not None and target is not None and keeps(source, target)

    @property
    def _matrix(self) -> int:
        return matrix_for(self._info.colour, self._info.height)

    def add(self, frame: Frame) -> None:
        """Take a frame and encode the one before it, whose duration is now known."""
        if self._held is None:
            self._start = frame.pts
        else:
            self._step = frame.pts - self._held.pts
            self._encode(self._held)
        self._held = frame

    def finish(self) -> None:
        """Encode the last frame, copy what is left, and write the index."""
        if self._held is not None:
            self._step = self._remainder(self._held)
            self._encode(self._held)
        packets = self._stream.encode(None)
        if self._encoding.codec == "libx265" and self._count <= 2:  # it leaves them undefined then
            for packet in packets:
                packet.dts = packet.pts
        self._write(packets)
        self._copy(until=None)
        self._file.close()

    def abandon(self) -> None:
        """Close the file whatever its state; does nothing after ``finish``."""
        with suppress(av.error.FFmpegError, OSError):
            self._file.close()

    def _remainder(self, last: Frame) -> int:
        """How long the last frame is shown: to the end that the source's header names."""
        end = (self._start or 0) + (self._copied.picture.duration or 0)
        return end - last.pts if end > last.pts else self._step

    def _encode(self, frame: Frame) -> None:
        self._count += 1
        picture = self._compose(frame)
        picture.pts, picture.time_base = frame.pts, frame.time_base
        self._durations[frame.pts] = self._step
        self._write(self._stream.encode(picture))

    def _write(self, packets: Sequence[av.Packet[Stream]]) -> None:
        for packet in packets:
            packet.duration = self._durations.pop(packet.pts or 0, self._step)
            stamp = packet.dts if packet.dts is not None else packet.pts
            self._copy(until=(stamp or 0) * packet.time_base)
            self._file.mux(packet)

    def _copy(self, *, until: Fraction | None) -> None:
        """Copy the other streams' packets up to a time in seconds, or all that are left."""
        for packet in self._copied.packets(until):
            try:
                self._file.mux(packet)
            except av.error.ArgumentError as error:
                reason = f"a packet of its {packet.stream.type} does not fit; try --audio drop"
                raise UnwritableOutput(self._path, reason) from error


def _usual_step(info: StreamInfo) -> int:
    """Time base units per frame, from the header."""
    return max(1, round(1 / (info.average_rate * info.time_base))) if info.average_rate else 1
