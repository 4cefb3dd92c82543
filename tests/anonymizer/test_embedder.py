"""A network that tells people apart, as a part of the second look."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from anonymizer import build, embedder
from anonymizer.data import Box, Face, Origin, Track
from anonymizer.errors import MissingWeights
from anonymizer.plan import Plan
from anonymizer.settings import Checking, Settings
from anonymizer.verify import examine
from anonymizer.video.media import open_source
from tests.anonymizer.test_verify import BOX, reel, track
from tests.factories import frame, picture

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "two_people.mp4"


@pytest.fixture(scope="module")
def heads():
    """Two drawn people side by side."""
    return next(iter(open_source(SAMPLE))).image


@pytest.fixture(scope="module")
def boxes(heads) -> list[Box]:
    """Where they are, whole pixels."""
    found = build.detector(Settings()).detect([frame(image=heads.copy())])[0]
    sure = sorted(face.box for face in found if face.score > 0.5)
    return [
        (float(round(a)), float(round(b)), float(round(c)), float(round(d))) for a, b, c, d in sure
    ]


@pytest.fixture(scope="module")
def judge():
    return embedder.load()


def exchanged(heads, boxes):
    """The first person's face is the second's."""
    (x0, y0, x1, y1), (a, b, c, d) = (tuple(map(int, box)) for box in boxes[:2])
    image = heads.copy()
    image[y0:y1, x0:x1] = cv2.resize(heads[b:d, a:c], (x1 - x0, y1 - y0))
    return image


def test_a_person_is_the_same_in_other_light_and_after_an_encoder(judge, heads, boxes):
    darker = (heads // 2 + 40).astype(np.uint8)
    _, data = cv2.imencode(".png", cv2.GaussianBlur(darker, (0, 0), 1.0))
    other = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    distance = judge.distance(heads, other, boxes[0])
    assert distance is not None
    assert distance < judge.threshold


def test_two_people_are_two(judge, heads, boxes):
    distance = judge.distance(heads, exchanged(heads, boxes), boxes[0])
    assert distance is not None
    assert distance > judge.threshold


@pytest.mark.parametrize("box", [(10, 10, 69, 69), (-1, 10, 90, 100), (10, 10, 90, 4000)])
def test_of_small_and_cut_faces_it_says_nothing(judge, heads, box):
    assert judge.distance(heads, heads, box) is None


def test_of_dark_faces_and_other_sizes_it_says_nothing(judge, heads, boxes):
    dark = (heads // 8).astype(np.uint8)
    assert judge.distance(dark, dark, boxes[0]) is None
    assert judge.distance(heads, heads[:-2], boxes[0]) is None


def test_the_second_look_doubts_a_face_that_it_takes_for_the_person(judge, heads, boxes):
    """A mirrored face has another structure at every place, and is the same person."""
    x0, y0, x1, y1 = map(int, boxes[0])
    mirrored = heads.copy()
    mirrored[y0:y1, x0:x1] = heads[y0:y1, x0:x1][:, ::-1]
    planned = Plan(np.arange(1), (0,), (track(boxes[0], count=1),))
    seen = examine(reel([heads]), reel([mirrored]), planned, embedder=judge)
    (doubt,) = seen.doubts
    assert doubt.likeness < 0.8
    assert doubt.distance is not None
    assert doubt.distance < judge.threshold
    assert seen.recognition is not None
    assert (seen.recognition.embedder, seen.recognition.faces) == ("dlib", 1)
    other = examine(reel([heads]), reel([exchanged(heads, boxes)]), planned, embedder=judge)
    assert other.verdict == "clean"
    assert examine(reel([heads]), reel([mirrored]), planned).recognition is None


def test_it_looks_at_sure_faces_of_each_track_first_and_then_at_every_twelfth_frame():
    class Counting:
        name, threshold, false_match_rate = "counting", 0.5, 0.1

        def __init__(self) -> None:
            self.looks: list[float] = []

        def distance(self, before, after, box):
            self.looks.append(box[0])
            return 1.0

    def looks(*tracks: Track) -> list[float]:
        counting = Counting()
        images, others = ([picture((72, 96), seed=seed) for _ in range(30)] for seed in (1, 2))
        planned = Plan(np.arange(30), (0,), tracks)
        seen = examine(reel(images), reel(others), planned, embedder=counting)
        assert seen.recognition is not None
        assert seen.recognition.faces == len(counting.looks)
        return counting.looks

    def sure(number: int, start: int, *scores: float) -> Track:
        """A track whose box tells the frame by its left edge."""
        faces = tuple(
            Face((BOX[0] + at / 100, *BOX[1:]), score) for at, score in enumerate(scores, start)
        )
        detected: Origin = "detected"
        return Track(number, 0, start, faces, (detected,) * len(faces))

    def frames(found: list[float]) -> list[int]:
        return [round(100 * (edge - BOX[0])) for edge in found]

    assert frames(looks(sure(0, 0, *(0.9,) * 30))) == [0, 12, 24]
    assert frames(looks(sure(0, 3, *(0.4,) * 5, *(0.9,) * 20))) == [8, 20]
    assert frames(looks(sure(0, 0, *(0.9,) * 3), sure(1, 5, *(0.9,) * 3))) == [0, 5]
    assert looks(sure(0, 0, *(0.49,) * 30)) == []


def test_it_is_used_where_it_is_installed(monkeypatch):
    assert isinstance(build.embedder(Settings()), embedder.DlibEmbedder)
    assert build.embedder(Settings(checking=Checking(embedder="none"))) is None
    monkeypatch.setattr(embedder, "present", lambda: False)
    assert build.embedder(Settings()) is None
    with pytest.raises(MissingWeights, match=r"pip install .veilframe\[verify\]"):
        build.embedder(Settings(checking=Checking(embedder="dlib")))
