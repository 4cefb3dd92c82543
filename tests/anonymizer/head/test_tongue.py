import numpy as np
import pytest

from anonymizer.head import guide
from anonymizer.head.guide import draw_guide, linear_from_srgb
from anonymizer.head.model import HeadModel
from anonymizer.head.person import person_for
from anonymizer.head.pose import Pose
from anonymizer.head.tongue import TONGUE, _moved, lower_teeth, tongue

HEAD = HeadModel.load()
NOBODY = np.zeros(HEAD.code_length)


def turned(degrees: float) -> Pose:
    angle = np.radians(degrees)
    rotation = np.array(
        [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
    )
    return Pose(rotation, np.array(6.0), np.array([64.0, 56.0]))


def seen(monkeypatch, face: dict[str, float], seed: int = 3, degrees: float = 0.0) -> float:
    """Light of the tongue in a drawing, in pixels of mean skin: all else is black."""
    person, pose = person_for(HEAD, seed), turned(degrees)
    usual = draw_guide(HEAD, person, pose, HEAD.face(face), size=128)
    monkeypatch.setattr(guide, "TONGUE", np.zeros(3, np.float32))
    without = draw_guide(HEAD, person, pose, HEAD.face(face), size=128)
    monkeypatch.undo()
    more = linear_from_srgb(usual.colour) - linear_from_srgb(without.colour)
    assert more.min() > -1e-5
    skin = linear_from_srgb(usual.colour)[usual.coverage > 0.99].mean()
    return float(more.mean(-1).sum() / skin)


@pytest.mark.parametrize("seed", range(3, 24, 3))
@pytest.mark.parametrize(
    "face", [{}, {"mouthPucker": 0.8}, {"mouthSmile_L": 0.7, "mouthSmile_R": 0.7}]
)
def test_a_shut_jaw_shows_no_tongue_though_lips_part(monkeypatch, face, seed):
    assert seen(monkeypatch, face, seed) < 2


@pytest.mark.parametrize("degrees", [-25, 0, 25])
def test_the_wider_a_mouth_is_open_the_more_of_it_is_seen(monkeypatch, degrees):
    areas = [seen(monkeypatch, {"jawOpen": wide}, 3, degrees) for wide in (0.0, 0.3, 0.8)]
    assert areas == sorted(areas)
    assert areas[0] < 2 < 15 < areas[2]


def test_it_is_red():
    assert TONGUE[0] > 2 * TONGUE[1:].max() > 0


def test_it_goes_down_with_the_jaw_and_stays_behind_the_teeth():
    teeth = lower_teeth(HEAD)
    for wide in (0.0, 0.5, 1.0):
        skin = HEAD.vertices(NOBODY, HEAD.face({"jawOpen": wide}))
        mesh = tongue(HEAD, skin)
        apart = mesh.points.mean(0) - skin[teeth].mean(0)
        assert np.abs(apart[0]) < 0.1
        tip, front = mesh.points[:, 2].argmax(), skin[teeth][:, 2].max()
        assert front - 0.9 < mesh.points[tip, 2] < front - 0.25
        assert mesh.points[:, 1].max() < skin[teeth][:, 1].max() + 0.7
    shut, wide_open = (
        tongue(HEAD, HEAD.vertices(NOBODY, HEAD.face({"jawOpen": wide}))).points for wide in (0, 1)
    )
    assert (shut - wide_open)[:, 1].mean() > 1.2


OPEN_WIDE = tongue(HEAD, HEAD.vertices(NOBODY, HEAD.face({"jawOpen": 1.0})))


def test_its_root_is_in_the_dark_and_with_a_shut_jaw_all_of_it():
    depth = OPEN_WIDE.points[:, 2]
    front, back = depth > np.quantile(depth, 0.9), depth < np.quantile(depth, 0.3)
    assert OPEN_WIDE.sky[front].mean() > 2 * OPEN_WIDE.sky[back].mean()
    assert (tongue(HEAD, HEAD.vertices(NOBODY)).sky == 0).all()


def test_its_surface_faces_outwards_and_has_a_groove():
    normals, points = OPEN_WIDE.normals, OPEN_WIDE.points
    assert np.allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)
    corners = points[OPEN_WIDE.triangles]
    facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    facing /= np.maximum(np.linalg.norm(facing, axis=1, keepdims=True), 1e-9)
    assert (facing * normals[OPEN_WIDE.triangles].mean(1)).sum(1).mean() > 0.985
    rest = tongue(HEAD, HEAD.mean).points
    upper = rest[(rest[:, 1] > np.quantile(rest[:, 1], 0.8)) & (np.abs(rest[:, 2] - 8.2) < 0.6)]
    middle, aside = np.abs(upper[:, 0]) < 0.1, np.abs(np.abs(upper[:, 0]) - 0.6) < 0.25
    assert upper[middle][:, 1].max() < upper[aside][:, 1].max()


def test_points_are_brought_to_others_by_turn_scale_and_shift():
    rng = np.random.default_rng(1)
    before = rng.standard_normal((20, 3)).astype(np.float32)
    turn = turned(35).rotation
    after = 1.3 * before @ turn.T + np.array([1, -2, 3])
    found, scale, move = _moved(before, after.astype(np.float32))
    assert np.allclose(found, turn, atol=1e-5)
    assert scale == pytest.approx(1.3, abs=1e-5)
    assert np.allclose(move, [1, -2, 3], atol=1e-4)


def test_a_mirror_image_is_no_turn():
    before = np.random.default_rng(2).standard_normal((20, 3)).astype(np.float32)
    found, _, _ = _moved(before, before * np.array([-1, 1, 1], np.float32))
    assert np.linalg.det(found) == pytest.approx(1, abs=1e-5)
