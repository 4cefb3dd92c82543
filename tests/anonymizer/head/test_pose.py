"""Poses that are known are found again."""

import numpy as np
import pytest

from anonymizer.head.canonical import crop_from_frame
from anonymizer.head.model import HeadModel
from anonymizer.head.pose import Pose, rotation, solve_pose


@pytest.fixture(scope="module")
def head_landmarks():
    head = HeadModel.load()
    return head.marked_landmarks(head.mean)


def seen(landmarks, yaw, pitch, roll=0.0, size=128):
    """Landmarks in the canonical crop of a head turned so (degrees)."""
    turned = landmarks @ rotation(*np.radians([yaw, pitch, roll])).T
    flat = turned[:, :2] * (1, -1)
    matrix = crop_from_frame(flat, size)
    return flat @ matrix[:2, :2].T + matrix[:2, 2]


def angles(pose):
    turn = pose.rotation
    yaw = np.degrees(np.arctan2(turn[..., 0, 2], turn[..., 2, 2]))
    return yaw, np.degrees(np.arcsin(-turn[..., 1, 2]))


@pytest.mark.parametrize("yaw", [-60, -35, 0, 20, 60])
@pytest.mark.parametrize("pitch", [-20, 0, 20])
def test_known_poses_are_found(head_landmarks, yaw, pitch):
    points = seen(head_landmarks, yaw, pitch)
    pose = solve_pose(points, 128, head_landmarks)
    expected = rotation(*np.radians([yaw, pitch]))
    # the crop takes out the roll, so compare where the nose points and the landmarks fall
    off = np.degrees(np.arccos(np.clip((pose.rotation[2] * expected[2]).sum(), -1, 1)))
    assert off < 5
    np.testing.assert_allclose(pose.project(head_landmarks)[:, :2], points, atol=1.3)


def test_a_batch_equals_one_by_one(head_landmarks):
    points = np.stack([seen(head_landmarks, yaw, 5) for yaw in (-30, 0, 45)])
    batch = solve_pose(points, 128, head_landmarks)
    assert len(batch) == 3
    for number in range(3):
        single = solve_pose(points[number], 128, head_landmarks)
        np.testing.assert_allclose(batch[number].rotation, single.rotation, atol=1e-9)
        np.testing.assert_allclose(batch[number].translation, single.translation, atol=1e-7)
        assert float(batch[number].scale) == pytest.approx(float(single.scale))


def test_every_expression_is_posed_by_its_own_landmarks(head_landmarks):
    """An open mouth is no turn of the head, if the head is told of it."""
    open_mouth = head_landmarks + np.array([[0, 0, 0]] * 3 + [[0, -1.5, -0.5]] * 2)
    heads = np.stack([head_landmarks, open_mouth])
    points = np.stack([seen(each, 25, 5) for each in heads])
    told = solve_pose(points, 128, heads)
    alone = solve_pose(points[1], 128, open_mouth)
    np.testing.assert_allclose(told[1].rotation, alone.rotation, atol=1e-9)
    yaws, _ = angles(told)
    assert abs(yaws[1] - yaws[0]) < 1.5


def test_a_small_move_of_the_landmarks_is_a_small_turn(head_landmarks):
    rng = np.random.default_rng(0)
    for yaw in (-40, 0, 25):
        points = seen(head_landmarks, yaw, -5)
        nudged = points + rng.normal(0, 0.1, (5, 2))
        before, after = (angles(solve_pose(p, 128, head_landmarks)) for p in (points, nudged))
        assert np.abs(np.subtract(before, after)).max() < 3


def test_twice_the_crop_is_twice_the_scale(head_landmarks):
    small = solve_pose(seen(head_landmarks, 20, 3), 128, head_landmarks)
    large = solve_pose(seen(head_landmarks, 20, 3, size=256), 256, head_landmarks)
    resized = small.resized(2)
    np.testing.assert_allclose(resized.rotation, large.rotation, atol=1e-6)
    np.testing.assert_allclose(resized.translation, large.translation, atol=1e-4)
    assert float(resized.scale) == pytest.approx(float(large.scale), rel=1e-6)


def test_roll_turns_counter_clockwise_and_yaw_to_the_right():
    pose = Pose(rotation(0.0, 0.0, np.pi / 2), np.array(1.0), np.zeros(2))
    np.testing.assert_allclose(pose.project(np.array([[1.0, 0, 0]])), [[0, -1, 0]], atol=1e-12)
    nose = Pose(rotation(0.3, 0.0), np.array(1.0), np.zeros(2)).project(np.array([[0, 0, 1.0]]))
    assert nose[0, 0] > 0


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (np.zeros((4, 2)), "expected"),
        (np.zeros((5, 3)), "expected"),
        (np.full((5, 2), np.inf), "finite"),
    ],
)
def test_what_cannot_be_posed_is_refused(head_landmarks, points, message):
    with pytest.raises(ValueError, match=message):
        solve_pose(points, 128, head_landmarks)


@pytest.mark.parametrize("count", [1, 3])
def test_as_many_heads_as_pictures_or_one(head_landmarks, count):
    points = np.stack([seen(head_landmarks, 10, 0)] * 2)
    with pytest.raises(ValueError, match="as many of them"):
        solve_pose(points, 128, np.stack([head_landmarks] * count))
    with pytest.raises(ValueError, match="as many of them"):
        solve_pose(points[0], 128, head_landmarks[None])
