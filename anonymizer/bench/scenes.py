"""Small moving scenes with exact optical flow.

Every scene is a continuous pattern, evaluated at the pixel centres, that moves by a known map:
nothing is resampled, so flow is exact to float precision and no pixel is blurred by the motion
itself. ``occluder`` also has a disc in front, which moves on its own and hides part of the plane.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
"""(..., 2) positions (x, y) in pixels."""
Path = Callable[[int], NDArray[np.float64]]
"""``frame_from_plane`` (3, 3) at a frame."""


class Scene(NamedTuple):
    """Pictures and the truth about their motion; T frames of H x W pixels.

    Flow at p is (dx, dy): what frame a shows at p, frame b shows at p + flow. Where it is occluded,
    flow still says where the point went, hidden or outside.
    """

    images: NDArray[np.uint8]
    """(T, H, W, 3)."""
    flow_forward: NDArray[np.float32]
    """(T-1, H, W, 2) from frame i to i + 1."""
    flow_backward: NDArray[np.float32]
    """(T-1, H, W, 2) from frame i + 1 to i."""
    occlusion_forward: NDArray[np.bool_]
    """(T-1, H, W) True where a pixel of frame i is hidden or outside in frame i + 1."""
    occlusion_backward: NDArray[np.bool_]
    """(T-1, H, W) True where a pixel of frame i + 1 is hidden or outside in frame i."""


def scene(name: str, frames: int = 8, size: tuple[int, int] = (96, 128)) -> Scene:
    """One of ``NAMES``, with ``frames`` pictures of ``size`` (height, width)."""
    if name not in _PATHS:
        raise ValueError(f"scene must be one of {', '.join(NAMES)}, got {name!r}")
    if frames < 1:
        raise ValueError(f"a scene needs at least 1 frame, got {frames}")
    plane, disc = _PATHS[name]
    shots = [_Shot(plane(size)(i), disc(size)(i) if disc else None, size) for i in range(frames)]
    forward, hidden_forward = _flows(list(pairwise(shots)), size)
    backward, hidden_backward = _flows([(b, a) for a, b in pairwise(shots)], size)
    images = np.stack([shot.image() for shot in shots])
    return Scene(images, forward, backward, hidden_forward, hidden_backward)


class _Shot:
    """One picture: where the plane is, and where the disc, if there is one."""

    def __init__(
        self, plane: NDArray[np.float64], disc: NDArray[np.float64] | None, size: tuple[int, int]
    ) -> None:
        self.plane, self.disc, self.size = plane, disc, size
        self.radius = 0.22 * min(size)
        rows, columns = np.mgrid[: size[0], : size[1]].astype(np.float64)
        self.pixels = np.stack([columns, rows], -1)

    def on_disc(self, points: Points) -> NDArray[np.bool_]:
        """Which points (..., 2) of this picture show the disc."""
        if self.disc is None:
            return np.zeros(points.shape[:-1], np.bool_)
        own = _apply(np.linalg.inv(self.disc), points)
        return np.asarray(np.hypot(own[..., 0], own[..., 1]) <= self.radius)

    def image(self) -> NDArray[np.uint8]:
        """(H, W, 3)."""
        light = _pattern(_apply(np.linalg.inv(self.plane), self.pixels), 0)
        if self.disc is not None:
            front = _pattern(_apply(np.linalg.inv(self.disc), self.pixels), 1)
            light = np.where(self.on_disc(self.pixels)[..., None], front, light)
        return np.asarray(np.round(light), np.uint8)


def _flows(
    pairs: list[tuple[_Shot, _Shot]], size: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Flow (n, H, W, 2) and occlusion (n, H, W) of pairs of pictures."""
    flows, hidden = (
        np.zeros((len(pairs), *size, 2), np.float32),
        np.zeros((len(pairs), *size), bool),
    )
    for number, (a, b) in enumerate(pairs):
        flows[number], hidden[number] = _flow(a, b)
    return flows, hidden


def _flow(a: _Shot, b: _Shot) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Flow (H, W, 2) from a to b, and where it is occluded (H, W)."""
    front = a.on_disc(a.pixels)
    target = _apply(b.plane @ np.linalg.inv(a.plane), a.pixels)
    if a.disc is not None and b.disc is not None:
        moved = _apply(b.disc @ np.linalg.inv(a.disc), a.pixels)
        target = np.where(front[..., None], moved, target)
    limit = np.array([b.size[1] - 1, b.size[0] - 1]) + _TOLERANCE
    outside = ((target < -_TOLERANCE) | (target > limit)).any(-1)
    hidden = ~front & b.on_disc(target)
    return (target - a.pixels).astype(np.float32), np.asarray(outside | hidden)


_TOLERANCE: Final = 1e-9
"""Rounding of the maps, in pixels: a plane at rest stays inside."""


def _apply(matrix: NDArray[np.floating], points: Points) -> Points:
    return np.asarray(points @ matrix[:2, :2].T + matrix[:2, 2])


def _pattern(points: Points, seed: int) -> NDArray[np.float64]:
    """Colours (..., 3), 0 to 255, at points: sines of periods 7 to 60 pixels in many directions."""
    rng = np.random.default_rng([seed, 97])
    light = np.zeros((*points.shape[:-1], 3))
    periods = np.geomspace(7, 60, 12)
    sizes = periods**0.35 / (periods**0.35).sum()
    for period, share in zip(periods, sizes, strict=True):
        turn, phase = rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi, 3)
        along = points[..., 0] * np.cos(turn) + points[..., 1] * np.sin(turn)
        light += share * np.sin(2 * np.pi * along[..., None] / period + phase)
    return np.asarray(128 + (80 if seed else -60) * 0.4 + 90 * light)


def _motion(
    shift: tuple[float, float] = (0, 0), turn: float = 0, zoom: float = 1
) -> Callable[[tuple[int, int]], Path]:
    """Per frame: move by ``shift`` pixels, turn by ``turn`` radians, enlarge about the middle."""

    def of(size: tuple[int, int]) -> Path:
        middle = np.array([(size[1] - 1) / 2, (size[0] - 1) / 2])

        def at(index: int) -> NDArray[np.float64]:
            scale, angle = zoom**index, turn * index
            cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
            matrix = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
            matrix[:2, 2] = middle + np.array(shift) * index
            return matrix

        return at

    return of


def _crossing(size: tuple[int, int]) -> Path:
    """A disc that starts a quarter of the width left of the middle and moves right."""

    def at(index: int) -> NDArray[np.float64]:
        matrix = _motion((3.0, 0.7), turn=0.02)(size)(index)
        matrix[0, 2] -= 0.25 * size[1]
        return matrix

    return at


_PATHS: Final[
    dict[
        str,
        tuple[Callable[[tuple[int, int]], Path], Callable[[tuple[int, int]], Path] | None],
    ]
] = {
    "still": (_motion(), None),
    "pan": (_motion((2.3, -1.4)), None),
    "shift": (_motion((3.0, -2.0)), None),
    "subpixel": (_motion((0.21, 0.13)), None),
    "drift": (_motion((-0.7, 0.4)), None),
    "zoom": (_motion(zoom=1.03), None),
    "retreat": (_motion((0.4, -0.3), zoom=0.98), None),
    "rotation": (_motion(turn=0.04), None),
    "sway": (_motion((0.9, 0.5), turn=-0.015), None),
    "occluder": (_motion((-0.8, 0.4)), _crossing),
}
NAMES: Final = tuple(_PATHS)
"""``shift`` is a pan by whole pixels, ``drift`` and ``subpixel`` are slow ones; ``retreat`` zooms
out and ``sway`` turns while they move; ``occluder`` is a disc over a pan."""
