import numpy as np

from anonymizer.head.hair import Hair
from anonymizer.head.locks import coloured, hanging, unlike

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


MIDDLE = (24.0, 24.0)


def arcs(*between: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Hair and weights on a ring, in some directions: degrees to the right from straight up."""
    row, column = np.indices((SIDE, SIDE)) - 24.0
    ring = (np.abs(np.hypot(row, column) - 20) < 2).astype(np.float32)
    angle = np.degrees(np.arctan2(column, -row)) % 360
    hair = sum(((angle >= low) & (angle < high)).astype(np.float32) for low, high in between)
    return np.asarray(hair * ring, np.float32), ring


def towards(shares: np.ndarray, degrees: float) -> float:
    angle = np.radians(degrees)
    return float(shares[round(24 - 12 * np.cos(angle)), round(24 + 12 * np.sin(angle))])


def test_hair_goes_on_between_two_places_that_are_near_each_other():
    shares = hanging(*arcs((0, 60), (100, 150)), MIDDLE)
    assert [towards(shares, angle) for angle in (30, 80, 125)] == [1, 1, 1]
    assert [towards(shares, angle) for angle in (200, 270, 330)] == [0, 0, 0]


def test_it_does_not_go_on_over_a_side_of_the_face():
    shares = hanging(*arcs((300, 360), (0, 60), (150, 210)), MIDDLE)
    assert [towards(shares, angle) for angle in (0, 180)] == [1, 1]
    assert [towards(shares, angle) for angle in (105, 255)] == [0, 0]


def test_it_goes_on_straight_above_a_face_too():
    shares = hanging(*arcs((320, 345), (15, 60)), MIDDLE)
    assert towards(shares, 0) == 1


def test_where_nothing_is_seen_there_is_no_hair():
    nothing = np.zeros((SIDE, SIDE), np.float32)
    assert (hanging(nothing, nothing, MIDDLE) == 0).all()
    hair, ring = arcs((0, 360))
    assert (hanging(hair, np.float32(0.001) * ring, MIDDLE) == 0).all()
