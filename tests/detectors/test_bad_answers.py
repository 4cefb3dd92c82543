"""A network that goes wrong never leads to an uncovered face (P3)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anonymizer.data import Box
from anonymizer.jobs import Anonymizer
from anonymizer.settings import Painting, Settings
from anonymizer.video.media import open_source
from detectors import united
from detectors._candidates import Candidates, joined
from detectors._search import Scheme, Search
from tests.faces import MarkerDetector, find, marked
from tests.films import Film

SIZE = (160, 120)
OUTSIDE: list[Box] = [(-90, -90, -60, -50), (300, 300, 340, 350), (150, 40, 190, 90)]


class Markers:
    """A network that finds markers, and what it is told to add."""

    def __init__(self, extra: list[Box] | None = None, bad_from: int = 10**9) -> None:
        self.extra = extra or []
        self.bad_from = bad_from
        self.looked = 0

    def look(self, pictures, least):
        return [self._one(picture) for picture in pictures]

    def _one(self, picture):
        self.looked += 1
        boxes = [face.box for face in find(picture)] + self.extra
        corners = np.array(boxes, np.float64).reshape(-1, 4)
        points = np.repeat(corners[:, None, :2], 5, axis=1).astype(np.float32)
        found = Candidates(corners, np.full(len(corners), 0.9), points)
        if self.looked > self.bad_from:
            bad = Candidates(
                np.full((1, 4), np.nan), np.array([0.9]), np.zeros((1, 5, 2), np.float32)
            )
            return joined([found, bad])
        return found


def film(path: Path) -> Path:
    def draw(index: int) -> np.ndarray:
        return marked(index, (40 + 2 * index, 30, 76 + 2 * index, 84), size=SIZE[::-1])

    return Film(frames=12, size=SIZE, draw=draw).write(path)


def veil(*networks: Markers) -> Anonymizer:
    detector = united([Search(network, Scheme(0.2)) for network in networks])
    return Anonymizer(Settings(painting=Painting(replace="cover")), detector=detector)


@pytest.mark.parametrize("bad_from", [0, 5])
@pytest.mark.parametrize("healthy", [0, 1])
def test_p3_nan_leaves_no_file_even_where_another_network_is_well(tmp_path, bad_from, healthy):
    source = film(tmp_path / "in.mp4")
    networks = [Markers(bad_from=bad_from), *[Markers()] * healthy]
    with pytest.raises(FloatingPointError):
        veil(*networks).file(source, tmp_path / "out.mp4")
    assert list(tmp_path.iterdir()) == [source]


def test_p2_boxes_outside_the_frame_leave_no_face_uncovered(tmp_path):
    source = film(tmp_path / "in.mp4")
    assert all(MarkerDetector().detect(list(open_source(source))))
    veil(Markers(extra=OUTSIDE)).file(source, tmp_path / "out.mp4")
    written = list(open_source(tmp_path / "out.mp4"))
    assert len(written) == 12
    assert not any(find(frame.image) for frame in written)
