"""Training of the point reader: drawn faces in, where their brows, eyes, nose and lips are out.

The stored pictures know five landmarks and the angles of the head. All others follow: turned by the
angles, seen from the distance at which the five fall into their places.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from anonymizer.head.motion import SIDE
from anonymizer.head.points import BROWS, COUNT, FIRST, FORMAT, MIRRORED, PointNet
from anonymizer.training.checkpoint import Run, begin, cosine_rate, generator, update
from anonymizer.training.dataset import Shard, read_arrays
from anonymizer.training.disguise import filmed_at
from anonymizer.training.headmesh import PIVOT, HeadMesh
from anonymizer.training.person import rotation
from anonymizer.training.recipe import PointsRecipe

Array = NDArray[np.float64]

_DISTANCES: Final = np.geomspace(40, 160, 24)
"""Distances of the camera that are tried; the renderer draws them from this range."""
_BROW_WEIGHT: Final = 0.3
_NOSE_WEIGHT: Final = 2.0
_NOSE: Final = slice(BROWS, 19)
_EYES: Final = slice(19, 31)
_BETA: Final = 0.5
"""Pixels from which errors count straight instead of squared."""


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """Pictures and where their points are."""

    images: Tensor
    """(N, 128, 128, 3) uint8."""
    points: Tensor
    """(N, COUNT, 2) pixels of the pictures."""


def projected(mesh: HeadMesh, shard: Shard) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Points (N, COUNT, 2) of a shard's pictures, and how far the five are missed by, pixels."""
    identity, expression = (shard[name].astype(np.float64) for name in ("identity", "expression"))
    shaped = mesh.rest[mesh.landmarks].astype(np.float64)
    shaped = shaped + np.tensordot(
        identity, mesh.identity[: identity.shape[1], mesh.landmarks].astype(np.float64), 1
    )
    shaped = shaped + np.tensordot(expression, mesh.expression[:, mesh.landmarks], 1)
    angles = shard["angles"].astype(np.float64)
    five = shard["landmarks"].astype(np.float64)
    made = [_seen(*each) for each in zip(shaped, angles, five, strict=True)]
    points, missed = zip(*made, strict=True)
    return np.stack(points).astype(np.float32), np.array(missed, np.float32)


def _seen(points: Array, angles: Array, five: Array) -> tuple[Array, float]:
    """The points (COUNT, 2) of a head (68, 3) whose landmarks are seen at `five` (5, 2)."""
    turned = (points - PIVOT) @ rotation(*angles.tolist()).T + PIVOT
    lids = [turned[36:42].mean(0), turned[42:48].mean(0)]
    marks = np.stack([*lids, *turned[[30, 48, 54]]])
    tried = [_fitted(turned[FIRST:], marks, five, distance) for distance in _DISTANCES]
    return min(tried, key=lambda each: each[1])


def _fitted(points: Array, marks: Array, five: Array, distance: float) -> tuple[Array, float]:
    """Points through a camera at a distance, moved so that the marks fall nearest to the five."""
    flat, here = (_flat(each, distance) for each in (points, marks))
    there = five[:, 0] + 1j * five[:, 1]
    centred, goal = here - here.mean(), there - there.mean()
    gain = (centred.conj() * goal).sum() / (abs(centred) ** 2).sum()
    moved = gain * (flat - here.mean()) + there.mean()
    return np.stack([moved.real, moved.imag], 1), float(abs(gain * centred - goal).mean())


def _flat(points: Array, distance: float) -> NDArray[np.complex128]:
    """Points (N, 3) on the picture plane as x + i y, y down."""
    return np.asarray((points[:, 0] - 1j * points[:, 1]) / (distance - points[:, 2]), complex)


def load_marked(paths: Sequence[Path], mesh: HeadMesh) -> Marks:
    """Read shards of drawn pictures."""
    shards = [read_arrays(path) for path in paths]
    points = np.concatenate([projected(mesh, shard)[0] for shard in shards])
    images = np.concatenate([shard["image"] for shard in shards])
    return Marks(torch.from_numpy(images), torch.from_numpy(points))


def begin_points(recipe: PointsRecipe) -> Run:
    """A fresh run, seeded."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        return begin(PointNet(), recipe.rate, 1e-3)


def windows_of(data: Marks, mirrored: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Disguised windows (B, 1, 96, 96) of pictures and the points (B, COUNT, 2) in them."""
    windows, place = filmed_at(data.images, mirrored, random)
    flipped = data.points[:, list(MIRRORED)] * torch.tensor([-1.0, 1.0])
    flipped = flipped + torch.tensor([data.images.shape[2] - 1.0, 0.0])
    return windows, place.points(torch.where(mirrored[:, None, None], flipped, data.points))


def points_loss(found: Tensor, wanted: Tensor) -> Tensor:
    """Error of points (B, COUNT, 2), pixels; noses count most, points beyond the window nothing."""
    weights = torch.ones(COUNT)
    weights[:BROWS], weights[_NOSE] = _BROW_WEIGHT, _NOSE_WEIGHT
    inside = ((wanted > 1) & (wanted < SIDE - 2)).all(-1) * weights
    apart = F.smooth_l1_loss(found, wanted, reduction="none", beta=_BETA).sum(-1)
    return (apart * inside).sum() / inside.sum().clamp(min=1)


def train_points(
    run: Run, data: Marks, recipe: PointsRecipe, *, until: int,
    report: Callable[[int, float], None],
) -> None:  # fmt: skip
    """Train up to step `until`; `report` gets the step and the loss after each one."""
    run.model.train()
    while run.step < until:
        random = generator(recipe.seed, run.step)
        chosen = torch.randint(len(data.images), (recipe.batch,), generator=random)
        mirrored = torch.rand(recipe.batch, generator=random) < 0.5
        some = Marks(data.images[chosen], data.points[chosen])
        windows, wanted = windows_of(some, mirrored, random)
        with torch.autocast("cpu", torch.bfloat16):
            found = run.model(windows)
        loss = points_loss(found.float(), wanted)
        update(run, loss, cosine_rate(recipe.rate, run.step, recipe.steps), recipe.ema)
        report(run.step, float(loss.detach()))


@torch.no_grad()
def errors(net: torch.nn.Module, data: Marks) -> dict[str, float]:
    """Median distance from the truth, pixels, on pictures disguised with a fixed seed."""
    random = torch.Generator().manual_seed(0)
    apart = []
    pairs = zip(torch.split(data.images, 96), torch.split(data.points, 96), strict=True)
    for images, points in pairs:
        straight = torch.zeros(len(images), dtype=torch.bool)
        windows, wanted = windows_of(Marks(images, points), straight, random)
        apart.append((net(windows) - wanted).norm(dim=-1))
    every = torch.cat(apart)
    parts = {"eyes": every[:, _EYES], "nose": every[:, _NOSE], "mouth": every[:, _EYES.stop :]}
    return {name: round(float(part.median()), 3) for name, part in parts.items()}


def export_points(run: Run, path: Path, facts: dict[str, str]) -> None:
    """Write the averaged weights where the reader finds them, in half precision."""
    state = {name: value.half().contiguous() for name, value in run.average.state_dict().items()}
    save_file(state, path, {"format": FORMAT, "points": json.dumps(COUNT), **facts})
    path.chmod(0o644)
