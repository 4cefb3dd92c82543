"""What of a film need not be encoded again, because there is nothing to hide in it.

A frame with anything to paint is never copied: groups of pictures are copied whole or not at all,
by the plan, and the plan is made anew when a second look finds more.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

from anonymizer import rendering
from anonymizer.data import Frame
from anonymizer.pipeline import Progress
from anonymizer.rendering import Task, Written, encoding_of
from anonymizer.report import SmartCopy
from anonymizer.settings import Media
from anonymizer.video.groups import Group, Groups, groups_of, matching
from anonymizer.video.joining import Joined, Packets
from anonymizer.video.runs import Run
from anonymizer.video.source import VideoSource
from anonymizer.video.temporary import unfinished
from anonymizer.video.timetable import Indivisible
from anonymizer.video.untouched import (
    Fitted,
    Original,
    Untouched,
    digest_of,
    digests_of,
    said_of,
    same_picture,
)


def written(task: Task, target: Path, progress: Progress | None = None) -> Written:
    """Paint what is to be hidden and write the film; what is not is copied where that can be done.

    Raises:
        SourceChanged: if it is not the film that was planned.
        UnwritableOutput: if it cannot be written.
    """
    try:
        return _sparing(task, target, progress)
    except Indivisible as error:
        return rendering.whole(task, target, progress, reason=str(error))


def _sparing(task: Task, target: Path, progress: Progress | None) -> Written:
    """Paint and encode only groups of pictures with something to hide.

    Raises:
        Indivisible: if that cannot be done.
    """
    groups = _groups(task)
    kept = _kept(task, groups)
    stretches = merged([group.frames for group in kept])
    done, drawn = _joined(task, groups, stretches, target, progress)
    told = SmartCopy(len(kept), len(groups.groups), sum(map(len, stretches)))
    return Written(done.streams, tuple(done.warnings), told, tuple(stretches), drawn)


def _groups(task: Task) -> Groups:
    film = task.film
    if not isinstance(film, VideoSource):
        raise Indivisible("it is a picture")
    media, usual = task.crew.settings.media, Media()
    if not media.smart_copy:
        raise Indivisible("it was not wanted")
    if (media.codec, media.crf, media.preset) != (usual.codec, usual.crf, usual.preset):
        raise Indivisible("a codec, quality or preset was asked for")
    return groups_of(task.source, film.timetable())


def _kept(task: Task, groups: Groups) -> list[Group]:
    """The groups to copy: with nothing to hide, and nothing but pictures."""
    hides = task.plan.hides()
    if len(hides) != len(groups.pts):
        raise Indivisible("it has other frames than its packets say")
    kept = [group for group in groups.groups if not hides[slice_of(group.frames)].any()]
    if not kept:
        raise Indivisible("every group of its pictures holds something to hide")
    plain = [group for group in kept if group.plain]
    if not plain:
        raise Indivisible("its packets hold more than pictures, which may tell who or where")
    return plain


def _joined(
    task: Task, groups: Groups, kept: Sequence[range], target: Path, progress: Progress | None
) -> tuple[Joined, dict[int, int]]:
    """Write the film, and say how the frames that were encoded decode by themselves."""
    info, count = task.film.info, len(groups.pts)
    encoding = matching(encoding_of(task, target), info, groups)
    with ExitStack() as stack:
        runs: dict[int, Run] = {}
        drawn: dict[int, int] = {}
        for frames in between(kept, count):
            part = stack.enter_context(unfinished(target))
            rendering.encode(task, frames, part, encoding, progress)
            runs[frames.start] = Run(part)
            drawn |= digests_of(runs[frames.start], groups.dialect.codec)
        said = said_of(groups, list(runs.values()), target)
        film = stack.enter_context(Untouched(task.source))
        pieces: dict[int, Packets] = {
            frames.start: Original(film, groups, frames, extradata=said) for frames in kept
        }
        pieces |= {start: Fitted(run, groups, extradata=said) for start, run in runs.items()}
        ordered = [pieces[start] for start in sorted(pieces)]
        done = rendering.joining(task, target, encoding, ordered)
    if progress:
        progress("paint", count, 0)
    return done, drawn


def slice_of(frames: range) -> slice:
    """For arrays of all frames."""
    return slice(frames.start, frames.stop)


class Witness:
    """Sees whether a film with copies decodes to what was put into it.

    Frames that were copied must be those of the original, the others what they are if they are
    decoded apart, so that nothing shows where one goes over into the other.
    """

    def __init__(self, made: Written) -> None:
        self._copied = {index for frames in made.copied for index in frames}
        self._drawn = dict(made.drawn)
        self._wrong = False

    def __call__(self, original: Frame, output: Frame) -> None:
        """Note a pair of frames."""
        if original.index in self._copied:
            self._copied.remove(original.index)
            self._wrong |= not same_picture(original, output)
        elif (drawn := self._drawn.pop(original.pts, None)) is not None:
            self._wrong |= digest_of(output) != drawn

    @property
    def content(self) -> bool:
        """Whether all of them were seen, and seen to be right."""
        return not (self._copied or self._drawn or self._wrong)


def merged(ranges: Sequence[range]) -> list[range]:
    """Ranges in order, those joined that follow one another."""
    found: list[range] = []
    for each in ranges:
        if found and found[-1].stop == each.start:
            each = range(found.pop().start, each.stop)
        found.append(each)
    return found


def between(ranges: Sequence[range], count: int) -> list[range]:
    """What ranges in order leave of ``count`` frames."""
    borders = [0, *(end for each in ranges for end in (each.start, each.stop)), count]
    return [range(*pair) for pair in list(pairwise(borders))[::2] if pair[0] < pair[1]]
