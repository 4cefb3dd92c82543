"""Flow coding: pixels of one surface point share an id (MeDM, sections 3 and 9 of our notes).

First frame first: each frame looks into the frame coded just before it, so every pixel is written
once and a film can be coded chunk by chunk. Frames here are *slots* from 0; slot 0 is the key
frame, or the boundary frame that the chunk before has coded.

Chains of rounded steps lose slow motion, so every pixel also carries where its surface point was in
a frame of birth, as a *displacement* ``D(p) = birth position - p``. A pixel takes the id that its
frame of birth shows where the birth position rounds to. Our notes (3.3) allow only ids that were
born there; with any id, surface that comes into view strip by strip is not cut into as many ids
(1.46 instead of 1.67 per pixel on the occluder scene of the tests, 12 frames).
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


@dataclass(frozen=True, slots=True, eq=False, repr=False)
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


@dataclass(frozen=True, slots=True, eq=False, repr=False)
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
    frames, home = [start], cv2.split(places(*start.ids.shape))
    shown = np.full((len(matches) + 1, *start.ids.shape), NOBODY, np.int32)
    shown[0] = start.ids
    for slot, (match, part) in enumerate(zip(matches, active, strict=True), 1):
        coded, new = _follow(frames[-1], match, part, shown, home)
        ids = np.arange(count, count + len(new), dtype=np.int32)
        coded.ids.ravel()[new] = ids
        shown[slot] = coded.ids
        coded.trail.reshape(-1, 4)[new, 2] = slot * _APART
        count += len(new)
        frames.append(coded)
    return Encoding(tuple(frames), count)


def _follow(
    previous: Coded,
    match: Correspondence,
    active: NDArray[np.bool_],
    shown: NDArray[np.int32],
    home: Sequence[NDArray[np.float32]],
) -> tuple[Coded, NDArray[np.int64]]:
    """The next frame, and the indices of its pixels that are new, in raster order.

    Planes are kept apart: NumPy is many times slower on interleaved ones.
    """
    dx, dy, mark = _read(previous.trail, match.grid)
    slots = np.rint(mark * (1 / _APART))
    inherits = match.valid & active & (slots >= 0)
    lost = np.flatnonzero(~inherits)
    grid_x, grid_y = cv2.split(match.grid)
    x, y = grid_x + dx, grid_y + dy
    ids = _looked_up(x, y, slots, shown)
    ids.ravel()[lost] = NOBODY
    orphans = np.flatnonzero(inherits & (ids < 0))
    ids.ravel()[orphans] = _parents(previous, shown, match.grid.reshape(-1, 2)[orphans])
    lost = np.flatnonzero(ids < 0)
    slots.ravel()[lost] = -1
    dx, dy = x - home[0], y - home[1]
    dx.ravel()[lost] = dy.ravel()[lost] = 0
    trail = cv2.merge([dx, dy, slots * np.float32(_APART), np.zeros_like(dx)])
    return Coded(ids, trail), lost[active.ravel()[lost]]


def _read(
    trail: NDArray[np.float32], grid: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Displacement and slot mark at points: blended inside a surface, else of the nearest pixel.

    Points that round to no pixel, or are not finite, read as inactive. Blending displacements, not
    positions, makes OpenCV's steps of 1/32 pixel harmless: inside a surface they hardly vary.
    """
    near = cv2.remap(trail, grid, None, cv2.INTER_NEAREST, borderValue=(0, 0, -_APART, 0))
    blend = cv2.remap(trail, grid, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    same = cv2.inRange(cv2.absdiff(blend, near), (0,) * 4, (_AGREE,) * 4)
    cv2.copyTo(blend, same, near)
    dx, dy, mark, _ = cv2.split(near)
    return dx, dy, mark


def _looked_up(
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    slots: NDArray[np.float32],
    shown: NDArray[np.int32],
) -> NDArray[np.int32]:
    """Ids shown at birth positions, `NOBODY` where none is; wrong where the slot is negative.

    ``shown`` (T, S, S) holds the ids of all frames so far.
    """
    ids: NDArray[np.int32] = cv2.remap(shown[0], x, y, cv2.INTER_NEAREST, borderValue=NOBODY)
    later = np.flatnonzero(slots > 0)
    column, row, slot = (np.rint(plane.ravel()[later]).astype(np.int64) for plane in (x, y, slots))
    height, width = ids.shape
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    at = np.where(inside, (slot * height + row) * width + column, 0)
    ids.ravel()[later] = np.where(inside, shown.ravel()[at], NOBODY)
    return ids


def _parents(
    previous: Coded, shown: NDArray[np.int32], points: NDArray[np.float32]
) -> NDArray[np.int32]:
    """Ids of the pixels nearest to points ``(n, 2)``, unless those have theirs from a parent too.

    So an id strays by a pixel at most where new surface comes in slowly, at edges of the picture,
    of the mask and of whatever hides it. With every parent's id taken, as in medm.md 3.3, such
    edges keep the ids they began with, and smear.
    """
    column, row = np.rint(points).astype(np.int64).T
    trail, ids = previous.trail[row, column], previous.ids[row, column]
    height, width = previous.ids.shape
    x = np.rint(column + trail[:, 0]).astype(np.int64)
    y = np.rint(row + trail[:, 1]).astype(np.int64)
    slot = np.rint(trail[:, 2] / _APART).astype(np.int64)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    own = shown[slot, y.clip(0, height - 1), x.clip(0, width - 1)]
    return np.where(inside & (own == ids), ids, NOBODY)
