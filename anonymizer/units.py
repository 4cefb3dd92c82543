"""One input of a dataset, from hash to published result: what a worker does.

A worker loads the parts that paint once, and only when there is something to paint. Its unfinished
files are in a folder of its own, on the disk of the destination, hidden from the set; the time of
that folder tells the driver that the worker gets on.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from anonymizer import division, fingerprint, pieces, rows, shards
from anonymizer.errors import (
    JobError,
    MissingWeights,
    SourceChanged,
    UnwritableOutput,
    UsageError,
)
from anonymizer.jobs import Anonymizer
from anonymizer.manifest import Row
from anonymizer.report import Report
from anonymizer.settings import Settings
from anonymizer.sniffing import HEAD, PARQUET, parquet_bytes, seen_as
from anonymizer.tasks import (
    Divided,
    Joining,
    Outcome,
    Painted,
    Painting,
    Planned,
    Planning,
    Result,
    Search,
    Task,
    Undivided,
    Unit,
    unit_of,
)
from anonymizer.video.containers import output_suffix
from anonymizer.video.publish import atomic_output
from anonymizer.video.timetable import Indivisible

BEAT_S: Final = 1.0
"""Least time between two signs of life."""


class Worker:
    """Does one task after the other."""

    def __init__(
        self,
        settings: Settings,
        settings_sha256: str,
        root: Path,
        place: Path,
        *,
        split_frames: int = 0,
    ) -> None:
        """Make the folder, and load nothing yet.

        Args:
            settings: What is to be done, secret included.
            settings_sha256: `fingerprint.of_settings` of them.
            root: The destination folder.
            place: This worker's own folder, for unfinished files.
            split_frames: Films of more frames are done in pieces of about so many; 0 for none.
        """
        self._settings = settings
        self._settings_sha256 = settings_sha256
        self._root = root
        self._place = place
        self._split_frames = split_frames
        self._veil: Anonymizer | None = None
        self._beaten = 0.0
        self._make_place()

    def __call__(self, task: Task) -> Result:
        """Do an input, find that it is done, or do a piece of it.

        Raises:
            UsageError: if the settings name what is not there: nothing can be done.
            MissingWeights: likewise.
        """
        start = time.perf_counter()
        unit = unit_of(task)
        try:
            result = self._result(task)
        except (UsageError, MissingWeights):
            raise
        except Indivisible:
            result = Undivided()
        except Exception as error:  # noqa: BLE001 - one bad file must not stop the others
            result = Outcome(rows.failed(self._blank(unit), unit.entry.source, error), fresh=True)
        return _timed(result, round(time.perf_counter() - start, 3))

    def _result(self, task: Task) -> Result:
        source = unit_of(task).entry.source
        if isinstance(task, Unit):
            return self._input(task)
        if isinstance(task, Joining):
            return Outcome(self._published(task.unit, partial(self._join, task)), fresh=True)
        veil = self._painter()
        if isinstance(task, Search):
            return division.searched(veil, source, task.which, self._beat)
        if isinstance(task, Planning):
            planned = pieces.planned(veil, source, task.found)
            size = division.size(len(planned.plan.pts), self._split_frames)
            return Planned(planned, pieces.to_paint(planned, frames=size))
        return self._part(task)

    def _part(self, task: Painting) -> Painted:
        destination = self._root / str(task.unit.entry.output)
        veil, source = self._painter(), task.unit.entry.source
        with self._clean() as place:
            part = place / task.part.name
            pieces.painted(
                veil, source, task.planned, task.which, part, destination, progress=self._beat
            )
            part.replace(task.part)
        return Painted()

    def _input(self, unit: Unit) -> Result:
        entry = unit.entry
        if entry.output is None:
            return Outcome(rows.left_out(entry), fresh=True)
        if unit.known is not None and self._holds(unit, unit.known):
            return Outcome(unit.known, fresh=False)
        _insist_on_ours(unit, self._root / entry.output, self._root)
        if entry.kind == "video" and not unit.whole:
            ranges = division.ranges(entry.source, self._split_frames)
            if ranges:
                return Divided(ranges)
        make = {"other": self._copy, "shard": self._shard}.get(entry.kind, self._film)
        return Outcome(self._published(unit, partial(make, unit)), fresh=True)

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

    def _published(self, unit: Unit, make: Callable[[Path], Row]) -> Row:
        """The row of a result that has its name, after it was made in the worker's own folder."""
        destination = self._root / str(unit.entry.output)
        _insist_on_ours(unit, destination, self._root)
        with self._clean() as place:
            result = place / f"whole{destination.suffix}"
            row = make(result)
            destination.parent.mkdir(parents=True, exist_ok=True)
            result.replace(destination)
        return row

    def _film(self, unit: Unit, result: Path) -> Row:
        """A film or a picture."""
        return self._reported(unit, self._paint(unit.entry.source, result))

    def _join(self, task: Joining, result: Path) -> Row:
        return self._reported(task.unit, division.joined(self._painter(), task, result, self._beat))

    def _reported(self, unit: Unit, done: Report) -> Row:
        row = replace(self._blank(unit), source_sha256=done.source_sha256)
        return replace(rows.tally(row, [done]), output_sha256=done.output_sha256)

    def _copy(self, unit: Unit, result: Path) -> Row:
        return _copied(unit.entry.source, result, self._blank(unit))

    def _shard(self, unit: Unit, result: Path) -> Row:
        source = unit.entry.source
        before = fingerprint.of_file(source)
        with atomic_output(result) as target:
            self._painter()  # what is missing is missing for all units
            rewritten = shards.rewrite(source, target, result.parent, self._paint, output_suffix)
            reports = [rows.counted(report) for report in rewritten]
            if fingerprint.of_file(source) != before:
                raise SourceChanged(source, "changed while it was read; run again")
            written = fingerprint.of_file(target)
        row = replace(self._blank(unit), source_sha256=before, output_sha256=written)
        return rows.tally(row, reports)

    def _blank(self, unit: Unit) -> Row:
        return replace(rows.blank(unit.entry), settings_sha256=self._settings_sha256)

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
    Workers that load at the same time do it on different cores, as far as there are some.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(before)[os.getpid() % len(before)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _timed(result: Result, seconds: float) -> Result:
    """The result with the time that it took, unless there was nothing to do."""
    if not isinstance(result, Outcome):
        return replace(result, seconds=seconds)
    return replace(result, row=replace(result.row, seconds=seconds)) if result.fresh else result


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
