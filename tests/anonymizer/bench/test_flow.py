"""The measure of flow finds the error that was put there, and little where there is none."""

import numpy as np
import pytest

from anonymizer import build
from anonymizer.bench import flow
from anonymizer.bench.scenes import scene
from anonymizer.settings import Settings


def test_a_film_that_moves_as_it_should_has_hardly_any_error():
    made = scene("drift", 3)
    inside = np.pad(np.ones((64, 96), bool), 16)
    off, change = flow.errors(list(made.images), made.flow_forward, [inside] * 3)
    assert off < 0.05
    assert change < 1


def test_flow_that_is_a_pixel_off_is_measured_where_it_is_known():
    made = scene("drift", 3)
    inside = np.pad(np.ones((64, 96), bool), 16)
    wrong = made.flow_forward + np.array([0, 1], np.float32)
    wrong[:, :, 64:] = np.nan
    off, change = flow.errors(list(made.images), wrong, [inside] * 3)
    assert off == pytest.approx(1, abs=0.05)
    assert change > 3


def test_single_pictures_have_noise_of_their_own_that_can_be_repeated():
    first = flow.Apart(2, (3, 4)).noise((2, 4, 5, 6), 7)
    again = flow.Apart(2, (4, 5)).noise((2, 4, 5, 6), 7)
    assert not np.allclose(first[0], first[1])
    np.testing.assert_array_equal(first[1], again[0])


def test_mediated_pictures_move_more_exactly_than_single_ones():
    studio = build.studio(Settings())
    painters = {flow.ALONE: flow.Alone(), "medm": studio.face.mediator}
    found = flow.measure(studio, painters, 1, scenes=["subpixel"], count=4)
    ratio = found.alone_over_mediated["subpixel"]
    assert ratio is not None
    assert ratio.median == found.median_ratio
    assert ratio.median > 2
