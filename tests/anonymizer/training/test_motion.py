"""The motion reader's targets, its disguises and its training, on a small head and few pictures."""

from pathlib import Path

import numpy as np
import pytest
import torch

from anonymizer.head.canonical import MEAN_LANDMARKS
from anonymizer.head.expression import MIRROR, MOTION
from anonymizer.head.motion import MotionReader, window_of
from anonymizer.training import checkpoint
from anonymizer.training.acting import sample_speech
from anonymizer.training.disguise import filmed
from anonymizer.training.headmesh import load_head
from anonymizer.training.motion import (
    Anatomy,
    Pictures,
    agreement,
    begin_motion,
    export_motion,
    study,
    targets,
    train_motion,
)
from anonymizer.training.recipe import MotionRecipe

RECIPE = MotionRecipe(steps=30, batch=8, rate=3e-3, ema=0.9)
NAMES = (
    *(f"{name}_{side}" for name in (
        "browDown", "browInnerUp", "browOuterUp", "cheekSquint", "eyeBlink", "eyeLookDown",
        "eyeLookIn", "eyeLookOut", "eyeLookUp", "eyeSquint", "eyeWide", "mouthDimple",
        "mouthFrown", "mouthLowerDown", "mouthPress", "mouthSmile", "mouthStretch",
        "mouthUpperUp", "noseSneer", "cheekPuff") for side in "LR"),
    "jawForward", "jawLeft", "jawOpen", "jawRight", "mouthClose", "mouthFunnel", "mouthLeft",
    "mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower",
    "mouthShrugUpper",
)  # fmt: skip


def faces(count: int) -> Pictures:
    """Discs whose mouth opens with the first number."""
    rng = np.random.default_rng(0)
    motions = np.zeros((count, len(MOTION)), np.float32)
    motions[:, 0] = rng.uniform(0, 1, count)
    y, x = np.mgrid[:128, :128]
    images = []
    for opening in motions[:, 0]:
        mouth = np.hypot((x - 63.5) / 12, (y - 88) / (2 + 12 * opening)) < 1
        face = np.where(mouth, 20, np.where(np.hypot(x - 63.5, y - 66) < 58, 190, 90))
        images.append(np.repeat(face[..., None], 3, -1).astype(np.uint8))
    return Pictures(torch.from_numpy(np.stack(images)), torch.from_numpy(motions))


def train(until: int, run: checkpoint.Run | None = None) -> tuple[checkpoint.Run, list[float]]:
    losses: list[float] = []
    run = run or begin_motion(RECIPE)
    anatomy = Anatomy(np.zeros((3, 20)), np.eye(20))
    train_motion(run, faces(24), anatomy, RECIPE, until=until,
                 report=lambda _, loss: losses.append(loss))  # fmt: skip
    return run, losses


def test_the_reader_learns_a_mouth_and_its_export_loads(tmp_path: Path):
    run, losses = train(30)
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
    with np.errstate(invalid="ignore"):
        assert agreement(run.average, faces(12))["jawOpen"] > 0.5
    path = tmp_path / "motion.safetensors"
    export_motion(run, path, {"steps": "40"})
    reader = MotionReader.load(path)
    data = faces(2)
    window = window_of(data.images[0].numpy(), MEAN_LANDMARKS)
    with torch.no_grad():
        grey = torch.from_numpy(window @ np.array([0.299, 0.587, 0.114], np.float32))
        direct = run.average(grey[None, None])[0].numpy()
    np.testing.assert_allclose(reader.motion(window)[0], direct[0], atol=0.05)


def test_a_resumed_run_ends_in_the_same_state(tmp_path: Path):
    whole, _ = train(4)
    half, _ = train(2)
    checkpoint.save(half, tmp_path / "run.pt")
    resumed, _ = train(4, checkpoint.resume(begin_motion(RECIPE), tmp_path / "run.pt"))
    pairs = zip(whole.average.parameters(), resumed.average.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_disguises_repeat_stay_in_range_and_mirror():
    images = faces(12).images
    images[:, :, :40] //= 3
    straight, again, mirrored = (
        filmed(images, torch.full((12,), flip), torch.Generator().manual_seed(5))
        for flip in (False, False, True)
    )
    assert torch.equal(straight, again)
    assert straight.shape == (12, 1, 96, 96)
    assert 0 <= straight.min() < straight.max() <= 255
    left, right = straight[..., :30].mean((1, 2, 3)), straight[..., -30:].mean((1, 2, 3))
    flipped = mirrored[..., -30:].mean((1, 2, 3)) - mirrored[..., :30].mean((1, 2, 3))
    assert ((right - left) > 0).float().mean() > 0.8
    assert (flipped < 0).float().mean() > 0.8


def test_actors_speak_blink_and_look():
    drawn = [sample_speech(np.random.default_rng(k), NAMES) for k in range(300)]
    weights = np.stack([face for face, _ in drawn])
    assert 0 <= weights.min() <= weights.max() <= np.float32(1.1)
    jaw, blink = weights[:, NAMES.index("jawOpen")], weights[:, NAMES.index("eyeBlink_L")]
    assert 0.3 < (jaw == 0).mean() < 0.7
    assert jaw.max() > 0.7
    assert 0.08 < (blink > 0.7).mean() < 0.3
    gaze = np.array([look for _, look in drawn])
    assert (gaze.std(0) > (0.15, 0.09)).all()
    again, _ = sample_speech(np.random.default_rng(7), NAMES)
    np.testing.assert_array_equal(weights[7], again)


@pytest.fixture(scope="module")
def anatomy(facekit):
    mesh = load_head(facekit, modes=1)
    return study(mesh), mesh.expression_names


def target(anatomy, **values):
    made, names = anatomy
    weights = np.array([[values.get(name, 0.0) for name in names]])
    return dict(zip(MOTION, targets(made, weights, np.zeros((1, 2)))[0].tolist(), strict=True))


@pytest.mark.footage
def test_named_shapes_are_their_own_targets(anatomy):
    assert target(anatomy, jawOpen=0.5)["jawOpen"] == pytest.approx(0.5, abs=0.02)
    blink = target(anatomy, eyeBlink_L=0.8)
    assert blink["eyeBlink_L"] == pytest.approx(0.8, abs=0.02)
    assert blink["eyeBlink_R"] == pytest.approx(0, abs=0.02)
    assert target(anatomy, jawRight=0.5)["jawSide"] == pytest.approx(-0.5, abs=0.05)


@pytest.mark.footage
def test_lids_that_follow_the_gaze_count_as_blinking(anatomy):
    assert 0.1 < target(anatomy, eyeLookDown_R=0.5)["eyeBlink_R"] < 0.5


@pytest.mark.footage
def test_targets_of_a_mirrored_face_are_mirrored(anatomy):
    _, names = anatomy
    rng = np.random.default_rng(3)
    face = {name: rng.uniform(0, 0.6) for name in names}
    swap = {"_L": "_R", "_R": "_L"}
    sides = {"jawLeft": "jawRight", "mouthLeft": "mouthRight"}
    sides |= {b: a for a, b in sides.items()}
    other = {sides.get(k, k[:-2] + swap.get(k[-2:], k[-2:])): v for k, v in face.items()}
    one = np.array(list(target(anatomy, **face).values()))
    two = np.array(list(target(anatomy, **other).values()))
    np.testing.assert_allclose(MIRROR @ one, two, atol=0.12)  # the scanned head is not quite even
