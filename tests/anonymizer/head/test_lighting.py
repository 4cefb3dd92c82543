"""The light that heads are drawn in."""

import numpy as np
import pytest

from anonymizer.head.guide import draw_guide, linear_from_srgb
from anonymizer.head.lighting import LIGHT, lamp_before
from anonymizer.head.model import HeadModel
from anonymizer.head.person import person_for
from anonymizer.head.pose import Pose

SIZE = 96


def rotation(*, yaw: float = 0, pitch: float = 0) -> np.ndarray:
    """Head to view, degrees; positive yaw turns the nose to the right, positive pitch down."""
    a, b = np.radians([yaw, pitch])
    across = [[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]]
    down = [[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]]
    return np.array(across) @ np.array(down)


def angle(lamp: np.ndarray) -> float:
    """Degrees to the right of the viewer."""
    return float(np.degrees(np.arctan2(lamp[0], lamp[2])))


def test_whoever_looks_ahead_or_down_is_lit_from_the_viewers_side():
    for pitch in (-30, 0, 30):
        np.testing.assert_allclose(lamp_before(rotation(pitch=pitch)), LIGHT, atol=1e-6)


@pytest.mark.parametrize("yaw", [-80, -50, 50, 80])
def test_the_light_is_where_a_head_looks_that_is_turned_aside(yaw):
    lamp = lamp_before(rotation(yaw=yaw))
    assert np.sign(yaw) * lamp[0] > 0.4
    assert lamp[1] == pytest.approx(LIGHT[1])
    assert np.linalg.norm(lamp) == pytest.approx(np.linalg.norm(LIGHT))
    assert abs(angle(lamp) - angle(LIGHT) - yaw) < 15


def test_it_hardly_follows_small_turns():
    for yaw in (-15, 15):
        assert abs(angle(lamp_before(rotation(yaw=yaw))) - angle(LIGHT)) < 5


def test_a_profile_is_lighter_in_front_than_behind():
    head = HeadModel.load()
    person = person_for(head, 3)
    for yaw in (-60, 60):
        pose = Pose(rotation(yaw=yaw), np.array(4.0), np.array([SIZE / 2, SIZE / 2]))
        drawn = draw_guide(head, person, pose, size=SIZE)
        cheeks = (drawn.coverage > 0.9) & (np.indices((SIZE, SIZE))[0] > SIZE / 2)
        light = linear_from_srgb(drawn.colour).mean(-1)
        column = np.sign(yaw) * (np.indices((SIZE, SIZE))[1] - SIZE / 2)
        front = cheeks & (column > np.median(column[cheeks]))
        assert light[front].mean() > 1.1 * light[cheeks & ~front].mean()
