"""One input of a dataset, from hash to published result: what a worker does.

A worker loads the parts that paint once, and only when there is something to paint. Its unfinished
files are in a folder of its own, on the disk of the destination, hidden from the set; the time of
that folder tells the driver that the worker gets on.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from anonymizer import fingerprint, shards
from anonymizer.errors import (
    Doubtful,
    JobError,
    MissingWeights,
    SourceChanged,
    UnwritableOutput,
    UsageError,
    VeilframeError,
)
from anonymizer.jobs import Anonymizer
from anonymizer.manifest import Row, Verdict
from anonymizer.mirror import Entry
from anonymizer.report import Report
from anonymizer.settings import Settings
from anonymizer.sniffing import HEAD, PARQUET, parquet_bytes, seen_as
from anonymizer.verify import leak_bound
from anonymizer.video.encoding import output_suffix
from anonymizer.video.publish import atomic_output

BEAT_S: Final = 1.0
"""Least time between two signs of life."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One input, and what is known of it."""

    entry: Entry
    known: Row | None
    """What an earlier run has made of it."""
    begun: bool
    """Whether a file of that name in the destination may be ours."""
    again: bool
    """Whether to try once more what failed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a unit."""

    row: Row
    fresh: bool
    """Whether there was anything to do."""


class Worker:
    """Does one unit after the other."""

    def __init__(self, settings: Settings, settings_sha256: str, root: Path, place: Path) -> None:
        """Make the folder, and load nothing yet.

        Args:
            settings: What is to be done, secret included.
            settings_sha256: `fingerprint.of_settings` of them.
            root: The destination folder.
            place: This worker's own folder, for unfinished files.
        """
        self._settings = settings
        self._settings_sha256 = settings_sha256
        self._root = root
        self._place = place
        self._veil: Anonymizer | None = None
        self._beaten = 0.0
        self._make_place()

    def __call__(self, unit: Unit) -> Outcome:
        """Do a unit, or find that it is done.

        Raises:
            UsageError: if the settings name what is not there: no unit can be done.
            MissingWeights: likewise.
        """
        start = time.perf_counter()
        entry = unit.entry
        blank = Row(path=entry.path, kind=entry.kind, verdict="failed", output=entry.output)
        if entry.output is None:
            return Outcome(_left(blank, entry), fresh=True)
        blank = replace(blank, settings_sha256=self._settings_sha256)
        try:
            if unit.known is not None and self._holds(unit, unit.known):
                return Outcome(unit.known, fresh=False)
            row = self._done(unit, blank)
        except (UsageError, MissingWeights):
            raise
        except Exception as error:  # noqa: BLE001 - one bad file must not stop the others
            row = _failed(blank, unit, error)
        return Outcome(replace(row, seconds=round(time.perf_counter() - start, 3)), fresh=True)

    def _holds(self, unit: Unit, known: Row) -> bool:
        """Whether a row is still true: same source, same settings, and the result is there."""
        same = known.settings_sha256 == self._settings_sha256 and known.output == unit.entry.output
        if not same or (unit.again and not known.good):
            return False
        if fingerprint.of_file(unit.entry.source) != known.source_sha256:
            return False
        if known.output_sha256 is None:
            return True
        result = self._root / str(known.output)
        return result.is_file() and fingerprint.of_file(result) == known.output_sha256

    def _done(self, unit: Unit, blank: Row) -> Row:
        entry, destination = unit.entry, self._root / str(unit.entry.output)
        _insist_on_ours(unit, destination, self._root)
        with self._clean() as place:
            result = place / f"whole{destination.suffix}"
            if entry.kind == "other":
                row = _copied(entry.source, result, blank)
            elif entry.kind == "shard":
                row = self._shard(entry.source, result, blank)
            else:
                done = self._paint(entry.source, result)
                row = _tally(replace(blank, source_sha256=done.source_sha256), [done])
                row = replace(row, output_sha256=done.output_sha256)
            destination.parent.mkdir(parents=True, exist_ok=True)
            result.replace(destination)
        return row

    def _shard(self, source: Path, result: Path, blank: Row) -> Row:
        before = fingerprint.of_file(source)
        with atomic_output(result) as target:
            self._painter()  # what is missing is missing for all units
            rewritten = shards.rewrite(source, target, result.parent, self._paint, output_suffix)
            reports = [_counted(report) for report in rewritten]
            if fingerprint.of_file(source) != before:
                raise SourceChanged(source, "changed while it was read; run again")
            written = fingerprint.of_file(target)
        blank = replace(blank, source_sha256=before, output_sha256=written)
        return _tally(blank, reports)

    @contextmanager
    def _clean(self) -> Iterator[Path]:
        """This worker's private folder, empty before and after; making one for each is slow."""
        self._make_place()
        try:
            yield self._place
        finally:
            for left in self._place.iterdir():
                left.unlink()

    def _make_place(self) -> None:
        self._place.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _paint(self, source: Path, result: Path) -> Report:
        return self._painter().file(source, result, progress=self._beat)

    def _beat(self, *_: object) -> None:
        """Show that this worker gets on."""
        now = time.monotonic()
        if now - self._beaten >= BEAT_S:
            self._beaten = now
            with suppress(OSError):  # its folder is gone: the work will tell
                os.utime(self._place)

    def _painter(self) -> Anonymizer:
        if self._veil is None:
            with one_core():
                self._veil = Anonymizer(self._settings)
        return self._veil


@contextmanager
def one_core() -> Iterator[None]:
    """Let parts that are loaded meanwhile take one thread each.

    Sums are rounded differently on more threads: measured on real faces, a worker that had two
    cores wrote other bytes than one that had one. Where cores cannot be chosen all are taken.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _left(blank: Row, entry: Entry) -> Row:
    """The row of what is not worked on."""
    if entry.fault:
        return replace(blank, failure="Unmirrored", error=entry.problem)
    return replace(blank, verdict="skipped", error=entry.problem)


def _copied(source: Path, result: Path, blank: Row) -> Row:
    with source.open("rb") as file:
        head = file.read(HEAD)
        kind = seen_as(source.name, head)
        if head.startswith(PARQUET) and (column := parquet_bytes(file)):
            kind = f"pictures in a table (column {column} holds bytes)"
    if kind:
        why = f"looks like {kind}, but not by its name; nothing was copied (--only-media)"
        raise JobError(source, why)
    shutil.copyfile(source, result)  # not synced: a copy that a power cut took is made again
    written = fingerprint.of_file(result)
    return replace(blank, verdict="copied", source_sha256=written, output_sha256=written)


def _insist_on_ours(unit: Unit, destination: Path, root: Path) -> None:
    """Refuse to write through links out of the destination, or over the files of others."""
    if not destination.parent.resolve().is_relative_to(root.resolve()):
        raise JobError(destination, "leads out of the destination by a link; remove the link")
    if os.path.lexists(destination) and not unit.begun:
        raise UnwritableOutput(destination, "exists, and no run of this set has made it; move it")


def _failed(blank: Row, unit: Unit, error: Exception) -> Row:
    """The row of a failure; the file it is about is named by the row."""
    said = (str(error).splitlines() or [""])[0]
    if isinstance(error, JobError):
        said = error.reason
    elif isinstance(error, OSError):
        said = error.strerror or said
    elif not isinstance(error, VeilframeError):
        said = f"unexpected: {said}"
    row = replace(blank, failure=type(error).__name__, error=said)
    try:
        row = replace(row, source_sha256=fingerprint.of_file(unit.entry.source))
    except JobError:
        row = replace(row, source_sha256=None)
    if isinstance(error, Doubtful):
        row = _tally(row, [error.report])
    return replace(row, output_sha256=None)


def _tally(row: Row, reports: list[Report]) -> Row:
    """A row with the counts of the films and pictures in it."""
    seen = [report.verification for report in reports]
    faces, doubts = sum(one.faces for one in seen), sum(len(one.doubts) for one in seen)
    repaired = sum(len(one.repaired) for one in seen)
    verdict: Verdict = "repaired" if repaired else "clean"
    return replace(
        row,
        verdict="doubt" if any(one.verdict == "doubt" for one in seen) else verdict,
        members=len(reports),
        frames=sum(report.frames for report in reports),
        duration_s=round(sum(report.duration_s for report in reports), 3),
        tracks=sum(len(report.tracks) for report in reports),
        faces=faces,
        doubts=doubts,
        repaired=repaired,
        leak_bound=leak_bound(doubts, faces),
    )


def _counted(report: Report) -> Report:
    """The report without what grows with the film: a shard holds many."""
    return replace(report, streams=(), warnings=())
