"""Rows of a manifest, from what became of an input."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from anonymizer import fingerprint
from anonymizer.errors import Doubtful, JobError, VeilframeError
from anonymizer.manifest import Row, Verdict
from anonymizer.mirror import Entry
from anonymizer.report import Report
from anonymizer.verify import leak_bound


def blank(entry: Entry) -> Row:
    """The row of an input of which nothing is known."""
    return Row(path=entry.path, kind=entry.kind, verdict="failed", output=entry.output)


def left_out(entry: Entry) -> Row:
    """The row of what is not worked on."""
    if entry.fault:
        return replace(blank(entry), failure="Unmirrored", error=entry.problem)
    return replace(blank(entry), verdict="skipped", error=entry.problem)


def failed(row: Row, source: Path, error: Exception) -> Row:
    """The row of a failure; the file it is about is named by the row."""
    said = (str(error).splitlines() or [""])[0]
    if isinstance(error, JobError):
        said = error.reason
    elif isinstance(error, OSError):
        said = error.strerror or said
    elif not isinstance(error, VeilframeError):
        said = f"unexpected: {said}"
    row = replace(row, failure=type(error).__name__, error=said)
    try:
        row = replace(row, source_sha256=fingerprint.of_file(source))
    except JobError:
        row = replace(row, source_sha256=None)
    if isinstance(error, Doubtful):
        row = tally(row, [error.report])
    return replace(row, output_sha256=None)


def tally(row: Row, reports: list[Report]) -> Row:
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


def counted(report: Report) -> Report:
    """The report without what grows with the film: a shard holds many."""
    return replace(report, streams=(), warnings=())
