"""Files get their names when they are whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from anonymizer.errors import UnwritableOutput
from anonymizer.video.failures import writing
from anonymizer.video.temporary import PREFIX, unfinished


@contextmanager
def atomic_output(destination: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a new file beside ``destination`` (mode 0600) that takes its name if all goes well.

    After any exception, KeyboardInterrupt included, nothing is left of it and the destination is as
    it was. What a killed process left is gone after the next one. An UnwritableOutput about the
    temporary file is raised again about the destination.

    Raises:
        UnwritableOutput: if the destination exists and ``overwrite`` is false, is a folder, or its
            folder cannot be written.
    """
    insist_on_free(destination, overwrite=overwrite)
    try:
        with ExitStack() as stack:
            with writing(destination):
                temporary = stack.enter_context(unfinished(destination))
            yield temporary
            with writing(destination):
                _publish(temporary, destination, overwrite)
    except UnwritableOutput as error:
        if not Path(error.path).name.startswith(PREFIX):
            raise
        raise UnwritableOutput(destination, error.reason) from error


@contextmanager
def folder_of(destination: Path) -> Iterator[None]:
    """Make the folder of a file; after a failure folders that were made are gone again."""
    missing = [folder for folder in destination.parents if not folder.exists()]
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = f"its folder cannot be made ({error.strerror}); choose another --output"
        raise UnwritableOutput(destination, reason) from error
    try:
        yield
    except BaseException:
        for folder in missing:
            with suppress(OSError):  # not empty: others write there too
                folder.rmdir()
        raise


def insist_on_folder(destination: Path) -> None:
    """Refuse a file below something that is no folder.

    Raises:
        UnwritableOutput: if so.
    """
    there = next((folder for folder in destination.parents if os.path.lexists(folder)), None)
    if there is not None and not there.is_dir():
        raise UnwritableOutput(destination, f"{there} is no folder; choose another --output")


def insist_on_free(destination: Path, *, overwrite: bool) -> None:
    """Refuse a name that is taken.

    Raises:
        UnwritableOutput: if something is there and ``overwrite`` is false, or it is a folder.
    """
    with writing(destination):
        if destination.is_dir():
            raise UnwritableOutput(destination, "is a folder; expected a file name")
        if not overwrite and os.path.lexists(destination):
            raise UnwritableOutput(destination, "exists; pass --overwrite to replace it")


def _publish(temporary: Path, destination: Path, overwrite: bool) -> None:
    descriptor = os.open(temporary, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        temporary.chmod(0o666 & ~_umask())
    finally:
        os.close(descriptor)
    if overwrite:
        temporary.replace(destination)
    else:
        _claim(temporary, destination)
    _sync_folder(destination.parent)


def _claim(temporary: Path, destination: Path) -> None:
    """Rename without replacing a file that appeared meanwhile."""
    try:
        os.link(temporary, destination)
    except FileExistsError as error:
        raise UnwritableOutput(destination, "exists; pass --overwrite to replace it") from error
    except OSError:  # a file system without hard links: look, then rename
        insist_on_free(destination, overwrite=False)
        temporary.rename(destination)


def _umask() -> int:
    """The process's umask, which can only be read by setting it: to the strictest meanwhile."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    """Make the new name survive a power cut, where folders can be synced."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
