import numpy as np

from anonymizer.head.hair import Hair
from anonymizer.head.locks import coloured, unlike

SIDE = 48
DARK, LIGHTER, WALL = (
    np.array(c, np.float32) for c in ((-0.7, -0.8, -0.9), (-0.5, -0.6, -0.7), (0, 0.4, 0))
)
TRACK = Hair(1, DARK, weight=1)


def flat(colour: np.ndarray) -> np.ndarray:
    return np.full((SIDE, SIDE, 3), colour, np.float32)


def above(height: int) -> np.ndarray:
    hair = np.zeros((SIDE, SIDE), np.float32)
    hair[:height] = 1
    return hair


def depths(depth: float) -> np.ndarray:
    return np.full((SIDE, SIDE), depth, np.float32)


def test_at_the_edge_hair_has_the_colour_of_what_is_seen_beside_it():
    edge = coloured(flat(LIGHTER), above(9), depths(0), TRACK)
    assert np.abs(edge - LIGHTER).max() < 1e-3


def test_farther_inside_it_has_that_of_the_track():
    steps = [
        float(coloured(flat(LIGHTER), above(9), depths(depth), TRACK).mean())
        for depth in (0, 0.03, 0.06, 0.1)
    ]
    assert steps == sorted(steps, reverse=True)
    assert np.abs(coloured(flat(LIGHTER), above(9), depths(0.1), TRACK) - DARK).max() < 1e-3


def test_what_is_seen_there_on_one_side_says_nothing_of_the_other():
    seen = flat(DARK)
    seen[:, SIDE // 2 :] = LIGHTER
    edge = coloured(seen, above(SIDE), depths(0), TRACK)
    assert np.abs(edge[20, 4] - DARK).max() < 0.02
    assert np.abs(edge[20, -4] - LIGHTER).max() < 0.02


def test_what_is_unlike_the_hair_of_the_track_does_not_colour_it():
    seen = flat(DARK)
    seen[:, ::2] = WALL
    edge = coloured(seen, above(9), depths(0), TRACK)
    assert np.abs(edge - DARK).max() < 1e-3


def test_the_less_hair_is_seen_the_less_it_says():
    few, many = above(0), above(0)
    few[0, 20], many[0, 20:24] = 1, 1
    little, more, nothing = (
        np.abs(coloured(flat(LIGHTER), hair, depths(0), TRACK) - DARK).max()
        for hair in (few, many, above(0))
    )
    assert nothing == 0 < little < 0.1 < more


def test_hair_of_weight_below_a_tenth_is_a_wall():
    edge = coloured(flat(LIGHTER), np.float32(0.1) * above(SIDE), depths(0), TRACK)
    assert (edge == DARK).all()


def test_the_most_unlike_channel_decides():
    apart = unlike(flat(DARK + np.array([0, 0, 0.4], np.float32)), DARK, (0.2, 0.6))
    assert np.abs(apart - 0.5).max() < 1e-5
