"""The packaged head and what is refused in its place."""

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from anonymizer.errors import MissingWeights
from anonymizer.head.canonical import MEAN_LANDMARKS, crop_from_frame
from anonymizer.head.model import FORMAT, PART_SKIN, HeadModel, vertex_normals


@pytest.fixture(scope="module")
def head():
    return HeadModel.load()


def test_the_mean_head_is_the_canonical_one(head):
    flat = head.landmarks(head.mean)[:, :2] * (1, -1)
    matrix = crop_from_frame(flat, 128)
    found = flat @ matrix[:2, :2].T + matrix[:2, 2]
    np.testing.assert_allclose(found, MEAN_LANDMARKS, atol=0.05)


def test_codes_move_the_head_and_zero_does_not(head):
    np.testing.assert_array_equal(head.vertices(np.zeros(head.code_length)), head.mean)
    rng = np.random.default_rng(0)
    first, second = (head.vertices(rng.standard_normal(head.code_length)) for _ in range(2))
    assert 0.1 < np.linalg.norm(first - second, axis=1).mean() < 3


def test_named_expressions_do_what_they_say(head):
    code = np.zeros(head.code_length)
    neutral = head.landmarks(head.vertices(code, head.face({})))
    smile = head.landmarks(head.vertices(code, head.face({"mouthSmile_L": 1, "mouthSmile_R": 1})))
    assert (smile[3:, 1] > neutral[3:, 1] + 0.2).all()
    opened = head.vertices(code, head.face({"jawOpen": 1}))
    assert (head.mean[:, 1] - opened[:, 1]).max() > 1


def test_an_unknown_expression_is_refused_with_the_known(head):
    with pytest.raises(ValueError, match=r"unknown expressions \['wink'\]; known: .*jawOpen"):
        head.face({"wink": 1})


def test_detectors_mark_the_nose_lower_than_its_tip(head):
    true, marked = head.landmarks(head.mean), head.marked_landmarks(head.mean)
    np.testing.assert_array_equal(true[[0, 1, 3, 4]], marked[[0, 1, 3, 4]])
    assert 0.4 < true[2, 1] - marked[2, 1] < 1.0


def test_eyeballs_sit_behind_the_lids(head):
    for side, centre in enumerate(head.eyes(np.zeros(head.code_length))):
        lids = head.landmarks(head.mean)[side]
        assert abs(centre[0] - lids[0]) < 0.4
        assert centre[2] < lids[2] < centre[2] + head.eye_radius + 0.3


def test_source_weights_become_codes(head):
    weights = np.zeros(100)
    np.testing.assert_array_equal(head.code_from_weights(weights), 0)
    weights[0] = 1.5
    assert np.linalg.norm(head.code_from_weights(weights[:20])) == pytest.approx(1.5, abs=0.1)


def test_skin_normals_point_outward(head):
    normals = vertex_normals(head.mean, head.triangles)
    used = np.unique(head.triangles[head.parts[head.triangles[:, 2]] == PART_SKIN])
    x, y, z = head.mean[used].T
    front = used[(abs(x) < 5) & (y > 4.6) & (y < 9) & (z > 8)]
    assert normals[front, 2].min() > 0
    np.testing.assert_allclose(np.linalg.norm(normals[used], axis=1), 1, atol=1e-4)


def test_a_head_that_is_not_there_is_missing(tmp_path):
    with pytest.raises(MissingWeights, match="absent; reinstall"):
        HeadModel.load(tmp_path / "head.safetensors")


def test_a_damaged_head_is_missing(tmp_path):
    path = tmp_path / "head.safetensors"
    path.write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00notjson!")
    with pytest.raises(MissingWeights, match="damaged"):
        HeadModel.load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "another"}, "'another' is not"),
        ({"drop": "mean"}, r"\['mean'\] are absent"),
        ({"flat": "identity"}, r"\['identity'\] are absent or misshapen"),
        ({"vertex": 60000}, "vertices that do not exist"),
    ],
)
def test_another_format_is_refused(tmp_path, packaged, change, message):
    tensors = dict(packaged)
    if "drop" in change:
        del tensors[change["drop"]]
    if "flat" in change:
        tensors[change["flat"]] = tensors[change["flat"]].ravel()
    if "vertex" in change:
        tensors["triangles"] = np.full((1, 3), change["vertex"], np.uint16)
    path = tmp_path / "head.safetensors"
    save_file(tensors, path, {"format": change.get("format", FORMAT), "expressions": "[]"})
    with pytest.raises(MissingWeights, match=message):
        HeadModel.load(path)


@pytest.fixture(scope="module")
def packaged():
    from importlib.resources import as_file, files

    with as_file(files("anonymizer") / "weights" / "head.safetensors") as path:
        return load_file(path)
