from __future__ import annotations

import pytest

from anonymizer.errors import MissingWeights
from detectors import _weights, load


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home without any cache."""
    for name in ("VEILFRAME_MODELS", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    return tmp_path


def test_a_path_beats_the_cache_folder(home, monkeypatch):
    monkeypatch.setenv("VEILFRAME_MODELS", str(home))
    for name in ("a.onnx", "b.onnx"):
        (home / name).touch()
    assert _weights.located("a.onnx", None, part="eyes") == home / "a.onnx"
    assert _weights.located("a.onnx", "~/b.onnx", part="eyes") == home / "b.onnx"
    with pytest.raises(MissingWeights, match=r"c\.onnx: is absent; put .*\[options.eyes\]"):
        _weights.located("a.onnx", home / "c.onnx", part="eyes")


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("scrfd", "scrfd_2.5g_kps.onnx"),
        ("yunet", "yunet_n.onnx"),
        ("mediapipe", "face_detection_full_range_sparse.tflite"),
    ],
)
def test_a_detector_without_weights_says_where_they_belong(home, name, file):
    with pytest.raises(MissingWeights) as caught:
        load(name, {})
    assert caught.value.path == home / ".cache" / "veilframe" / "models" / file
    assert f"run: anonymize models pull {name}, or" in caught.value.reason
    assert f"[options.{name}]" in caught.value.reason


def test_mediapipe_asks_for_the_weights_of_its_reach(home):
    with pytest.raises(MissingWeights, match="anonymize models pull mediapipe-short, or"):
        load("mediapipe", {"reach": "short"})


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("scrfd", "is not an ONNX file"),
        ("yunet", "OpenCV cannot load it"),
        ("mediapipe", "MediaPipe cannot load it"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, name, says):
    path = tmp_path / "weights"
    path.write_bytes(b"\xff not a network \xff")
    with pytest.raises(MissingWeights, match=says):
        load(name, {"weights": path})
