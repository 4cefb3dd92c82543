"""How sharp the film is around a face."""

import cv2
import numpy as np
import pytest

from anonymizer.head.focus import MOST, Focus, softened

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


@pytest.mark.parametrize("spread", [2.3, 2.7])
def test_a_drawing_gets_about_half_as_soft(spread):
    assert SIDE * Focus.of(blocks(spread), HIDDEN).softness == pytest.approx(spread / 2, rel=0.5)


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


@pytest.mark.parametrize("grey", [0, 1, 8, 35, 90, 98, 128, 249, 255])
def test_where_nothing_is_to_be_seen_nothing_is_softened(grey):
    flat = np.full((SIDE, SIDE, 3), grey, np.uint8)
    for hidden in (np.ones_like(HIDDEN), HIDDEN, np.zeros_like(HIDDEN)):
        assert Focus.of(flat, hidden).softness == 0
    assert Focus().softness == 0


@pytest.mark.parametrize("shade", [5, 20, 80])
def test_shade_on_a_wall_is_no_haze(shade):
    across = 90 + shade * COLUMN / SIDE
    corners = 200 - shade * np.hypot(ROW - 64, COLUMN - 64) ** 2 / 8192
    for light in (across, corners):
        wall = np.repeat(light.round().astype(np.uint8)[..., None], 3, 2)
        assert Focus.of(wall, HIDDEN).softness == 0


def test_whoever_is_sharp_before_a_blurred_wall_stays_sharp():
    sharp = np.where((ROW > 100)[..., None], blocks(), blocks(4.0))
    assert Focus.of(blocks(4.0), HIDDEN).softness == MOST
    assert Focus.of(sharp, HIDDEN).softness == 0


def test_what_is_near_the_blank_counts_most():
    away = cv2.distanceTransform((~HIDDEN).astype(np.uint8), cv2.DIST_L2, 3)[..., None]
    near_sharp, near_soft = (
        Focus.of(np.where(away < 24, *each), HIDDEN).softness
        for each in ((blocks(), blocks(4.0)), (blocks(4.0), blocks()))
    )
    assert near_sharp < near_soft


def test_noise_is_no_haze():
    rng = np.random.default_rng(1)
    noise = rng.integers(80, 120, (SIDE, SIDE, 3)).astype(np.uint8)
    assert Focus.of(noise, HIDDEN).softness == 0


def test_a_track_remembers_and_forgets_slowly():
    soft, sharp = Focus.of(blocks(3.0), HIDDEN), Focus.of(blocks(), HIDDEN)
    track, found = Focus().after(soft), []
    for _ in range(60):
        track = track.after(soft)
    assert track.softness == pytest.approx(soft.softness)
    for _ in range(30):
        track = track.after(sharp)
        found.append(track.softness)
    assert soft.softness * 0.7 < found[0]
    assert found[-1] == 0
    assert max(np.diff(found)) <= 0


def test_what_is_drawn_becomes_soft_with_its_edges():
    painted, head = blocks(seed=5), np.hypot(ROW - 60, COLUMN - 66) < 16
    result = softened(painted, HIDDEN, head, 2 / SIDE).astype(int)
    reference = cv2.GaussianBlur(painted, (0, 0), 2.0)
    away = cv2.distanceTransform((~head).astype(np.uint8), cv2.DIST_L2, 3)
    assert np.abs(result - reference)[away == 0].max() <= 1
    assert np.abs(result - reference)[away < 2].mean() < 1
    assert (result[away > 14] == painted[away > 14]).all()
    assert softened(painted, HIDDEN, head, 0.0) is painted


def test_the_film_itself_stays_as_it_is():
    painted, head = blocks(seed=5), np.ones_like(HIDDEN)
    result = softened(painted, HIDDEN, head, 2 / SIDE)
    assert (result[~HIDDEN] == painted[~HIDDEN]).all()
    assert (result[HIDDEN] != painted[HIDDEN]).any()
