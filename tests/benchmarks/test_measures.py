"""What the benchmark of faces calls a gap, a turn, the same place mirrored and another person."""

import numpy as np
import pytest

from tests.benchmarks import measures


def drawn(gap=6.0, turn=0.0):
    """68 points with eyes 40 apart, lips `gap` apart and the nose `turn` off the middle."""
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 100, (68, 2))
    points[36:42], points[42:48] = (30, 40), (70, 40)
    points[30] = (50 + turn, 62)
    points[61:64], points[65:68] = (50, 80), (50, 80 + gap)
    return points


def rotated(points, degrees):
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return points @ np.array([[cosine, sine], [-sine, cosine]])


@pytest.mark.parametrize("degrees", [0, 25, -90])
def test_moves_are_shares_of_the_eye_distance_however_the_head_is_held(degrees):
    gap, turn = measures.moves(rotated(3 * drawn(gap=8, turn=-2), degrees))
    assert gap == pytest.approx(8 / 40)
    assert turn == pytest.approx(-2 / 40)


def test_what_is_found_in_the_mirror_is_taken_back():
    points = drawn(gap=5, turn=3)
    found = (points * (-1, 1) + (99, 0))[list(measures.MIRRORED)]
    assert measures.moves(found) == pytest.approx((5 / 40, -3 / 40))
    assert [measures.MIRRORED[k] for k in measures.MIRRORED] == list(range(68))
    np.testing.assert_allclose(measures.flipped_points(found, 100), points)


def test_a_box_flips_with_its_pixels():
    image = np.zeros((20, 50), bool)
    image[4:9, 5:17] = True
    x0, y0, x1, y1 = (round(edge) for edge in measures.flipped_box((5.0, 4.0, 17.0, 9.0), 50))
    expected = np.zeros_like(image)
    expected[y0:y1, x0:x1] = True
    np.testing.assert_array_equal(image[:, ::-1], expected)


def test_boxes_are_tried_evenly_around_a_place():
    box = (10.0, 20.0, 60.0, 70.0)
    tried = measures.shifted(box)
    assert len(set(tried)) == 5
    np.testing.assert_allclose(np.mean(tried, 0), box)
    assert max(abs(np.subtract(tried, box)).ravel()) == pytest.approx(1.5)


def test_dlibs_own_box_is_a_square_lower_and_smaller():
    x0, y0, x1, y1 = measures.own_box((100.0, 100.0, 180.0, 200.0))
    assert x1 - x0 == pytest.approx(y1 - y0) == pytest.approx(78)
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx((140, 155))


def test_a_box_of_dlibs_finder_counts_if_it_is_of_the_same_face():
    box, near, beside = (
        (100.0, 100.0, 180.0, 200.0),
        (110.0, 110.0, 190.0, 190.0),
        (40.0, 70.0, 160.0, 190.0),
    )
    usual = measures.own_box(box)
    assert measures.own_box(box, [beside, near]) == near
    assert measures.own_box(box, [(20.0, 70.0, 130.0, 180.0)]) == usual
    assert measures.own_box(box, []) == usual


def test_only_faces_of_one_frame_and_of_like_size_are_surely_different_people():
    seen = [(0, 1, 50.0, "a"), (0, 2, 60.0, "b"), (0, 3, 90.0, "c"), (1, 1, 50.0, "d")]
    assert list(measures.people(seen)) == [("a", "b"), ("b", "c")]
    assert list(measures.people([(0, 1, 50.0, "a"), (0, 1, 50.0, "b")])) == []


def test_short_tracks_have_no_correlation():
    assert np.isnan(measures.correlation([1.0, 2.0], [2.0, 4.0]))
    assert measures.correlation(range(30), range(0, 60, 2)) == pytest.approx(1)
