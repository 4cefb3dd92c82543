from __future__ import annotations

import numpy as np
import pytest

from detectors._candidates import Candidates, distinct, joined, right_way_up

FIVE = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.62], [0.34, 0.86], [0.66, 0.86]])


def candidates(*rows, landmarks=None):
    """Faces from rows of x0, y0, x1, y1, score."""
    table = np.array(rows, np.float64).reshape(-1, 5)
    corner, extent = table[:, None, :2], table[:, None, 2:4] - table[:, None, :2]
    points = corner + FIVE * extent if landmarks is None else np.array(landmarks)
    return Candidates(table[:, :4], table[:, 4], points.astype(np.float32))


def test_of_boxes_that_overlap_the_likeliest_is_kept_and_the_likeliest_come_first():
    found = distinct(
        candidates(
            (0, 0, 20, 30, 0.5), (1, 2, 22, 31, 0.7), (50, 0, 70, 30, 0.9), (0, 0, 9, 9, 0.3)
        )
    )
    assert found.scores.tolist() == [0.9, 0.7, 0.3]
    assert found.boxes[1].tolist() == [1, 2, 22, 31]


def test_boxes_that_hold_nothing_are_no_faces():
    assert len(distinct(candidates((5, 5, 5, 9, 0.9), (5, 9, 8, 5, 0.9))).scores) == 0


@pytest.mark.parametrize("where", ["boxes", "scores", "landmarks"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_stops_the_search(where, value):
    found = candidates((0, 0, 20, 30, 0.5))
    getattr(found, where).flat[0] = value
    with pytest.raises(FloatingPointError, match="NaN or infinity"):
        distinct(found)


def test_all_parts_are_joined():
    both = joined([candidates((0, 0, 2, 3, 0.5)), candidates((4, 4, 6, 9, 0.7), (1, 1, 2, 2, 0.1))])
    assert both.scores.tolist() == [0.5, 0.7, 0.1]
    assert both.landmarks.shape == (3, 5, 2)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_turned_picture_is_turned_back_to_the_pixel(quarters):
    image = np.zeros((30, 47), np.uint8)
    image[6:11, 20:23] = 1  # the box
    for number, (x, y) in enumerate([(20, 6), (22, 6), (21, 8), (20, 10), (22, 10)], start=2):
        image[y, x] = number
    turned = np.rot90(image, quarters)
    rows, columns = np.nonzero(turned)
    box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1, 0.5)
    points = [np.argwhere(turned == number)[0][::-1] for number in range(2, 7)]
    found = candidates(box, landmarks=[points]).turned_back(quarters, (47, 30))
    assert found.boxes.tolist() == [[20, 6, 23, 11]]
    assert found.landmarks[0].tolist() == [[20, 6], [22, 6], [21, 8], [20, 10], [22, 10]]


def test_cut_outs_are_mapped_by_edges_and_pixel_centres():
    """A margin of 8 around a part from (10, 20) that is shown at half the width."""
    found = candidates((8, 8, 18, 38, 0.5), landmarks=[[[8, 8]] * 5])
    mapped = found.mapped(8, np.array([2.0, 1.0]), np.array([10.0, 20.0]))
    assert mapped.boxes.tolist() == [[10, 20, 30, 50]]
    assert mapped.landmarks[0, 0].tolist() == [10.5, 20]


def test_landmarks_of_a_face_fit_at_any_place_size_and_roll_and_others_do_not():
    frontal = np.array([[-0.5, 0], [0.5, 0], [0, 0.57], [-0.41, 1.16], [0.41, 1.16]])
    roll = np.array([[0.6, -0.8], [0.8, 0.6]])
    swapped = frontal[[3, 4, 2, 0, 1]]
    shapes = [frontal, frontal @ roll.T * 40 + (300, 20), swapped, frontal * (0.3, 1)]
    misfits = candidates(*[(0, 0, 1, 1, 0.5)] * 4, landmarks=shapes).misfits()
    assert misfits[:2] == pytest.approx(0, abs=1e-5)
    assert misfits[2] > 0.4
    assert 0.1 < misfits[3] < 0.4


def test_the_surest_is_kept_only_if_its_eyes_and_mouth_make_a_face():
    box = (0, 0, 100, 120)
    lying = FIVE[:, ::-1] * (120, 100) * (1, 0.4)
    upright = FIVE * (100, 120)
    found = candidates((*box, 0.95), (*box, 0.6), landmarks=[lying, upright])
    (kept,) = right_way_up(found, 0.2).landmarks
    assert kept == pytest.approx(upright)


def test_a_doubtful_face_never_displaces_a_sure_one():
    box = (0, 0, 100, 120)
    found = candidates((*box, 0.25), (*box, 0.19), landmarks=[np.zeros((5, 2)), FIVE * (100, 120)])
    assert right_way_up(found, 0.2).scores.tolist() == [0.25]
    assert right_way_up(found, 0.3).scores.tolist() == [0.19]


def test_a_face_without_any_fit_is_kept_where_it_is_alone():
    found = candidates((0, 0, 9, 9, 0.1), landmarks=[np.zeros((5, 2))])
    assert right_way_up(found, 0.2).scores.tolist() == [0.1]
