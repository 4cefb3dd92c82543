"""What the driver of a dataset gives to a worker, and gets back.

An input is one task, unless it is a long film: the worker that gets it says then which ranges to
search, and what is left to do of it follows as tasks of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from anonymizer.finding import Found
from anonymizer.glances import Glance
from anonymizer.manifest import Row
from anonymizer.mirror import Entry
from anonymizer.planfile import PlanFile


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
    whole: bool = False
    """Whether it is not to be divided."""


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """Look for the faces of a range of a film."""

    unit: Unit
    which: range


@dataclass(frozen=True, slots=True, eq=False)
class Planning:
    """Link what was found in all ranges."""

    unit: Unit
    found: tuple[Found, ...]
    """In the order of the film."""


@dataclass(frozen=True, slots=True, eq=False)
class Painting:
    """Paint and encode a range that begins and ends at cuts."""

    unit: Unit
    planned: PlanFile
    """With the tracks of the range only."""
    which: range
    part: Path
    """The encoded range; there when it is whole."""


@dataclass(frozen=True, slots=True, eq=False)
class Joining:
    """Join all ranges, look at the result, and publish it."""

    unit: Unit
    planned: PlanFile
    parts: Mapping[range, Path]
    seen: tuple[Glance, ...]
    """What the second detector saw in the film."""


Piece = Search | Planning | Painting | Joining
Task = Unit | Piece


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an input."""

    row: Row
    fresh: bool
    """Whether there was anything to do."""


@dataclass(frozen=True, slots=True, eq=False)
class Divided:
    """The input is a long film, to be searched in these ranges."""

    ranges: tuple[range, ...]
    seconds: float = 0.0
    """Of work."""


@dataclass(frozen=True, slots=True, eq=False)
class Searched:
    """What there is in a range."""

    found: Found
    seen: tuple[Glance, ...] = ()
    """By the second detector, where there is one."""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Planned:
    """Where all faces are, and the ranges that are to be painted."""

    planned: PlanFile
    ranges: tuple[range, ...]
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Painted:
    """A part is there."""

    seconds: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Undivided:
    """The film can only be done as a whole, as was seen meanwhile."""

    seconds: float = 0.0


Step = Divided | Searched | Planned | Painted | Undivided
Result = Outcome | Step


def unit_of(task: Task) -> Unit:
    """The input that a task is for."""
    return task if isinstance(task, Unit) else task.unit
