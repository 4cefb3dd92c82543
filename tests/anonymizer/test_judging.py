"""Films of any program are judged: of one shape, in exact colours, and of the same picture."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest

from anonymizer import geometry
from anonymizer.data import Frame
from anonymizer.errors import UnreadableVideo
from anonymizer.judging import pairs, verified
from anonymizer.plan import Plan
from anonymizer.report import Verification, Views
from anonymizer.scenery import AROUND, Scenery
from anonymizer.settings import Checking, Settings
from anonymizer.video.source import VideoSource
from tests.faces import MAGENTA, MarkerDetector, marked
from tests.factories import TICK, track
from tests.films import make_video

ALONE = Settings(checking=Checking(second_detector="none"))
SIZE = (64, 160)
BOX = (20.0, 8.0, 62.0, 50.0)
_NOISE = np.random.default_rng(5).normal(size=(*SIZE, 1))
THINGS = 110 + 30 * cv2.GaussianBlur(_NOISE, (0, 0), 2.0)[..., None] / 0.14
"""(H, W, 1) grey spots of a few pixels."""


def test_films_are_compared_in_exact_colours(tmp_path):
    """Others are off by some levels, which depend on the format; a face may be no more."""
    path = make_video(tmp_path / "a.mp4", frames=2, size=(120, 80))
    exact = [frame.image for frame in VideoSource(path)]
    for one, other in pairs(path, path):
        for seen in (one, other):
            for frame, image in zip(seen, exact, strict=True):
                assert np.array_equal(frame.image, image)


@pytest.mark.parametrize(
    ("size", "aspect", "same"),
    [
        ((240, 160), None, True),
        ((60, 40), None, True),
        ((118, 80), None, True),
        ((160, 80), Fraction(3, 4), True),
        ((100, 80), None, False),
        ((120, 120), None, False),
    ],
)
def test_only_films_of_one_shape_are_compared(tmp_path, size, aspect, same):
    one = make_video(tmp_path / "a.mp4", frames=2, size=(120, 80))
    other = make_video(tmp_path / "b.mp4", frames=2, size=size, aspect=aspect)
    if same:
        assert len(list(pairs(one, other))) == 1
        return
    with pytest.raises(UnreadableVideo, match="another shape than the original's 120x80"):
        list(pairs(one, other))


def still(index: int, *, hidden: bool = True) -> np.ndarray:
    """A room full of things, in which a face is hidden by a flat patch."""
    room = np.where(marked(index, BOX, size=SIZE) == MAGENTA, MAGENTA, THINGS)
    if hidden:
        room[8:50, 20:62] = 90
    return np.asarray(room, np.uint8)


def zoomed(image: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.resize(image[1:-1, 3:-3], SIZE[::-1], interpolation=cv2.INTER_CUBIC))


def judged(tmp_path, change) -> Verification:
    options = {"size": SIZE[::-1], "frames": 26, "options": {"crf": "18"}}
    source = make_video(tmp_path / "a.mp4", draw=lambda at: still(at, hidden=False), **options)
    made = make_video(tmp_path / "b.mp4", draw=lambda at: change(still(at)), **options)
    return verified(ALONE, source, made, detector=MarkerDetector())


def views(seen: Verification) -> Views:
    assert seen.views is not None
    return seen.views


def test_a_film_whose_faces_are_hidden_is_the_same_picture(tmp_path):
    seen = judged(tmp_path, lambda image: image)
    assert (seen.verdict, views(seen).frames, views(seen).elsewhere) == ("clean", 3, 0)


@pytest.mark.parametrize(
    "change",
    [lambda image: image[:, ::-1], zoomed, lambda image: np.roll(image, 9, 1)],
    ids=["mirrored", "zoomed", "shifted"],
)
def test_faces_that_are_elsewhere_are_not_taken_for_hidden(tmp_path, change):
    seen = judged(tmp_path, change)
    assert seen.doubts == ()
    assert (seen.verdict, views(seen).elsewhere) == ("doubt", 3)
    assert seen.reason.startswith("3 of 3 frames show something else around the faces")


def test_a_blurred_and_darker_film_is_the_same_picture(tmp_path):
    seen = judged(tmp_path, lambda image: cv2.GaussianBlur(image // 2 + 20, (0, 0), 1.0))
    assert (seen.verdict, views(seen).elsewhere) == ("clean", 0)


@pytest.mark.parametrize(
    ("box", "frames"),
    [((2, 2, 158, 62), 0), ((14, 2, 146, 22), 1), ((90, 4, 156, 60), 1)],
    ids=["all", "upper half", "right half"],
)
def test_what_a_face_and_its_hair_cover_may_be_anything(tmp_path, box, frames):
    """A face that fills the picture, its upper half or its right half."""
    x0, y0, x1, y1 = (round(edge) for edge in geometry.expand(box, AROUND))
    around = np.s_[max(0, y0) : y1, max(0, x0) : x1]
    other = np.broadcast_to(THINGS, (*SIZE, 3)).astype(np.uint8)
    other[around] = np.ascontiguousarray(other[::-1, ::-1])[around]
    options = {"size": SIZE[::-1], "frames": 2, "options": {"crf": "18"}}

    def shown(index: int) -> np.ndarray:
        room = np.broadcast_to(THINGS, (*SIZE, 3))
        return np.where(marked(index, box, size=SIZE) == MAGENTA, MAGENTA, room).astype(np.uint8)

    source = make_video(tmp_path / "a.mp4", draw=shown, **options)
    made = make_video(tmp_path / "b.mp4", draw=lambda _: other, **options)
    seen = verified(ALONE, source, made, detector=MarkerDetector())
    assert (seen.verdict, views(seen).frames, views(seen).elsewhere) == ("clean", frames, 0)


def test_where_there_are_no_fine_things_nothing_is_said(tmp_path):
    options = {"size": SIZE[::-1], "frames": 2, "options": {"crf": "18"}}
    source = make_video(tmp_path / "a.mp4", draw=lambda at: marked(at, BOX, size=SIZE), **options)
    flat = np.tile(np.arange(160, dtype=np.uint8)[None, :, None], (64, 1, 3))
    made = make_video(tmp_path / "b.mp4", draw=lambda _: flat, **options)
    seen = verified(ALONE, source, made, detector=MarkerDetector())
    assert (seen.verdict, views(seen).frames) == ("clean", 0)


def test_the_original_is_searched_as_it_was_before_it_was_painted(tmp_path):
    """In other colours a detector finds other things at its threshold."""
    options = {"size": SIZE[::-1], "frames": 2, "options": {"crf": "18"}}
    source = make_video(tmp_path / "a.mp4", draw=lambda at: marked(at, BOX, size=SIZE), **options)
    seen: list[np.ndarray] = []

    class Noting(MarkerDetector):
        def detect(self, frames):
            seen.extend(frame.image for frame in frames)
            return super().detect(frames)

    verified(ALONE, source, source, detector=Noting())
    quick, exact = (
        [frame.image for frame in VideoSource(source, exact=exact)] for exact in (False, True)
    )
    assert not np.array_equal(quick, exact)
    assert np.array_equal(seen, quick)


def test_a_crowd_leaves_little_to_compare_and_that_is_enough():
    """Two faces leave two of the sixteen tiles free."""
    boxes = ((2.0, 2.0, 158.0, 18.0), (74.0, 40.0, 158.0, 63.0))
    tracks = tuple(track(1, id=number, box=box) for number, box in enumerate(boxes))
    plan = Plan(np.zeros(1, np.int64), (0,), tracks)
    room = np.repeat(THINGS, 3, -1).astype(np.uint8)
    for picture, elsewhere in ((room, 0), (np.ascontiguousarray(room[:, ::-1]), 1)):
        around = Scenery(plan)
        around.look(Frame(0, 0, TICK, room), Frame(0, 0, TICK, picture))
        assert around.views == Views(1, elsewhere)
