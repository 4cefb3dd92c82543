"""What is to be done next with a dataset: pieces of films that were begun, then the next inputs.

Pieces go first, so there are never more films in pieces than workers. A film is cut in the same
places however many workers there are.
"""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from anonymizer.finding import Found
from anonymizer.glances import Glance
from anonymizer.plan import Plan
from anonymizer.planfile import PlanFile
from anonymizer.tasks import (
    Divided,
    Joining,
    Outcome,
    Painted,
    Painting,
    Piece,
    Planned,
    Planning,
    Result,
    Search,
    Searched,
    Task,
    Undivided,
    Unit,
    unit_of,
)


@dataclass(slots=True, eq=False)
class _Film:
    """A film in pieces."""

    unit: Unit
    folder: Path
    """Of its parts."""
    waiting: set[Task] = field(default_factory=set)
    """Pieces of this stage that are not done."""
    found: list[Found] = field(default_factory=list)
    seen: list[Glance] = field(default_factory=list)
    planned: PlanFile | None = None
    parts: dict[range, Path] = field(default_factory=dict)
    seconds: float = 0.0

    def stage(self, pieces: Sequence[Piece]) -> list[Piece]:
        """Begin a stage."""
        self.waiting = set(pieces)
        return list(pieces)


class Agenda:
    """Tasks in the order in which they are to be done; more may come after each result."""

    def __init__(self, units: Iterator[Unit], folder: Path) -> None:
        """Keep parts of films in folders below ``folder``, which need not exist."""
        self._units = units
        self._folders = (folder / f"film-{number}" for number in count())
        self._ready: deque[Task] = deque()
        self._films: dict[str, _Film] = {}

    def __iter__(self) -> Iterator[Task]:
        return self

    def __next__(self) -> Task:
        return self._ready.popleft() if self._ready else next(self._units)

    def after(self, task: Task, result: Result) -> Outcome | None:
        """Note what a task has come to; the outcome of its input, if it is known now."""
        unit = unit_of(task)
        if isinstance(result, Divided):
            self._ready += self._begun(unit, result)
            return None
        film = self._films.get(unit.entry.path)
        if film is None:
            return result if isinstance(task, Unit) and isinstance(result, Outcome) else None
        if isinstance(result, Outcome):
            self._drop(film)
            seconds = round(film.seconds + result.row.seconds, 3)
            return replace(result, row=replace(result.row, seconds=seconds))
        film.seconds += result.seconds
        if isinstance(result, Undivided):
            self._drop(film)
            self._ready.append(replace(unit, whole=True))
            return None
        film.waiting -= {task}
        self._ready += _next(film, task, result)
        return None

    def _begun(self, unit: Unit, divided: Divided) -> list[Piece]:
        film = _Film(unit, next(self._folders), seconds=divided.seconds)
        self._films[unit.entry.path] = film
        return film.stage([Search(unit, which) for which in divided.ranges])

    def _drop(self, film: _Film) -> None:
        """Forget a film that is done, or cannot be; what is in work for it comes to nothing."""
        del self._films[film.unit.entry.path]
        self._ready = deque(task for task in self._ready if unit_of(task) is not film.unit)
        shutil.rmtree(film.folder, ignore_errors=True)


def _next(film: _Film, task: Task, result: Searched | Planned | Painted) -> list[Piece]:
    """What can be done of a film now that could not before."""
    if isinstance(result, Searched):
        film.found.append(result.found)
        film.seen += result.seen
        if film.waiting:
            return []
        found = tuple(sorted(film.found, key=lambda one: one.start))
        film.found.clear()
        return film.stage([Planning(film.unit, found)])
    if isinstance(result, Planned):
        film.planned = result.planned
        film.folder.mkdir(mode=0o700, parents=True)
        if result.ranges:
            plan = result.planned.plan
            longest = sorted(result.ranges, key=lambda which: -_faces(plan, which))
            return film.stage([_painting(film, which) for which in longest])
    elif isinstance(task, Painting):
        film.parts[task.which] = task.part
    assert film.planned is not None
    if film.waiting:
        return []
    return film.stage([Joining(film.unit, film.planned, dict(film.parts), tuple(film.seen))])


def _faces(plan: Plan, which: range) -> int:
    """Faces in a range, frame by frame: what is long to paint goes first, not to be waited for."""
    tracks = plan.during(which.start, which.stop)
    return sum(min(track.stop, which.stop) - max(track.start, which.start) for track in tracks)


def _painting(film: _Film, which: range) -> Piece:
    """The task for a range, with no more of the plan than it needs: plans of films are large."""
    assert film.planned is not None
    plan = film.planned.plan
    tracks = tuple(plan.during(which.start, which.stop))
    planned = replace(film.planned, plan=replace(plan, tracks=tracks))
    return Painting(film.unit, planned, which, film.folder / f"part-{which.start}")
