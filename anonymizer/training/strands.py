"""Everything thin on a head: light on strands, longer beards, glasses."""

from typing import Final

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from anonymizer.head.anatomy import BEARD, LOWER_LIP, UPPER_LIP
from anonymizer.training.hair import Strands, on_surface, roots, unit
from anonymizer.training.headmesh import SKIN, HeadMesh
from anonymizer.training.light import FILL, KEY, unshadowed
from anonymizer.training.shading import sky

_GLASSES_KNOTS: Final = 28


@njit(cache=True, fastmath=True)
def light_strands(knots, facing, colour, rig, shadow, projection, distance, root, gloss):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Colours (n, K, 3) of strands: reflection along the fibre (Kajiya and Kay, 1989).

    `root` is the share of ambient light that reaches the roots, `gloss` the strength of the
    highlight.
    """
    count, length, _ = knots.shape
    out = np.zeros((count, length, 3), np.float32)
    for s in range(count):
        for k in range(length):
            p, before, after = (
                knots[s, k],
                knots[s, max(0, k - 1)],
                knots[s, min(length - 1, k + 1)],
            )
            tx, ty, tz = after[0] - before[0], after[1] - before[1], after[2] - before[2]
            norm = np.sqrt(tx * tx + ty * ty + tz * tz) + 1e-6
            tx, ty, tz = tx / norm, ty / norm, tz / norm
            vx, vy, vz = -p[0], -p[1], distance - p[2]
            norm = np.sqrt(vx * vx + vy * vy + vz * vz)
            free = root + (1 - root) * k / (length - 1)
            lit = unshadowed(shadow, projection, p[0], p[1], p[2], 0.6)
            for c in range(3):
                out[s, k, c] = (
                    colour[s, c]
                    * 0.9
                    * free
                    * sky(rig, facing[s, 0], facing[s, 1], facing[s, 2], c)
                )
            for lamp in range(2):
                o = FILL if lamp else KEY
                share = 0.6 * free if lamp else lit * (0.4 + 0.6 * free)
                lx, ly, lz = rig[o], rig[o + 1], rig[o + 2]
                turned = facing[s, 0] * lx + facing[s, 1] * ly + facing[s, 2] * lz
                turned = min(1.0, max(0.0, (turned + 0.35) / 1.35))
                along = tx * lx + ty * ly + tz * lz
                diffuse = np.sqrt(max(0.0, 1 - along * along)) * turned
                hx, hy, hz = lx + vx / norm, ly + vy / norm, lz + vz / norm
                size = np.sqrt(hx * hx + hy * hy + hz * hz) + 1e-6
                th = (tx * hx + ty * hy + tz * hz) / size
                shiny = gloss * max(0.0, 1 - th * th) ** 20 * turned
                for c in range(3):
                    out[s, k, c] += (
                        rig[o + 3 + c]
                        * share
                        * (colour[s, c] * diffuse + shiny * (0.03 + 0.5 * colour[s, c]))
                    )
    return out


def _polygon(halves: tuple[tuple[tuple[float, float, float], ...], ...]) -> NDArray[np.float32]:
    return np.array([point[:2] for half in halves for point in half], np.float32)


def beard_triangles(mesh: HeadMesh) -> NDArray[np.bool_]:
    """Triangles on which a beard may grow."""
    middle = mesh.rest[mesh.triangles].mean(1)
    area, lips = _polygon((BEARD,)), _polygon((UPPER_LIP, LOWER_LIP[::-1]))
    inside = [
        cv2.pointPolygonTest(area, (float(abs(x)), float(y)), False) > 0
        and cv2.pointPolygonTest(lips, (float(abs(x)), float(y)), True) < -0.15
        for x, y, _ in middle
    ]
    return np.asarray(np.array(inside) & (mesh.material == SKIN) & (middle[:, 2] > 2))


def grow_beard(
    rng: np.random.Generator, mesh: HeadMesh, allowed: NDArray[np.bool_],
    vertices: NDArray[np.float32], normals: NDArray[np.float32], colour: NDArray[np.float64],
) -> Strands:  # fmt: skip
    """Short beard hair on `vertices`, over the stubble of the texture."""
    place = roots(rng, mesh, allowed, 2400)
    start, outward = on_surface(vertices, mesh, place), unit(on_surface(normals, mesh, place))
    side = np.sign(start[:, 0])
    down = np.stack([0.25 * side, np.full(len(side), -0.8), 0 * side], 1)
    aim = unit(down + 0.35 * outward + 0.35 * rng.normal(size=down.shape))
    length = rng.uniform(0.25, 1.3) * rng.uniform(0.5, 1.1, (len(side), 1))
    knots = np.stack(
        [start + aim * length * k / 3 - [0, 0.12 * k * k / 9, 0] * length for k in range(4)], 1
    )
    shade = 0.85 * np.exp(0.25 * rng.normal(size=(len(side), 1)))
    width = rng.uniform(0.06, 0.12, len(side))
    return Strands(
        knots.astype(np.float32), (colour * shade).astype(np.float32), width.astype(np.float32),
        outward.astype(np.float32),
    )  # fmt: skip


def make_glasses(rng: np.random.Generator, five: NDArray[np.float32]) -> Strands:
    """Rims, a bridge and arms fitted to the landmarks `five` (5, 3) of a neutral face."""
    turn = np.linspace(0, 2 * np.pi, _GLASSES_KNOTS)
    wide, high, square = rng.uniform(1.9, 2.5), rng.uniform(1.4, 2.0), rng.uniform(0.6, 1.0)
    lines = []
    for sign, eye in ((-1, five[0]), (1, five[1])):
        x = wide * np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** square
        y = high * np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** square - 0.3
        front = eye[2] + 1.9 - 0.05 * np.abs(eye[0] + x) ** 1.6 + 0.25
        lines.append(np.stack([eye[0] + x, eye[1] + y, front], 1))
        lines.append(_line([sign * (abs(eye[0]) + wide), eye[1] + 0.2, eye[2] + 0.2],
                           [sign * 8.4, eye[1] - 0.2, 0.5]))  # fmt: skip
    near = wide - 0.1
    lines.append(
        _line(
            [five[0, 0] + near, five[0, 1], five[0, 2] + 1.9],
            [five[1, 0] - near, five[1, 1], five[1, 2] + 1.9],
        )
    )
    tone = np.full((len(lines), 3), rng.choice([0.01, 0.02, 0.06, 0.3])) * rng.uniform(0.8, 1.2, 3)
    facing = np.tile([0.0, 0.3, 0.95], (len(lines), 1))
    width = np.full(len(lines), rng.uniform(0.14, 0.42))
    return Strands(
        np.stack(lines).astype(np.float32), tone.astype(np.float32), width.astype(np.float32),
        facing.astype(np.float32),
    )  # fmt: skip


def _line(start: list[float], end: list[float]) -> NDArray[np.float64]:
    share = np.linspace(0, 1, _GLASSES_KNOTS)[:, None]
    return np.array(start) * (1 - share) + np.array(end) * share
