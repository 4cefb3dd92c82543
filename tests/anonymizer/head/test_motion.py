"""The motion reader: what it is given, what it returns, and whether the shipped one can read."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from anonymizer import geometry
from anonymizer.data import Frame
from anonymizer.errors import MissingWeights
from anonymizer.head.canonical import MEAN_LANDMARKS
from anonymizer.head.expression import MIRROR, MOTION
from anonymizer.head.motion import CORNER, FORMAT, SIDE, MotionNet, MotionReader, window_of
from anonymizer.reading import Reading
from detectors.centerface import build
from samples.film import TICK, read_film
from samples.speech import speak
from tests.factories import picture

SAMPLE = Path(__file__).resolve().parents[3] / "samples" / "talking.mp4"
BLINKS = (0.55, 1.62, 2.45)
"""Seconds at which samples/clips.py shuts the eyes."""


@pytest.fixture(scope="module")
def reader():
    return MotionReader.load()


@cache
def motions():
    """Motions (75, K) read off the sample film, found as films are, and the frames' times."""
    times, pictures = read_film(SAMPLE)
    frames = [Frame(i, times[i], TICK, image) for i, image in enumerate(pictures)]
    found = Reading(build(), MotionReader.load()).detect(frames)
    read = [face.motion for face, *_ in found if face.motion is not None]
    assert len(read) == len(frames)
    return np.stack(read), np.array(times) * float(TICK)


def number(name):
    return motions()[0][:, MOTION.index(name)]


def test_the_mouth_of_the_sample_is_followed():
    speech = speak(np.random.default_rng(4), start=0.25, stop=2.6)  # as samples/clips.py
    truth = np.array([speech.mouth(time)["jawOpen"] for time in motions()[1]])
    assert np.corrcoef(number("jawOpen"), truth)[0, 1] > 0.8
    opened, shut = truth > np.quantile(truth, 0.8), truth < np.quantile(truth, 0.3)
    assert number("jawOpen")[opened].min() > number("jawOpen")[shut].mean()


def test_the_blinks_of_the_sample_are_seen():
    time, lids = motions()[1], (number("eyeBlink_L") + number("eyeBlink_R")) / 2
    apart = np.abs(time[:, None] - BLINKS).min(1)
    assert lids[apart < 0.03].min() > 0.45
    assert np.quantile(lids[apart > 0.3], 0.9) < 0.3


def test_reading_is_deterministic_and_the_mirror_image_gives_the_mirrored_motion(reader):
    window = picture((SIDE, SIDE), seed=4)
    one, again, mirrored = map(reader.motion, (window, window, window[:, ::-1]))
    np.testing.assert_array_equal(one, again)
    assert one.shape == (len(MOTION),)
    assert np.abs(one).max() > 0.01
    np.testing.assert_allclose(MIRROR @ one, mirrored, atol=1e-5)


def test_what_lies_around_the_window_is_not_read(reader):
    image = picture((128, 128), seed=5)
    other = image.copy()
    x, y = (int(value) for value in CORNER)
    other[: y - 2] = other[:, : x - 2] = other[:, x + SIDE + 2 :] = 0
    one, two = (reader.read(each, MEAN_LANDMARKS) for each in (image, other))
    np.testing.assert_array_equal(one, two)


def test_the_window_is_the_canonical_crop_at_any_scale_and_turn():
    large = picture((300, 300), seed=6)
    plain = window_of(large[:128, :128], MEAN_LANDMARKS).astype(float)
    x, y = (int(value) for value in CORNER)
    inside = SIDE - 4
    np.testing.assert_array_equal(plain[:inside, :inside], large[y : y + inside, x : x + inside])
    blocks = np.kron(large[:128, :128], np.ones((5, 5, 1), np.uint8))
    bigger = window_of(blocks, (MEAN_LANDMARKS + 0.5) * 5 - 0.5).astype(float)
    assert np.abs(bigger - plain)[:inside].mean() < 1
    turned = np.rot90(large[:128, :128], -1)  # clockwise
    points = np.stack([127 - MEAN_LANDMARKS[:, 1], MEAN_LANDMARKS[:, 0]], 1)
    assert np.abs(window_of(np.ascontiguousarray(turned), points) - plain)[:inside].mean() < 1


def test_beyond_the_frame_its_edge_is_repeated():
    image = picture((128, 128), seed=7)
    shifted = geometry.apply(geometry.similarity(shift=(-200.0, 0.0)), MEAN_LANDMARKS)
    window = window_of(image, shifted)
    assert (window == window[:, :1]).all()


def test_degenerate_landmarks_are_refused(reader):
    with pytest.raises(ValueError, match="no direction or scale"):
        reader.read(picture((64, 64), seed=0), np.full((5, 2), 9.0))


def test_a_window_of_another_size_is_refused(reader):
    with pytest.raises(ValueError, match=r"window must be \(96, 96, 3\), got \(64, 64, 3\)"):
        reader.motion(picture((64, 64), seed=0))


def test_p3_numbers_that_are_not_finite_stop_the_film():
    net = MotionNet()
    net.join = torch.nn.Sequential(net.join, torch.nn.Threshold(1e9, float("nan")))
    with pytest.raises(FloatingPointError, match="not finite"):
        MotionReader(net).motion(picture((SIDE, SIDE), seed=0))


def written(path: Path, *, form: str = FORMAT, names: tuple[str, ...] = MOTION, drop: int = 0):
    state = dict(list(MotionNet().state_dict().items())[drop:])
    save_file(state, path, {"format": form, "motion": json.dumps(names)})
    return path


def test_a_reader_that_is_not_there_is_missing(tmp_path):
    with pytest.raises(MissingWeights, match="absent; reinstall"):
        MotionReader.load(tmp_path / "motion.safetensors")


def test_a_damaged_reader_is_missing(tmp_path):
    path = tmp_path / "motion.safetensors"
    path.write_bytes(b"not weights")
    with pytest.raises(MissingWeights, match="damaged; reinstall"):
        MotionReader.load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"form": "other"}, "is not of format"),
        ({"names": ("jawOpen",)}, "is not of format"),
        ({"drop": 1}, "absent or misshapen"),
    ],
)
def test_another_format_is_refused(tmp_path, change, message):
    MotionReader.load(written(tmp_path / "good.safetensors"))
    with pytest.raises(MissingWeights, match=message):
        MotionReader.load(written(tmp_path / "motion.safetensors", **change))


def test_the_shipped_weights_are_small_and_in_half_precision():
    path = Path(__file__).resolve().parents[3] / "anonymizer" / "weights" / "motion.safetensors"
    assert path.stat().st_size < 2 * 2**20
    assert {value.dtype for value in load_file(path).values()} == {torch.float16}
