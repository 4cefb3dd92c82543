import numpy as np
import pytest

from anonymizer.head import guide
from anonymizer.head.guide import draw_guide
from anonymizer.head.model import HeadModel
from anonymizer.head.person import person_for
from anonymizer.head.pose import Pose
from anonymizer.head.tongue import _moved, lower_teeth, tongue

HEAD = HeadModel.load()
NOBODY = np.zeros(HEAD.code_length)


def turned(degrees: float) -> Pose:
    angle = np.radians(degrees)
    rotation = np.array(
        [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
    )
    return Pose(rotation, np.array(6.0), np.array([64.0, 56.0]))


def seen(monkeypatch, face: dict[str, float], seed: int = 3, degrees: float = 0.0) -> int:
    """How many pixels of a drawing show some tongue, which is green here."""
    monkeypatch.setattr(guide, "COLOUR", np.array([0.0, 1.0, 0.0], np.float32))
    drawn = draw_guide(HEAD, person_for(HEAD, seed), turned(degrees), HEAD.face(face), size=128)
    red, green, _ = np.moveaxis(drawn.colour, -1, 0)
    return int((green > 1.5 * red + 0.02).sum())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("degrees", [-50, 0, 50])
@pytest.mark.parametrize(
    "face", [{}, {"mouthPucker": 0.8}, {"mouthSmile_L": 0.7, "mouthSmile_R": 0.7}]
)
def test_a_shut_mouth_shows_no_tongue(monkeypatch, face, seed, degrees):
    assert seen(monkeypatch, face, seed, degrees) <= 6


def test_the_wider_a_mouth_is_open_the_more_of_it_is_seen(monkeypatch):
    areas = [seen(monkeypatch, {"jawOpen": wide}) for wide in (0.15, 0.4, 0.8)]
    assert areas == sorted(areas)
    assert areas[2] > 1.4 * areas[0] > 1.4 * 20


def test_it_goes_down_with_the_jaw_and_stays_behind_the_teeth():
    teeth = lower_teeth(HEAD)
    for wide in (0.0, 0.5, 1.0):
        skin = HEAD.vertices(NOBODY, HEAD.face({"jawOpen": wide}))
        mesh = tongue(HEAD, skin)
        apart = mesh.points.mean(0) - skin[teeth].mean(0)
        assert np.abs(apart[0]) < 0.1
        assert mesh.points[:, 2].max() < skin[teeth][:, 2].max()
        assert mesh.points[:, 1].max() < skin[teeth][:, 1].max() + 0.7
    shut, wide_open = (
        tongue(HEAD, HEAD.vertices(NOBODY, HEAD.face({"jawOpen": wide}))).points for wide in (0, 1)
    )
    assert (shut - wide_open)[:, 1].mean() > 1.2


def test_its_root_is_in_the_dark():
    mesh = tongue(HEAD, HEAD.vertices(NOBODY))
    front = mesh.points[:, 2] > np.quantile(mesh.points[:, 2], 0.9)
    back = mesh.points[:, 2] < np.quantile(mesh.points[:, 2], 0.3)
    assert mesh.sky[front].mean() > 2 * mesh.sky[back].mean()
    assert (mesh.sky > 0).all()
    assert np.allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-5)


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
