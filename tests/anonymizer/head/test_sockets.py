"""The shade of the lids on eyes."""

import numpy as np
import pytest

from anonymizer.head.sockets import between_lids

SIZE = 64


def opening(height: float, width: float = 20, middle: tuple[int, int] = (30, 28)) -> np.ndarray:
    """Which pixels show the eye."""
    row, column = np.indices((SIZE, SIZE))
    return ((row - middle[0]) / height) ** 2 + ((column - middle[1]) / width) ** 2 < 1


def light(seen: np.ndarray, radius: float = 24) -> np.ndarray:
    plane = np.full((SIZE, SIZE), np.nan, np.float32)
    plane.ravel()[np.flatnonzero(seen)] = between_lids(np.flatnonzero(seen), SIZE, radius)
    return plane


def test_the_middle_of_an_open_eye_is_lit_and_its_rim_is_not():
    plane = light(opening(14))
    assert 0.9 < plane[32, 28] <= 1
    assert np.nanmin(plane) > 0
    assert (plane[30, [9, 47]] < 0.8).all()


def test_the_upper_lid_takes_more_than_the_lower_one():
    plane = light(opening(14))
    assert plane[18, 28] < 0.5 < plane[42, 28] < 0.85
    assert (np.diff(plane[17:32, 28]) > 0).all()


def test_both_corners_are_alike():
    plane = light(opening(14))
    np.testing.assert_allclose(plane[:, 9:28], plane[:, 47:28:-1], atol=1e-5)


def test_what_is_seen_between_lids_that_nearly_meet_is_dark():
    assert np.nanmax(light(opening(2.2))) < 0.6


@pytest.mark.parametrize("middle", [(0, 28), (30, 0), (63, 63)])
def test_an_eye_at_the_edge_of_the_picture_is_one_all_the_same(middle):
    plane = light(opening(14, middle=middle))
    assert np.isfinite(plane[opening(14, middle=middle)]).all()


def test_where_no_eye_is_seen_there_is_no_shade():
    assert between_lids(np.empty(0, np.intp), SIZE, 24).shape == (0,)
