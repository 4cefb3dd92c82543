"""Hair as strands: grown once per person on the rest pose, then turned with the head.

Everything is vectorised over strands and steps outward one knot at a time.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anonymizer.training.headmesh import SCALP, SKIN, HeadMesh
from anonymizer.training.shading import hairline

STYLES: Final = ("bald", "buzz", "short", "curly", "mid", "long", "wavy", "back")
_SHORT_ODDS: Final = (0.07, 0.11, 0.32, 0.12, 0.1, 0.1, 0.05, 0.13)
_LONG_ODDS: Final = (0.01, 0.02, 0.08, 0.09, 0.18, 0.29, 0.18, 0.15)
_STRANDS: Final = {
    "short": 4600,
    "curly": 4600,
    "mid": 4000,
    "long": 3800,
    "wavy": 3800,
    "back": 4000,
}
_KNOTS: Final = {"short": 6, "curly": 8, "mid": 9, "long": 12, "wavy": 14, "back": 9}
_LENGTH: Final = {
    "short": (1.2, 3.4), "curly": (2.0, 5.0), "mid": (6.0, 11.0), "long": (15.0, 28.0),
    "wavy": (14.0, 26.0), "back": (5.0, 10.0),
}  # fmt: skip
_WEIGHT: Final = {"short": 0.1, "curly": 0.07, "mid": 0.5, "long": 0.7, "wavy": 0.55, "back": 0.2}
_SKULL: Final = np.array([0.0, 4.6, -0.6])
_RADII: Final = np.array([7.9, 10.0, 9.0])


@dataclass(frozen=True, slots=True, eq=False)
class Strands:
    """n polylines of K knots with a colour, a width and the direction they face."""

    knots: NDArray[np.float32]
    """(n, K, 3) head space."""
    colour: NDArray[np.float32]
    """(n, 3) linear."""
    width: NDArray[np.float32]
    """(n,) head units at the root."""
    facing: NDArray[np.float32]
    """(n, 3) unit, the surface direction used for light."""


@dataclass(frozen=True, slots=True)
class Style:
    """What a haircut needs beside its name."""

    name: str
    lift: float
    """How far the hair line is moved up."""
    parting: float
    """x of the parting."""
    fringe: bool
    grey: bool


def sample_style(rng: np.random.Generator, *, short: bool, grey: bool) -> Style:
    """A haircut; `short` prefers the shorter ones."""
    name = str(rng.choice(STYLES, p=_SHORT_ODDS if short else _LONG_ODDS))
    lift = float(rng.normal() * 0.45 + (0.35 if short else -0.1))
    return Style(name, lift, float(rng.normal() * 2.5), bool(rng.random() < 0.2), grey)


def unit(vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    """Vectors scaled to length one along the last axis."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-6), np.float64)


def roots(
    rng: np.random.Generator, mesh: HeadMesh, allowed: NDArray[np.bool_], count: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Uniform points on the allowed triangles: triangle indices and barycentric weights."""
    faces = np.flatnonzero(allowed)
    corner = mesh.rest[mesh.triangles[faces]]
    area = np.linalg.norm(
        np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1
    )
    chosen = faces[np.searchsorted(np.cumsum(area) / area.sum(), rng.random(count) * 0.999999)]
    first, second = np.sqrt(rng.random(count)), rng.random(count)
    return chosen, np.stack([1 - first, first * (1 - second), first * second], 1)


def on_surface(
    values: NDArray[np.floating],
    mesh: HeadMesh,
    place: tuple[NDArray[np.int64], NDArray[np.float64]],
) -> NDArray[np.float64]:
    """Vertex values (N, C) at surface points."""
    faces, weights = place
    return np.asarray(np.einsum("nk,nkc->nc", weights, values[mesh.triangles[faces]]))


def scalp_triangles(mesh: HeadMesh) -> NDArray[np.bool_]:
    """Triangles on which head hair may root: above the lowest hair line, ears left out."""
    middle = mesh.rest[mesh.triangles].mean(1)
    edge = np.array([hairline(x, z, -1.5) for x, _, z in middle])
    ear = (np.abs(middle[:, 0]) > 7.8) & (np.abs(middle[:, 1] - 1.2) < 4.2)
    ear &= (middle[:, 2] > -3) & (middle[:, 2] < 5)
    above: NDArray[np.bool_] = (
        (mesh.material <= max(SKIN, SCALP))
        & (middle[:, 1] > edge - 0.4)
        & ~ear
        & (middle[:, 1] > -6)
    )
    return above


def grow(
    rng: np.random.Generator, mesh: HeadMesh, allowed: NDArray[np.bool_],
    vertices: NDArray[np.float32], normals: NDArray[np.float32], style: Style,
    colour: NDArray[np.float64],
) -> Strands | None:  # fmt: skip
    """A head of hair on `vertices` (a person's neutral face); None for bald and buzzed heads."""
    if style.name not in _STRANDS:
        return None
    place = roots(rng, mesh, allowed, _STRANDS[style.name])
    rest = on_surface(mesh.rest, mesh, place)
    edge = np.array([hairline(x, z, style.lift) for x, _, z in rest])
    grows = rest[:, 1] - edge > rng.normal(size=len(rest)) * 0.3
    place, rest = (place[0][grows], place[1][grows]), rest[grows]
    start, outward = on_surface(vertices, mesh, place), unit(on_surface(normals, mesh, place))
    lock = _locks(rest)
    aim = _aim(rng, rest, style, lock)
    knots = _extend(rng, start, outward, rest, aim, style, lock)
    shade = np.exp(rng.normal(size=(len(rest), 1)) * (0.35 if style.grey else 0.16))
    shade = shade * np.exp(0.12 * rng.normal(size=64))[lock][:, None]
    width = rng.uniform(0.12, 0.24, len(rest)) * (1.25 if style.name in ("long", "wavy") else 1)
    away = unit(knots[:, knots.shape[1] // 2] - _SKULL)
    return Strands(
        knots.astype(np.float32), (colour * shade).astype(np.float32), width.astype(np.float32),
        unit(outward + away).astype(np.float32),
    )  # fmt: skip


def _locks(rest: NDArray[np.float64]) -> NDArray[np.int64]:
    """Neighbouring roots share one of 64 locks."""
    cell = np.floor(rest[:, 0] * 1.1 + 20) * 7 + np.floor(rest[:, 2] * 0.9 + 20) * 13
    return np.asarray(cell, np.int64) % 64


def _aim(
    rng: np.random.Generator, rest: NDArray[np.float64], style: Style, lock: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Where each strand wants to go, before weight."""
    side = np.where(rest[:, 0] > style.parting, 1.0, -1.0)
    top = np.clip((rest[:, 1] - 8) / 4, 0, 1)
    front = np.clip((rest[:, 2] - 1) / 6, 0, 1)
    if style.name == "back":
        aim = np.stack([0.15 * side, 0.5 * top - 0.25, -np.ones(len(rest))], 1)
    elif style.name in ("short", "curly"):
        ahead = 0.7 if style.fringe else rng.uniform(-0.5, 0.3)
        aim = np.stack(
            [
                side * rng.uniform(0.1, 0.6) * top,
                0.75 * top - 0.65,
                ahead * front - 0.2 * (1 - front),
            ],
            1,
        )
    else:
        brow = front * (0.9 if style.fringe else 0.0)
        aim = np.stack([side * (0.95 * top + 0.05), 0.9 * top - 1.15, brow - 0.25], 1)
    return unit(
        unit(aim) + 0.06 * rng.normal(size=aim.shape) + 0.18 * rng.normal(size=(64, 3))[lock]
    )


def _extend(
    rng: np.random.Generator, start: NDArray[np.float64], outward: NDArray[np.float64],
    rest: NDArray[np.float64], aim: NDArray[np.float64], style: Style, lock: NDArray[np.int64],
) -> NDArray[np.float64]:  # fmt: skip
    """Step strands from their roots, pulled by weight, kept off skull, face and neck."""
    count, knots = len(start), _KNOTS[style.name]
    step = rng.uniform(*_LENGTH[style.name]) / (knots - 1) * rng.uniform(0.75, 1.1, (count, 1))
    lifted = rng.uniform(0.15, 0.45) if style.name in ("short", "curly") else 0.2
    heading = unit(lifted * outward + aim - 0.6 * (aim * outward).sum(1, keepdims=True) * outward)
    phase = rng.uniform(0, 6.28, 64)[lock] + 0.5 * rng.normal(size=count)
    curl = {"curly": rng.uniform(0.5, 1.1), "wavy": rng.uniform(0.3, 0.6)}.get(style.name, 0.05)
    turn = rng.uniform(0.9, 1.6)
    volume = rng.uniform(0.1, 0.45) + (0.4 if style.name in ("curly", "wavy") else 0.0)
    radii = _RADII + volume + 0.7 * rng.random((count, 1)) ** 2
    skull = _SKULL + (start - rest).mean(0)
    path = [start]
    for k in range(1, knots):
        heading = unit(heading + [0, -_WEIGHT[style.name], 0] + 0.15 * aim)
        wave = curl * np.stack([np.cos(phase + k * turn), 0 * phase, np.sin(phase + k * turn)], 1)
        point = _outside(path[-1] + step * unit(heading + wave), skull, radii)
        if style.name in ("mid", "long", "wavy"):
            point = _drape(point, 6.2 if style.fringe else 8.5)
        heading = unit(0.5 * heading + 0.5 * unit(point - path[-1]))
        path.append(point)
    return np.stack(path, 1)


def _outside(
    point: NDArray[np.float64], skull: NDArray[np.float64], radii: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Push points out of the skull's ellipsoid."""
    inner = (point - skull) / radii
    length = np.linalg.norm(inner, axis=1, keepdims=True)
    buried = (length < 1) & (point[:, 1:2] > skull[1] - 7)
    return np.where(buried, skull + inner / np.maximum(length, 0.3) * radii, point)


def _drape(point: NDArray[np.float64], brow: float) -> NDArray[np.float64]:
    """Keep long hair beside the face below `brow`, around the neck and on the shoulders."""
    x, y, z = point.T.copy()
    beside = 7.0 + 0.1 * np.clip(6 - np.abs(y - 1), 0, 6)
    face = (z > 2) & (y < brow) & (np.abs(x) < beside)
    x = np.where(face, np.where(x >= 0, beside, -beside), x)
    ring = np.hypot(x / 7, (z + 2) / 6.5) + 1e-3
    neck = (y < -6) & (ring < 1)
    x, z = np.where(neck, x / ring, x), np.where(neck, (z + 2) / ring - 2, z)
    resting = (y < -15.5) & (z < 3) & (np.abs(x) < 17)
    return np.stack([x, np.where(resting, -15.5, y), z], 1)
