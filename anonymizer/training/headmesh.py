"""The head model the training renderer draws: ICT-FaceKit arrays, made ready for rasterising.

Units are the model's own (about a centimetre), y up, z towards the viewer. "Rest" means the mean
neutral head: rest coordinates name a place on the skin whatever the identity, expression and pose.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

SKIN: Final = 0
SCALP: Final = 1
MOUTH: Final = 2
TEETH: Final = 3
EYE: Final = 4
EYE_EDGE: Final = 5
TORSO: Final = 6

_MATERIALS: Final = {
    "M_Face": SKIN,
    "M_BackHead": SCALP,
    "M_GumsTongue": MOUTH,
    "M_Teeth": TEETH,
    "M_ScleraLeft": EYE,
    "M_ScleraRight": EYE,
    "M_EyeBlend": EYE_EDGE,
}
PIVOT: Final = np.array([0.0, -5.0, -2.0], np.float32)
"""The point about which a head turns on its neck."""


@dataclass(frozen=True, slots=True, eq=False)
class HeadMesh:
    """A linear head with shoulders: N vertices, M triangles, K identity modes, E expressions."""

    rest: NDArray[np.float32]
    """(N, 3) mean neutral head, the shoulders last."""
    triangles: NDArray[np.int32]
    """(M, 3), counter-clockwise seen from outside."""
    material: NDArray[np.uint8]
    """(M,) one of the constants of this module."""
    identity: NDArray[np.float32]
    """(K, H, 3) offsets of modes with standard normal weights; the first H vertices are head."""
    expression: NDArray[np.float32]
    """(E, H, 3) offsets of expressions with weights in [0, 1]."""
    expression_names: tuple[str, ...]
    landmarks: NDArray[np.int64]
    """(68,) vertex indices in the usual 68-point order."""
    eyes: NDArray[np.float32]
    """(2, 6) centre and forward axis of the eyeballs at rest, the one with smaller x first."""

    def shape(
        self, identity: NDArray[np.float32], expression: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Vertices (N, 3) of a person (K,) making a face (E,), not yet turned."""
        vertices = self.rest.copy()
        head = vertices[: self.identity.shape[1]]
        head += np.tensordot(identity, self.identity, 1)
        active = np.flatnonzero(expression)
        if active.size:
            head += np.tensordot(expression[active], self.expression[active], 1)
        return vertices

    def five(self, vertices: NDArray[np.float32]) -> NDArray[np.float32]:
        """The five landmarks (5, 3): eyes as means of their lids, nose tip, mouth corners."""
        points = vertices[self.landmarks]
        lids = [points[36:42].mean(0), points[42:48].mean(0)]
        return np.stack([*lids, points[30], points[48], points[54]]).astype(np.float32)


def load_head(folder: Path, *, modes: int = 100) -> HeadMesh:
    """Read `ict_facekit.npz` and `vertex_indices.json` from `folder` and add simple shoulders."""
    with np.load(folder / "ict_facekit.npz") as kit:
        names = [str(name) for name in kit["material_names"]]
        triangles, material = _triangles(kit["quads"], kit["material"], names)
        used = np.unique(triangles)
        neutral = kit["neutral"]
        identity = np.ascontiguousarray(kit["identity"][:modes][:, used], np.float32)
        expression = np.ascontiguousarray(kit["expression"][:, used], np.float32)
        expressions = tuple(str(name) for name in kit["expression_names"])
    place = np.full(len(neutral), -1)
    place[used] = np.arange(len(used))
    points68 = json.loads((folder / "vertex_indices.json").read_text())["idx_to_landmark_verts"]
    shoulders, faces = _shoulders()
    return HeadMesh(
        rest=np.concatenate([neutral[used], shoulders]).astype(np.float32),
        triangles=np.concatenate([place[triangles], faces + len(used)]).astype(np.int32),
        material=np.concatenate([material, np.full(len(faces), TORSO)]).astype(np.uint8),
        identity=identity,
        expression=expression,
        expression_names=expressions,
        landmarks=place[np.array(points68)],
        eyes=_eyeballs(neutral, place[triangles], material, used.astype(np.int64)),
    )


def _triangles(
    quads: NDArray[np.int32], quad_material: NDArray[np.int16], names: list[str]
) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Split the quads we draw into triangles (M, 3) with their material (M,)."""
    code = np.array([_MATERIALS.get(name, 255) for name in names])[quad_material]
    quads, code = quads[code != 255], code[code != 255]
    whole = quads[:, 3] >= 0
    triangles = np.concatenate([quads[:, :3], quads[whole][:, [0, 2, 3]]])
    return triangles.astype(np.int32), np.concatenate([code, code[whole]]).astype(np.uint8)


def _eyeballs(
    neutral: NDArray[np.float32],
    triangles: NDArray[np.integer],
    material: NDArray[np.uint8],
    used: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Fit a sphere to the back of each eyeball; the axis points to the middle of its front."""
    ball = neutral[used][np.unique(triangles[material == EYE])].astype(np.float64)
    found = []
    for side in (ball[ball[:, 0] < 0], ball[ball[:, 0] >= 0]):
        back = side[side[:, 2] < np.median(side[:, 2])]
        system = np.concatenate([2 * back, np.ones((len(back), 1))], 1)
        centre = np.linalg.lstsq(system, (back**2).sum(1))[0][:3]
        axis = side[side[:, 2] > np.quantile(side[:, 2], 0.97)].mean(0) - centre
        found.append(np.concatenate([centre, axis / np.linalg.norm(axis)]))
    return np.stack(found).astype(np.float32)


def _shoulders(around: int = 40, down: int = 24) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """A rounded box of shoulders under the neck: vertices and triangles."""
    turn = np.linspace(0, 2 * np.pi, around, endpoint=False)
    drop = np.linspace(0.02, np.pi - 0.02, down)[:, None]
    unit = np.stack(
        [np.cos(turn) * np.sin(drop), np.cos(drop) + 0 * turn, np.sin(turn) * np.sin(drop)], -1
    )
    points = np.sign(unit) * np.abs(unit) ** 0.85 * [20, 10.5, 8.5] + [0, -25.5, -3.5]
    row, column = np.meshgrid(np.arange(down - 1), np.arange(around), indexing="ij")
    a = row * around + column
    b = row * around + (column + 1) % around
    faces = np.concatenate(
        [np.stack([a, b, a + around], -1), np.stack([b, b + around, a + around], -1)]
    )
    return points.reshape(-1, 3).astype(np.float32), faces.reshape(-1, 3)
