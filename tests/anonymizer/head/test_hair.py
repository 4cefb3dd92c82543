import numpy as np
import pytest

from anonymizer.head.hair import Hair, strands

DARKER, DARK, LIGHT = (np.full(3, level) for level in (-0.9, -0.8, 0.4))


def seen(frames: int, crown: float, colour: np.ndarray, weight: float, hair: Hair) -> Hair:
    for _ in range(frames):
        hair = hair.after(Hair(crown, colour, 0.1, weight))
    return hair


def test_hair_is_there_within_a_second_and_stays_for_many_without_it():
    there = seen(24, 1, DARK, 0.2, Hair())
    assert there.crown > 0.9
    assert seen(100, 0, DARK, 0, there).crown > 0.7
    assert seen(3000, 0, DARK, 0, there).crown < 0.01


def test_a_head_that_never_shows_hair_has_none():
    assert seen(100, 0, LIGHT, 0, Hair()).crown == 0


def test_frames_say_as_much_of_the_colour_as_they_show_hair():
    hair = (
        Hair()
        .after(Hair(1, DARK, 0.2, 0.3))
        .after(Hair(1, DARKER, 0.4, 0.1))
        .after(Hair(1, LIGHT, 1, 0))
    )
    np.testing.assert_allclose(hair.colour, 0.75 * DARK + 0.25 * DARKER, atol=1e-6)
    assert hair.grain == pytest.approx(0.25)
    assert hair.colour.dtype == np.float32


def test_colours_follow_the_light():
    """Out of the shadow, and back."""
    shadow, sun = np.full(3, -0.8), np.full(3, -0.6)
    before = seen(500, 1, shadow, 0.3, Hair())
    there = seen(200, 1, sun, 0.3, before)
    assert np.abs(there.colour - sun).max() < 0.02
    assert np.abs(seen(40, 1, shadow, 0.3, there).colour - shadow).max() < 0.02


def test_light_on_hair_does_not_make_it_light():
    """As on a strip that is all to be seen of it now and then."""
    hair = seen(50, 1, DARK, 0.3, Hair())
    assert np.abs(seen(200, 1, LIGHT, 0.3, hair).colour - DARK).max() < 0.05
    late = seen(20, 1, DARK, 0.3, seen(5, 1, LIGHT, 0.3, Hair()))
    assert np.abs(late.colour - DARK).max() < 0.35


def test_no_weight_at_all_is_no_colour():
    hair = Hair().after(Hair(0.5, LIGHT, 1, 0))
    assert (hair.weight, hair.colour.tolist()) == (0, [0, 0, 0])


@pytest.mark.parametrize(
    ("share", "crown", "level"), [(0, 0.2, -0.8), (0.5, 0.4, -0.2), (1, 0.6, 0.4)]
)
def test_what_changes_in_a_chunk_changes_little_by_little(share, crown, level):
    between = Hair(0.2, DARK, 0.1, 1).towards(Hair(0.6, LIGHT, 0.3, 3), share)
    assert between.crown == pytest.approx(crown)
    assert between.grain == pytest.approx(0.1 + 0.2 * share)
    assert between.weight == pytest.approx(1 + 2 * share)
    np.testing.assert_allclose(between.colour, level, atol=1e-6)


def test_hair_that_comes_later_comes_little_by_little_in_its_own_colour():
    first = Hair().towards(Hair(0.6, LIGHT, 0.2, 3), 0.1)
    assert first.crown == pytest.approx(0.06)
    assert first.grain == pytest.approx(0.02)
    assert (first.colour == LIGHT).all()


def test_strands_follow_the_grain_that_is_seen_up_to_a_limit():
    weak, some, much, more = (Hair(grain=grain).contrast for grain in (0, 0.1, 1, 5))
    assert 0 == weak < some < 0.1 < much == more <= 0.15


def test_strands_are_fainter_than_what_is_seen_since_noise_is_part_of_that():
    assert 0.2 < Hair(grain=0.1).contrast / 0.1 < 0.4


def test_hair_that_nobody_has_seen_has_strands_that_show_and_counts_for_nothing():
    guessed = Hair.guessed(DARK)
    assert 0.04 < guessed.contrast < 0.12
    assert guessed.known == 0
    told = guessed.after(Hair(1, LIGHT, 0.1, 0.2))
    assert np.abs(told.colour - LIGHT).max() < 0.1


def test_strands_point_away_from_the_face():
    levels = strands(256)
    assert abs(levels.mean()) < 1e-5
    assert levels.std() == pytest.approx(1, rel=1e-4)
    above = levels[20:60, 118:138]
    across, along = np.diff(above, axis=1).std(), np.diff(above, axis=0).std()
    assert across > 4 * along
    beside = levels[150:170, 190:230]
    assert np.diff(beside, axis=0).std() > 4 * np.diff(beside, axis=1).std()


@pytest.mark.parametrize("size", [2, 8, 128])
def test_strands_of_any_size(size):
    assert np.isfinite(strands(size)).all()
    assert strands(size).shape == (size, size)
