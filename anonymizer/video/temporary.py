"""Unfinished files: private, hidden, and known to be alive by a lock that dies with its process."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Final

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # pragma: no cover - Windows keeps open files from being removed by itself
    fcntl = None

PREFIX: Final = ".veilframe-"
"""Names of unfinished files begin so; they are hidden and end like the destination."""


@contextmanager
def unfinished(destination: Path) -> Iterator[Path]:
    """Yield a new empty file beside ``destination`` (mode 0600); afterwards it is gone.

    What a killed process left in that folder is removed first.

    Raises:
        OSError: if the folder cannot be written.
    """
    sweep(destination.parent)
    temporary = destination.with_name(f"{PREFIX}{secrets.token_hex(8)}{destination.suffix}")
    descriptor = -1
    try:  # from before it exists: an interruption may come at any instruction
        while descriptor < 0:
            descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            _lock(descriptor)
            if not temporary.exists():  # swept before it was locked
                os.close(descriptor)
                descriptor = -1
        yield temporary
    finally:
        with suppress(NotADirectoryError):
            temporary.unlink(missing_ok=True)
        if descriptor >= 0:
            os.close(descriptor)


def sweep(folder: Path) -> None:
    """Remove unfinished files that no living process has locked."""
    for leftover in folder.glob(f"{PREFIX}*"):
        with suppress(OSError):  # another one swept it, or locks are not to be had here
            descriptor = os.open(leftover, os.O_RDONLY)
            try:
                if _lock(descriptor):
                    leftover.unlink()
            finally:
                os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Lock an open file unless another process has it; False where that is not possible."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
