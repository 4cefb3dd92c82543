"""Further films of a file: faces found, painted, encoded and looked at as those of the first one.

They share neither plan nor identities with it: whoever is in two of them is two new people.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from anonymizer import outcomes, pipeline, rendering, verify
from anonymizer.crew import Crew
from anonymizer.data import StreamInfo
from anonymizer.errors import UnreadableVideo
from anonymizer.pipeline import Progress
from anonymizer.plan import Plan
from anonymizer.protocols import Detector
from anonymizer.rendering import Task
from anonymizer.repair import repaired
from anonymizer.report import FilmOutcome, Verification
from anonymizer.video.apart import Apart
from anonymizer.video.images import ImageSource
from anonymizer.video.packets import films_of
from anonymizer.video.packing import packing_of
from anonymizer.video.source import VideoSource
from anonymizer.video.temporary import unfinished

GAP_S = 2
"""Longest time in seconds that a track may bridge without a sighting."""


@dataclass(frozen=True, slots=True, eq=False)
class Companion:
    """A film that is not the first one of its file."""

    stream: int
    """Its stream in the file."""
    number: int
    """Which of the films it is, from 0."""
    task: Task


def gap_of(film: VideoSource | ImageSource) -> int:
    """Longest run of frames without a sighting that a track of this film may bridge."""
    return round(GAP_S * (film.info.average_rate or 30))


def planned(
    source: Path,
    film: VideoSource | ImageSource,
    detector: Detector,
    progress: Progress | None = None,
) -> Plan:
    """Where the faces of a film or picture are.

    Raises:
        UnreadableVideo: if it holds no frame.
    """
    plan = pipeline.analyse(film, detector, gap=gap_of(film), progress=progress)
    if not len(plan.pts):
        raise UnreadableVideo(source, "holds no frame that can be decoded")
    return plan


def companions(
    first: VideoSource | ImageSource,
    source: Path,
    fingerprint: str,
    crew: Crew,
    progress: Progress | None,
) -> list[Companion]:
    """All films of a file but the first, and where their faces are.

    Films of which not one picture can be decoded are left out, here and in the result.

    Raises:
        JobError: if one of them is damaged.
    """
    found: list[Companion] = []
    streams = films_of(source) if isinstance(first, VideoSource) else []
    for number, stream in list(enumerate(streams))[1:]:
        try:
            film = VideoSource(source, number=number, exact=False)
        except UnreadableVideo:
            continue
        plan = planned(source, film, crew.detector, progress)
        task = Task(source, film, f"{fingerprint} film {number}", plan, crew)
        found.append(Companion(stream, number, task))
    return found


def encoded(
    films: Sequence[Companion], target: Path, stack: ExitStack, progress: Progress | None
) -> dict[int, Apart]:
    """Paint them and encode each apart, by the number of its stream.

    Args:
        films: What there is.
        target: File that they will be in.
        stack: When it ends what was encoded is gone.
        progress: Told after every chunk.
    """
    made: dict[int, Apart] = {}
    for film in films:
        info = _opaque(film.task.film.info)
        encoding = rendering.encoding_for_target(film.task, target, info)
        part = stack.enter_context(unfinished(target))
        rendering.encode(film.task, None, part, encoding, progress)
        made[film.stream] = Apart(info, encoding, part)
    return made


def _opaque(info: StreamInfo) -> StreamInfo:
    """Without transparency: that of VP9 is not in the packets that are put beside a film."""
    packing = packing_of(info.pixel_format)
    if packing is None or not packing.layout.alpha:
        return info
    return replace(info, pixel_format=replace(packing.layout, alpha=False).name)


def warnings_of(films: Sequence[Companion], made: dict[int, Apart]) -> list[str]:
    """What was lost in them, with the numbers of their streams."""
    said = []
    for film in films:
        info, apart = film.task.film.info, made[film.stream]
        lost = [*film.task.film.warnings, *apart.encoding.warnings]
        if apart.info.pixel_format != info.pixel_format:
            lost.append("transparency of a further film is left out")
        said += [f"video stream {film.stream}: {words}" for words in lost]
    return said


def examined(
    films: Sequence[Companion], target: Path, crew: Crew, progress: Progress | None
) -> list[Verification]:
    """What a second look at each of them shows."""
    return [
        verify.examine(
            VideoSource(film.task.source, number=film.number),
            VideoSource(target, number=place, developed=False),
            film.task.plan,
            crew.second,
            embedder=crew.embedder,
            progress=progress,
        )
        for place, film in enumerate(films, 1)
    ]


def mended(films: Sequence[Companion], seen: Sequence[Verification]) -> list[Companion]:
    """The same with what a look has found in their plans."""
    return [
        replace(film, task=mended_task(film.task, one))
        for film, one in zip(films, seen, strict=True)
    ]


def mended_task(task: Task, seen: Verification) -> Task:
    """A film with what a look has found in its plan."""
    size = task.film.info.width, task.film.info.height
    return replace(task, plan=repaired(task.plan, seen.doubts, size))


def outcome(film: Companion, seen: Verification) -> FilmOutcome:
    """What there is to say of one."""
    plan, info = film.task.plan, film.task.film.info
    return FilmOutcome(
        stream=film.stream,
        frames=len(plan.pts),
        shots=len(plan.starts),
        tracks=outcomes.tracks(plan, info.time_base),
        unconfirmed=plan.unconfirmed,
        skipped_packets=film.task.film.skipped,
        verification=seen,
    )
