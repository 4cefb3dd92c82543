"""Still pictures as films of one frame."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.data import Frame, StreamInfo
from anonymizer.errors import UnreadableVideo, UnwritableOutput, UsageError
from anonymizer.report import StreamOutcome
from anonymizer.video.failures import check_readable, reading, writing

IMAGE_SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".webp")
"""Of pictures that can be read and written."""

_QUALITY: Final = 95


class ImageSource:
    """One picture, turned upright as its EXIF data asks; 8 bit, without alpha.

    Raises:
        UnreadableVideo: if it is missing, no picture, or an animation.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        height, width, _ = self._decoded().shape
        suffix = path.suffix.lower().lstrip(".")
        self._info = StreamInfo(
            width=width, height=height, time_base=Fraction(1), frames=1, codec=suffix
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
        """Always empty."""
        return []

    def __iter__(self) -> Iterator[Frame]:
        """Decode the file anew."""
        yield Frame(0, 0, self._info.time_base, self._decoded())

    def _decoded(self) -> NDArray[np.uint8]:
        check_readable(self._path)
        with reading(self._path):
            data = np.fromfile(self._path, np.uint8)
        try:
            found, pictures = cv2.imdecodemulti(data, cv2.IMREAD_COLOR)
        except cv2.error as error:
            raise UnreadableVideo(self._path, "is not a picture that can be decoded") from error
        if not found or not pictures:
            raise UnreadableVideo(self._path, "is not a picture, or is damaged or cut off")
        if len(pictures) > 1:
            reason = f"is an animation of {len(pictures)} pictures; convert it to a video first"
            raise UnreadableVideo(self._path, reason)
        return np.ascontiguousarray(pictures[0][..., ::-1], dtype=np.uint8)


class ImageSink:
    """One picture being written to ``path``; a context manager. All metadata is left behind.

    Raises:
        UsageError: if the suffix is none of IMAGE_SUFFIXES, or the format cannot be lossless.
    """

    def __init__(self, path: Path, info: StreamInfo, *, lossless: bool = False) -> None:
        self._path = path
        self._options = _options(path.suffix.lower(), lossless)
        self._size = (info.height, info.width)
        self._written = False
        self.warnings: list[str] = []
        """Always empty, as ``kept`` and ``dropped``: a picture has no other streams."""
        self.kept: list[str] = []
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
        done, data = cv2.imencode(self._path.suffix, frame.image[..., ::-1], self._options)
        if not done:
            raise UnwritableOutput(self._path, "a picture of this size does not fit the format")
        with writing(self._path):
            self._path.write_bytes(data.tobytes())
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


def _options(suffix: str, lossless: bool) -> list[int]:
    if suffix not in IMAGE_SUFFIXES:
        raise UsageError(f"cannot write {suffix or 'no suffix'!r}; use {', '.join(IMAGE_SUFFIXES)}")
    if suffix == ".png":
        return []
    if suffix == ".webp":
        return [cv2.IMWRITE_WEBP_QUALITY, 101 if lossless else _QUALITY]  # above 100: lossless
    if lossless:
        raise UsageError("JPEG cannot be lossless; write .png or .webp")
    full_chroma = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    return [cv2.IMWRITE_JPEG_QUALITY, _QUALITY, *full_chroma]
