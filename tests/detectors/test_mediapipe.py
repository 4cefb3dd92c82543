from __future__ import annotations

import numpy as np
import pytest

from anonymizer.errors import UsageError
from detectors import load, mediapipe
from detectors._search import Scheme, Search


def test_mouth_corners_lie_on_the_line_of_the_eyes():
    tilted = np.array([[[10, 10], [30, 20], [18, 30], [14, 42]]], np.float64)
    (points,) = mediapipe._five(tilted)
    assert points[:3] == pytest.approx(tilted[0, :3])
    assert points[3:] == pytest.approx(np.array([[14 - 8, 42 - 4], [14 + 8, 42 + 4]]))


def test_the_forehead_is_added_to_boxes():
    assert mediapipe._higher(np.array([[10.0, 20.0, 30.0, 100.0]])).tolist() == [[10, 9, 40, 120]]


def test_no_faces_are_no_rows():
    assert mediapipe._higher(np.zeros((0, 4))).shape == (0, 4)
    assert mediapipe._five(np.zeros((0, 4, 2))).shape == (0, 5, 2)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"reach": "far"}, "reach 'far' is not one of full, short"),
        ({"device": "cuda"}, "mediapipe runs on the CPU only"),
    ],
)
def test_illegal_options_are_refused(options, sentence):
    with pytest.raises(UsageError, match=sentence):
        load("mediapipe", options)


@pytest.mark.footage
def test_start_up_notes_stay_off_the_terminal(shared_models, monkeypatch, capfd):
    monkeypatch.setenv("VEILFRAME_MODELS", str(shared_models))
    load("mediapipe", {})
    load("mediapipe", {"reach": "short"})
    assert capfd.readouterr().err == ""


@pytest.mark.footage
def test_tiles_are_as_large_as_is_said(shared_models, monkeypatch):
    """Their size was once taken for the distance of frames that are searched again."""
    monkeypatch.setenv("VEILFRAME_MODELS", str(shared_models))
    detector = load("mediapipe", {"tile": 300})
    assert isinstance(detector, Search)
    assert detector._scheme.tile == 300
    assert detector._scheme.every == Scheme(0.5).every
