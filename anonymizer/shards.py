"""Tar files of samples (WebDataset): films and pictures replaced, all else kept, in order.

A shard is read and written as a stream. Names of members never become names of files here: a
member that is painted passes through files of a private folder whose names we choose. Owners and
times of members are dropped.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO, Final

from anonymizer.errors import JobError
from anonymizer.mirror import kind_of, output_name
from anonymizer.report import Report
from anonymizer.sniffing import HEAD, PARQUET, seen_as

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL
Paint = Callable[[Path, Path], Report]
"""Anonymizes (source, destination)."""
MOST: Final = 2**40
"""Bytes that one member may claim to have."""


def rewrite(
    source: Path, target: Path, place: Path, paint: Paint, written: Callable[[str], str]
) -> Iterator[Report]:
    """Write the shard ``target``, member by member.

    Args:
        source: A tar file without compression.
        target: An existing file, written over.
        place: A private folder, for files ``original.*`` and ``result.*``.
        paint: Does one film or picture.
        written: The suffix that a film gets, from that of its source.

    Yields:
        What became of each film and picture.

    Raises:
        JobError: naming the member, if one cannot be taken over or painted. The target is then of
            no use.
    """
    names: set[str] = set()
    try:
        with (
            tarfile.open(source, "r|") as read,
            tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as write,
        ):
            for member in read:
                if member.isdir():
                    continue
                name = _insist_on_harmless(source, member, written)
                if name in names:
                    raise JobError(source, f"two members would be called {name}")
                names.add(name)
                content = read.extractfile(member)
                assert content is not None  # it is a file
                if kind_of(name) in ("video", "image"):
                    yield _painted(member, content, place, paint, write, name)
                else:
                    _keep(source, name, member.size, content, write)
                read.members.clear()  # type: ignore[attr-defined]  # grows with the shard
            _insist_on_end(source, read.offset)
    except tarfile.TarError as error:
        raise JobError(source, f"is no tar file, or damaged ({error})") from error


def _insist_on_harmless(
    source: Path, member: tarfile.TarInfo, written: Callable[[str], str]
) -> str:
    """Name that the member gets.

    Raises:
        JobError: if it is no plain file, its name leads elsewhere, or it is a shard itself.
    """
    path = PurePosixPath(member.name)
    if not member.isreg() or member.issparse():
        raise JobError(source, f"member {member.name} is no plain file")
    odd = not path.parts or "\\" in member.name or ":" in path.parts[0]
    if odd or path.is_absolute() or ".." in path.parts:
        raise JobError(source, f"member {member.name} has a name that leads out of a folder")
    if member.size > MOST:
        raise JobError(source, f"member {member.name} claims to have {member.size} bytes")
    if kind_of(path.name) == "shard":
        raise JobError(source, f"member {member.name} is a shard in a shard; unpack it")
    return str(path.with_name(output_name(path.name, written)))


def _painted(
    member: tarfile.TarInfo,
    content: IO[bytes],
    place: Path,
    paint: Paint,
    write: tarfile.TarFile,
    name: str,
) -> Report:
    """Add the result of one film or picture."""
    original = place / f"original{Path(member.name).suffix.lower()}"
    result = place / f"result{Path(name).suffix.lower()}"
    try:
        with os.fdopen(os.open(original, _NEW, 0o600), "wb") as file:
            shutil.copyfileobj(content, file)
        report = paint(original, result)
        with result.open("rb") as file:
            write.addfile(_plain(name, result.stat().st_size), file)
    except JobError as error:
        error.reason = f"member {member.name}: {error.reason}"
        raise
    finally:
        original.unlink(missing_ok=True)
        result.unlink(missing_ok=True)
    return report


def _insist_on_end(source: Path, offset: int) -> None:
    """Look for the empty block after the last member: tarfile takes damage for the end.

    Raises:
        JobError: if it is not there.
    """
    with source.open("rb") as file:
        file.seek(offset)
        if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise JobError(source, f"is cut short or damaged at byte {offset}")


def _keep(source: Path, name: str, size: int, content: IO[bytes], write: tarfile.TarFile) -> None:
    """Add a label as it is.

    Raises:
        JobError: if it looks like a picture, film or archive.
    """
    head = content.read(HEAD)
    if kind := seen_as(name, head):
        raise JobError(source, f"member {name} looks like {kind}, but is not called so")
    if head.startswith(PARQUET):
        raise JobError(source, f"member {name} is a table, which may hold pictures; unpack it")
    write.addfile(_plain(name, size), _Joined(head, content))


class _Joined(BytesIO):
    """What was read of a stream, and then the rest of it."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        super().__init__(head)
        self._rest = rest

    def read(self, size: int | None = -1, /) -> bytes:
        """As many bytes as there are, up to ``size``."""
        start = super().read(size)
        if size is None or size < 0:
            return start + self._rest.read()
        return start + self._rest.read(size - len(start))


def _plain(name: str, size: int) -> tarfile.TarInfo:
    """A header without owner and time."""
    header = tarfile.TarInfo(name)
    header.size = size
    return header
