"""How much of the sky each vertex sees, baked once on the mean head."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from anonymizer.head.raster import interpolate, rasterise
from anonymizer.training.sourcehead import Patch, SourceHead

DIRECTIONS: Final = 96
SIZE: Final = 256
EXTENT: Final = 17.0
"""Half the width of the depth picture, head units."""
BIAS: Final = 0.25
"""Depth by which a surface may be behind what is seen and still count as seen, head units."""


def _basis(direction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotation (3, 3) whose last row is the direction."""
    other = np.array([0.0, 1.0, 0.0]) if abs(direction[1]) < 0.9 else np.array([1.0, 0, 0])
    x = np.cross(other, direction)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(direction, x), direction])


def _sky() -> NDArray[np.float64]:
    """Evenly spread directions (DIRECTIONS, 3) on the sphere (golden spiral)."""
    z = 1 - 2 * (np.arange(DIRECTIONS) + 0.5) / DIRECTIONS
    turn = np.arange(DIRECTIONS) * np.pi * (3 - np.sqrt(5))
    ring = np.sqrt(1 - z * z)
    return np.stack([ring * np.cos(turn), z, ring * np.sin(turn)], 1)


def _screen(points: NDArray[np.float64], turn: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points as (x, y, depth) of the depth picture."""
    seen = points @ turn.T
    scale = SIZE / 2 / EXTENT
    flat = seen[:, :2] * (scale, -scale) + SIZE / 2
    return np.concatenate([flat, seen[:, 2:]], 1)


def _sees(
    patch: NDArray[np.float64],
    solid: NDArray[np.float64],
    faces: NDArray[np.int64],
    turn: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Which points see the sky in the direction of the last row of `turn`."""
    screen = _screen(solid, turn)
    both = np.concatenate([faces, faces[:, ::-1]])
    hits = rasterise(screen, both, SIZE)
    depth = np.full(SIZE * SIZE, -np.inf)
    depth[hits.pixel] = interpolate(hits, both, screen[:, 2:])[:, 0]
    ours = _screen(patch, turn)
    cell = np.clip(np.round(ours[:, :2]).astype(int), 0, SIZE - 1)
    return np.asarray(ours[:, 2] + BIAS >= depth[cell[:, 1] * SIZE + cell[:, 0]])


def occlusion(
    source: SourceHead, patch: Patch, normals: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Share (V,) of an overcast sky, brighter above, that points with normals (V, 3) see."""
    faces = source.triangles("M_Face", "M_BackHead", "M_ScleraLeft", "M_ScleraRight")
    open_sky, total = np.zeros(len(patch.rest)), np.zeros(len(patch.rest))
    for direction in _sky():
        light = np.clip(normals @ direction, 0, None) * (1 + 0.5 * direction[1])
        seen = _sees(patch.rest, source.neutral, faces, _basis(direction))
        open_sky += seen * light
        total += light
    return open_sky / np.maximum(total, 1e-9)
