"""Lids that shut, and eyeballs that stay behind them."""

import numpy as np
import pytest

from anonymizer.head.eyeballs import eyeballs
from anonymizer.head.lids import LIMITS, shutting_of
from anonymizer.head.model import HeadModel
from anonymizer.head.person import person_for
from anonymizer.head.pose import Pose, rotation
from anonymizer.head.raster import rasterise

SIZE, SCALE = 256, 20.0


@pytest.fixture(scope="module")
def head():
    return HeadModel.load()


def eyes_seen(head, person, blink):
    """Pixels of the eyeballs seen from the front, larger than the picture that lids are read in."""
    face = head.face({"eyeBlink_L": blink, "eyeBlink_R": blink})
    skin, balls = head.vertices(person.identity, face), eyeballs(head, person.identity)
    points = np.concatenate([skin, balls.points])
    triangles = np.concatenate([head.triangles, balls.triangles + len(skin)])
    middle = np.array([SIZE / 2, SIZE / 2 + 3.7 * SCALE])
    hits = rasterise(Pose(rotation(0, 0), np.array(SCALE), middle).project(points), triangles, SIZE)
    return int((hits.triangle >= len(head.triangles)).sum())


@pytest.mark.parametrize("seed", [0, 5, 10, 13, 20, 22])
def test_lids_just_meet(head, seed):
    """One full blink leaves up to two fifths of these eyes open, or is a third too much."""
    person = person_for(head, seed)
    shut, rest = shutting_of(head, person), eyes_seen(head, person, 0.0)
    assert LIMITS[0] <= shut <= LIMITS[1]
    assert rest > 400
    assert eyes_seen(head, person, shut) < 0.1 * rest
    assert eyes_seen(head, person, 0.6 * shut) > 0.15 * rest


def test_heads_differ_in_what_shuts_them(head):
    weights = [shutting_of(head, person_for(head, seed)) for seed in (10, 13)]
    assert weights[0] > 1.2
    assert weights[1] < 0.9


def test_an_eyeball_has_its_radius_and_lies_behind_its_socket(head):
    code = np.zeros(head.code_length)
    balls, centres = eyeballs(head, code), head.eyes(code)
    assert balls.points.shape == balls.normals.shape
    for points, centre in zip(np.split(balls.points, 2), centres, strict=True):
        middle = points[0] - (0, 0, head.eye_radius)
        assert middle[:2] == pytest.approx(centre[:2], abs=1e-5)
        assert middle[2] < centre[2]
        away = np.linalg.norm(points - middle, axis=1)
        assert away == pytest.approx(head.eye_radius, abs=1e-4)
