"""What every detector owes the pipeline.

Those whose weights are not in a package are tested where the weights are (``footage``).
"""

from __future__ import annotations

import numpy as np
import pytest

from anonymizer.data import Face, Frame
from anonymizer.errors import UnknownPart, UsageError
from anonymizer.geometry import centre
from anonymizer.protocols import Detector, provider_of
from detectors import available, load, named, united
from tests.detectors.drawn import scene
from tests.factories import TICK, picture

FIVE = [(-19, -10), (19, -10), (0, 10), (-16, 34), (16, 34)]
"""Where the landmarks are drawn, in sixtieths of a face's half height from its middle."""
PEOPLE = [(90.0, 110.0, 30.0), (232.0, 130.0, 24.0)]


def frame(image, index=0):
    return Frame(index, index, TICK, np.ascontiguousarray(image))


PACKAGED = "centerface"
EVERY = [
    name if name == PACKAGED else pytest.param(name, marks=pytest.mark.footage)
    for name in (*available(), "centerface+yunet")
]


def made(request: pytest.FixtureRequest, options: dict[str, object]) -> Detector:
    with pytest.MonkeyPatch.context() as patch:
        if request.param != PACKAGED:
            patch.setenv("VEILFRAME_MODELS", str(request.getfixturevalue("shared_models")))
        return united([load(name, options) for name in named(request.param)])


@pytest.fixture(scope="module", params=EVERY)
def detector(request: pytest.FixtureRequest) -> Detector:
    return made(request, {})


@pytest.fixture(scope="module", params=EVERY)
def thorough(request: pytest.FixtureRequest) -> Detector:
    return made(request, {"recall": "high"})


def values(faces: list[Face]):
    return [(f.box, f.score, None if f.landmarks is None else f.landmarks.tolist()) for f in faces]


def leftmost(faces: list[Face]) -> list[Face]:
    return sorted(faces, key=lambda face: face.box)


def test_it_says_what_it_runs_on(detector):
    parts = provider_of(detector).split(" + ")
    assert all(part.lower().startswith("cpu") or part.endswith("Provider") for part in parts)


def test_drawn_faces_are_found_where_they_are(detector):
    (found,) = detector.detect([frame(scene(PEOPLE))])
    assert len(found) == len(PEOPLE)
    for face, (x, y, radius) in zip(leftmost(found), PEOPLE, strict=True):
        x0, y0, x1, y1 = face.box
        assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx((x, y), abs=radius / 4)
        assert y1 - y0 == pytest.approx(1.9 * radius, rel=0.25)
        assert 0.2 <= face.score <= 1


def test_landmarks_come_in_order_at_eyes_nose_and_mouth(detector):
    (found,) = detector.detect([frame(scene(PEOPLE[:1]))])
    x, y, radius = PEOPLE[0]
    points = found[0].landmarks
    if points is not None:
        drawn = np.array([x, y]) + np.array(FIVE) * radius / 60
        assert np.abs(points - drawn).max() < radius / 6


def test_no_frames_give_no_lists(detector):
    assert detector.detect([]) == []


def test_a_picture_without_a_face_gives_none(detector):
    images = [scene([]), picture((90, 130)), np.zeros((40, 50, 3), np.uint8)]
    assert detector.detect([frame(image) for image in images]) == [[], [], []]


def test_a_batch_equals_one_by_one(detector):
    images = [scene(PEOPLE), scene([]), scene(PEOPLE[1:]), scene(PEOPLE[:1], (180, 250))]
    batch = [frame(image, index) for index, image in enumerate(images)]
    together = detector.detect(batch)
    assert len(together) == 4
    assert [len(found) for found in together] == [2, 0, 1, 1]
    for one, found in zip(batch, together, strict=True):
        assert values(detector.detect([one])[0]) == values(found)


def test_frames_are_left_as_they_were(detector):
    image = scene(PEOPLE)
    before = image.copy()
    detector.detect([frame(image)])
    assert np.array_equal(image, before)


def test_a_mirrored_picture_has_mirrored_faces(detector):
    image = scene(PEOPLE)
    width = image.shape[1]
    straight, mirrored = detector.detect([frame(image), frame(image[:, ::-1])])
    assert len(straight) == len(mirrored) == 2
    for face, other in zip(leftmost(straight), leftmost(mirrored)[::-1], strict=True):
        x0, y0, x1, y1 = other.box
        assert face.box == pytest.approx((width - x1, y0, width - x0, y1), abs=5)
        if face.landmarks is not None and other.landmarks is not None:
            back = (other.landmarks * (-1, 1) + (width - 1, 0))[[1, 0, 2, 4, 3]]
            assert face.landmarks == pytest.approx(back, abs=4)


@pytest.mark.parametrize(
    "where", [(6.0, 110.0, 30.0), (312.0, 110.0, 30.0), (150.0, 12.0, 30.0), (150.0, 226.0, 30.0)]
)
def test_a_face_cut_by_the_edge_of_the_frame_is_found(detector, where):
    (found,) = detector.detect([frame(scene([where]))])
    assert len(found) == 1
    x, y, radius = where
    x0, y0, x1, y1 = found[0].box
    assert x0 - radius / 3 < x < x1 + radius / 3
    assert y0 - radius / 3 < y < y1 + radius / 3


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_high_recall_finds_turned_faces_in_place(thorough, quarters, request):
    upright = scene(PEOPLE)
    size = np.array(upright.shape[1::-1])
    (found,) = thorough.detect([frame(np.rot90(upright, quarters))])
    sure = [face for face in found if not face.doubtful]
    assert len(sure) == len(PEOPLE)
    for x, y, radius in PEOPLE:
        drawn = np.array([x, y]) + np.array(FIVE) * radius / 60
        middle, *points = turned(np.array([(x, y), *drawn]), quarters, size)
        face = min(sure, key=lambda face, at=middle: np.hypot(*(centre(face.box) - at)))  # type: ignore[misc]
        assert centre(face.box) == pytest.approx(middle, abs=radius / 3)
        assert face.landmarks is not None
        if "mediapipe" not in request.node.name:  # it takes a face on its side for an upright one
            assert np.abs(face.landmarks - points).max() < radius / 4


def turned(points, quarters, size):
    """Points of a picture of ``size`` (width, height) in the picture that np.rot90 makes of it."""
    for _ in range(quarters):
        points = np.stack([points[:, 1], size[0] - 1 - points[:, 0]], axis=1)
        size = size[::-1]
    return points


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (33, 65)])
def test_odd_sizes_are_searched(detector, size):
    assert len(detector.detect([frame(np.full((*size, 3), 99, np.uint8))])) == 1


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(UnknownPart, match="unknown detector 'centreface'; available: centerface"):
        load("centreface", {})


@pytest.mark.parametrize("names", ["centerface+centerface", "centerface+", "+", ""])
def test_a_union_joins_different_names(names):
    with pytest.raises(UsageError, match="must join different names"):
        named(names)


def test_private_modules_are_no_detectors():
    assert not [name for name in available() if name.startswith("_")]
