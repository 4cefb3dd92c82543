"""Which source and sink fit a file."""

from __future__ import annotations

from pathlib import Path

from anonymizer.data import StreamInfo
from anonymizer.errors import UsageError
from anonymizer.video.copying import Audio
from anonymizer.video.images import IMAGE_SUFFIXES, ImageSink, ImageSource
from anonymizer.video.sink import VideoSink
from anonymizer.video.source import VideoSource


def is_image(path: Path) -> bool:
    """Whether the suffix is that of a still picture."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def open_source(path: Path) -> VideoSource | ImageSource:
    """Open a film or still picture for reading.

    Raises:
        UnreadableVideo: if it is neither.
    """
    return ImageSource(path) if is_image(path) else VideoSource(path)


def open_sink(
    path: Path,
    source: Path,
    info: StreamInfo,
    *,
    crf: int | None = None,
    lossless: bool = False,
    audio: Audio = "keep",
    codec: str | None = None,
    preset: str = "medium",
) -> VideoSink | ImageSink:
    """A context manager that writes a film or still picture; see VideoSink and ImageSink.

    Raises:
        UsageError: if the suffix cannot be written, or a picture would become a film or vice versa.
    """
    if is_image(path) != is_image(source):
        raise UsageError(f"{source.suffix} cannot be written as {path.suffix}")
    if is_image(path):
        return ImageSink(path, info, lossless=lossless)
    return VideoSink(
        path, source, info, crf=crf, lossless=lossless, audio=audio, codec=codec, preset=preset
    )
