"""Flow coding: pixels of one surface point share an id (MeDM, sections 3 and 9 of our notes).

First frame first: each frame looks into the frame coded just before it, so every pixel is written
once and a film can be coded chunk by chunk. Frames here are *slots* from 0; slot 0 is the key
frame, or the boundary frame that the chunk before has coded.

Chains of rounded steps lose slow motion, so every pixel also carries where its surface point was in
the frame in which its id was born, as a *displacement* ``D(p) = birth position - p``. A pixel takes
the id that was born where its own birth position rounds to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.data import Correspondence
from mediators._flow import places

NOBODY: Final = -1
"""Id of inactive pixels."""
_APART: Final = 64.0
"""Slots are this far apart in a trail, so that a blend of two of them cannot pass for one."""
_AGREE: Final = 0.5
"""Blended and nearest trail differ by less than this, in pixels, inside one surface."""


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """One coded frame."""

    ids: NDArray[np.int32]
    """``(S, S)``, `NOBODY` where inactive."""
    trail: NDArray[np.float32]
    """``(S, S, 4)``: displacement (dx, dy) to the birth position; `_APART` times the slot of birth,
    negative where inactive; 0."""

    @property
    def displacement(self) -> NDArray[np.float32]:
        """``(S, S, 2)`` from each pixel to its birth position."""
        return self.trail[..., :2]

    @property
    def slots(self) -> NDArray[np.int64]:
        """``(S, S)`` slot in which each pixel was born, -1 where inactive."""
        return np.asarray(np.rint(self.trail[..., 2] / _APART), np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Encoding:
    """All frames of a chunk, the boundary frame included if there is one."""

    frames: tuple[Coded, ...]
    count: int
    """Number of ids; they are 0 to count - 1."""


def key(active: NDArray[np.bool_]) -> tuple[Coded, int]:
    """A frame in which every active pixel is new, and the number of its ids.

    Ids count the active pixels in raster order: the linear index if all are active.
    """
    ids = np.where(active, np.cumsum(active, dtype=np.int32).reshape(active.shape) - 1, NOBODY)
    return _start(ids.astype(np.int32), np.zeros((*active.shape, 2), np.float32)), int(active.sum())


def resumed(ids: NDArray[np.int32], origin: NDArray[np.float32]) -> Coded:
    """The boundary frame as the birth frame of all its pixels (medm.md 9.1).

    Their birth positions become ``p + residual``, where the residual is what is left of ``origin``
    (S, S, 2) after rounding: with ``p`` alone, slow motion would start to drift at every seam.
    """
    return _start(ids, origin - np.rint(origin))


def _start(ids: NDArray[np.int32], displacement: NDArray[np.float32]) -> Coded:
    trail = np.zeros((*ids.shape, 4), np.float32)
    trail[..., :2] = displacement
    trail[..., 2] = np.where(ids >= 0, 0, -_APART)
    return Coded(ids, trail)


def encode(
    start: Coded,
    count: int,
    matches: Sequence[Correspondence],
    active: Sequence[NDArray[np.bool_]],
) -> Encoding:
    """Code frame after frame.

    Args:
        start: slot 0.
        count: number of ids in it.
        matches: of slot i + 1 into slot i.
        active: ``(S, S)`` of slot i + 1: pixels that take part.
    """
    side = start.ids.shape[0]
    base = places(side)
    born = np.full((len(matches) + 1, side * side), NOBODY, np.int32)
    born[0] = start.ids.ravel()
    frames = [start]
    for slot, (match, part) in enumerate(zip(matches, active, strict=True), 1):
        coded, fresh = _follow(frames[-1], match, part, base, born)
        count = _be_born(coded, fresh, born[slot], slot, count)
        frames.append(coded)
    return Encoding(tuple(frames), count)


def _follow(
    previous: Coded,
    match: Correspondence,
    active: NDArray[np.bool_],
    base: NDArray[np.float32],
    born: NDArray[np.int32],
) -> tuple[Coded, NDArray[np.bool_]]:
    """The next frame with inherited ids, and which of its pixels inherit none, ``(S, S)``."""
    side = len(base)
    inside = _within(match.grid, side)
    grid = match.grid if inside.all() else np.where(inside[..., None], match.grid, base)
    parents = cv2.remap(previous.ids, grid, None, cv2.INTER_NEAREST)
    inherits = inside & match.valid & active & (parents >= 0)
    trail = _read(previous.trail, grid)
    trail[..., :2] += grid - base
    ids = np.where(inherits, _looked_up(trail, parents, base, born), NOBODY)
    fresh = active & ~inherits
    trail[~inherits] = (0, 0, -_APART, 0)
    return Coded(ids, trail), fresh


def _within(points: NDArray[np.float32], side: int) -> NDArray[np.bool_]:
    """Which points ``(S, S, 2)`` round to a pixel; those that are not finite do not."""
    edge = side - 0.5
    return np.asarray(cv2.inRange(points, (-0.5, -0.5), (edge, edge)) > 0)


def _read(trail: NDArray[np.float32], grid: NDArray[np.float32]) -> NDArray[np.float32]:
    """The trail at points of its frame: blended inside a surface, else that of the nearest pixel.

    Blending displacements, not positions, makes OpenCV's 1/32 pixel steps harmless: inside a
    surface the displacement hardly varies.
    """
    options = {"borderMode": cv2.BORDER_REPLICATE}
    near: NDArray[np.float32] = cv2.remap(trail, grid, None, cv2.INTER_NEAREST, **options)
    blend = cv2.remap(trail, grid, None, cv2.INTER_LINEAR, **options)
    same = cv2.inRange(cv2.subtract(blend, near), (-_AGREE,) * 4, (_AGREE,) * 4)
    cv2.copyTo(blend, same, near)
    near[..., 2] = np.rint(near[..., 2] / _APART) * _APART
    return near


def _looked_up(
    trail: NDArray[np.float32],
    parents: NDArray[np.int32],
    base: NDArray[np.float32],
    born: NDArray[np.int32],
) -> NDArray[np.int32]:
    """Ids born at the birth positions; the parents' where there is none."""
    side = len(base)
    x, y = (np.rint(base[..., axis] + trail[..., axis]).astype(np.int32) for axis in (0, 1))
    slot = (trail[..., 2] * (1 / _APART)).astype(np.int32)
    known = (x >= 0) & (x < side) & (y >= 0) & (y < side) & (slot >= 0)
    at = np.where(known, (slot * side + y) * side + x, 0)
    found = np.where(known, born.ravel().take(at), NOBODY)
    return np.where(found >= 0, found, parents)


def _be_born(
    coded: Coded, fresh: NDArray[np.bool_], born: NDArray[np.int32], slot: int, count: int
) -> int:
    """Give new pixels ids in raster order; returns the number of ids after that."""
    at = np.flatnonzero(fresh)
    new = np.arange(count, count + len(at), dtype=np.int32)
    coded.ids.ravel()[at] = new
    coded.trail.reshape(-1, 4)[at] = (0, 0, slot * _APART, 0)
    born[at] = new
    return count + len(at)
