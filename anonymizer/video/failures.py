"""PyAV's and the system's errors become ours here, naming the file."""

from __future__ import annotations

import errno
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av

from anonymizer.errors import UnreadableVideo, UnwritableOutput

_WRITING = {
    errno.ENOSPC: "the disk is full; make room or choose another folder with -o",
    errno.EDQUOT: "the disk quota is used up; make room or choose another folder with -o",
    errno.EFBIG: "the file grows beyond the size limit here; choose another folder with -o",
    errno.EROFS: "the file system is read-only; choose another folder with -o",
    errno.EACCES: "no permission to write here; choose another folder with -o",
    errno.EPERM: "no permission to write here; choose another folder with -o",
    errno.ENOENT: "the folder does not exist; create it or choose another with -o",
    errno.ENOTDIR: "the folder is not a folder; choose another with -o",
}


def check_readable(path: Path) -> None:
    """Refuse what cannot be a film before FFmpeg sees it.

    Raises:
        UnreadableVideo: if there is no such file, or it is a folder, a device, or empty.
    """
    try:
        status = path.stat()
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        reason = "no such file" if missing else _words(error)
        raise UnreadableVideo(path, reason) from error
    if stat.S_ISDIR(status.st_mode):
        raise UnreadableVideo(path, "is a folder; expected a video or picture file")
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableVideo(path, "is not a regular file")
    if status.st_size == 0:
        raise UnreadableVideo(path, "is empty (0 bytes)")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what goes wrong while reading ``path`` into UnreadableVideo."""
    try:
        yield
    except (av.error.InvalidDataError, av.error.EOFError, UnicodeDecodeError) as error:
        raise UnreadableVideo(path, "is not a video, or is damaged or cut off") from error
    except (av.error.FFmpegError, OSError) as error:
        raise UnreadableVideo(path, f"cannot be read: {_words(error)}") from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what goes wrong while writing ``path`` into UnwritableOutput."""
    try:
        yield
    except (av.error.FFmpegError, OSError) as error:
        reason = _WRITING.get(error.errno or 0, f"cannot be written: {_words(error)}")
        raise UnwritableOutput(path, reason) from error


def _words(error: av.error.FFmpegError | OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
