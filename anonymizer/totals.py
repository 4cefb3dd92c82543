"""A whole dataset in a few numbers."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from anonymizer.manifest import Row
from anonymizer.verify import leak_bound


@dataclass(frozen=True, slots=True)
class Summary:
    """All rows of a set in a few numbers."""

    complete: bool
    """Whether every input was looked at and none failed."""
    inputs: int
    verdicts: dict[str, int]
    failures: dict[str, int]
    """Number of failed inputs by kind of the error."""
    unchanged: int
    """Inputs that were done before."""
    gone: int
    """Inputs of earlier runs that are no more; their results were left."""
    members: int
    """Films and pictures that were published."""
    faces: int
    """Faces compared in them."""
    leak_bound: float
    """Upper limit of the share of them still to be seen, at 95 % confidence."""
    hours: float
    """Of film, in all rows."""
    seconds: float
    """Wall time of this run."""
    speed: float
    """Hours of film per hour, in this run."""
    notices: tuple[str, ...] = ()
    """What is to be known of labels that were copied; see `formats`."""


@dataclass(slots=True)
class Run:
    """Counts of one run."""

    start: float = field(default_factory=time.perf_counter)
    unchanged: int = 0
    filmed_s: float = 0.0
    gone: int = 0

    def count(self, row: Row, *, fresh: bool) -> None:
        """Take note of what became of an input."""
        self.unchanged += not fresh
        self.filmed_s += row.duration_s if fresh else 0.0


def summary_of(rows: Iterator[Row], run: Run, *, ended: bool) -> Summary:
    """The summary of all rows of a set.

    Args:
        rows: All of them.
        run: The run that was last.
        ended: Whether it looked at every input.
    """
    verdicts: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    members = faces = 0
    duration_s = 0.0
    for row in rows:
        verdicts[row.verdict] += 1
        failures.update([row.failure] if row.failure else [])
        if row.output_sha256 is not None:
            members, faces = members + row.members, faces + row.faces
            duration_s += row.duration_s
    seconds = time.perf_counter() - run.start
    return Summary(
        complete=ended and not failures,
        inputs=verdicts.total(),
        verdicts=dict(sorted(verdicts.items())),
        failures=dict(sorted(failures.items())),
        unchanged=run.unchanged,
        gone=run.gone,
        members=members,
        faces=faces,
        leak_bound=leak_bound(0, faces),
        hours=round(duration_s / 3600, 6),
        seconds=round(seconds, 3),
        speed=round(run.filmed_s / seconds, 3),
    )
