"""How sharp the film is around a face."""

import cv2
import numpy as np
import pytest

from anonymizer.head.focus import BLURRED, MOST, SHARP, Focus, softened

SIDE = 128
ROW, COLUMN = np.indices((SIDE, SIDE))
HIDDEN = np.hypot((ROW - 60) / 1.2, COLUMN - 66) < 36


def blocks(spread: float = 0.0, seed: int = 0) -> np.ndarray:
    """Patches of many levels, out of focus by a Gaussian."""
    levels = np.random.default_rng(seed).integers(20, 230, (11, 9)).astype(np.float32)
    picture = cv2.resize(levels, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
    soft = cv2.GaussianBlur(picture, (0, 0), spread) if spread else picture
    return np.repeat(soft.round().astype(np.uint8)[..., None], 3, 2)


def test_a_film_in_focus_softens_nothing():
    assert Focus.of(blocks(), HIDDEN).softness == 0
    assert Focus.of(blocks(0.6), HIDDEN).softness == 0


def test_the_farther_out_of_focus_the_softer_up_to_a_limit():
    found = [Focus.of(blocks(spread), HIDDEN).softness for spread in (1.8, 2.2, 2.6, 6.0)]
    assert 0 < found[0] < found[1] < found[2] <= MOST
    assert found[3] == MOST


@pytest.mark.parametrize("spread", [2.1, 2.5])
def test_a_drawing_gets_about_as_soft(spread):
    assert SIDE * Focus.of(blocks(spread), HIDDEN).softness == pytest.approx(spread, rel=0.5)


def test_twice_the_pixels_are_as_soft_a_share_of_the_crop():
    large = cv2.resize(blocks(2.0), (2 * SIDE, 2 * SIDE), interpolation=cv2.INTER_LINEAR)
    hidden = np.repeat(np.repeat(HIDDEN, 2, 0), 2, 1)
    one, other = (Focus.of(*each).softness for each in ((blocks(2.0), HIDDEN), (large, hidden)))
    assert other == pytest.approx(one, rel=0.15)


def test_what_is_hidden_changes_nothing():
    film = blocks(2.0)
    other = np.where(HIDDEN[..., None], blocks(seed=3), film)
    assert Focus.of(film, HIDDEN) == Focus.of(other, HIDDEN)


def test_the_blank_itself_is_no_edge_and_no_haze():
    """A white wall around a black blank."""
    wall = np.where(HIDDEN[..., None], 0, 250).astype(np.uint8).repeat(3, 2)
    assert Focus.of(wall, HIDDEN).coarse < 1e-3 * Focus.of(blocks(2.0), HIDDEN).coarse


@pytest.mark.parametrize("hidden", [np.ones_like(HIDDEN), HIDDEN])
def test_where_nothing_is_to_be_seen_nothing_is_softened(hidden):
    flat = np.full((SIDE, SIDE, 3), 90, np.uint8)
    assert Focus.of(flat, hidden).softness == 0
    assert Focus().softness == 0


def test_noise_is_no_haze():
    rng = np.random.default_rng(1)
    noise = rng.integers(80, 120, (SIDE, SIDE, 3)).astype(np.uint8)
    assert Focus.of(noise, HIDDEN).softness == 0


def test_a_track_remembers_and_forgets_slowly():
    soft, sharp = Focus.of(blocks(3.0), HIDDEN), Focus.of(blocks(), HIDDEN)
    track, found = Focus().after(soft), []
    for _ in range(60):
        track = track.after(soft)
    for _ in range(30):
        track = track.after(sharp)
        found.append(track.softness)
    assert soft.softness * 0.7 < found[0]
    assert found[-1] == 0 <= min(np.diff(found)) * -1
    assert SHARP > BLURRED


def test_only_what_is_hidden_becomes_soft():
    painted = blocks(seed=5)
    result = softened(painted, HIDDEN, 2 / SIDE)
    assert (result[~HIDDEN] == painted[~HIDDEN]).all()
    reference = cv2.GaussianBlur(painted, (0, 0), 2.0)
    assert (result[HIDDEN] == reference[HIDDEN]).all()
    assert softened(painted, HIDDEN, 0.0) is painted
