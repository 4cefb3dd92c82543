"""Ears: drawn apart from the face, shown where the film has neither hair nor ears."""

from dataclasses import replace

import numpy as np
import pytest

from anonymizer.head import ears
from anonymizer.head.guide import Guide, draw_guide
from anonymizer.head.hair import Hair
from anonymizer.head.model import HeadModel
from anonymizer.head.person import person_for
from anonymizer.head.pose import Pose, rotation
from anonymizer.head.surroundings import Surroundings

FREE = np.ones(2, np.float32)
SIZE, SCALE = 128, 4.0
"""The latter in pixels per head unit."""


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return HeadModel.load()


@pytest.fixture(scope="module")
def frontal(head: HeadModel) -> Guide:
    return drawn(head, 0.0)


def layer(guide: Guide) -> np.ndarray:
    assert guide.ears is not None
    return guide.ears


def covers(guide: Guide) -> list[np.ndarray]:
    return ears.sides(layer(guide), guide.coverage > 0.97)


def drawn(head: HeadModel, yaw: float) -> Guide:
    where = Pose(rotation(yaw, 0.0), np.array(SCALE), np.full(2, SIZE / 2))
    return draw_guide(head, person_for(head, 8), where)


def test_there_is_one_on_each_side_of_a_face_at_the_height_of_the_nose(frontal):
    left, right = covers(frontal)
    for side, outside in ((left, range(38)), (right, range(90, SIZE))):
        rows, columns = np.nonzero(side > 0.5)
        assert len(rows) > 40
        assert set(columns) <= set(outside)
        assert 64 - 5 * SCALE < rows.min() < rows.max() < 64 + 3.5 * SCALE
    assert (layer(frontal)[..., 0] >= 0).all()
    assert layer(frontal)[..., 1].max() <= 1


def test_they_are_about_as_light_as_the_face_with_shade_in_their_folds(frontal):
    there = layer(frontal)[..., 1] > 0.7
    light = layer(frontal)[there, 0] / layer(frontal)[there, 1]
    assert 0.6 < light.mean() < 1.1
    assert light.std() > 0.04


@pytest.mark.parametrize("yaw", [-0.9, -0.3, 0.3, 0.9])
def test_the_far_ear_is_behind_the_head(head, yaw):
    turned = drawn(head, yaw)
    sides = [cover.sum() for cover in covers(turned)]
    near = max(range(2), key=lambda at: sides[at])
    assert near == (0 if yaw > 0 else 1)
    assert sides[near] > 80 > 10 > sides[1 - near]


def test_an_ear_is_no_part_of_temple_or_cheek(head):
    rows, columns = np.nonzero(layer(drawn(head, 1.2))[..., 1] > 0.3)
    assert 3 * SCALE < np.ptp(rows) < 5 * SCALE
    assert 2 * SCALE < np.ptp(columns) < 4 * SCALE


def test_ears_are_softer_than_a_drawing(frontal):
    assert np.abs(np.diff(layer(frontal)[..., 1], axis=1)).max() < 0.6


def test_what_painters_are_shown_has_no_ears(frontal):
    widths = frontal.head.sum(1)
    assert widths[50:70].max() <= widths[36:46].max() + 4


WALL, SKIN = (60, 110, 190), (200, 150, 120)


def blank(*, height: float = 52, width: float = 46) -> np.ndarray:
    row, column = np.indices((SIZE, SIZE))
    return ((row - 66) / height) ** 2 + ((column - 64) / width) ** 2 < 1


def seen(guide: Guide, film: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    return Surroundings.of(film.astype(np.uint8), hidden, guide).own.ears


def walls() -> np.ndarray:
    return np.full((SIZE, SIZE, 3), WALL, np.uint8)


def test_both_are_free_before_a_wall(frontal):
    assert seen(frontal, walls(), blank()).min() > 0.9


def test_there_is_none_under_hair(frontal):
    film = walls()
    film[30:110, 8:34] = (20, 15, 10)
    left, right = seen(frontal, film, blank())
    assert left < 0.1
    assert right > 0.9


def test_nobody_can_tell_where_all_is_hidden_or_no_ear_is_drawn(frontal, head):
    assert np.isnan(seen(frontal, walls(), np.ones((SIZE, SIZE), bool))).all()
    assert np.isnan(seen(replace(frontal, ears=None), walls(), blank())).all()
    free = seen(drawn(head, 0.9), walls(), blank())
    assert np.isnan(free).tolist() == [False, True]


def test_an_ear_beside_the_blank_tells_nothing(frontal):
    """It lies on the wall, whatever hair the person has."""
    assert np.isnan(seen(frontal, walls(), blank(width=26))).all()


def test_nobody_can_tell_who_is_not_sure_of_the_wall(frontal):
    """And who is sure enough is sure: half an ear is a ghost."""
    hair = np.zeros((SIZE, SIZE), np.float32)
    assert np.isnan(ears.free(covers(frontal), hair, 0.2)).all()
    assert (ears.free(covers(frontal), hair, 0.5) == 1).all()


@pytest.mark.parametrize("way", [-1, 1])
def test_left_and_right_are_those_of_a_face_that_is_not_in_the_middle(head, way):
    where = Pose(rotation(0.0, 0.0), np.array(3.0), np.array([64 + way * 34, 64.0]))
    left, right = covers(draw_guide(head, person_for(head, 8), where))
    columns = np.arange(SIZE)
    middle = 64 + way * 34
    assert left.sum(0) @ columns / left.sum() < middle - 15
    assert way == 1 or right.sum(0) @ columns / right.sum() > middle + 15


def test_without_a_face_the_middle_of_the_crop_parts_them(frontal):
    left, right = ears.sides(layer(frontal), np.zeros((SIZE, SIZE), bool))
    assert min(left.sum(), right.sum()) > 50


@pytest.mark.parametrize("size", [32, 128])
def test_a_crop_that_is_hidden_wholly_gets_whole_ears(frontal, size):
    shares = np.ones((size, size), np.float32)
    with np.errstate(all="raise"):
        found = ears.opacity([shares, 0 * shares], shares > 0, FREE)
    assert found.min() == 1


def test_the_shade_in_their_folds_is_seen(frontal):
    result = shown(frontal, Hair(ears=FREE))
    there = layer(frontal)[..., 1] > 0.97
    there &= ~frontal.head
    light = layer(frontal)[there, 0]
    assert np.corrcoef(light, result[there].mean(-1))[0, 1] > 0.9


def shown(guide: Guide, track: Hair, film: np.ndarray | None = None) -> np.ndarray:
    painted = np.full((SIZE, SIZE, 3), SKIN, np.uint8)
    around = Surroundings.of(walls() if film is None else film, blank(), guide)
    return around.with_face(painted, track).astype(int)


def test_a_track_that_shows_one_gets_it_in_the_colour_of_its_face(frontal):
    both, left, none, unknown = (
        shown(frontal, Hair(ears=np.array(free, np.float32)))
        for free in ((1, 1), (1, 0), (0, 0), (np.nan, np.nan))
    )
    np.testing.assert_array_equal(none, unknown)
    at_left, at_right = ((cover > 0.9) & ~frontal.head for cover in covers(frontal))
    assert min(at_left.sum(), at_right.sum()) > 20
    np.testing.assert_array_equal(both[at_left], left[at_left])
    np.testing.assert_array_equal(none[at_right], left[at_right])
    for at in (at_left, at_right):
        ear = both[at]
        assert (ear[:, 0] > ear[:, 2]).all(), "as red as the skin, on a blue wall"
        assert 0.6 < ear.mean() / np.mean(SKIN) < 1.1
        assert np.abs(none[at] - WALL).mean() < np.abs(none[at] - SKIN).mean()


def test_half_seen_ears_come_and_go_at_once(frontal):
    """Whoever has half an ear for long is a ghost."""
    little, much, none, both = (
        shown(frontal, Hair(ears=np.full(2, free, np.float32))) for free in (0.35, 0.65, 0, 1)
    )
    np.testing.assert_array_equal(little, none)
    np.testing.assert_array_equal(much, both)


def test_what_is_hidden_changes_no_bit(frontal):
    noise = np.random.default_rng(1).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    film = np.where(blank()[..., None], noise, walls())
    track = Hair(ears=np.ones(2, np.float32))
    np.testing.assert_array_equal(shown(frontal, track, film), shown(frontal, track))
    np.testing.assert_array_equal(seen(frontal, film, blank()), seen(frontal, film, blank()))


def laid(guide: Guide, hidden: np.ndarray) -> list[np.ndarray]:
    """Opacity over cover of the left and right ear, where that is whole."""
    shares = ears.opacity(covers(guide), hidden, FREE)
    return [shares[cover > 0.95] for cover in covers(guide)]


def test_ears_that_are_hidden_are_laid_over_wholly(frontal):
    assert min(part.min() for part in laid(frontal, blank())) > 0.95


def test_what_the_film_goes_on_over_is_cut_softly(frontal):
    wide, narrow = blank(), blank(width=31)
    column = np.indices((SIZE, SIZE))[1]
    assert laid(frontal, np.where(column < 64, wide, narrow))[0].min() > 0.95
    most = ears.opacity(covers(frontal), np.where(column < 64, wide, narrow), FREE)[:, 64:].max()
    assert most < 0.5, "the film has one of its own there"
    near = ears.opacity(covers(frontal), blank(width=33), FREE)
    there = near[64]
    assert there[there > 0].min() < 0.6 < there.max()
    assert np.abs(np.diff(there[:64])).max() < 0.7
    assert near[~blank(width=33)].max() == 0


def test_a_track_remembers_them():
    free, none = np.ones(2, np.float32), np.zeros(2, np.float32)
    first = Hair().after(Hair(ears=free))
    assert (first.ears == 1).all()
    assert (first.after(Hair()).ears == 1).all(), "turned away"
    later = first.after(Hair(ears=none))
    assert 0.8 < later.ears.min() <= later.ears.max() < 1
    for _ in range(30):
        later = later.after(Hair(ears=none))
    assert later.ears.max() < 0.05
    for _ in range(30):
        later = later.after(Hair(ears=free))
    assert later.ears.max() < 0.3, "hair beside a face is hidden now and then"
    for _ in range(270):
        later = later.after(Hair(ears=free))
    assert later.ears.min() > 0.6
    late = first.after(Hair(ears=none))
    np.testing.assert_allclose(first.towards(late, 0.5).ears, (1 + late.ears) / 2, rtol=1e-5)
    np.testing.assert_allclose(Hair().towards(first, 0.1).ears, 0.1, rtol=1e-5)
