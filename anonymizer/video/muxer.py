"""Joins a new picture with what is copied."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext

from anonymizer.data import StreamInfo
from anonymizer.errors import UnwritableOutput
from anonymizer.video.apart import add_picture
from anonymizer.video.containers import FORMATS
from anonymizer.video.copying import CopiedStreams
from anonymizer.video.encoding import Encoding, container_options


class Muxer:
    """A file being written: a new picture beside what is copied; use it from one thread at a time.

    Args:
        path: The file; its suffix chooses the container.
        info: What the new picture looks like.
        encoding: What it is encoded as.
        copied: Everything else.
        extradata: What to say of the picture's packets instead of what the encoder says.
    """

    def __init__(
        self,
        path: Path,
        info: StreamInfo,
        encoding: Encoding,
        copied: CopiedStreams,
        *,
        extradata: bytes | None = None,
    ) -> None:
        self._path, self._info, self._encoding, self._copied = path, info, encoding, copied
        self._file = av.open(
            f"file:{path}",
            mode="w",
            format=FORMATS[path.suffix.lower()],
            container_options=container_options(
                path, [info.time_base, *copied.film_bases], copied.time_bases
            ),
        )
        for stream in copied:
            if stream.index == copied.picture.index:
                self._stream = add_picture(self._file, stream, info, encoding)
            else:
                copied.add_to(self._file, stream)
        if extradata is not None:
            self.encoder.open()
            self.encoder.extradata = extradata
        copied.copy_chapters(self._file)
        copied.start()

    @property
    def encoder(self) -> VideoCodecContext:
        """What the picture's description in the file is taken from; it may encode the picture."""
        return self._stream.codec_context

    def duration(self, last: int, *, first: int, usual: int) -> int:
        """How long the last frame is shown: to the end that the source's header names.

        Args:
            last: When it begins, in the picture's time base as all of these.
            first: When the film begins.
            usual: How long it is shown if the header does not know.
        """
        end = first + (self._copied.picture.duration or 0)
        return end - last if end > last else usual

    def add(self, packet: av.Packet[Stream], *, duration: int) -> None:
        """Write a packet of the picture, and before it what is copied and comes earlier."""
        packet.stream, packet.duration = self._stream, duration
        stamp = packet.dts if packet.dts is not None else packet.pts
        self._copy(until=(stamp or 0) * packet.time_base)
        self._file.mux(packet)

    def finish(self) -> None:
        """Copy what is left, and write the index."""
        self._copy(until=None)
        self._file.close()

    def abandon(self) -> None:
        """Close the file whatever its state; does nothing after ``finish``."""
        with suppress(av.error.FFmpegError, OSError):
            self._file.close()

    def _copy(self, *, until: Fraction | None) -> None:
        """Copy the other streams' packets up to a time in seconds, or all that are left."""
        for packet in self._copied.packets(until):
            try:
                self._file.mux(packet)
            except av.error.ArgumentError as error:
                reason = f"a packet of its {packet.stream.type} does not fit; try --audio drop"
                raise UnwritableOutput(self._path, reason) from error
