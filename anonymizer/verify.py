"""Look again at what was written: is it the same film, and does it show a face that it should not?

Nothing here knows how the film was made, so it judges files of other programs too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import islice
from typing import Final, Literal

from anonymizer import geometry
from anonymizer.data import Face, Frame
from anonymizer.likeness import ALIKE, likeness
from anonymizer.plan import Plan
from anonymizer.protocols import Detector, Embedder, Source
from anonymizer.report import Doubt, Recognition, Verification, Views

SAME_FACE: Final = 0.4
"""IoU from which two boxes in one frame are of one face."""
CONFIDENCE: Final = 0.95
"""Of the upper bound of the leak rate."""
EMBEDDED: Final = 12
"""An embedder looks at each track first and then after so many frames: it takes long, and whoever
is painted on a track stays the same."""
SURE: Final = 0.5
"""Least score of what an embedder looks at: it cannot tell what is no face from another."""
BATCH: Final = 8
"""Pairs of frames held at once."""

Told = Callable[[Literal["check"], int, int], None]
"""Called with the stage, the number of frames done in it and the number of faces in them."""
Pair = tuple[Frame, Frame]
"""A frame of the original, and what the output shows at that time."""


@dataclass(frozen=True, slots=True)
class Second:
    """A detector that searches the original once more; best one that did not make the plan."""

    name: str
    detector: Detector


@dataclass(slots=True)
class _Tally:
    faces: int = 0
    embedded: int = 0
    looked: dict[int, int] = field(default_factory=dict)
    """By track: the frame in which the embedder has seen it last."""
    doubts: list[Doubt] = field(default_factory=list)
    times: tuple[list[Fraction], list[Fraction]] = field(default_factory=lambda: ([], []))
    """Seconds of every frame read, of the original and of the output."""


def examine(
    original: Source,
    output: Source,
    plan: Plan,
    second: Second | None = None,
    *,
    embedder: Embedder | None = None,
    guessed: bool = True,
    witness: Callable[[Frame, Frame], None] | None = None,
    progress: Told | None = None,
) -> Verification:
    """Compare a film with its original, frame by frame.

    Every face of the plan that is to be hidden, and every face that a second detector finds in the
    original, must look different in the output. Faces that a person wants kept are left out.

    Args:
        original: The film with the faces.
        output: What is to be published; of any size.
        plan: Where faces are.
        second: Looks for what the plan does not hold.
        embedder: Looks whether a new face is the old person's.
        guessed: Whether places between and beyond sightings count: only who made the output can
            insist that it changed there too.
        witness: Shown every pair of frames.
        progress: Told after every batch.
    """
    tally = _Tally()
    tick = max(original.info.time_base, output.info.time_base)
    pairs = paired(_noted(original, tally.times[0]), _noted(output, tally.times[1]), tick)
    while batch := list(islice(pairs, BATCH)):
        counted = tally.faces
        found = second.detector.detect([one for one, _ in batch]) if second else [[]] * len(batch)
        for pair, seen in zip(batch, found, strict=True):
            if witness:
                witness(*pair)
            finder = second.name if second else ""
            _compare(pair, plan, seen, finder, embedder, tally, guessed=guessed)
        if progress:
            progress("check", batch[-1][0].index + 1, tally.faces - counted)
    return _verification(tally, tick, second, embedder)


def merged(seen: Sequence[Verification]) -> Verification:
    """What looks at several films of one file have shown, the first one's words for all."""
    first = seen[0]
    if len(seen) == 1:
        return first
    doubts = tuple(doubt for one in seen for doubt in one.doubts)
    faces = sum(one.faces for one in seen)
    told = [one.recognition for one in seen if one.recognition]
    recognition = replace(told[0], faces=sum(one.faces for one in told)) if told else None
    return replace(
        first,
        frames=sum(one.frames for one in seen),
        frames_written=sum(one.frames_written for one in seen),
        latest_s=max(one.latest_s for one in seen),
        in_time=all(one.in_time for one in seen),
        faces=faces,
        doubts=doubts,
        leak_bound=leak_bound(len(doubts), faces),
        recognition=recognition,
        repaired=tuple(doubt for one in seen for doubt in one.repaired),
        views=_all_views([one.views for one in seen if one.views]),
    )


def _all_views(views: Sequence[Views]) -> Views | None:
    """Of several films: the worst stands for all, so that one mirrored film is not outvoted."""
    return max(views, key=_worse, default=None)


def _worse(views: Views) -> tuple[bool, float]:
    return not views.same, views.elsewhere / max(1, views.frames)


def paired(original: Iterable[Frame], output: Iterable[Frame], tick: Fraction) -> Iterator[Pair]:
    """What both films show, from change to change; every frame of both is in some pair.

    Times count from the first frame of each film; those within half a ``tick`` are equal, so films
    of equal times are paired frame by frame.
    """
    left, right = _Ahead(original), _Ahead(output)
    while left.now is not None and right.now is not None:
        yield left.now, right.now
        if left.last and right.last:
            return
        gap = left.wait - right.wait
        step_left = not left.last and (right.last or gap <= tick / 2)
        step_right = not right.last and (left.last or gap >= -tick / 2)
        if step_left:
            left.step()
        if step_right:
            right.step()


class _Ahead:
    """A film read one frame ahead."""

    def __init__(self, frames: Iterable[Frame]) -> None:
        self._frames = iter(frames)
        self.now = next(self._frames, None)
        self._next = next(self._frames, None)
        self._zero = self.now.time if self.now else Fraction(0)

    @property
    def last(self) -> bool:
        """Whether no frame follows."""
        return self._next is None

    @property
    def wait(self) -> Fraction:
        """When the next frame is shown, from the film's first."""
        return self._next.time - self._zero if self._next else Fraction(0)

    def step(self) -> None:
        """Go to the next frame."""
        self.now, self._next = self._next, next(self._frames, None)


def leak_bound(failures: int, trials: int) -> float:
    """Upper limit of a rate, from ``failures`` seen in ``trials``, at `CONFIDENCE`.

    One-sided interval of Clopper and Pearson (Biometrika 26, 1934). It takes the trials to be
    independent, which frames of one face are not: it says how much was looked at, not more.
    """
    if failures >= trials:
        return 1.0
    if failures == 0:  # in closed form: no need to load SciPy for what is nearly always so
        return -math.expm1(math.log1p(-CONFIDENCE) / trials)
    from scipy.special import betaincinv

    return float(betaincinv(failures + 1, trials - failures, CONFIDENCE))


def _noted(frames: Iterable[Frame], times: list[Fraction]) -> Iterator[Frame]:
    for frame in frames:
        times.append(frame.time)
        yield frame


def _compare(
    pair: Pair,
    plan: Plan,
    seen: Sequence[Face],
    finder: str,
    embedder: Embedder | None,
    tally: _Tally,
    *,
    guessed: bool,
) -> None:
    """Add to the tally what one pair of frames shows."""
    planned, kept = _planned(plan, pair[0].index, guessed=guessed)
    hidden = [face for face, _ in planned]
    more = [face for face in seen if not _among(face, kept)]
    wanted = [(face, "plan", track) for face, track in planned]
    doubtful: list[Face] = []
    for face, name, track in [*wanted, *((face, finder, None) for face in more)]:
        alike = likeness(pair[0].image, pair[1].image, face.box)
        if alike is None:  # outside of the picture
            continue
        tally.faces += name == "plan" or not _among(face, hidden)
        distance = _recognised(pair, face, track, embedder, tally) if alike < ALIKE else None
        if (alike >= ALIKE or distance is not None) and not _among(face, doubtful):
            doubtful.append(face)
            tally.doubts.append(_doubt(pair, face, name, alike, distance))


def _recognised(
    pair: Pair, face: Face, track: int | None, embedder: Embedder | None, tally: _Tally
) -> float | None:
    """The embedder's distance, where it is so small that it takes both faces for one person's."""
    if embedder is None or face.score < SURE:
        return None
    index = pair[0].index
    if track is not None and index - tally.looked.get(track, index - EMBEDDED) < EMBEDDED:
        return None
    distance = embedder.distance(pair[0].image, pair[1].image, face.box)
    if distance is None:
        return None
    tally.embedded += 1
    if track is not None:
        tally.looked[track] = index
    return distance if distance < embedder.threshold else None


def _planned(plan: Plan, index: int, *, guessed: bool) -> tuple[list[tuple[Face, int]], list[Face]]:
    """Faces of a frame that are to be hidden, with their tracks, and those that are to be kept."""
    hidden: list[tuple[Face, int]] = []
    kept: list[Face] = []
    for track in plan.during(index, index + 1):
        face = track.faces[index - track.start]
        if plan.action(track) == "keep":
            kept.append(face)
        elif guessed or track.origins[index - track.start] == "detected":
            hidden.append((face, track.id))
    return hidden, kept


def _among(face: Face, others: Sequence[Face]) -> bool:
    if not others:
        return False
    return bool(geometry.iou([face.box], [other.box for other in others]).max() >= SAME_FACE)


def _doubt(pair: Pair, face: Face, finder: str, alike: float, distance: float | None) -> Doubt:
    one, other = pair
    box = tuple(round(edge, 1) for edge in face.box)
    return Doubt(
        frame=one.index,
        frame_written=other.index,
        seconds=round(float(one.time), 3),
        box=box,  # type: ignore[arg-type]  # four edges
        score=round(face.score, 3),
        finder=finder,
        likeness=round(alike, 3),
        distance=None if distance is None else round(distance, 3),
    )


def _verification(
    tally: _Tally, tick: Fraction, second: Second | None, embedder: Embedder | None
) -> Verification:
    ones, others = tally.times
    latest = max((abs(a - b) for a, b in zip(ones, others, strict=False)), default=Fraction(0))
    return Verification(
        frames=len(ones),
        frames_written=len(others),
        latest_s=float(latest),
        in_time=len(ones) == len(others) and latest <= tick / 2,
        second=second.name if second else None,
        faces=tally.faces,
        doubts=tuple(tally.doubts),
        leak_bound=leak_bound(len(tally.doubts), tally.faces),
        confidence=CONFIDENCE,
        recognition=Recognition(
            embedder.name, tally.embedded, embedder.threshold, embedder.false_match_rate
        )
        if embedder
        else None,
    )
