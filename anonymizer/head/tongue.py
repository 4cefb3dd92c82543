"""The tongue of a head, as a mesh that goes with its jaw.

An open mouth without one is a dark hole. Lower teeth, which are not drawn, say where the jaw is.
"""

from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anonymizer.head.eyeballs import unit_ball
from anonymizer.head.model import PART_TEETH, HeadModel
from anonymizer.head.reflection import rise

Array = NDArray[np.float32]

SUNK: Final = 0.5
"""How far the lower teeth at least go down with the open jaw, head units."""
CENTRE: Final = np.array([0.0, -3.85, 7.6], np.float32)
"""Its middle in the mean head, jaw shut, head units."""
RADII: Final = np.array([1.8, 0.85, 1.9], np.float32)
"""Half its width and height, and how far its tip, behind the teeth, is from that middle; behind it
there is as much as may be seen."""
GROOVE: Final = (0.14, 0.3)
"""Depth and half width of the line along its middle."""
SKY: Final = (0.15, 0.6)
"""Share of the sky that is seen from its root and from its tip."""
OPEN: Final = (0.05, 0.45)
"""Head units by which a jaw is open at which it begins to get light, and has all of it."""
TONGUE: Final = np.array([0.36, 0.14, 0.13], np.float32)
"""Linear RGB, without light."""


class Tongue(NamedTuple):
    """Its mesh, in head space."""

    points: Array
    """(P, 3)"""
    normals: Array
    """(P, 3) unit."""
    triangles: NDArray[np.int32]
    """(F, 3) outward."""
    sky: Array
    """(P,) share of the sky that is seen from each point."""


@lru_cache(maxsize=4)
def lower_teeth(head: HeadModel) -> NDArray[np.bool_]:
    """Which vertices (N,) are teeth that go down with the jaw."""
    wide_open = head.vertices(np.zeros(head.code_length), head.face({"jawOpen": 1.0}))
    sunk = (head.mean - wide_open)[:, 1]
    return np.asarray((head.parts == PART_TEETH) & (sunk > SUNK))


def tongue(head: HeadModel, skin: Array) -> Tongue:
    """That of a head with vertices `skin` (N, 3).

    Lips may part over a shut jaw; what is seen between them then is as dark as ever.
    """
    shape, lower = _at_rest(), lower_teeth(head)
    turn, scale, move = _moved(head.mean[lower], skin[lower])
    upper = (head.parts == PART_TEETH) & ~lower
    apart, before = ((each[upper] - each[lower].mean(0)).mean(0)[1] for each in (skin, head.mean))
    light = rise(np.asarray(apart / scale - before), OPEN)
    return shape._replace(
        points=np.asarray(scale * shape.points @ turn.T + move, np.float32),
        normals=np.asarray(shape.normals @ turn.T, np.float32),
        sky=np.asarray(shape.sky * light, np.float32),
    )


@lru_cache(maxsize=1)
def _at_rest() -> Tongue:
    ball, triangles = unit_ball()
    depth, half = GROOVE
    points = CENTRE + ball * RADII
    points[:, 1] -= depth * np.exp(-np.square(points[:, 0] / half)) * ball[:, 1].clip(0)
    normals = ball / RADII
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    root, tip = SKY
    sky = root + (tip - root) * rise(ball[:, 2], (0.0, 1.0))
    return Tongue(points.astype(np.float32), normals.astype(np.float32), triangles, sky)


def _moved(before: Array, after: Array) -> tuple[Array, float, Array]:
    """Rotation (3, 3), scale and shift (3,) that bring points (N, 3) to others best.

    Umeyama, "Least-squares estimation of transformation parameters between two point patterns",
    1991.
    """
    from_middle, to_middle = before - before.mean(0), after - after.mean(0)
    left, sizes, right = np.linalg.svd(to_middle.T @ from_middle)
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    turn = (left * signs) @ right
    scale = float((sizes * signs).sum() / np.square(from_middle).sum())
    move = after.mean(0) - scale * turn @ before.mean(0)
    return turn.astype(np.float32), scale, move.astype(np.float32)
