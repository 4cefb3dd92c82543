"""The two eyeballs of a head, as a mesh."""

from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anonymizer.head.model import HeadModel

Array = NDArray[np.float32]

RECESS: Final = 0.3
"""How far they lie behind the middle of the sockets, head units: in flat sockets and behind shut
lids they would show through the skin."""


class Balls(NamedTuple):
    """Both of them, the one on the viewer's left first; each has half of the points."""

    points: Array
    """(2P, 3) head space."""
    normals: Array
    """(2P, 3) unit."""
    triangles: NDArray[np.int32]
    """(2F, 3) outward."""


def eyeballs(head: HeadModel, identity: NDArray[np.floating]) -> Balls:
    """Where a person's eyeballs are, in head space."""
    ball, triangles = unit_ball()
    behind = np.array([0, 0, RECESS], np.float32)
    points = [centre - behind + ball * head.eye_radius for centre in head.eyes(identity)]
    both = np.concatenate([triangles, triangles + len(ball)])
    return Balls(np.concatenate(points), np.concatenate([ball, ball]), both)


@lru_cache(maxsize=1)
def unit_ball() -> tuple[Array, NDArray[np.int32]]:
    """Unit sphere around +z down to 105 degrees: points (P, 3) and outward triangles."""
    rings, spokes = 12, 24
    polar = np.linspace(0, np.radians(105), rings + 1)[1:]
    turn = np.arange(spokes) * 2 * np.pi / spokes
    ring = np.stack(
        [
            np.sin(polar)[:, None] * np.cos(turn),
            np.sin(polar)[:, None] * np.sin(turn),
            np.repeat(np.cos(polar)[:, None], spokes, 1),
        ],
        -1,
    )
    points = np.concatenate([[[0.0, 0.0, 1.0]], ring.reshape(-1, 3)])
    here, after = np.arange(spokes), (np.arange(spokes) + 1) % spokes
    triangles = [np.stack([np.zeros(spokes, int), 1 + here, 1 + after], 1)]
    for k in range(rings - 1):
        inner, outer = 1 + k * spokes, 1 + (k + 1) * spokes
        triangles.append(np.stack([inner + here, outer + here, outer + after], 1))
        triangles.append(np.stack([inner + here, outer + after, inner + after], 1))
    return points.astype(np.float32), np.concatenate(triangles).astype(np.int32)
