"""Still pictures as films of one frame."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from anonymizer.data import Frame, StreamInfo
from anonymizer.errors import UnreadableVideo, UnwritableOutput, UsageError
from anonymizer.report import StreamOutcome
from anonymizer.video.failures import check_readable, reading, writing
from anonymizer.video.labels import NotRead
from anonymizer.video.stills import Still, composed, file_of, still_of

IMAGE_SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")
"""Of pictures that can be read and written."""


class ImageSource:
    """One picture, turned upright as its EXIF data asks.

    Raises:
        UnreadableVideo: if it is missing, no picture, or more than one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        still = self._decoded()
        height, width, _ = still.image.shape
        self._warnings = still.labels.warnings
        self._info = StreamInfo(
            width=width, height=height, time_base=Fraction(1), frames=1, codec=still.labels.kind
        )

    @property
    def info(self) -> StreamInfo:
        """Size and name of the format."""
        return self._info

    @property
    def skipped(self) -> int:
        """Always 0: a damaged picture is an error."""
        return 0

    @property
    def warnings(self) -> list[str]:
        """What else the file holds that is not kept, and would be missed."""
        return list(self._warnings)

    def __iter__(self) -> Iterator[Frame]:
        """Decode the file anew."""
        still = self._decoded()
        yield Frame(0, 0, self._info.time_base, still.image, still)

    def _decoded(self) -> Still:
        check_readable(self._path)
        with reading(self._path):
            data = self._path.read_bytes()
        try:
            return still_of(data)
        except NotRead as error:
            raise UnreadableVideo(self._path, str(error)) from error


class ImageSink:
    """One picture being written to ``path``; a context manager.

    Samples that were not painted are those of the source, in its bit depth, with its alpha; what
    JPEG and WebP lose of them is what they lost before, or hardly more. A colour profile is kept as
    far as it tells of colours. All other metadata is left behind.

    Raises:
        UsageError: if the suffix is none of IMAGE_SUFFIXES, or the format cannot be lossless.
    """

    def __init__(self, path: Path, info: StreamInfo, *, lossless: bool = False) -> None:
        self._path = path
        self._suffix = path.suffix.lower()
        self._lossless = lossless
        if self._suffix not in IMAGE_SUFFIXES:
            known = ", ".join(IMAGE_SUFFIXES)
            raise UsageError(f"cannot write {self._suffix or 'no suffix'!r}; use {known}")
        if lossless and self._suffix in (".jpg", ".jpeg"):
            raise UsageError("JPEG cannot be lossless; write .png or .webp")
        self._size = (info.height, info.width)
        self._written = False
        self.warnings: list[str] = []
        """What the format cannot hold; known when the picture is written."""
        self.kept: list[str] = []
        """Always empty, as ``dropped``: a picture has no other streams."""
        self.dropped: list[str] = []
        self.streams = (StreamOutcome(0, "picture", info.codec, None, "anonymized", ""),)
        """The one picture."""

    def __enter__(self) -> Self:
        return self

    def write(self, frame: Frame) -> None:
        """Encode the one frame and write it.

        Raises:
            ValueError: for a second frame, or one of another size.
            UnwritableOutput: if it cannot be encoded or written.
        """
        if self._written or frame.image.shape[:2] != self._size:
            raise ValueError(f"a picture holds one frame of (height, width) {self._size}")
        try:
            content, said = file_of(composed(frame), self._suffix, lossless=self._lossless)
        except NotRead as error:
            raise UnwritableOutput(self._path, str(error)) from error
        with writing(self._path):
            self._path.write_bytes(content)
        self.warnings += said
        self._written = True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None or not self._written:
            self._path.unlink(missing_ok=True)
        if kind is None and not self._written:
            raise UnwritableOutput(self._path, "not one frame was written")
