"""The picture that painting begins with."""

import numpy as np
import pytest

from anonymizer.head.composite import compose, continued, structure
from anonymizer.head.guide import Guide

S = 64


def guide(cover: float = 1.0) -> Guide:
    coverage = np.zeros((S, S), np.float32)
    coverage[10:60, 16:40] = cover
    normals = np.zeros((S, S, 3), np.float32)
    normals[..., 0], normals[..., 2] = 0.6, 0.8
    return Guide(np.full((S, S, 3), 0.75, np.float32), coverage, normals, coverage)


def square(*edges: int) -> np.ndarray:
    top, bottom, left, right = edges
    area = np.zeros((S, S), bool)
    area[top:bottom, left:right] = True
    return area


def test_context_outside_guide_inside_and_film_going_on_between():
    context = np.full((S, S, 3), 204, np.uint8)
    area = square(20, 50, 20, 60)
    made = compose(context, area, area, guide(0.25))
    np.testing.assert_allclose(made[0, 0], 0.6, atol=1e-6)
    np.testing.assert_allclose(made[30, 30], 0.6 + 0.25 * (0.5 - 0.6), atol=1e-6)
    np.testing.assert_allclose(made[30, 50], 0.6, atol=1e-6)


def test_nothing_hidden_is_read():
    rng = np.random.default_rng(1)
    context = rng.integers(0, 256, (S, S, 3), np.uint8)
    area = square(20, 50, 20, 60)
    other = context.copy()
    other[area] = 255 - other[area]
    one, two = (compose(picture, area, area, guide()) for picture in (context, other))
    np.testing.assert_array_equal(one, two)


def test_what_is_hidden_and_not_ours_shows_no_guide():
    context = np.full((S, S, 3), 102, np.uint8)
    hidden, ours = square(10, 50, 16, 40), square(10, 30, 16, 40)
    made = compose(context, hidden, ours, guide())
    np.testing.assert_allclose(made[20, 30], 0.5)
    np.testing.assert_allclose(made[40, 30], -0.2, atol=1e-6)


def test_known_pixels_stay_and_holes_take_the_colour_beside_them():
    picture = np.zeros((S, S, 3), np.float32)
    picture[:, 32:] = 1.0
    known = ~square(16, 48, 8, 56)
    filled = continued(picture, known)
    np.testing.assert_allclose(filled[known], picture[known], atol=1e-6)
    assert filled[30, 10, 0] < 0.2
    assert filled[30, 54, 0] > 0.8
    steps = abs(np.diff(filled[30, 8:56, 0]))
    assert steps.max() < 0.15, "no edge inside a hole"


@pytest.mark.parametrize("known", [False, True])
def test_nothing_and_everything_known(known):
    picture = np.full((S, S, 3), 0.3, np.float32)
    filled = continued(picture * known, np.full((S, S), known))
    np.testing.assert_allclose(filled, 0.3 * known, atol=1e-6)


def test_structure_is_normals_and_coverage():
    planes = structure(guide(0.5))
    assert planes.shape == (S, S, 4)
    np.testing.assert_allclose(planes[20, 20], [0.6, 0, 0.8, 0.5])
