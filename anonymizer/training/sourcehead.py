"""The source head model as arrays, and places on its face surface: only training reads it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay

LANDMARK_POINTS: Final = (tuple(range(36, 42)), tuple(range(42, 48)), (30,), (48,), (54,))
"""Numbers, among the usual 68 points, whose mean is each of our five landmarks."""


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """V points that move with the source head."""

    rest: NDArray[np.float64]
    """(V, 3) on the neutral mean head."""
    identity: NDArray[np.float64]
    """(W, V, 3) offsets of the identity modes."""
    expression: NDArray[np.float64]
    """(E, V, 3) offsets of all source expressions."""

    @staticmethod
    def join(patches: Sequence["Patch"]) -> "Patch":
        """One patch of all points, in order."""
        return Patch(
            np.concatenate([p.rest for p in patches]),
            np.concatenate([p.identity for p in patches], 1),
            np.concatenate([p.expression for p in patches], 1),
        )

    def mean(self, *, shift: tuple[float, float, float]) -> "Patch":
        """A single point that moves as all points do on average, displaced by `shift`."""
        return Patch(
            self.rest.mean(0, keepdims=True) + np.asarray(shift),
            self.identity.mean(1, keepdims=True),
            self.expression.mean(1, keepdims=True),
        )

    def shifted(self, shift: tuple[float, float, float]) -> "Patch":
        """The same motion from other places."""
        return Patch(self.rest + np.asarray(shift), self.identity, self.expression)


@dataclass(frozen=True, slots=True, eq=False)
class Interpolation:
    """Where source vertices lie on another surface: barycentric weights in texture space."""

    vertices: NDArray[np.intp]
    """(P,) source vertices that were found on the surface."""
    corners: NDArray[np.intp]
    """(P, 3) vertices of the other surface."""
    weights: NDArray[np.float64]
    """(P, 3)."""

    def apply(self, surface: NDArray[np.floating]) -> NDArray[np.float64]:
        """Positions (P, 3) on the other surface, given its vertices (N, 3)."""
        corners = np.asarray(surface, np.float64)[self.corners]
        return np.asarray(np.einsum("pc,pcx->px", self.weights, corners))


@dataclass(frozen=True, eq=False)
class SourceHead:
    """ICT-FaceKit: a linear head."""

    neutral: NDArray[np.float64]
    """(N, 3) mean neutral head."""
    identity: NDArray[np.float64]
    """(W, N, 3) offsets, weights N(0, 1)."""
    expression: NDArray[np.float64]
    """(E, N, 3) offsets, weights in [0, 1]."""
    expression_names: list[str]
    uv: NDArray[np.float64]
    """(N, 2) texture position of each vertex of the face surface; NaN elsewhere."""
    quads: Mapping[str, NDArray[np.int64]]
    """By material: (Q, 4) vertex indices, -1 pads a triangle."""
    landmark_vertices: NDArray[np.int64]
    """(68,) vertices of the usual 68 points."""

    @classmethod
    def load(cls, folder: Path) -> "SourceHead":
        """Read `ict_facekit.npz` and `vertex_indices.json`."""
        indices = json.loads((folder / "vertex_indices.json").read_text())
        with np.load(folder / "ict_facekit.npz") as kit:
            names = [str(name) for name in kit["material_names"]]
            material, quads = kit["material"], kit["quads"].astype(np.int64)
            by_name = {name: quads[material == k] for k, name in enumerate(names)}
            uv = np.full((len(kit["neutral"]), 2), np.nan)
            face = material == names.index("M_Face")
            real = quads[face] >= 0
            uv[quads[face][real]] = kit["uv"][kit["quads_uv"][face][real]]
            return cls(
                kit["neutral"].astype(np.float64),
                kit["identity"].astype(np.float64),
                kit["expression"].astype(np.float64),
                [str(name) for name in kit["expression_names"]],
                uv,
                by_name,
                np.array(indices["idx_to_landmark_verts"], np.int64),
            )

    @cached_property
    def landmark_groups(self) -> tuple[NDArray[np.int64], ...]:
        """Source vertices whose mean is each of our five landmarks."""
        return tuple(self.landmark_vertices[list(points)] for points in LANDMARK_POINTS)

    @cached_property
    def eyeballs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Vertices of the two eyeballs, the one with smaller x first."""
        balls = [self.used(f"M_Sclera{side}") for side in ("Left", "Right")]
        first, second = sorted(balls, key=lambda ids: float(self.neutral[ids, 0].mean()))
        return first, second

    def used(self, material: str) -> NDArray[np.int64]:
        """Vertices a material uses, increasing."""
        ids = np.unique(self.quads[material])
        return np.asarray(ids[ids >= 0])

    def triangles(self, *materials: str) -> NDArray[np.int64]:
        """Triangles (M, 3) of some materials, outward."""
        quads = np.concatenate([self.quads[name] for name in materials])
        second = quads[quads[:, 3] >= 0][:, [0, 2, 3]]
        return np.concatenate([quads[:, :3], second])

    def patch(self, vertices: NDArray[np.int64]) -> Patch:
        """Some of the source's vertices."""
        return Patch(
            self.neutral[vertices], self.identity[:, vertices], self.expression[:, vertices]
        )

    def shape(
        self, weights: NDArray[np.float64], expression: Mapping[str, float]
    ) -> NDArray[np.float64]:
        """Vertices (N, 3) of one head."""
        face = np.array([expression.get(name, 0.0) for name in self.expression_names])
        moved = np.tensordot(weights, self.identity, 1)
        moved += np.tensordot(face, self.expression, 1)
        return np.asarray(self.neutral + moved)

    def interpolation(self, chosen: NDArray[np.int64]) -> Interpolation:
        """Place all face vertices on a surface spanned, in texture space, by chosen ones.

        Args:
            chosen: (S,) source vertices, in the order of the other surface's vertices.
        """
        mesh = Delaunay(self.uv[chosen])
        vertices = self.used("M_Face")
        simplex = mesh.find_simplex(self.uv[vertices])
        vertices, simplex = vertices[simplex >= 0], simplex[simplex >= 0]
        matrix = mesh.transform[simplex]
        two = np.einsum("pij,pj->pi", matrix[:, :2], self.uv[vertices] - matrix[:, 2])
        weights = np.concatenate([two, 1 - two.sum(1, keepdims=True)], 1)
        return Interpolation(vertices, mesh.simplices[simplex].astype(np.intp), weights)
