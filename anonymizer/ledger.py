"""What a watcher knows of the files of its inbox, in a SQLite file that survives any kill."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self, get_args

Status = Literal["waiting", "working", "done", "failed"]
"""``working`` at a start means that the watcher was killed meanwhile."""

_TABLE = f"""
create table if not exists files (
    path text not null, size integer not null, changed integer not null, inode integer not null,
    status text not null check (status in {get_args(Status)}),
    tries integer not null default 0, due real not null default 0,
    output text, reason text, moved integer not null default 0,
    primary key (path, size, changed, inode)
) strict
"""


@dataclass(frozen=True, slots=True)
class Stamp:
    """One version of one file of the inbox. Another file of the same name has another stamp."""

    path: str
    """Relative to the inbox, with forward slashes."""
    size: int
    changed: int
    """Modification time in nanoseconds."""
    inode: int

    @classmethod
    def of(cls, file: Path, inbox: Path) -> Self:
        """The stamp of a file as it is now.

        Raises:
            OSError: if it is gone.
        """
        state = file.stat(follow_symlinks=False)
        path = file.relative_to(inbox).as_posix()
        return cls(path, state.st_size, state.st_mtime_ns, state.st_ino)

    @property
    def key(self) -> tuple[str, int, int, int]:
        """Of its row."""
        return self.path, self.size, self.changed, self.inode


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of a file so far."""

    stamp: Stamp
    status: Status
    tries: int
    """Attempts that ended in an error that may pass."""
    due: float
    """Not before this time, seconds since the epoch."""
    output: str | None
    """Where its result goes, relative to the outbox; known from the first attempt on."""
    reason: str | None
    """Of the last failure."""
    moved: bool
    """Whether the file has left the inbox."""


class Ledger:
    """The table of files; one process at a time has it open.

    Every change is on the disk when the method returns.
    """

    def __init__(self, path: Path) -> None:
        """Open or make the file at ``path``.

        Raises:
            sqlite3.Error: if it is something else.
        """
        self._base = sqlite3.connect(path, isolation_level=None)
        self._base.execute("pragma journal_mode = wal")
        self._base.execute("pragma synchronous = full")
        self._base.execute(_TABLE)

    def close(self) -> None:
        """Write everything into the one file."""
        self._base.close()

    def get(self, stamp: Stamp) -> Entry | None:
        """What is known of a file, if anything."""
        rows = self._rows("where path = ? and size = ? and changed = ? and inode = ?", stamp.key)
        return next(rows, None)

    def unmoved(self) -> list[Entry]:
        """Files that are done or failed, and were still in the inbox when that was noted."""
        return list(self._rows("where moved = 0 and status in ('done', 'failed')"))

    def counts(self) -> dict[str, int]:
        """Number of files by status."""
        return dict(self._base.execute("select status, count(*) from files group by status"))

    def begin(self, stamp: Stamp, output: str) -> None:
        """Note that a file is being worked on, and where its result goes."""
        self._base.execute(
            "insert into files (path, size, changed, inode, status, output)"
            " values (?, ?, ?, ?, 'working', ?)"
            " on conflict do update set status = 'working', output = excluded.output",
            (*stamp.key, output),
        )

    def retry(self, stamp: Stamp, reason: str, due: float) -> None:
        """Note that an attempt failed, and when there will be another."""
        self._set(stamp, "status = 'waiting', tries = tries + 1, reason = ?, due = ?", reason, due)

    def end(self, stamp: Stamp, status: Literal["done", "failed"], reason: str | None) -> None:
        """Note that nothing more will be done about a file."""
        self._set(stamp, "status = ?, reason = ?", status, reason)

    def note_moved(self, stamp: Stamp) -> None:
        """Note that a file has left the inbox."""
        self._set(stamp, "moved = 1")

    def _set(self, stamp: Stamp, changes: str, *values: object) -> None:
        where = "where path = ? and size = ? and changed = ? and inode = ?"
        self._base.execute(f"update files set {changes} {where}", (*values, *stamp.key))

    def _rows(self, where: str, values: tuple[object, ...] = ()) -> Iterator[Entry]:
        names = "path, size, changed, inode, status, tries, due, output, reason, moved"
        for row in self._base.execute(f"select {names} from files {where}", values):
            status, tries, due, output, reason, moved = row[4:]
            yield Entry(Stamp(*row[:4]), status, tries, due, output, reason, bool(moved))


@contextmanager
def ledger(path: Path) -> Iterator[Ledger]:
    """Open a ledger, and close it."""
    opened = Ledger(path)
    try:
        yield opened
    finally:
        opened.close()
