from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from anonymizer import crops, pipeline
from anonymizer.data import Box, Clip, Frame
from anonymizer.pipeline import PlanMismatch
from anonymizer.plan import Plan
from anonymizer.scouting import looks_at
from anonymizer.studio import Studio
from anonymizer.wording import Wording
from tests.faces import Black, Counting, MarkerDetector, black, film
from tests.factories import track

LONG = 40


def still(index: int) -> Box:
    return 50, 30, 86, 74


class Reading:
    """Frames, and how far they were read."""

    def __init__(self, frames: list[Frame]) -> None:
        self.frames = frames
        self.read = 0
        self.closed = False

    def __iter__(self) -> Iterator[Frame]:
        try:
            for frame in self.frames:
                self.read += 1
                yield frame
        finally:
            self.closed = True


def rendered(frames: list[Frame], counting: Black, ahead: Reading | None, **what: Plan) -> None:
    plan = what.get("plan") or pipeline.analyse(frames, MarkerDetector())
    list(pipeline.render(frames, plan, black(counting), lambda track: 5 + track, ahead=ahead))


@pytest.mark.parametrize(
    ("count", "looks"),
    [
        (1, []),
        (16, []),
        (17, [0, 16]),
        (48, [0, 16, 32]),
        (120, [0, 20, 40, 60, 80, 100]),
        (144, [0, 24, 48, 72, 96, 120]),
        (9000, [0, 24, 48, 72, 96, 120]),
    ],
)
def test_a_track_is_looked_at_a_few_times_unless_it_is_short(count, looks):
    assert list(looks_at(track(count, start=7))) == [7 + look for look in looks]


def test_what_comes_later_is_known_when_a_track_is_first_sketched():
    counting = Counting()
    rendered(film(LONG, still), counting, Reading(film(LONG, still)))
    assert counting.told[0] == (0, 0, [32, 16, 0])
    assert counting.told[1] == (0, 16, [32, 16, 0, *range(16)])
    assert counting.known == [5] == counting.seeds[:1]
    (looks,) = counting.looks
    assert looks.lead == 0


def test_looks_are_what_the_painter_is_shown_but_for_the_face():
    def walking(index: int) -> Box:
        return 30 + index, 30 + index / 2, 66 + index, 74 + index / 2

    frames, counting = film(LONG, walking), Counting()
    plan = pipeline.analyse(frames, MarkerDetector())
    (one,) = plan.tracks
    faces = [replace(face, motion=np.full(3, at, np.float32)) for at, face in enumerate(one.faces)]
    one = replace(one, faces=tuple(faces), wording=Wording("a king", ""))
    rendered(frames, counting, Reading(frames), plan=replace(plan, tracks=(one,)))
    (looks,) = counting.looks
    for at, index in enumerate(looks.indices):
        clip = crops.cut_clip([frames[index]], one, [one], size=64, lead=0)
        for name in ("context", "hidden", "mask", "frame_from_crop", "landmarks", "motion"):
            np.testing.assert_array_equal(getattr(looks, name)[at], getattr(clip, name)[0])
    np.testing.assert_array_equal(looks.pixels, looks.context)
    assert looks.wording == one.wording


def test_without_a_reading_ahead_a_track_begins_as_it_looks_at_first():
    counting = Counting()
    rendered(film(LONG, still), counting, None)
    assert counting.told[0] == (0, 0, [])
    assert not counting.looks


def test_the_film_is_read_ahead_as_far_as_need_be():
    frames = film(200, still)
    ahead, counting = Reading(frames), Counting()
    plan = pipeline.analyse(frames, MarkerDetector())
    out = pipeline.render(frames, plan, black(counting), lambda track: track, ahead=ahead)
    assert ahead.read == 0
    next(out)
    assert (ahead.read, ahead.closed) == (121, True)
    assert len(list(out)) == 199
    assert ahead.read == 121


def test_every_shot_gets_to_know_its_own_track():
    counting, frames = Counting(), film(2 * LONG, still, cuts=(LONG,))
    rendered(frames, counting, Reading(frames))
    assert [looks.indices for looks in counting.looks] == [(32, 16, 0), (72, 56, 40)]


def test_tracks_that_begin_while_another_is_looked_at_miss_nothing():
    frames, counting = film(90, still), Counting()
    one = pipeline.analyse(frames, MarkerDetector())
    (first,) = one.tracks
    second = replace(first, id=1, start=5, faces=first.faces[5:60], origins=first.origins[5:60])
    rendered(frames, counting, Reading(frames), plan=replace(one, tracks=(first, second)))
    assert {looks.track: looks.indices for looks in counting.looks} == {
        0: (80, 64, 48, 32, 16, 0),
        1: (53, 37, 21, 5),
    }


def test_p1_looks_show_nothing_of_any_face_and_of_the_rest_what_is_there():
    def looks(secret: int) -> Clip:
        counting, frames = Counting(), film(LONG, still, secret=secret)
        rendered(frames, counting, Reading(frames))
        return counting.looks[0]

    one, other = looks(1), looks(2)
    for name in ("pixels", "context", "hidden", "mask", "frame_from_crop", "landmarks"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert one.context[~one.hidden].std() > 1


def test_p1_looks_show_nothing_of_others():
    def looks(secret: int) -> list[Clip]:
        counting, frames = Counting(), film(LONG, still)
        beside = film(LONG, lambda _: (88, 30, 124, 74), secret=secret)
        for frame, other in zip(frames, beside, strict=True):
            frame.image.setflags(write=True)
            frame.image[:, 87:] = other.image[:, 87:]
        rendered(frames, counting, Reading(frames))
        return counting.looks

    first, second = looks(1), looks(2)
    assert len(first) == 2
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.context, other.context)
        np.testing.assert_array_equal(one.hidden, other.hidden)


def test_painters_without_memory_need_no_looks():
    frames = film(LONG, still)
    ahead = Reading(frames)
    rendered(frames, Black(), ahead)
    assert ahead.read == 0


def test_who_is_covered_is_not_looked_at():
    frames = film(LONG, still)
    ahead, counting, cover = Reading(frames), Counting(), Black()
    plan = pipeline.analyse(frames, MarkerDetector())
    plan = replace(plan, tracks=tuple(replace(one, action="cover") for one in plan.tracks))
    parts = replace(black(counting), cover=black(cover).face)
    list(pipeline.render(frames, plan, parts, lambda track: track, ahead=ahead))
    assert (ahead.read, counting.looks, cover.tracks) == (0, [], [0, 0, 0])


def test_a_face_that_grows_is_looked_at_from_where_it_is_large_enough():
    def coming(index: int) -> Box:
        side = 12 + 0.4 * index
        return 80 - side, 60 - side, 80 + side, 60 + side

    frames, counting, small = film(70, coming), Counting(), Black()
    plan = pipeline.analyse(frames, MarkerDetector())
    (one,) = plan.tracks
    least = 50
    first = next(at for at, face in enumerate(one.faces) if face.size >= least)
    assert first > 20
    parts = Studio(black(counting).face, black(small).face, min_face=least)
    list(pipeline.render(frames, plan, parts, lambda track: track, ahead=Reading(frames)))
    assert list(looks_at(one, least)) == [first, first + 16, first + 32]
    assert counting.told[0] == (0, 32, [first + 32, first + 16, first])


def test_tracks_that_reach_beyond_a_part_are_not_looked_at():
    frames, counting = film(2 * LONG, still, cuts=(LONG,)), Counting()
    plan = pipeline.analyse(frames, MarkerDetector())
    part = range(LONG - 20, 2 * LONG)
    ahead = Reading(frames[part.start :])
    shown = pipeline.render(
        frames[part.start :], plan, black(counting), lambda track: 5, within=[part], ahead=ahead
    )
    assert len(list(shown)) == len(part)
    assert [looks.indices for looks in counting.looks] == [(72, 56, 40)]
    assert ahead.read == 73 - part.start


def test_a_face_that_is_small_for_a_while_is_remembered():
    def breathing(index: int) -> Box:
        side = 16 if 16 <= index < 32 else 30
        return 80 - side, 60 - side, 80 + side, 60 + side

    frames, counting, small = film(60, breathing), Counting(), Black()
    plan = pipeline.analyse(frames, MarkerDetector())
    (one,) = plan.tracks
    parts = Studio(black(counting).face, black(small).face, min_face=50)
    out = pipeline.render(
        frames, plan, parts, lambda track: track, chunk=6, overlap=0, ahead=frames
    )
    assert len(list(out)) == 60
    assert 0 < len(small.tracks) < 10
    known = [memory for _, _, memory in counting.told]
    assert all(len(after) == len(before) + 6 for before, after in pairwise(known))
    assert counting.told[0] == (0, 0, list(looks_at(one, 50))[::-1])


def test_a_film_that_reads_differently_ahead_is_refused():
    frames, other = film(LONG, still), film(LONG - 5, still)
    with pytest.raises(PlanMismatch, match="instead of 40"):
        rendered(frames, Counting(), Reading(other[:30]))
    with pytest.raises(PlanMismatch, match="not in the plan"):
        rendered(frames, Counting(), Reading(other[1:]))
