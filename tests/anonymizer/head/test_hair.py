import numpy as np
import pytest

from anonymizer.head.hair import Hair

DARK, LIGHT = np.full(3, -0.8), np.full(3, 0.4)


def seen(frames: int, crown: float, colour: np.ndarray, weight: float, hair: Hair) -> Hair:
    for _ in range(frames):
        hair = hair.after(crown, colour, weight)
    return hair


def test_hair_is_there_within_a_second_and_stays_for_many_without_it():
    there = seen(24, 1, DARK, 0.2, Hair())
    assert there.crown > 0.9
    assert seen(100, 0, DARK, 0, there).crown > 0.7
    assert seen(3000, 0, DARK, 0, there).crown < 0.01


def test_a_head_that_never_shows_hair_has_none():
    assert seen(100, 0, LIGHT, 0, Hair()).crown == 0


def test_frames_say_as_much_of_the_colour_as_they_show_hair():
    hair = Hair().after(1, DARK, 0.3).after(1, LIGHT, 0.1).after(1, LIGHT, 0)
    np.testing.assert_allclose(hair.colour, 0.75 * DARK + 0.25 * LIGHT, atol=1e-6)
    assert hair.colour.dtype == np.float32


def test_colours_follow_the_light():
    before = seen(500, 1, DARK, 0.3, Hair())
    after = seen(60, 1, LIGHT, 0.3, before)
    assert np.abs(after.colour - LIGHT).max() < 0.1


def test_no_weight_at_all_is_no_colour():
    hair = Hair().after(0.5, LIGHT, 0)
    assert (hair.weight, hair.colour.tolist()) == (0, [0, 0, 0])


@pytest.mark.parametrize(
    ("share", "crown", "level"), [(0, 0.2, -0.8), (0.5, 0.4, -0.2), (1, 0.6, 0.4)]
)
def test_what_changes_in_a_chunk_changes_little_by_little(share, crown, level):
    between = Hair(0.2, DARK, 1).towards(Hair(0.6, LIGHT, 3), share)
    assert between.crown == pytest.approx(crown)
    assert between.weight == pytest.approx(1 + 2 * share)
    np.testing.assert_allclose(between.colour, level, atol=1e-6)


def test_a_track_begins_with_all_that_its_first_chunk_shows():
    first = Hair().towards(Hair(0.6, LIGHT, 3), 0.1)
    assert first.crown == 0.6
