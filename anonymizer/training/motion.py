"""The motion reader and its training: drawn faces in, the numbers of `MOTION` out.

The renderer's 57 expressions are more than the numbers can say. The target of a picture is the
motion whose brows, lids, lips and chin lie nearest to the drawn ones; lids that follow the gaze,
for instance, count as a little blinking. The error is measured in the numbers and in where the same
points of the face would go, so that numbers that can stand in for each other may.
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

from anonymizer.head.expression import MIRROR, MOTION, SHAPES, selection
from anonymizer.head.motion import FORMAT, MotionNet
from anonymizer.training.checkpoint import Run, begin, cosine_rate, generator, update
from anonymizer.training.dataset import read_arrays
from anonymizer.training.disguise import filmed
from anonymizer.training.headmesh import HeadMesh
from anonymizer.training.recipe import MotionRecipe

Array = NDArray[np.float64]

_POINTS: Final = (*range(5, 12), *range(17, 27), *range(36, 68))
"""Chin, brows, lids and lips among the usual 68 points."""
_LIPS: Final = ((61, 67), (62, 66), (63, 65))
_LIDS: Final = ((37, 41), (38, 40), (43, 47), (44, 46))
_RIDGE: Final = 0.5
"""Squared head units by which a target must bring the points nearer to leave its name."""
_WEIGHTS: Final = {
    "jawOpen": 3.0, "eyeBlink_L": 3.0, "eyeBlink_R": 3.0, "mouthSmile_L": 2.0, "mouthSmile_R": 2.0,
    "gazeX": 2.0, "gazeY": 1.5,
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Anatomy:
    """What expressions do to the points that the loss looks at."""

    target_from_weights: Array
    """(E, SHAPES) from the renderer's weights to the nearest motion, before clipping."""
    offsets: Array
    """(SHAPES, R) where the points and the gaps between lips and lids go."""


def study(mesh: HeadMesh) -> Anatomy:
    """Work out the targets for a head model."""
    points = mesh.expression[:, mesh.landmarks].astype(np.float64)
    gaps = [3 * (points[:, a] - points[:, b])[:, 1:2] for a, b in _LIPS]
    gaps += [4 * (points[:, a] - points[:, b])[:, 1:2] for a, b in _LIDS]
    every = np.concatenate([points[:, list(_POINTS)].reshape(len(points), -1), *gaps], 1)
    chosen = selection(mesh.expression_names).astype(np.float64)
    named = chosen.T / chosen.sum(1)
    named[mesh.expression_names.index("jawRight"), MOTION.index("jawSide")] = -1
    offsets = chosen @ every
    left = every - named @ offsets
    nearer = left @ offsets.T @ np.linalg.inv(offsets @ offsets.T + _RIDGE * np.eye(SHAPES))
    return Anatomy(named + nearer, offsets)


def targets(
    anatomy: Anatomy, expression: NDArray[np.floating], gaze: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Motions (N, K) of pictures drawn with weights (N, E) and gaze (N, 2)."""
    shapes = expression.astype(np.float64) @ anatomy.target_from_weights
    low = np.where([name == "jawSide" for name in MOTION[:SHAPES]], -1.1, 0.0)
    return np.concatenate([shapes.clip(low, 1.1), gaze], 1).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Pictures and what they show."""

    images: Tensor
    """(N, 128, 128, 3) uint8."""
    motions: Tensor
    """(N, K)."""


def load_pictures(paths: Sequence[Path], anatomy: Anatomy) -> Pictures:
    """Read shards of drawn pictures."""
    shards = [read_arrays(path) for path in paths]
    made = [targets(anatomy, s["expression"], s["gaze"]) for s in shards]  # type: ignore[arg-type]
    images = np.concatenate([shard["image"] for shard in shards])
    return Pictures(torch.from_numpy(images), torch.from_numpy(np.concatenate(made)))


def begin_motion(recipe: MotionRecipe) -> Run:
    """A fresh run, seeded."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        return begin(MotionNet(), recipe.rate, 1e-3)


def motion_loss(found: Tensor, wanted: Tensor, spread: Tensor, offsets: Tensor) -> Tensor:
    """Error of motions (B, K): in their numbers, and in the points they move.

    Args:
        found: what was read.
        wanted: the truth.
        spread: (K,) standard deviation of each number over the data.
        offsets: (SHAPES, R) of `Anatomy`.
    """
    weights = torch.tensor([_WEIGHTS.get(name, 1.0) for name in MOTION])
    named = F.smooth_l1_loss(found / spread, wanted / spread, reduction="none") * weights
    apart = (found - wanted)[:, :SHAPES] @ offsets
    placed = F.smooth_l1_loss(apart, torch.zeros_like(apart), beta=0.3)
    return named.mean() + 4 * placed


def train_motion(
    run: Run, data: Pictures, anatomy: Anatomy, recipe: MotionRecipe, *, until: int,
    report: Callable[[int, float], None],
) -> None:  # fmt: skip
    """Train up to step `until`; `report` gets the step and the loss after each one."""
    run.model.train()
    offsets = torch.from_numpy(anatomy.offsets).float()
    mirror, spread = torch.from_numpy(MIRROR.copy()), data.motions.std(0).clamp(min=0.05)
    while run.step < until:
        random = generator(recipe.seed, run.step)
        chosen = torch.randint(len(data.images), (recipe.batch,), generator=random)
        mirrored = torch.rand(recipe.batch, generator=random) < 0.5
        wanted = data.motions[chosen]
        wanted = torch.where(mirrored[:, None], wanted @ mirror.T, wanted)
        windows = filmed(data.images[chosen], mirrored, random)
        with torch.autocast("cpu", torch.bfloat16):
            found = run.model(windows)
        loss = motion_loss(found.float(), wanted, spread, offsets)
        update(run, loss, cosine_rate(recipe.rate, run.step, recipe.steps), recipe.ema)
        report(run.step, float(loss.detach()))


@torch.no_grad()
def agreement(net: torch.nn.Module, data: Pictures) -> dict[str, float]:
    """Correlation of every number with the truth, on pictures disguised with a fixed seed."""
    random = torch.Generator().manual_seed(0)
    found = []
    for images in torch.split(data.images, 64):
        none = torch.zeros(len(images), dtype=torch.bool)
        found.append(net(filmed(images, none, random)))
    both = zip(torch.cat(found).numpy().T, data.motions.numpy().T, strict=True)
    values = [float(np.corrcoef(one, other)[0, 1]) for one, other in both]
    return dict(zip(MOTION, (round(value, 3) for value in values), strict=True))


def export_motion(run: Run, path: Path, facts: dict[str, str]) -> None:
    """Write the averaged weights where the reader finds them, in half precision."""
    state = {name: value.half().contiguous() for name, value in run.average.state_dict().items()}
    save_file(state, path, {"format": FORMAT, "motion": json.dumps(MOTION), **facts})
    path.chmod(0o644)
