"""What is known of every input of a dataset: a journal while it is made, a Parquet file to keep.

The journal is a SQLite file. A row that was written is there after any kill of the process; after
a power cut the last ones may be missing, and their inputs are done again. The manifest is written
from it as a whole, sorted by path.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from anonymizer.mirror import Kind
from anonymizer.video.publish import atomic_output

if TYPE_CHECKING:
    import pyarrow as pa

Verdict = Literal["clean", "repaired", "copied", "skipped", "doubt", "failed"]
"""``clean`` and ``repaired`` as in a report; ``copied``: no film or picture; ``skipped``: a link or
no file, left out; ``doubt``: not published, a face may still be seen; ``failed``: see the error."""
GOOD: Final = ("clean", "repaired", "copied", "skipped")
FORMAT: Final = 1
"""Of the manifest; a new number where a column goes or changes its meaning."""
GROUP: Final = 10_000
"""Rows written at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What became of one input. Holds nothing that shows a face."""

    path: str
    """Relative to the source folder, with forward slashes."""
    kind: Kind
    verdict: Verdict
    source_sha256: str | None = None
    output: str | None = None
    """Relative to the destination folder."""
    output_sha256: str | None = None
    """None if nothing was published."""
    settings_sha256: str | None = None
    """Of all that decides the result but the secret: settings, version, weights."""
    members: int = 0
    """Films and pictures: 1, in a shard as many as it holds."""
    frames: int = 0
    duration_s: float = 0.0
    """From the first frame to the last."""
    tracks: int = 0
    faces: int = 0
    """Faces compared with the original, each frame of each counted."""
    doubts: int = 0
    """Of them, those that still look as before."""
    repaired: int = 0
    """Of them, those that did at first, and are covered."""
    leak_bound: float | None = None
    """Upper limit of the share of faces still to be seen, at 95 % confidence."""
    failure: str | None = None
    """Kind of the error."""
    error: str | None = None
    """One sentence."""
    seconds: float = 0.0
    """Wall time of the work."""

    @property
    def good(self) -> bool:
        """Whether nothing is left to do."""
        return self.verdict in GOOD


_TABLES: Final = """
create table if not exists rows (path text primary key, body text) strict;
create table if not exists notes (name text primary key, value text not null) strict;
create temp table seen (path text primary key) strict;
"""


class Journal:
    """The rows so far; one process at a time has it open. Changes are made when a method ends."""

    def __init__(self, path: Path) -> None:
        """Open or make the file at ``path``.

        Raises:
            sqlite3.Error: if it is something else.
        """
        self._base = sqlite3.connect(path, isolation_level=None)
        self._base.execute("pragma journal_mode = wal")
        self._base.execute("pragma synchronous = normal")
        self._base.executescript(_TABLES)

    def close(self) -> None:
        """Write everything into the one file."""
        self._base.close()

    def get(self, path: str) -> tuple[bool, Row | None]:
        """Whether an input was begun, and its row if it was ended."""
        found = self._base.execute("select body from rows where path = ?", (path,)).fetchone()
        return found is not None, _row(found[0]) if found and found[0] else None

    def begin(self, path: str) -> None:
        """Note that there may be a result of this input from now on; its row stays."""
        self._base.execute("insert or ignore into rows (path) values (?)", (path,))
        self._see(path)

    def end(self, row: Row) -> None:
        """Note what became of an input."""
        self._base.execute(
            "insert or replace into rows (path, body) values (?, ?)",
            (row.path, json.dumps(asdict(row))),
        )
        self._see(row.path)

    def forget_unseen(self) -> int:
        """Drop the rows of inputs that were neither begun nor ended since this was opened.

        Returns:
            How many there were.
        """
        return self._base.execute("delete from rows where path not in seen").rowcount

    def rows(self) -> Iterator[Row]:
        """All rows that were ended, by path."""
        for (body,) in self._base.execute(
            "select body from rows where body is not null order by path"
        ):
            yield _row(body)

    def note(self, name: str) -> str | None:
        """A note, if there is one of that name."""
        found = self._base.execute("select value from notes where name = ?", (name,)).fetchone()
        return str(found[0]) if found else None

    def put_note(self, name: str, value: str) -> None:
        """Keep a note."""
        self._base.execute("insert or replace into notes values (?, ?)", (name, value))

    def _see(self, path: str) -> None:
        self._base.execute("insert or ignore into seen values (?)", (path,))


def _row(body: str) -> Row:
    return Row(**json.loads(body))


@contextmanager
def journal(path: Path, manifest: Path) -> Iterator[Journal]:
    """Open a journal, and close it. One that is new begins with what a manifest knows."""
    new = not path.exists()
    opened = Journal(path)
    try:
        if new and manifest.exists():
            for row in read(manifest):
                opened.end(row)
        yield opened
    finally:
        opened.close()


def write(rows: Iterator[Row], manifest: Path) -> None:
    """Write a manifest, replacing the one that is there when the new one is whole."""
    import pyarrow as pa
    from pyarrow import parquet

    schema = _schema()
    with (
        atomic_output(manifest, overwrite=True) as file,
        parquet.ParquetWriter(file, schema, compression="zstd") as writer,
    ):
        while group := [asdict(row) for row in islice(rows, GROUP)]:
            writer.write_table(pa.Table.from_pylist(group, schema=schema))


def read(manifest: Path) -> Iterator[Row]:
    """The rows of a manifest."""
    from pyarrow import parquet

    with parquet.ParquetFile(manifest) as file:
        for group in file.iter_batches(GROUP):
            for values in group.to_pylist():
                yield Row(**values)


def _schema() -> pa.Schema:
    import pyarrow as pa

    kinds = {"str": pa.string(), "int": pa.int64(), "float": pa.float64()}
    columns = [
        (part.name, kinds.get(str(part.type).partition(" ")[0], pa.string()))
        for part in fields(Row)
    ]
    return pa.schema(columns, metadata={"format": f"veilframe-manifest-{FORMAT}"})
