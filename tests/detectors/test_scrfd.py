from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anonymizer.data import Frame
from anonymizer.errors import MissingWeights
from detectors import load
from tests.anonymizer.test_coverage import scrfd
from tests.detectors.drawn import scene
from tests.detectors.test_sessions import halving
from tests.factories import TICK


def test_another_network_is_refused(tmp_path: Path):
    with pytest.raises(MissingWeights, match="is not SCRFD with key points"):
        load("scrfd", {"weights": halving(tmp_path / "half.onnx")})


@pytest.mark.footage
@pytest.mark.parametrize("file", ["scrfd_2.5g_kps.onnx", "scrfd_500m_kps.onnx"])
def test_any_file_with_key_points_will_do(shared_models, file):
    detector = load("scrfd", {"weights": shared_models / file})
    (found,) = detector.detect([Frame(0, 0, TICK, scene([(90, 110, 30)]))])
    assert len(found) == 1


@pytest.mark.footage
def test_a_freed_picture_size_changes_no_answer(shared_models):
    """At the one size that the file is made for, insightface alone says the same."""
    image = scene([(290, 280, 100), (450, 100, 60)], (576, 576))
    detector = load("scrfd", {"weights": shared_models / "scrfd_2.5g_kps.onnx", "threshold": 0.5})
    (found,) = detector.detect([Frame(0, 0, TICK, image)])
    framed = np.full((640, 640, 3), 114, np.uint8)
    framed[32:-32, 32:-32] = image
    rows, points = scrfd(shared_models).detect(framed[..., ::-1].copy(), input_size=(640, 640))
    assert len(found) == len(rows) == 2
    for face, row, five in zip(found, rows, points, strict=True):
        assert face.box == pytest.approx(row[:4] - 32, abs=0.01)
        assert face.landmarks == pytest.approx(five - 32, abs=0.01)
