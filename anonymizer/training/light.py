"""Light: an ambient sky, a key light with a soft shadow, a fill light; and baked ambient occlusion.

A light rig is one float32 vector so that compiled code can read it: see the constants for the
places.
"""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from anonymizer.training.headmesh import HeadMesh
from anonymizer.training.raster import depth_only, vertex_normals

KEY: Final = 0
"""Direction towards the key light (3), then its colour (3)."""
FILL: Final = 6
"""The same for the fill light, which casts no shadow."""
SKY: Final = 12
"""Ambient light per channel: constant, y, z and x coefficients of the normal (3 x 4)."""
SIZE: Final = 24
SHADOW_SIDE: Final = 176
_EXTENT: Final = 26.0


def sample_light(rng: np.random.Generator) -> NDArray[np.float32]:
    """A rig as video shows it: mostly soft, from above and in front; sometimes hard or aside."""
    rig = np.zeros(SIZE, np.float32)
    azimuth = rng.uniform(-2.0, 2.0) if rng.random() < 0.2 else rng.normal() * 0.7
    rig[KEY : KEY + 3] = _direction(azimuth, rng.uniform(0.0, 1.1))
    hardness = rng.beta(1.6, 2.2)
    white = _tint(rng, 0.05)
    rig[KEY + 3 : KEY + 6] = (0.1 + 1.2 * hardness) * _tint(rng, 0.06) * white
    rig[FILL : FILL + 3] = _direction(azimuth + rng.uniform(1.5, 4.6), rng.uniform(-0.3, 0.8))
    rig[FILL + 3 : FILL + 6] = rng.uniform(0, 0.4) * _tint(rng, 0.1) * white
    base = rng.uniform(0.35, 0.8) * _tint(rng, 0.05) * white
    slope = [1.0, rng.uniform(0.1, 0.45), rng.uniform(-0.05, 0.35), rng.normal() * 0.15]
    rig[SKY:] = (base[:, None] * np.array(slope)).ravel()
    return rig


def _direction(azimuth: float, elevation: float) -> NDArray[np.float64]:
    level = np.cos(elevation)
    return np.array([np.sin(azimuth) * level, np.sin(elevation), np.cos(azimuth) * level])


def _tint(rng: np.random.Generator, spread: float) -> NDArray[np.float64]:
    warm = float(rng.normal()) * spread
    return np.array([1 + warm, 1.0, 1 - warm])


def shadow_projection(direction: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """A (3, 4) matrix from view space to (x, y, depth towards the light) of a shadow map."""
    up = np.array([0, 1, 0]) if abs(direction[1]) < 0.9 else np.array([1, 0, 0])
    across = np.cross(up, direction)
    across /= np.linalg.norm(across)
    rows = np.stack([across, -np.cross(direction, across), direction])
    rows[:2] *= side / 2 / _EXTENT
    centre = np.array([0.0, 1.0, 0.0])
    offset = np.array([side / 2, side / 2, 0.0])
    offset[:2] -= rows[:2] @ centre
    return np.concatenate([rows, offset[:, None]], 1).astype(np.float32)


def shadow_depth(
    vertices: NDArray[np.float32], triangles: NDArray[np.int32], projection: NDArray[np.float32],
    side: int,
) -> NDArray[np.float32]:  # fmt: skip
    """The nearest depth (side, side) towards the light; -1e9 where nothing is."""
    depth = np.full((side, side), -1e9, np.float32)
    depth_only(vertices @ projection[:, :3].T + projection[:, 3], triangles, depth)
    return depth


@njit(cache=True, fastmath=True)
def unshadowed(depth, projection, x, y, z, bias):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Share of the key light in [0, 1] that reaches a point, softened over 25 taps."""
    side = depth.shape[0]
    m = projection
    u = m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3]
    v = m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3]
    d = m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3]
    total = np.float32(0)
    for j in range(-2, 3):
        for i in range(-2, 3):
            column, row = int(u + i), int(v + j)
            if 0 <= column < side and 0 <= row < side:
                behind = (depth[row, column] - d - bias) / (2 * bias)
                total += min(1.0, max(0.0, 1 - behind))
            else:
                total += 1
    return total / 25


def bake_occlusion(mesh: HeadMesh, *, directions: int = 96, side: int = 256) -> NDArray[np.float32]:
    """Ambient occlusion (N,) of the rest head in [0, 1], light from above counting more."""
    normals = vertex_normals(mesh.rest, mesh.triangles)
    seen = np.zeros(len(mesh.rest))
    weight = np.full(len(mesh.rest), 1e-6)
    for k in range(directions):
        height = 1 - 2 * (k + 0.5) / directions
        towards = _direction(k * 2.39996, np.arcsin(height)).astype(np.float32)
        projection = shadow_projection(towards, side)
        depth = shadow_depth(mesh.rest, mesh.triangles, projection, side)
        points = mesh.rest @ projection[:, :3].T + projection[:, 3]
        cell = np.clip(points[:, :2].astype(int), 0, side - 1)
        facing = np.clip(normals @ towards, 0, None) * (1 + 0.5 * height)
        seen += (points[:, 2] + 0.35 > depth[cell[:, 1], cell[:, 0]]) * facing
        weight += facing
    return np.asarray(np.clip(1.1 * seen / weight, 0, 1), np.float32)
