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
from anonymizer.verify import _all_views
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
        assert around.views == Views(1, elsewhere, elsewhere)


@pytest.mark.parametrize(
    ("seen", "same"),
    [
        (Views(0, 0, 0), True),
        (Views(1, 1, 1), False),
        (Views(5, 2, 2), False),
        (Views(19, 1, 1), False),
        (Views(20, 1, 1), True),
        (Views(9000, 2, 2), False),
        (Views(9000, 450, 1), True),
        (Views(9000, 451, 1), False),
    ],
)
def test_single_frames_of_a_long_film_may_be_others(seen, same):
    assert seen.same is same


def test_a_film_of_which_a_part_is_mirrored_is_doubted(tmp_path):
    options = {"size": SIZE[::-1], "frames": 60, "options": {"crf": "18"}}
    source = make_video(tmp_path / "a.mp4", draw=lambda at: still(at, hidden=False), **options)
    made = make_video(
        tmp_path / "b.mp4",
        draw=lambda at: still(at) if at < 36 else still(at, hidden=False)[:, ::-1],
        **options,
    )
    seen = verified(ALONE, source, made, detector=MarkerDetector())
    assert (seen.doubts, seen.verdict, views(seen)) == ((), "doubt", Views(5, 2, 2))


@pytest.mark.parametrize("crf", ["18", "26", "30"])
def test_noise_that_an_encoder_writes_anew_is_no_other_picture(tmp_path, crf):
    """A soft wall before a small, cheap sensor."""

    def shown(index: int, *, hidden: bool) -> np.ndarray:
        room = marked(0, BOX, size=(120, 160))
        if hidden:
            room[8:50, 20:62] = 90
        noise = np.random.default_rng(index).normal(scale=8, size=(120, 160, 1))
        return np.asarray(np.clip(room + noise * (room != MAGENTA), 0, 255), np.uint8)

    what = {"size": (160, 120), "frames": 26}
    source = make_video(tmp_path / "a.mp4", draw=lambda at: shown(at, hidden=False), **what)
    what["options"] = {"crf": crf}
    made = make_video(tmp_path / "b.mp4", draw=lambda at: shown(at, hidden=True), **what)
    seen = verified(ALONE, source, made, detector=MarkerDetector())
    assert views(seen).elsewhere == 0


def test_frames_that_are_elsewhere_are_counted_in_a_row():
    around = Scenery(Plan(np.arange(60), (0,), ()))
    room = np.repeat(THINGS, 3, -1).astype(np.uint8)
    other = np.ascontiguousarray(room[:, ::-1])
    for index, seen in zip((0, 12, 24, 36, 48), (other, room, other, other, room), strict=True):
        around.look(Frame(index, index, TICK, room), Frame(index, index, TICK, seen))
    assert around.views == Views(5, 3, 2)


@pytest.mark.parametrize("size", [(1, 300), (3, 5), (31, 40)])
def test_pictures_of_a_few_pixels_are_not_judged(size):
    around = Scenery(Plan(np.zeros(1, np.int64), (0,), ()))
    noise = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    larger = cv2.resize(noise, (2 * size[1], 2 * size[0]), interpolation=cv2.INTER_CUBIC)
    around.look(Frame(0, 0, TICK, noise), Frame(0, 0, TICK, np.asarray(larger, np.uint8)))
    assert around.views == Views(0, 0, 0)


def test_that_nothing_could_be_compared_is_said(tmp_path):
    options = {"size": SIZE[::-1], "frames": 2, "options": {"crf": "18"}}
    source = make_video(tmp_path / "a.mp4", draw=lambda at: marked(at, BOX, size=SIZE), **options)
    flat = np.full((*SIZE, 3), 90, np.uint8)
    made = make_video(tmp_path / "b.mp4", draw=lambda _: flat, **options)
    seen = verified(ALONE, source, made, detector=MarkerDetector())
    assert seen.summary.endswith("; nothing around them could be compared")
    assert "around" not in judged(tmp_path, lambda image: image).summary


def test_of_several_films_the_doubtful_one_stands_for_all():
    """However few of its frames are others, they come in a row."""
    many = Views(9000, 450, 1)
    few = Views(9000, 2, 2)
    for seen in ((many, few), (few, many)):
        assert _all_views(seen) == few
    assert _all_views([many, Views(9000, 3, 1)]) == many
    assert _all_views([]) is None
