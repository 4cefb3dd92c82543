"""Learn the compact head that production draws the guide with, from a linear head model.

The source is a folder with `ict_facekit.npz` and `vertex_indices.json` (ICT-FaceKit, MIT licence).
Its surface is sampled again, densely at lids and lips and sparsely elsewhere, and triangulated
anew in texture space. Both source and result are linear, so training is closed: the identity modes
have independent unit weights, hence the best code of K numbers in the mean square is given by the
first K singular vectors of the stacked modes (principal component analysis of the population
itself, no sampling needed), and expression offsets are carried over by interpolation.

Run: `python -m anonymizer.training.head --facekit DIR --out FILE`.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from anonymizer.head.layout import texture_coordinates
from anonymizer.head.model import (
    FORMAT,
    PART_MOUTH,
    PART_SKIN,
    PART_TEETH,
    HeadModel,
    vertex_normals,
)
from anonymizer.training.occlusion import occlusion
from anonymizer.training.resample import (
    mouth_bag,
    pick_skin,
    pick_teeth,
    triangulate_skin,
    triangulate_teeth,
)
from anonymizer.training.sourcehead import Patch, SourceHead

CODE_LENGTH: Final = 64
"""Numbers of the identity code."""
TEETH_BACK: Final = 0.55
"""How far the teeth are set back, head units:
the source's touch the lips, and the fit is not exact."""
EXPRESSIONS: Final = (
    "browDown_L", "browDown_R", "browInnerUp_L", "browInnerUp_R", "browOuterUp_L",
    "browOuterUp_R", "cheekSquint_L", "cheekSquint_R", "eyeBlink_L", "eyeBlink_R", "eyeSquint_L",
    "eyeSquint_R", "eyeWide_L", "eyeWide_R", "jawLeft", "jawOpen", "jawRight", "mouthClose",
    "mouthFrown_L", "mouthFrown_R", "mouthFunnel", "mouthLowerDown_L", "mouthLowerDown_R",
    "mouthPucker", "mouthSmile_L", "mouthSmile_R", "mouthStretch_L", "mouthStretch_R",
    "mouthUpperUp_L", "mouthUpperUp_R", "noseSneer_L", "noseSneer_R",
)  # fmt: skip
"""Blendshapes that are kept, by the source's names (L is the person's left, head +x)."""


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """Principal components of the population of heads."""

    basis: NDArray[np.float64]
    """(K, V, 3) offset of each code number, at unit spread."""
    from_weights: NDArray[np.float64]
    """(W, K) linear map from source weights to codes (least squares)."""


def _importance(patch: Patch) -> NDArray[np.float64]:
    """Weight of each vertex in the fit: the face counts more than neck, scalp and ears."""
    front = 1 / (1 + np.exp(-(patch.rest[:, 2] - 4.0) / 1.2))
    low = 1 / (1 + np.exp(-(patch.rest[:, 1] + 9.0)))
    return np.asarray(0.25 + 0.75 * front * low)


def learn(modes: NDArray[np.float64], importance: NDArray[np.float64], count: int) -> Learned:
    """Best `count` components of heads `sum w_i modes_i`, `w` independent with unit spread.

    Args:
        modes: (W, V, 3) offsets of the source's identity modes at our vertices.
        importance: (V,) weights of the vertices.
        count: length of the code.
    """
    scale = np.sqrt(importance)[None, :, None]
    flat = (modes * scale).reshape(len(modes), -1)
    left, spread, right = np.linalg.svd(flat, full_matrices=False)
    basis = (spread[:count, None] * right[:count]).reshape(count, -1, 3) / scale
    return Learned(basis, left[:, :count])


def sphere(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Centre and radius of the sphere that fits (N, 3) best (linear least squares)."""
    table = np.concatenate([2 * points, np.ones((len(points), 1))], 1)
    found = np.linalg.lstsq(table, (points**2).sum(1), rcond=None)[0]
    return found[:3], float(np.sqrt(found[3] + found[:3] @ found[:3]))


def _eyes(source: SourceHead) -> dict[str, NDArray[np.float64]]:
    """Centres (2, 3), radius and the linear map of the centres, left of the picture first."""
    centres, radii, moves = [], [], []
    for ids in source.eyeballs:
        rest = source.neutral[ids]
        back = rest[rest[:, 2] < np.quantile(rest[:, 2], 0.8)]
        centre, radius = sphere(back)
        centres.append(centre)
        radii.append(radius)
        moves.append(source.identity[:, ids].mean(1))
    return {
        "eye_centres": np.stack(centres),
        "eye_radius": np.array([np.mean(radii)]),
        "eye_modes": np.stack(moves, 1),  # (W, 2, 3)
    }


def _join(
    source: SourceHead, skin: NDArray[np.int64]
) -> tuple[Patch, NDArray[np.int32], NDArray[np.uint8]]:
    """All vertices, triangles and the part of each vertex; the skin comes first."""
    teeth = pick_teeth(source)
    bag, bag_triangles = mouth_bag(source, skin)
    triangles = [
        triangulate_skin(source, skin),
        bag_triangles,
        triangulate_teeth(source, teeth) + len(skin) + len(bag.rest),
    ]
    patch = Patch.join([source.patch(skin), bag, source.patch(teeth).shifted((0, 0, -TEETH_BACK))])
    sizes = (len(skin), len(bag.rest), len(teeth))
    parts = np.repeat([PART_SKIN, PART_MOUTH, PART_TEETH], sizes).astype(np.uint8)
    return patch, np.concatenate(triangles).astype(np.int32), parts


def build(source: SourceHead) -> dict[str, NDArray[np.generic]]:
    """Everything the file holds, by tensor name."""
    skin = pick_skin(source)
    patch, triangles, parts = _join(source, skin)
    normals = vertex_normals(patch.rest, triangles)
    learned = learn(patch.identity, _importance(patch), CODE_LENGTH)
    eyes = _eyes(source)
    names = [source.expression_names.index(name) for name in EXPRESSIONS]
    place = {int(vertex): number for number, vertex in enumerate(skin)}
    groups = [[place[int(v)] for v in np.resize(g, 6)] for g in source.landmark_groups]
    eye_basis = np.einsum("wk,wec->kec", learned.from_weights, eyes["eye_modes"])
    half = np.float16
    return {
        "mean": patch.rest.astype(np.float32),
        "identity": learned.basis.astype(half),
        "expression": patch.expression[names].astype(half),
        "triangles": triangles.astype(np.uint16),
        "parts": parts,
        "texture": texture_coordinates(patch.rest),
        "occlusion": occlusion(source, patch, normals).astype(half),
        "landmarks": np.array(groups, np.uint16),
        "nose_base": np.array([place[int(source.landmark_vertices[33])]], np.uint16),
        "eye_centres": eyes["eye_centres"].astype(np.float32),
        "eye_radius": eyes["eye_radius"].astype(np.float32),
        "eye_identity": eye_basis.astype(np.float32),
        "code_from_weights": learned.from_weights.T.astype(np.float32),
    }


def save(tensors: dict[str, NDArray[np.generic]], path: Path) -> None:
    """Write the file whole or not at all."""
    metadata = {
        "format": FORMAT,
        "expressions": json.dumps(EXPRESSIONS),
        "source": "sampled from ICT-FaceKit (USC ICT, MIT licence); no photographs",
    }
    temporary = path.with_suffix(".part")
    arrays = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
    save_file(arrays, temporary, metadata)
    temporary.replace(path)


def vertex_error(
    source: SourceHead, head: HeadModel, *, heads: int, seed: int
) -> tuple[float, float]:
    """Mean distance, in % of the eye distance, of source vertices from the learned surface.

    Fresh heads with all source modes and random expressions among the kept ones. Each of the
    source's face vertices is compared with the point of ours at the same texture position.

    Returns:
        The error on the face (in front of the ears, above the neck), and on the whole surface.
    """
    rng = np.random.default_rng(seed)
    skin = pick_skin(source)
    place = source.interpolation(skin)
    names = head.expression_names
    rest = source.neutral[place.vertices]
    face_part = (rest[:, 2] > 4.0) & (rest[:, 1] > -9.0)
    errors = []
    for _ in range(heads):
        weights = np.clip(rng.standard_normal(len(source.identity)), -2.5, 2.5)
        face = rng.uniform(0, 0.6, len(names)) * (rng.random(len(names)) < 0.2)
        truth = source.shape(weights, dict(zip(names, face, strict=True)))
        ours = head.vertices(head.code_from_weights(weights), face.astype(np.float32))
        eyes = head.landmarks(ours)[:2]
        surface = place.apply(ours[: len(skin)])
        distance = np.linalg.norm(surface - truth[place.vertices], axis=1)
        percent = distance / np.linalg.norm(eyes[0] - eyes[1]) * 100
        errors.append((percent[face_part].mean(), percent.mean()))
    front, whole = np.mean(errors, 0)
    return float(front), float(whole)


def main(arguments: list[str] | None = None) -> None:
    """Train, save, and print the error on held-out heads."""
    parser = argparse.ArgumentParser(prog="anonymizer.training.head")
    parser.add_argument("--facekit", type=Path, required=True, help="folder of the source head")
    parser.add_argument("--out", type=Path, required=True, help="file to write (.safetensors)")
    options = parser.parse_args(arguments)
    source = SourceHead.load(options.facekit)
    save(build(source), options.out)
    head = HeadModel.load(options.out)
    front, whole = vertex_error(source, head, heads=50, seed=1)
    print(
        f"{len(head.mean)} vertices, {len(head.triangles)} triangles, "
        f"{options.out.stat().st_size / 2**20:.2f} MiB; error in % of the eye distance: "
        f"{front:.2f} on the face, {whole:.2f} with ears, scalp and neck"
    )


if __name__ == "__main__":
    main()
