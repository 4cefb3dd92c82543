"""A second look at a finished film finds what still shows, and says when it is another film."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from anonymizer.data import Box, Face, Frame, Origin, StreamInfo, Track
from anonymizer.plan import Plan, Zone
from anonymizer.repair import repaired
from anonymizer.report import Doubt
from anonymizer.verify import CONFIDENCE, Second, examine, leak_bound, paired
from tests.factories import TICK, picture, stream_info

SIZE = (72, 96)
BOX: Box = (20.0, 10.0, 60.0, 58.0)
FAR: Box = (64.0, 30.0, 94.0, 66.0)


@dataclass
class Reel:
    """A film in memory."""

    frames: Sequence[Frame]
    info: StreamInfo

    def __iter__(self) -> Iterator[Frame]:
        return iter(self.frames)


def reel(images: Sequence[NDArray[np.uint8]], pts: Sequence[int] | None = None, tick=TICK) -> Reel:
    times = range(len(images)) if pts is None else pts
    frames = [
        Frame(at, time, tick, image.copy())
        for at, (time, image) in enumerate(zip(times, images, strict=True))
    ]
    return Reel(frames, stream_info(images[0].shape[:2], time_base=tick))


def original(count: int = 5) -> list[NDArray[np.uint8]]:
    return [picture(SIZE, seed=1, shift=(at, at / 2)) for at in range(count)]


def replaced(images: Sequence[NDArray[np.uint8]], *boxes: Box, but: Sequence[int] = ()):
    """Other pixels in the boxes, except in the frames ``but``."""
    result = []
    for at, image in enumerate(images):
        image = image.copy()
        for x0, y0, x1, y1 in (tuple(map(int, box)) for box in boxes):
            if at not in but:
                image[y0:y1, x0:x1] = picture(SIZE, seed=9)[y0:y1, x0:x1]
        result.append(image)
    return result


def track(
    box: Box = BOX, *, count: int = 5, start: int = 0, number: int = 0,
    origins: Sequence[Origin] | None = None, **more,
) -> Track:  # fmt: skip
    faces = tuple(Face(box, 0.9) for _ in range(count))
    every: Sequence[Origin] = origins or ["detected"] * count
    return Track(number, 0, start, faces, tuple(every), **more)


def plan(*tracks: Track, count: int = 5, zones: Sequence[Zone] = ()) -> Plan:
    return Plan(np.arange(count), (0,), tracks, tuple(zones))


class Sees:
    """A second detector that sees one box in some frames of the original."""

    def __init__(self, box: Box, frames: Sequence[int]) -> None:
        self.box, self.frames = box, frames
        self.batches: list[int] = []

    def detect(self, frames: Sequence[Frame]) -> list[list[Face]]:
        self.batches.append(len(frames))
        return [[Face(self.box, 0.7)] if f.index in self.frames else [] for f in frames]


def test_a_film_whose_faces_changed_is_clean():
    seen = examine(reel(original()), reel(replaced(original(), BOX)), plan(track()))
    assert seen.verdict == "clean"
    assert (seen.frames, seen.frames_written, seen.faces) == (5, 5, 5)
    assert seen.in_time
    assert seen.second is None
    assert seen.reason == ""
    assert seen.leak_bound == pytest.approx(1 - (1 - CONFIDENCE) ** (1 / 5))


def test_one_frame_with_the_original_face_is_named():
    seen = examine(reel(original()), reel(replaced(original(), BOX, but=[3])), plan(track()))
    assert seen.verdict == "doubt"
    (doubt,) = seen.doubts
    assert (doubt.frame, doubt.frame_written, doubt.finder) == (3, 3, "plan")
    assert doubt.box == BOX
    assert doubt.seconds == pytest.approx(float(3 * TICK), abs=1e-3)
    assert doubt.likeness > 0.99
    assert seen.reason == "1 of 5 faces look as in the original, in 1 frame: 3"


def test_faces_outside_of_the_picture_are_not_counted():
    """The bound must not profit from what nobody could look at."""
    gone = track((120.0, 10.0, 160.0, 58.0), number=1)
    seen = examine(reel(original()), reel(replaced(original(), BOX)), plan(track(), gone))
    assert (seen.verdict, seen.faces) == ("clean", 5)


def test_a_second_detector_finds_what_the_plan_missed():
    sees = Sees(FAR, [1, 2])
    films = reel(original()), reel(replaced(original(), BOX))
    seen = examine(*films, plan(track()), Second("other", sees))
    assert [(doubt.frame, doubt.finder) for doubt in seen.doubts] == [(1, "other"), (2, "other")]
    assert seen.second == "other"
    assert seen.faces == 7
    assert sum(sees.batches) == 5


def test_a_face_that_both_know_counts_once():
    films = reel(original()), reel(replaced(original(), BOX, but=[2]))
    seen = examine(*films, plan(track()), Second("other", Sees((22, 11, 60, 59), range(5))))
    assert seen.faces == 5
    assert [doubt.finder for doubt in seen.doubts] == ["plan"]


def test_faces_that_a_person_keeps_are_left_out():
    kept = track(action="keep")
    films = reel(original()), reel(original())
    seen = examine(*films, plan(kept), Second("other", Sees(BOX, range(5))))
    assert (seen.verdict, seen.faces) == ("clean", 0)
    ignored = plan(track(), zones=[Zone("ignore", (0, 0, 96, 72), 0, 5)])
    assert examine(*films, ignored, Second("other", Sees(BOX, range(5)))).faces == 0


def test_guessed_places_count_only_for_who_made_the_film():
    origins: list[Origin] = ["extended", "detected", "interpolated", "detected", "extended"]
    films = reel(original()), reel(original())
    assert len(examine(*films, plan(track(origins=origins))).doubts) == 5
    others = examine(*films, plan(track(origins=origins)), guessed=False)
    assert [doubt.frame for doubt in others.doubts] == [1, 3]


def test_a_film_with_other_times_is_doubtful():
    whole = replaced(original(), BOX)
    late = examine(reel(original()), reel(whole, pts=[0, 1, 2, 3, 5]), plan(track()))
    assert (late.verdict, late.in_time, late.doubts) == ("doubt", False, ())
    assert late.reason == f"frames are up to {float(TICK):g} s off"
    short = examine(reel(original()), reel(whole[:4]), plan(track()))
    assert short.reason == "4 frames instead of 5"
    assert not short.in_time


def test_a_film_in_another_time_base_is_in_time():
    ticks = [0, 33, 67, 100, 133]
    film = reel(original(), pts=ticks, tick=Fraction(1, 1000))
    other = reel(replaced(original(), BOX), pts=range(5), tick=Fraction(1, 30))
    seen = examine(film, other, plan(track()))
    assert seen.in_time
    assert seen.verdict == "clean"


def test_a_frame_that_is_shown_twice_is_looked_at_twice():
    """A tool that writes at a constant rate repeats frames; a leak in the repetition counts."""
    films = original(3)
    doubled = [*replaced(films, BOX)[:2], films[1], replaced(films, BOX)[2]]
    seen = examine(
        reel(films, pts=[0, 2, 6]), reel(doubled, pts=[0, 2, 4, 6]), plan(track(count=3), count=3)
    )
    assert [(doubt.frame, doubt.frame_written) for doubt in seen.doubts] == [(1, 2)]
    assert seen.reason.startswith("4 frames instead of 3; 1 of 4 faces")


def test_a_film_of_another_size_is_compared_at_its_scale():
    big = [np.kron(image, np.ones((2, 2, 1), np.uint8)) for image in replaced(original(), BOX)]
    assert examine(reel(original()), reel(big), plan(track())).verdict == "clean"
    same = [np.kron(image, np.ones((2, 2, 1), np.uint8)) for image in original()]
    assert len(examine(reel(original()), reel(same), plan(track())).doubts) == 5


def test_progress_is_told_of_frames_and_faces():
    told: list[tuple[str, int, int]] = []
    films = reel(original(11)), reel(replaced(original(11), BOX))
    examine(*films, plan(track(count=11), count=11), progress=lambda *heard: told.append(heard))
    assert told == [("check", 8, 8), ("check", 11, 3)]


def test_a_detector_that_fails_is_not_a_clean_film():
    class Broken:
        def detect(self, frames):
            raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        examine(reel(original()), reel(original()), plan(), Second("broken", Broken()))


gaps = st.lists(st.integers(1, 5), min_size=0, max_size=8)


@given(gaps, gaps, st.integers(0, 9), st.integers(0, 9))
def test_every_frame_of_both_films_is_in_a_pair(one, other, start, later):
    image = np.zeros((2, 2, 3), np.uint8)

    def film(steps, first):
        times = np.cumsum([first, *steps])
        return [Frame(at, int(time), TICK, image.copy()) for at, time in enumerate(times)]

    ones, others = film(one, start), film(other, later)
    pairs = list(paired(ones, others, TICK))
    assert {a.index for a, _ in pairs} == set(range(len(ones)))
    assert {b.index for _, b in pairs} == set(range(len(others)))
    steps = [(a.index, b.index) for a, b in pairs]
    assert steps == sorted(steps)
    if one == other:
        assert all(a == b for a, b in steps)


def test_nothing_pairs_with_nothing():
    assert list(paired([], [], TICK)) == []
    assert list(paired([], [Frame(0, 0, TICK, np.zeros((2, 2, 3), np.uint8))], TICK)) == []


@pytest.mark.parametrize(("failures", "trials"), [(0, 1), (0, 300), (2, 300), (299, 300)])
def test_the_bound_is_where_so_few_failures_become_unlikely(failures, trials):
    """The definition of the interval, by another way: the binomial tail itself."""
    from scipy.stats import binom

    bound = leak_bound(failures, trials)
    assert binom.cdf(failures, trials, bound) == pytest.approx(1 - CONFIDENCE, rel=1e-6)
    assert bound > failures / trials


def test_nothing_looked_at_bounds_nothing():
    assert leak_bound(0, 0) == 1
    assert leak_bound(4, 4) == 1


def doubt(frame: int, box: Box = BOX) -> Doubt:
    return Doubt(frame, frame, 0.0, box, 0.7, "other", 1.0)


def test_doubts_become_solid_covers_painted_last():
    planned = plan(track(number=3), count=20)
    mended = repaired(planned, [doubt(6), doubt(9), doubt(18, FAR)], (SIZE[1], SIZE[0]))
    assert mended.tracks[0] is planned.tracks[0]
    first, second = mended.tracks[1:]
    assert {first.id, second.id} == {4, 5}
    assert (first.action, set(first.origins)) == ("cover", {"repaired"})
    assert first.start <= 6
    assert first.stop >= 10
    assert all(first.at(index) is not None for index in (6, 7, 8, 9))
    assert second.at(18) is not None


def test_a_repair_never_crosses_a_cut():
    planned = Plan(np.arange(20), (0, 10), ())
    mended = repaired(planned, [doubt(9), doubt(10)], (SIZE[1], SIZE[0]))
    spans = [(track.shot, track.start, track.stop) for track in mended.tracks]
    assert [(shot, start >= 10 * shot, stop <= 10 * (shot + 1)) for shot, start, stop in spans] == [
        (0, True, True),
        (1, True, True),
    ]
