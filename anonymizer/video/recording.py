"""Encodes a film frame by frame into its file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import av
from av.stream import Stream

from anonymizer.data import Frame, StreamInfo
from anonymizer.video.compressing import Compressor
from anonymizer.video.copying import CopiedStreams
from anonymizer.video.encoding import Encoding
from anonymizer.video.muxer import Muxer
from anonymizer.video.stamps import usual_step


class Recorder:
    """The encoder and the file being written; use it from one thread at a time."""

    def __init__(
        self, path: Path, info: StreamInfo, encoding: Encoding, copied: CopiedStreams
    ) -> None:
        self._muxer = Muxer(path, info, encoding, copied)
        self._compress = Compressor(self._muxer.encoder, info, encoding)
        self._start: int | None = None
        self._held: Frame | None = None
        self._durations: dict[int, int] = {}  # of frames in the encoder, which forgets them
        self._step = usual_step(info)

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
            last, first = self._held.pts, self._start or 0
            self._step = self._muxer.duration(last, first=first, usual=self._step)
            self._encode(self._held)
        self._write(self._compress.finish())
        self._muxer.finish()

    def abandon(self) -> None:
        """Close the file whatever its state; does nothing after ``finish``."""
        self._muxer.abandon()

    def _encode(self, frame: Frame) -> None:
        self._durations[frame.pts] = self._step
        self._write(self._compress.add(frame))

    def _write(self, packets: Iterable[av.Packet[Stream]]) -> None:
        for packet in packets:
            self._muxer.add(packet, duration=self._durations.pop(packet.pts or 0, self._step))
