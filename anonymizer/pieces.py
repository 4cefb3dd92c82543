"""One film done in pieces, by as many processes as there are.

What comes out does not depend on who did which piece. Ranges of frames are searched; what was found
makes the plan that reading the whole film makes. Then ranges between cuts are painted and encoded,
each into a file of its own, and joined: ``Anonymizer.file(..., planned=..., parts=...)`` does that,
checks the film and publishes it.

All that passes between processes can be pickled. Films that can only be done whole raise
`Indivisible`, with the reason; ``Anonymizer.file`` does them as ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from anonymizer import finding, fingerprint, rendering
from anonymizer.alongside import gap_of
from anonymizer.errors import SourceChanged
from anonymizer.finding import Found
from anonymizer.jobs import Anonymizer
from anonymizer.pipeline import Progress
from anonymizer.planfile import PlanFile
from anonymizer.rendering import Task
from anonymizer.video.media import open_source
from anonymizer.video.source import VideoSource
from anonymizer.video.timetable import Indivisible

__all__ = ["Found", "Indivisible", "painted", "planned", "searched", "to_paint", "to_search"]


def to_search(source: Path, *, frames: int) -> tuple[range, ...]:
    """Ranges that join to the film, none longer than about ``frames``.

    Raises:
        Indivisible: if it can only be read as a whole.
        UnreadableVideo: if it cannot be read at all.
    """
    count = len(_film(source).timetable().pts)
    pieces = -(-count // max(1, frames))
    step = -(-count // pieces // finding.BATCH) * finding.BATCH
    return tuple(range(start, min(start + step, count)) for start in range(0, count, step))


def searched(
    veil: Anonymizer, source: Path, frames: range, *, progress: Progress | None = None
) -> Found:
    """Look for faces in some frames, as `to_search` parted them.

    Raises:
        Indivisible: if the film can only be read as a whole after all.
        UnreadableVideo: if it cannot be read.
    """
    return finding.find(_film(source).part(frames), veil.crew.detector, progress=progress)


def planned(veil: Anonymizer, source: Path, found: Sequence[Found]) -> PlanFile:
    """What ``veil.plan(source)`` gives; the film is read where sightings leave gaps.

    Args:
        veil: With the settings of all who looked.
        source: The film.
        found: Of all ranges, in any order.

    Raises:
        SourceChanged: if they are not all of this film.
    """
    before = fingerprint.of_file(source)
    film = _film(source)
    ordered = sorted(found, key=lambda one: one.start)
    if [pts for one in ordered for pts in one.pts.tolist()] != film.timetable().pts.tolist():
        raise SourceChanged(source, "is not the film that was searched; search it again")
    plan = finding.planned(film, ordered, gap=gap_of(film))
    return PlanFile(plan, before, veil.settings.described())


def to_paint(plan: PlanFile, *, frames: int) -> tuple[range, ...]:
    """Ranges that join to the film and end at cuts, as short as can be but for ``frames``."""
    count = len(plan.plan.pts)
    borders = [0]
    for start in plan.plan.starts:
        if start - borders[-1] >= frames and count - start >= frames:
            borders.append(start)
    return tuple(range(*pair) for pair in pairwise((*borders, count)))


def painted(
    veil: Anonymizer,
    source: Path,
    plan: PlanFile,
    frames: range,
    part: Path,
    destination: Path,
    *,
    progress: Progress | None = None,
) -> None:
    """Paint some frames, as `to_paint` parted them, and encode them into a file.

    Args:
        veil: With settings and secret of all who paint the film.
        source: The film.
        plan: Of the film; tracks that are in none of the frames may be left out.
        frames: Which.
        part: File to write, readable by its owner alone; whole when this returns, not before.
        destination: Where the film is going to be; its suffix chooses the encoder.
        progress: Told after every chunk.

    Raises:
        Indivisible: if the film can only be done as a whole after all.
        JobError: if the film cannot be read, or the part not be written.
    """
    part.touch(mode=0o600)
    task = Task(source, _film(source), plan.source_sha256, plan.plan, veil.crew)
    rendering.run(task, frames, part, destination, progress)


def _film(source: Path) -> VideoSource:
    film = open_source(source, exact=False)
    if not isinstance(film, VideoSource):
        raise Indivisible("it is a picture")
    return film
