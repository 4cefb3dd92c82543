"""The point reader's truth, its disguises and its training, on a small head and few pictures."""

from pathlib import Path

import numpy as np
import pytest
import torch

from anonymizer.head.canonical import MEAN_LANDMARKS
from anonymizer.head.points import COUNT, MIRRORED, PointReader
from anonymizer.training import checkpoint
from anonymizer.training.headmesh import load_head
from anonymizer.training.points import (
    Marks,
    begin_points,
    errors,
    export_points,
    points_loss,
    projected,
    train_points,
    windows_of,
)
from anonymizer.training.recipe import PointsRecipe
from anonymizer.training.render import draw, invite, open_studio

RECIPE = PointsRecipe(steps=30, batch=8, rate=3e-3, ema=0.9)


def dots(count: int) -> Marks:
    """Bright dots on grey; all points are there."""
    rng = np.random.default_rng(0)
    places = rng.uniform(50, 80, (count, 2))
    y, x = np.mgrid[:128, :128]
    images = [90 + 150 * (np.hypot(x - px, y - py) < 5) for px, py in places]
    stacked = np.repeat(np.stack(images).astype(np.uint8)[..., None], 3, -1)
    points = np.repeat(places[:, None], COUNT, 1).astype(np.float32)
    return Marks(torch.from_numpy(stacked), torch.from_numpy(points))


def train(until: int, run: checkpoint.Run | None = None) -> tuple[checkpoint.Run, list[float]]:
    losses: list[float] = []
    run = run or begin_points(RECIPE)
    train_points(run, dots(24), RECIPE, until=until, report=lambda _, loss: losses.append(loss))
    return run, losses


def test_the_reader_learns_where_a_dot_is_and_its_export_loads(tmp_path: Path):
    run, losses = train(30)
    assert np.mean(losses[-5:]) < 0.6 * np.mean(losses[:5])
    found = errors(run.average, dots(12))
    assert set(found) == {"eyes", "nose", "mouth"}
    assert found["mouth"] < errors(begin_points(RECIPE).average, dots(12))["mouth"]
    path = tmp_path / "points.safetensors"
    export_points(run, path, {"steps": "30"})
    window = dots(1).images[0].numpy()[26:122, 16:112]
    points, _ = PointReader.load(path).points(window)
    grey = torch.from_numpy(window @ np.array([0.299, 0.587, 0.114], np.float32))
    both = torch.stack([grey, grey.flip(-1)])[:, None]
    with torch.no_grad():
        straight, mirror = run.average(both).numpy()
    direct = (straight + mirror[list(MIRRORED)] * (-1, 1) + (95, 0)) / 2
    np.testing.assert_allclose(points, direct, atol=0.3)


def test_a_resumed_run_ends_in_the_same_state(tmp_path: Path):
    whole, _ = train(3)
    half, _ = train(1)
    checkpoint.save(half, tmp_path / "run.pt")
    resumed, _ = train(3, checkpoint.resume(begin_points(RECIPE), tmp_path / "run.pt"))
    pairs = zip(whole.average.parameters(), resumed.average.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("flip", [False, True])
def test_points_go_where_the_disguised_picture_goes(flip):
    """The dot is under its points in the window, however that is misplaced or mirrored."""
    data = dots(12)
    windows, wanted = windows_of(data, torch.full((12,), flip), torch.Generator().manual_seed(3))
    assert wanted.shape == (12, COUNT, 2)
    off = []
    for window, place in zip(windows[:, 0].numpy(), wanted[:, 0].numpy(), strict=True):
        bright = window - np.median(window)
        bright = np.where(bright > 0.6 * bright.max(), bright, 0)
        y, x = np.mgrid[:96, :96]
        middle = np.array([(bright * x).sum(), (bright * y).sum()]) / bright.sum()
        off.append(float(np.hypot(*(middle - place))))
    assert np.median(off) < 0.6  # something may stand in front of one


def test_mirrored_points_change_places_with_their_opposites():
    data = dots(1)
    points = torch.rand(1, COUNT, 2) * 20 + 54
    points[0, 31], points[0, 37] = torch.tensor([40.0, 90.0]), torch.tensor([80.0, 92.0])
    data = Marks(data.images, points)
    places = []
    for flip in (False, True):
        random = torch.Generator().manual_seed(5)
        places.append(windows_of(data, torch.tensor([flip]), random)[1][0])
    assert places[0][31, 0] < places[0][37, 0]
    assert places[1][31, 0] < places[1][37, 0]  # the left corner of the picture stays the first
    assert places[0][31, 1] < places[0][37, 1]
    assert places[1][31, 1] > places[1][37, 1]


def test_points_outside_count_nothing_and_noses_most():
    wanted = torch.full((1, COUNT, 2), 40.0)
    wanted[0, 50] = 200.0

    def loss_of(point: int) -> float:
        found = wanted.clone()
        found[0, point] += 5
        return float(points_loss(found, wanted))

    assert loss_of(50) == 0
    assert loss_of(12) > loss_of(40) > loss_of(3) > 0


@pytest.mark.footage
def test_the_truth_lies_on_the_drawn_face(facekit):
    """The five landmarks that were stored are met, whatever the camera's distance."""
    studio = open_studio(facekit)
    sitter = invite(studio, 1, 7)
    samples = [draw(studio, sitter, np.random.default_rng([1, 7, 2, k])) for k in range(2)]
    names = ("identity", "expression", "angles", "landmarks")
    shard = {name: np.stack([getattr(s, name) for s in samples]) for name in names}
    points, missed = projected(load_head(facekit), shard)
    assert points.shape == (2, COUNT, 2)
    assert missed.max() < 0.6
    for found, five in zip(points, shard["landmarks"], strict=True):
        assert np.abs(found[[13, 31, 37]] - five[2:]).max() < 1.0
        assert np.abs(found[19:25].mean(0) - five[0]).max() < 1.0
        assert np.abs(found.mean(0) - MEAN_LANDMARKS.mean(0)).max() < 25
