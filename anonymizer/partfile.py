"""A file that is on its way: hidden beside its target until it is whole."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO


def strong(tag: str) -> str:
    """The ETag if it stands for the very bytes, as a range needs it; else nothing."""
    return tag if tag.startswith('"') and tag.isascii() and tag.isprintable() else ""


class Part:
    """What is at hand of a file, and the strong ETag of the version it belongs to."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(f".{target.name}.part")
        self._tag = target.with_name(f".{target.name}.etag")

    @property
    def size(self) -> int:
        """Bytes at hand."""
        try:
            return self.path.lstat().st_size
        except FileNotFoundError:
            return 0

    @property
    def tag(self) -> str:
        """The version's ETag; empty if it is not known."""
        try:
            return strong(self._tag.read_text(encoding="ascii", errors="replace"))
        except FileNotFoundError:
            return ""

    def begin(self, tag: str) -> None:
        """Forget what there is; what comes now belongs to ``tag``."""
        self.drop()
        if tag:
            with _new(self._tag) as file:
                file.write(tag.encode("ascii"))

    def open(self) -> BinaryIO:
        """The part, to add to."""
        return _new(self.path)

    def drop(self) -> None:
        """Forget what there is."""
        self.path.unlink(missing_ok=True)
        self._tag.unlink(missing_ok=True)

    def publish(self) -> None:
        """Give the part its name, so that it survives a power cut."""
        with self.open() as file:
            os.fsync(file.fileno())
        self.path.chmod(0o666 & ~_umask())
        self.path.replace(self.target)
        self._tag.unlink(missing_ok=True)
        _sync(self.target.parent)


def _new(path: Path) -> BinaryIO:
    """A file of ours to add to; made for the owner alone, and never behind a link."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    for name in ("O_NOFOLLOW", "O_BINARY"):  # each system has one of them
        flags |= getattr(os, name, 0)
    return os.fdopen(os.open(path, flags, 0o600), "ab")


def _umask() -> int:
    """The process's umask, which can only be read by setting it: to the strictest meanwhile."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _sync(folder: Path) -> None:
    with suppress(OSError):  # where folders can be synced
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
