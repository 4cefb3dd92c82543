"""Sample the source's surface anew: dense at lids and lips, sparse on scalp and neck."""

from collections import Counter
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay, cKDTree

from anonymizer.head import anatomy
from anonymizer.head.raster import rasterise
from anonymizer.training.sourcehead import Patch, SourceHead

Indices = NDArray[np.int64]

SPACING: Final = (
    (anatomy.UPPER_LID, 0.5, 0.14),
    (anatomy.LOWER_LID, 0.5, 0.14),
    (anatomy.UPPER_LIP, 0.45, 0.20),
    (anatomy.LOWER_LIP, 0.45, 0.20),
    (anatomy.LIP_LINE, 0.5, 0.20),
    (((0.0, -0.6, 12.4), (1.3, -0.5, 11.4), (1.0, 0.6, 11.6)), 0.9, 0.28),
)
"""Curves, how far around them (head units) and how closely the surface is sampled."""
TEETH_SPACING: Final = 0.28


def _spacing(rest: NDArray[np.float64]) -> NDArray[np.float64]:
    """Wanted distance between neighbours at points (N, 3): growing away from the features."""
    folded = rest * [1, 1, 1]
    folded[:, 0] = abs(folded[:, 0])
    side = np.clip((6.0 - rest[:, 2]) / 6.0, 0, 1)
    far = np.clip((-8.0 - rest[:, 1]) / 3.0, 0, 1) + np.clip((rest[:, 1] - 8.0) / 3.0, 0, 1)
    wanted = 0.50 + 0.40 * np.clip(side + far, 0, 1)
    for curve, reach, near in SPACING:
        line = anatomy.smooth(np.asarray(curve, np.float64), 12)
        distance, _ = cKDTree(line).query(folded)
        wanted = np.minimum(wanted, near + 0.42 * np.clip(distance - 0.5 * reach, 0, None))
    return np.asarray(wanted)


def _boundaries(triangles: Indices) -> list[Indices]:
    """Closed loops of edges that belong to one triangle only, in the triangles' direction."""
    pairs = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    count = Counter(tuple(sorted(pair)) for pair in pairs.tolist())
    follow = {a: b for a, b in pairs.tolist() if count[min(a, b), max(a, b)] == 1}
    loops = []
    while follow:
        loop = [next(iter(follow))]
        while loop[-1] in follow:
            loop.append(follow.pop(loop[-1]))
        loops.append(np.array(loop[:-1]))
    return loops


def mouth_loop(source: SourceHead) -> Indices:
    """The edge of the face surface inside the lips, in order."""
    loops = _boundaries(source.triangles("M_Face"))
    middle = np.array([0.0, -3.4, 10.4])
    return min(loops, key=lambda ids: float(np.linalg.norm(source.neutral[ids].mean(0) - middle)))


def _mirror(points: NDArray[np.float64]) -> Indices:
    """Index of the mirror image of every point."""
    _, partner = cKDTree(points).query(points * [-1, 1, 1])
    return np.asarray(partner, np.int64)


def _thin(points: NDArray[np.float64], wanted: NDArray[np.float64], first: Indices) -> Indices:
    """Greedy choice of points at least `wanted` apart; `first` are taken whatever their distance.

    Works from dense to sparse regions, and takes mirror images together.
    """
    tree, partner = cKDTree(points), _mirror(points)
    blocked = np.zeros(len(points), bool)
    taken = np.zeros(len(points), bool)
    forced = np.zeros(len(points), bool)
    forced[first] = True
    forced[partner[first]] = True
    order = np.lexsort((abs(points[:, 0]), wanted, ~forced))
    for index in order.tolist():
        if blocked[index] and not forced[index]:
            continue
        for one in (index, int(partner[index])):
            taken[one] = True
            blocked[tree.query_ball_point(points[one], 0.8 * wanted[one])] = True
    return np.flatnonzero(taken)


def pick_skin(source: SourceHead) -> Indices:
    """Source vertices of the face surface that are kept."""
    face = source.used("M_Face")
    place = {int(v): k for k, v in enumerate(face)}
    loops = _boundaries(source.triangles("M_Face"))
    kept = [loop if len(loop) < 100 else loop[::2] for loop in loops]
    kept.append(source.landmark_vertices)
    first = np.array([place[int(v)] for v in np.concatenate(kept)])
    rest = source.neutral[face]
    return np.asarray(face[_thin(rest, _spacing(rest), first)])


def _inside(source: SourceHead, uv: NDArray[np.float64], size: int = 4096) -> NDArray[np.bool_]:
    """Whether texture positions (N, 2) lie on the face surface (and not in a hole of it)."""
    picture = np.zeros((size, size), np.uint8)
    for quad in source.quads["M_Face"]:
        corners = source.uv[quad[quad >= 0]] * size * 16
        cv2.fillPoly(picture, [np.round(corners).astype(np.int32)], 1, cv2.LINE_8, 4)
    cell = np.clip((uv * size).astype(int), 0, size - 1)
    return np.asarray(picture[cell[:, 1], cell[:, 0]] > 0)


def _outward(triangles: Indices, flat: NDArray[np.float64]) -> Indices:
    """Turn triangles so that they run counter-clockwise in a plane (y up)."""
    one = flat[triangles[:, 1]] - flat[triangles[:, 0]]
    two = flat[triangles[:, 2]] - flat[triangles[:, 0]]
    wrong = one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0] < 0
    turned = triangles.copy()
    turned[wrong] = turned[wrong][:, [0, 2, 1]]
    return turned


def triangulate_skin(source: SourceHead, skin: Indices) -> Indices:
    """Delaunay triangles of the kept vertices in texture space, without the holes."""
    uv = source.uv[skin]
    found = Delaunay(uv).simplices.astype(np.int64)
    found = found[_inside(source, uv[found].mean(1))]
    return _outward(found, uv)


def mouth_bag(source: SourceHead, skin: Indices) -> tuple[Patch, Indices]:
    """A bag behind the lips: a ring further back and its bottom, and the triangles of both.

    Triangles count our vertices: the skin first, then the ring, then the bottom.
    """
    loop = mouth_loop(source)
    place = {int(v): k for k, v in enumerate(skin)}
    edge = np.array([place[int(v)] for v in loop])
    ring = len(skin) + np.arange(len(loop))
    bottom = len(skin) + len(loop)
    after, ring_after = np.roll(edge, -1), np.roll(ring, -1)
    triangles = np.concatenate(
        [
            np.stack([after, edge, ring], 1),
            np.stack([after, ring, ring_after], 1),
            np.stack([ring_after, ring, np.full(len(ring), bottom)], 1),
        ]
    )
    patch = source.patch(loop)
    deep = Patch.join([patch.shifted((0, 0, -2.5)), patch.mean(shift=(0, 0, -3.0))])
    return deep, triangles


def _visible(source: SourceHead, triangles: Indices) -> Indices:
    """Vertices of triangles seen from the front or half from the side."""
    seen = set()
    for yaw in np.radians((-50, -25, 0, 25, 50)):
        x, y, z = source.neutral.T
        across = np.cos(yaw) * x + np.sin(yaw) * z
        depth = np.cos(yaw) * z - np.sin(yaw) * x
        screen = np.stack([across * 60 + 256, -(y + 3.4) * 60 + 256, depth], 1)
        hits = rasterise(screen, triangles, 512)
        seen |= set(triangles[hits.triangle].ravel().tolist())
    return np.array(sorted(seen))


def pick_teeth(source: SourceHead) -> Indices:
    """Vertices of the front of the teeth, thinned."""
    ids = _visible(source, source.triangles("M_Teeth"))
    ids = ids[source.neutral[ids, 2] > 7.5]
    rest = source.neutral[ids]
    return np.asarray(ids[_thin(rest, np.full(len(ids), TEETH_SPACING), np.empty(0, np.int64))])


def triangulate_teeth(source: SourceHead, teeth: Indices) -> Indices:
    """Triangles of upper and lower teeth, each in the plane (angle around the arch, height)."""
    rest = source.neutral[teeth]
    jaw = source.expression[source.expression_names.index("jawOpen")][teeth, 1]
    lower = jaw < 0.5 * jaw.min()
    flat = np.stack([4.0 * np.arctan2(rest[:, 0], rest[:, 2] - 6.5), rest[:, 1]], 1)
    parts = []
    for ids in (np.flatnonzero(~lower), np.flatnonzero(lower)):
        found = ids[Delaunay(flat[ids]).simplices]
        sides = np.linalg.norm(rest[found] - rest[np.roll(found, 1, 1)], axis=2).max(1)
        parts.append(found[sides < 1.2])
    return _outward(np.concatenate(parts), flat)
