"""From pictures and guides to what the denoiser trains on, computed once.

Per picture two variants are kept: as drawn and mirrored, each with its own random protected area.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from diffusers import AutoencoderTiny
from numpy.typing import NDArray
from torch import Tensor

from anonymizer.head.composite import compose, structure
from anonymizer.head.guide import Guide
from anonymizer.head.tone import match_tone
from anonymizer.training.dataset import Shard, read_arrays, write_arrays
from anonymizer.training.masks import detail_weight, random_area, random_strip
from anonymizer.training.vae import encode

CELLS: Final = 16
_MIRRORED: Final = [1, 0, 2, 4, 3]


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """A picture and what the painter is given instead of its face."""

    image: NDArray[np.uint8]
    """(S, S, 3) the truth."""
    composite: NDArray[np.float32]
    """(S, S, 3) in [-1, 1], see `anonymizer.head.composite`."""
    area: NDArray[np.bool_]
    """(S, S) protected."""
    hidden: NDArray[np.bool_]
    """(S, S) all that the painter cannot see: the area, and sometimes a border of the frame."""
    structure: NDArray[np.float32]
    """(S, S, 4) normals and coverage of the guide."""
    landmarks: NDArray[np.float32]
    """(5, 2)."""


def make_pair(
    rng: np.random.Generator, shard: Shard, guides: Shard, k: int, *, mirror: bool
) -> Pair:
    """Sample `k` of a shard with a fresh protected area, as drawn or mirrored."""
    image = np.ascontiguousarray(shard["image"][k], np.uint8)
    landmarks = shard["landmarks"][k].astype(np.float32)
    colour = guides["colour"][k].astype(np.float32) / 255
    coverage = guides["coverage"][k].astype(np.float32) / 255
    normals = guides["normals"][k].astype(np.float32) / 127
    if mirror:
        image, colour, coverage = (
            image[:, ::-1].copy(),
            colour[:, ::-1].copy(),
            coverage[:, ::-1].copy(),
        )
        normals = normals[:, ::-1] * np.array([-1, 1, 1], np.float32)
        landmarks = (np.array([image.shape[1] - 1, 0]) + landmarks * [-1, 1])[_MIRRORED].astype(
            np.float32
        )
    area = random_area(rng, landmarks, image.shape[0])
    hidden = area | random_strip(rng, image.shape[0])
    guide = match_tone(Guide(colour, coverage, normals, coverage), image, ~hidden)
    made = compose(image, hidden, area, guide)
    return Pair(image, made, area, hidden, structure(guide), landmarks)


def latent_arrays(model: AutoencoderTiny, pairs: list[Pair]) -> Shard:
    """What the denoiser trains on, float16: `clean`, `condition`, `weight`."""
    truth = torch.from_numpy(np.stack([p.image for p in pairs])).permute(0, 3, 1, 2) / 127.5 - 1
    given = torch.from_numpy(np.stack([p.composite for p in pairs])).permute(0, 3, 1, 2)
    with torch.autocast("cpu", torch.bfloat16):
        clean, composite = encode(model, truth), encode(model, given)
    condition = [
        condition_of(c, p.hidden, p.structure) for c, p in zip(composite, pairs, strict=True)
    ]
    weight = [
        np.stack([_pool(p.area), detail_weight(p.landmarks, p.area.shape[0], CELLS)]) for p in pairs
    ]
    return {
        "clean": clean.numpy().astype(np.float16),
        "condition": torch.stack(condition).numpy().astype(np.float16),
        "weight": np.stack(weight).astype(np.float16),
    }


def condition_of(
    composite: Tensor, hidden: NDArray[np.bool_], planes: NDArray[np.float32]
) -> Tensor:
    """The channels beside the noisy latent: mask, composite latent, normals 3, coverage."""
    cells = composite.shape[-1]
    step = hidden.shape[0] // cells
    mask = np.any(hidden.reshape(cells, step, cells, step), axis=(1, 3))
    return torch.cat(
        [
            torch.from_numpy(np.asarray(mask, np.float32)[None]),
            composite.float(),
            torch.from_numpy(_pool(planes).transpose(2, 0, 1).copy()),
        ]
    )


def _pool(values: NDArray[np.generic]) -> NDArray[np.float32]:
    """Area mean on the latent grid."""
    pooled = cv2.resize(values.astype(np.float32), (CELLS, CELLS), interpolation=cv2.INTER_AREA)
    return np.asarray(pooled, np.float32)


def latent_missing(
    model: AutoencoderTiny, data: Path, guides: Path, folder: Path
) -> Iterator[Path]:
    """Encode the shards that have guides and lack latents, yielding each when on disk."""
    folder.mkdir(parents=True, exist_ok=True)
    for source in sorted(guides.glob("shard_*.npz")):
        path = folder / source.name
        if path.exists():
            continue
        shard, drawn = read_arrays(data / source.name), read_arrays(source)
        rng = np.random.default_rng([int(shard["seed"]), int(source.stem.split("_")[1]), 4])
        arrays = [
            latent_arrays(
                model,
                [
                    make_pair(rng, shard, drawn, k, mirror=mirror)
                    for k in range(len(shard["image"]))
                ],
            )
            for mirror in (False, True)
        ]
        write_arrays(
            path, {name: np.concatenate([part[name] for part in arrays]) for name in arrays[0]}
        )
        yield path


def load_latents(folder: Path, *, without: Sequence[Path] = ()) -> dict[str, Tensor]:
    """All latents of a folder but those of some files, as float16 tensors."""
    return join_latents(
        [path for path in sorted(folder.glob("shard_*.npz")) if path not in without]
    )


def join_latents(paths: Sequence[Path]) -> dict[str, Tensor]:
    """The latents of some files as float16 tensors."""
    shards = [read_arrays(path) for path in paths]
    return {
        name: torch.from_numpy(np.concatenate([shard[name] for shard in shards]))
        for name in ("clean", "condition", "weight")
    }
