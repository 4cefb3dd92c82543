"""A film by its plan: painted and written, whole or in runs that are joined."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from anonymizer import pipeline
from anonymizer.crew import Crew
from anonymizer.data import Frame, StreamInfo
from anonymizer.errors import SourceChanged, UnwritableOutput, UsageError
from anonymizer.identities import identities
from anonymizer.pipeline import PlanMismatch, Progress
from anonymizer.plan import Plan
from anonymizer.report import SmartCopy, StreamOutcome
from anonymizer.settings import Media
from anonymizer.video.apart import Apart
from anonymizer.video.encoding import Encoding, encoding_for
from anonymizer.video.images import ImageSink, ImageSource
from anonymizer.video.joining import Joined, Packets, join
from anonymizer.video.media import open_sink
from anonymizer.video.native import layout_of
from anonymizer.video.runs import Run, write_run
from anonymizer.video.sink import VideoSink
from anonymizer.video.source import VideoSource
from anonymizer.video.temporary import unfinished
from anonymizer.video.timetable import Indivisible


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a film besides what was painted."""

    streams: tuple[StreamOutcome, ...]
    """Every stream of the source."""
    warnings: tuple[str, ...]
    """What the result lacks because its container cannot hold it."""
    smart_copy: SmartCopy
    copied: tuple[range, ...] = ()
    """Frames that were not encoded again."""
    drawn: Mapping[int, int] = field(default_factory=dict)
    """By pts of frames that were, beside those: `digest_of` what their encoder has made of them."""


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """A film, its plan and who paints it."""

    source: Path
    film: VideoSource | ImageSource
    fingerprint: str
    """SHA-256 of the source: decides identities together with the secret."""
    plan: Plan
    crew: Crew
    films: Mapping[int, Apart] = field(default_factory=dict)
    """Further films of the file, by the number of the stream that each replaces."""


def refuse_output(
    media: Media,
    source: Path,
    film: VideoSource | ImageSource,
    destination: Path,
    target: Path,
) -> None:
    """Refuse, before the long work, what cannot be written.

    Raises:
        UsageError: if so; it names the destination, or the source where that is why.
    """
    try:
        opened(media, source, film, target)
    except UsageError as error:
        if str(error).startswith(str(source)):  # it is about the source
            raise
        raise UsageError(f"{destination}: {error}") from error


def opened(
    media: Media,
    source: Path,
    film: VideoSource | ImageSource,
    target: Path,
    films: Mapping[int, Apart] | None = None,
) -> VideoSink | ImageSink:
    """What is going to write ``target``; nothing is written yet.

    Raises:
        UsageError: if the source cannot be written so.
    """
    return open_sink(
        target,
        source,
        film.info,
        crf=media.crf,
        lossless=media.lossless,
        audio=media.audio,
        named=media.keep_stream,
        films=films,
        codec=media.codec,
        preset=media.preset,
    )


def whole(
    task: Task, target: Path, progress: Progress | None = None, *, reason: str = ""
) -> Written:
    """Paint and encode all of a film.

    Args:
        task: The film.
        target: File to write.
        progress: Told after every chunk.
        reason: Why nothing is copied.

    Raises:
        SourceChanged: if it is not the film that was planned.
        UnwritableOutput: if it cannot be written.
    """
    sink = opened(task.crew.settings.media, task.source, task.film, target, task.films)
    try:
        with sink:
            for frame in _painted(task, None, progress):
                sink.write(frame)
    except PlanMismatch as error:
        raise _changed(task, error) from error
    return Written(sink.streams, tuple(sink.warnings), SmartCopy(0, 0, 0, reason))


def run(
    task: Task, frames: range, part: Path, target: Path, progress: Progress | None = None
) -> None:
    """Paint some frames of a film and encode them apart; see `video.runs`.

    Args:
        task: The film.
        frames: Which; no track may go on beyond them in its shot.
        part: File to write.
        target: File that they are going to be joined to: its suffix chooses the encoder.
        progress: Told after every chunk.

    Raises:
        Indivisible: if the film can only be done as a whole.
        SourceChanged: if it is not the film that was planned.
        UnwritableOutput: if the part cannot be written.
    """
    encode(task, frames, part, encoding_of(task, target), progress)


def painted_again(
    task: Task,
    parts: Mapping[range, Path],
    changed: Collection[int],
    target: Path,
    stack: ExitStack,
    progress: Progress | None = None,
) -> dict[range, Path]:
    """The parts of a film whose plan was changed, those with such frames made anew.

    What is added to a plan ends with the shot that it is in, and parts end with shots, too.

    Args:
        task: The film, with its new plan.
        parts: Made by the old one.
        changed: Indices of the frames for which the plan was changed.
        target: File that they are going to be joined to.
        stack: When it ends, what was made here is gone.
        progress: Told after every chunk.
    """
    renewed = dict(parts)
    for frames in parts:
        if any(index in frames for index in changed):
            renewed[frames] = stack.enter_context(unfinished(target))
            run(task, frames, renewed[frames], target, progress)
    return renewed


def encode(
    task: Task,
    frames: range | None,
    part: Path,
    encoding: Encoding,
    progress: Progress | None = None,
) -> None:
    """``run`` with an encoding of one's own; None for all frames."""
    try:
        write_run(part, _painted(task, frames, progress), task.film.info, encoding)
    except PlanMismatch as error:
        raise _changed(task, error) from error


def joined(task: Task, parts: Mapping[range, Path], target: Path) -> Written:
    """Join runs of frames to the film.

    Raises:
        UnwritableOutput: if they are not all of it, or it cannot be written.
    """
    pieces = [Run(parts[frames]) for frames in sorted(parts, key=lambda frames: frames.start)]
    shown = sorted(pts for piece in pieces for pts in piece.pts.tolist())
    if shown != task.plan.pts.tolist():
        raise UnwritableOutput(target, "its parts are not all of it; make those that are missing")
    encoding = encoding_of(task, target)
    done = joining(task, target, encoding, pieces)
    copy = SmartCopy(0, 0, 0, "the film was done in pieces")
    return Written(done.streams, tuple(done.warnings), copy)


def joining(task: Task, target: Path, encoding: Encoding, pieces: Sequence[Packets]) -> Joined:
    """Join packets to the film, beside what the settings want of its other streams."""
    media = task.crew.settings.media
    return join(
        target,
        task.source,
        task.film.info,
        encoding,
        pieces,
        audio=media.audio,
        named=media.keep_stream,
        films=task.films,
    )


def encoding_of(task: Task, target: Path) -> Encoding:
    """What the runs of a film are encoded with.

    Raises:
        Indivisible: if runs cannot be joined to such a film.
        UsageError: if the source cannot be written so.
    """
    encoding = encoding_for_target(task, target, task.film.info)
    layout = layout_of(encoding.pixel_format)
    if layout is not None and layout.alpha:
        raise Indivisible("its transparency is written beside the picture")
    return encoding


def encoding_for_target(task: Task, target: Path, info: StreamInfo) -> Encoding:
    """What a film is encoded with, by the settings and what is said of it in ``info``.

    Raises:
        UsageError: if it cannot be written so.
    """
    media = task.crew.settings.media
    return encoding_for(
        target,
        info,
        crf=media.crf,
        lossless=media.lossless,
        codec=media.codec,
        preset=media.preset,
    )


def _painted(task: Task, frames: range | None, progress: Progress | None) -> Iterator[Frame]:
    settings = task.crew.settings
    return pipeline.render(
        _shown(task.film, frames),
        task.plan,
        task.crew.studio,
        identities(task.crew.secret, task.fingerprint),
        chunk=settings.chunk,
        overlap=settings.overlap,
        within=None if frames is None else [frames],
        ahead=_shown(task.film, frames, told=False),
        progress=progress,
    )


def _shown(
    film: VideoSource | ImageSource, frames: range | None, *, told: bool = True
) -> Iterable[Frame]:
    """Some frames of a film, or all; where nothing is painted no RGB picture is made of them.

    What damage is met is ``told`` by the film if all of it is read.
    """
    if isinstance(film, VideoSource):
        return film.lazily(told=told) if frames is None else film.part(frames, lazily=True)
    if frames is not None:
        raise Indivisible("it is a picture")
    return film


def _changed(task: Task, error: PlanMismatch) -> SourceChanged:
    return SourceChanged(task.source, f"read differently the second time: {error}")
