"""Into how many pieces a film is divided, and what is done of it early.

The number depends on the film alone. The second detector looks at the original in the ranges that
are searched, so that what cannot be shared out, the look at the joined film, takes less time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Final

from anonymizer import pieces
from anonymizer.crew import Crew
from anonymizer.glances import Noting, Recalling
from anonymizer.jobs import Anonymizer
from anonymizer.pipeline import Progress
from anonymizer.report import Report
from anonymizer.tasks import Joining, Searched
from anonymizer.video.timetable import Indivisible

MOST: Final = 64
"""Pieces of one film, about: for each the film's packets are read from the start."""


def size(frames: int, split_frames: int) -> int:
    """Frames of a piece of a film of so many frames."""
    return max(split_frames, ceil(frames / MOST))


def ranges(source: Path, split_frames: int) -> tuple[range, ...]:
    """Ranges of a film that are searched apart; none if it is done as a whole.

    Args:
        source: The film.
        split_frames: Films of more frames are divided; 0 for none.
    """
    if not split_frames:
        return ()
    try:
        found = pieces.to_search(source, frames=split_frames)
        frames = found[-1].stop if found else 0
        if frames <= split_frames:
            return ()
        return pieces.to_search(source, frames=size(frames, split_frames))
    except Indivisible:
        return ()


def searched(veil: Anonymizer, source: Path, which: range, progress: Progress) -> Searched:
    """Look for the faces of a range, with both detectors where there are two."""
    crew = veil.crew
    if crew.second is None:
        return Searched(pieces.searched(veil, source, which, progress=progress))
    noting = Noting(crew.detector, crew.second.detector)
    with _instead(veil, replace(crew, detector=noting)):
        found = pieces.searched(veil, source, which, progress=progress)
    return Searched(found, tuple(noting.seen))


def joined(veil: Anonymizer, task: Joining, result: Path, progress: Progress) -> Report:
    """Join a film and look at it; what was seen of the original is not looked for again."""
    crew = veil.crew
    if crew.second is not None:
        recalling = Recalling(crew.second.detector, task.seen)
        crew = replace(crew, second=replace(crew.second, detector=recalling))
    with _instead(veil, crew):
        source = task.unit.entry.source
        return veil.file(source, result, planned=task.planned, parts=task.parts, progress=progress)


@contextmanager
def _instead(veil: Anonymizer, crew: Crew) -> Iterator[None]:
    """Let others work for a while."""
    before, veil.crew = veil.crew, crew
    try:
        yield
    finally:
        veil.crew = before
