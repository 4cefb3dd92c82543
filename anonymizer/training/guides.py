"""The guide of every training picture, drawn by the production code from what the renderer knows.

Identity, appearance and expression are the truth; the pose is solved from the five landmarks of the
crop, as it is in production, so the guide errs in training the way it errs in use.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anonymizer.head.appearance import albedo
from anonymizer.head.guide import draw_guide
from anonymizer.head.model import HeadModel
from anonymizer.head.person import Person
from anonymizer.head.pose import Pose, solve_pose
from anonymizer.training.dataset import Shard, read_arrays, write_arrays
from anonymizer.training.person import is_near_neutral, sample_training_person
from anonymizer.training.render import SIZE, person_generator

_RELAXED: Final = 0.2
"""Share of the nearly neutral faces whose guide is exactly neutral."""


def guide_shard(head: HeadModel, shard: Shard, expressions: tuple[str, ...]) -> Shard:
    """Guides of a shard: `colour` and `coverage` uint8, `normals` int8, each (n, S, S, ...).

    Args:
        head: the production head.
        shard: a rendered shard.
        expressions: names of the columns of the shard's expressions.
    """
    columns = [expressions.index(name) for name in head.expression_names]
    seed = int(shard["seed"])
    people: dict[int, Person] = {}
    drawn = []
    for k, number in enumerate(shard["person"].astype(int)):
        if number not in people:
            people = {number: _person(head, seed, number, shard["identity"][k].shape[0])}
        face = _face(np.random.default_rng([seed, int(number), 3, k]), shard["expression"][k])
        drawn.append(_draw(head, people[number], shard, k, None if face is None else face[columns]))
    names = ("colour", "coverage", "normals")
    return {name: np.stack([guide[i] for guide in drawn]) for i, name in enumerate(names)}


def _person(head: HeadModel, seed: int, number: int, modes: int) -> Person:
    drawn = sample_training_person(person_generator(seed, number), modes)
    return Person(
        head.code_from_weights(drawn.identity), drawn.appearance, albedo(drawn.appearance)
    )


def _face(rng: np.random.Generator, truth: NDArray[np.generic]) -> NDArray[np.float32] | None:
    expression = truth.astype(np.float32)
    relaxed = is_near_neutral(expression) and rng.random() < _RELAXED
    return None if relaxed else expression


def _draw(
    head: HeadModel, person: Person, shard: Shard, k: int, face: NDArray[np.float32] | None
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.int8]]:
    landmarks = shard["landmarks"][k].astype(np.float64)
    pose: Pose = solve_pose(landmarks, SIZE, head.landmarks(head.vertices(person.identity)))
    gaze = shard["gaze"][k].astype(float)
    guide = draw_guide(head, person, pose, face, size=SIZE, gaze=(float(gaze[0]), float(gaze[1])))
    return (
        (guide.colour * 255 + 0.5).astype(np.uint8),
        (guide.coverage * 255 + 0.5).astype(np.uint8),
        np.rint(guide.normals * 127).astype(np.int8),
    )


def guide_missing(
    head: HeadModel, data: Path, folder: Path, expressions: tuple[str, ...]
) -> Iterator[Path]:
    """Draw the guides that `folder` lacks for the shards in `data`, yielding each when on disk."""
    folder.mkdir(parents=True, exist_ok=True)
    for source in sorted(data.glob("shard_*.npz")):
        path = folder / source.name
        if not path.exists():
            write_arrays(path, guide_shard(head, read_arrays(source), expressions))
            yield path
