"""Films written frame by frame, everything but the picture taken from the source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from anonymizer.data import Frame, StreamInfo
from anonymizer.errors import UnwritableOutput
from anonymizer.report import StreamOutcome
from anonymizer.video.apart import Apart
from anonymizer.video.behind import Behind
from anonymizer.video.copying import Audio, CopiedStreams
from anonymizer.video.encoding import encoding_for, lost
from anonymizer.video.failures import writing
from anonymizer.video.recording import Recorder


class VideoSink:
    """A film being written to ``path``; a context manager.

    Size, times, colour description and pixel shape are those of ``info``; what players have to turn
    is stored as it was in the source. Audio and subtitles, chapters, languages and dispositions
    come from ``source``; see CopiedStreams for what does not. One thread encodes, a few frames
    behind; its errors are raised by ``write`` or at the end. After any error there is no file.

    Args:
        path: File to write; its suffix chooses the container. It should not be the final name.
        source: The film that ``info`` describes.
        info: What the frames look like.
        crf: Constant rate factor; None for one that is hard to tell from the source.
        lossless: Keep every sample: of the source where nothing was painted, elsewhere of what the
            conversion to the source's pixel format made of RGB.
        audio: Whether to copy the sound.
        named: Numbers of streams to copy whatever they hold.
        films: Further films by the number of the stream that each replaces.
        codec: Name of an encoder; None for the source's kind, if it can be written.
        preset: How long the encoder may think: one of ``encoders.PRESETS``.
    """

    def __init__(
        self,
        path: Path,
        source: Path,
        info: StreamInfo,
        *,
        crf: int | None = None,
        lossless: bool = False,
        audio: Audio = "keep",
        named: Sequence[int] = (),
        films: Mapping[int, Apart] | None = None,
        codec: str | None = None,
        preset: str = "medium",
    ) -> None:
        self._encoding = encoding_for(
            path, info, crf=crf, lossless=lossless, codec=codec, preset=preset
        )
        self._path, self._source, self._info = path, source, info
        if named:  # numbers that do not exist are found now, not after the work
            CopiedStreams(source, named=named).close()
        self._beside: dict[str, Any] = {"audio": audio, "named": named, "films": films}
        self._exit = ExitStack()
        self._last: int | None = None
        self.warnings: list[str] = []
        """What the result lacks because its container cannot hold it."""
        self.kept: list[str] = []
        """Streams that are copied."""
        self.dropped: list[str] = []
        """Streams left out on purpose."""
        self.streams: tuple[StreamOutcome, ...] = ()
        """What became of every stream of the source."""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            copied = CopiedStreams(self._source, **self._beside)
            stack.callback(copied.close)
            with writing(self._path):
                self._recorder = Recorder(self._path, self._info, self._encoding, copied)
            stack.callback(self._recorder.abandon)
            self._behind = stack.enter_context(Behind("encode"))
            self._exit = stack.pop_all()
        self._copied = copied
        self.kept, self.dropped = copied.kept, copied.dropped
        self.streams = copied.outcomes
        self._gather_warnings()
        return self

    def _gather_warnings(self) -> None:
        """What is known before the work, and after it what was found on the way."""
        self.warnings = [*lost(self._path, self._info, self._encoding), *self._copied.warnings]

    def write(self, frame: Frame) -> None:
        """Append one frame.

        Raises:
            ValueError: if it has another size or time base than ``info``, or is not after the last.
            UnwritableOutput: if an earlier frame could not be written.
        """
        self._check(frame)
        self._last = frame.pts
        with writing(self._path):
            self._behind(self._recorder.add, frame)

    def _check(self, frame: Frame) -> None:
        height, width = frame.shape
        if (width, height) != (self._info.width, self._info.height):
            wanted = f"{self._info.width}x{self._info.height}"
            raise ValueError(f"frame {frame.index} is {width}x{height}, the film {wanted}")
        if frame.time_base != self._info.time_base:
            raise ValueError(f"time base is {frame.time_base}, the film's {self._info.time_base}")
        if self._last is not None and frame.pts <= self._last:
            raise ValueError(f"pts must increase, got {frame.pts} after {self._last}")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        done = False
        try:
            if kind is None:
                self._finish()
                done = True
        finally:
            self._exit.close()
            if not done:
                self._path.unlink(missing_ok=True)

    def _finish(self) -> None:
        if self._last is None:
            raise UnwritableOutput(self._path, "not one frame was written")
        with writing(self._path):
            self._behind(self._recorder.finish)
            self._behind.finish()
        self._gather_warnings()
