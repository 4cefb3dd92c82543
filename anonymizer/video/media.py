"""Which source and sink fit a file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from anonymizer.data import StreamInfo
from anonymizer.errors import UnreadableVideo, UsageError
from anonymizer.video.apart import Apart
from anonymizer.video.containers import insist_on_container
from anonymizer.video.copying import Audio
from anonymizer.video.failures import check_readable, reading
from anonymizer.video.images import IMAGE_SUFFIXES, ImageSink, ImageSource
from anonymizer.video.sink import VideoSink
from anonymizer.video.source import VideoSource

_TILED: Final = re.compile(rb".{4}ftyp(avi|hei|hev|mif|msf|crx)", re.DOTALL)
"""How AVIF, HEIF and CR3 begin. FFmpeg reads the tiles of such a picture as films of their own."""


def is_image(path: Path) -> bool:
    """Whether the suffix is that of a still picture."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def open_source(
    path: Path, *, developed: bool = True, exact: bool = True
) -> VideoSource | ImageSource:
    """Open a film or still picture for reading.

    Args:
        path: The file.
        developed: Of a film: whether RGB pictures are made ahead; else where they are asked for.
        exact: Of a film: whether their colours are exact; else made to be looked at only.

    Raises:
        UnreadableVideo: if it is neither, or a picture of a kind that cannot be written.
    """
    if not is_image(path) and _TILED.match(_head(path)):
        reason = "is an AVIF, HEIF or CR3 picture; convert it to .png, .tif or .jpg first"
        raise UnreadableVideo(path, reason)
    if is_image(path):
        return ImageSource(path)
    return VideoSource(path, developed=developed, exact=exact)


def _head(path: Path) -> bytes:
    check_readable(path)
    with reading(path), path.open("rb") as file:
        return file.read(16)


def insist_on_kind(path: Path, source: Path) -> None:
    """Refuse a suffix that what comes of ``source`` cannot have.

    Raises:
        UsageError: if it cannot be written, or a picture would become a film or vice versa.
    """
    if is_image(path) != is_image(source):
        raise UsageError(f"{source.suffix} cannot be written as {path.suffix or 'no suffix'}")
    if not is_image(path):
        insist_on_container(path.suffix)


def open_sink(
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
) -> VideoSink | ImageSink:
    """A context manager that writes a film or still picture; see VideoSink and ImageSink.

    Raises:
        UsageError: if the suffix cannot be written, or a picture would become a film or vice versa.
    """
    insist_on_kind(path, source)
    if is_image(path):
        return ImageSink(path, info, lossless=lossless)
    return VideoSink(
        path,
        source,
        info,
        crf=crf,
        lossless=lossless,
        audio=audio,
        named=named,
        films=films,
        codec=codec,
        preset=preset,
    )
