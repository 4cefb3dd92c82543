"""Shards of training pictures: written whole or not at all, so a run can stop and go on."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anonymizer.training.person import sample_expression
from anonymizer.training.render import Acting, Sample, Studio, draw, invite

PEOPLE_PER_SHARD: Final = 32
FRAMES_PER_PERSON: Final = 3

Shard = dict[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class Scene:
    """What is drawn of every person."""

    frames: int = FRAMES_PER_PERSON
    act: Acting = sample_expression


CALM: Final = Scene()
"""Mostly calm faces: the set that paints are learnt from."""


def shard_path(folder: Path, index: int) -> Path:
    """Where shard `index` of a data set lies."""
    return folder / f"shard_{index:05d}.npz"


def write_arrays(path: Path, arrays: Shard) -> None:
    """Write an .npz beside its place and move it there."""
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    partial.replace(path)


def read_arrays(path: Path) -> Shard:
    """All arrays of an .npz file."""
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def samples_of(studio: Studio, seed: int, index: int, *, scene: Scene = CALM) -> Iterator[Sample]:
    """All pictures of person `index`; the same for the same seed, whatever was drawn before."""
    sitter = invite(studio, seed, index)
    for frame in range(scene.frames):
        yield draw(studio, sitter, np.random.default_rng([seed, index, 2, frame]), scene.act)


def stack(samples: Iterable[Sample]) -> Shard:
    """Samples to arrays with the sample as the first axis."""
    listed = list(samples)
    return {
        field.name: np.stack([getattr(sample, field.name) for sample in listed])
        for field in fields(Sample)
    }


def render_shard(studio: Studio, seed: int, index: int, *, scene: Scene = CALM) -> Shard:
    """Draw shard `index`; `person` (n,) numbers the people over the whole data set."""
    people = range(index * PEOPLE_PER_SHARD, (index + 1) * PEOPLE_PER_SHARD)
    shard = stack(
        sample for person in people for sample in samples_of(studio, seed, person, scene=scene)
    )
    shard["person"] = np.repeat(np.array(people), scene.frames)
    shard["seed"] = np.array(seed)
    return shard


def render_missing(
    studio: Studio, folder: Path, *, seed: int, shards: range, scene: Scene = CALM
) -> Iterator[Path]:
    """Draw the shards that `folder` lacks, yielding each when it is on disk."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in shards:
        path = shard_path(folder, index)
        if not path.exists():
            write_arrays(path, render_shard(studio, seed, index, scene=scene))
            yield path
