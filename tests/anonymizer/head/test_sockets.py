"""The shade of the lids on eyes."""

import cv2
import numpy as np
import pytest

from anonymizer.head.guide import draw_guide
from anonymizer.head.model import HeadModel
from anonymizer.head.person import person_for
from anonymizer.head.pose import Pose, rotation
from anonymizer.head.sockets import between_lids, sleeves

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


@pytest.fixture(scope="module")
def head():
    return HeadModel.load()


@pytest.mark.parametrize("yaw", [-0.9, -0.6, 0.4, 0.7])
@pytest.mark.parametrize("nod", [-0.3, 0.3])
def test_no_hole_is_seen_beside_an_eye_from_aside(head, yaw, nod):
    for seed in (201, 204):
        pose = Pose(rotation(yaw, nod), np.array(10.0), np.array([128.0, 110.0]))
        drawn = draw_guide(head, person_for(head, seed), pose, size=256)
        filled = np.pad(drawn.head, 1).astype(np.uint8)
        cv2.floodFill(filled, None, (0, 0), 2)  # all that is reached from outside
        holes = filled[1:-1, 1:-1] == 0
        eyes = head.eyes(person_for(head, seed).identity) + np.array([0, 0, head.eye_radius])
        row, column = np.indices(holes.shape)
        for x, y, _ in pose.project(eyes):
            assert not holes[np.hypot(column - x, row - y) < 18].any()


def test_the_white_goes_on_from_the_lids_of_each_eye_backwards(head):
    person = person_for(head, 3)
    skin = head.vertices(person.identity)
    white = sleeves(head, person.identity, skin)
    first, second = white.points.reshape(2, 2, -1, 3)
    for (front, behind), eye in zip((first, second), head.eyes(person.identity), strict=True):
        assert np.linalg.norm(front - eye, axis=1).max() < 1.3 * head.eye_radius
        np.testing.assert_allclose((front - behind)[:, :2], 0, atol=1e-6)
        assert (front[:, 2] > behind[:, 2]).all()
        assert np.abs(skin - front[:, None]).sum(2).min(1).max() == 0
    assert np.linalg.norm(white.normals, axis=1) == pytest.approx(1, abs=1e-5)
    half = len(white.points) // 2
    assert (white.triangles.reshape(2, -1) // half == [[0], [1]]).all()
