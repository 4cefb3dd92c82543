"""Where a face lies in a frame: its aligned square and its protected area.

Conventions: crops are squares of ``size`` pixels in the canonical alignment of
``anonymizer.head.canonical``; lengths given "at 128" scale with the size. Opacity is 1 on the
core, falls linearly to 0 across the feather, and is 0 outside; the protected area P is where it is
above 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anonymizer import geometry, smoothing
from anonymizer.data import Box, Face, Track
from anonymizer.geometry import Matrix
from anonymizer.head import canonical

MARGIN: Final = 4.0
"""How far the core reaches past the oval and the ellipse, pixels at 128: those are the face's own
outline, and a rim of the old face around a new one is a ghost of it."""
FEATHER: Final = 2.0
"""Width of the feather, pixels at 128; what is painted there goes on from the film anyway."""
BOX_REACH: Final = 1.1
"""The ellipse in a detector's box, made larger by this, belongs to the core."""
HAIRLINE: Final = 8.0
"""Height that hairlines do not exceed, pixels at 128."""
SURE: Final = 3.0
"""Error in the height of landmarks that is usual, pixels at 128."""
_MIDDLE: Final = (63.5, 64.0)
_WIDTH, _HEIGHT = 36.0, 48.0
_POWER: Final = 2.5
_FACES: Final = 512
"""Faces of which is remembered how they lie: those of neighbours are asked for again."""
_MASKS: Final = 128
"""Faces of which the mask is remembered, for the same reason: 64 KiB each in crops of 128, four
times as much in crops of 256."""
_EDGE: Final = 1.5
"""Pixels kept free between P and the edge of the crop."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Placement:
    """Where a face's crop lies."""

    crop_from_frame: Matrix
    landmarks: NDArray[np.float64]
    """``(5, 2)`` in crop pixels."""

    @property
    def frame_from_crop(self) -> Matrix:
        """``(3, 3)``."""
        return geometry.inverse(self.crop_from_frame)


@dataclass(frozen=True, slots=True)
class _Oval:
    """Half axes and middle of the template at 128; wider to one side when the head is turned."""

    middle: tuple[float, float]
    left: float
    right: float
    height: float

    def level(self, x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
        """Distance of points from the outline in pixels at 128, about; negative inside."""
        across = np.maximum((x - self.middle[0]) / self.right, (self.middle[0] - x) / self.left)
        down = np.abs(y - self.middle[1]) / self.height
        radius = (across**_POWER + down**_POWER) ** (1 / _POWER)
        level: NDArray[np.float32] = (radius - 1) * min(self.left, self.right, self.height)
        return level


def place(face: Face, size: int) -> Placement:
    """Align a face. Where its protected area would not fit the crop, the crop takes in more.

    Raises:
        ValueError: if the face has no landmarks, or degenerate ones; tracks fill them in.
    """
    return _widened(face, size, _need(face, size))


def place_in(track: Track, index: int, size: int) -> tuple[Placement, NDArray[np.float32]]:
    """Align the face of a track in frame ``index``, in a view that widens smoothly over time.

    Returns:
        Its place, and its opacity in that crop, read-only: see `protected_mask`.

    Raises:
        ValueError: if the track has no face there.
    """
    return _protected(*_view(track, index, size))


@lru_cache(_MASKS)
def _protected(face: Face, size: int, need: float) -> tuple[Placement, NDArray[np.float32]]:
    placed = _widened(face, size, need)
    mask = protected_mask(
        placed.landmarks, size, box=face.box, frame_from_crop=placed.frame_from_crop
    )
    mask.flags.writeable = False
    return placed, mask


def _view(track: Track, index: int, size: int) -> tuple[Face, int, float]:
    """The face of a track, the size of its crop, and by how much its view is widened."""
    face = track.at(index)
    if face is None:
        raise ValueError(f"track {track.id} has no face in frame {index}")
    reach = 2 * smoothing.SPAN
    nearby = np.arange(index - reach, index + reach + 1).clip(track.start, track.stop - 1)
    needs = {at: _need(track.faces[at - track.start], size) for at in set(nearby.tolist())}
    smooth = smoothing.above(np.array([[needs[at]] for at in nearby.tolist()]))
    return face, size, float(smooth[reach, 0])


def _widened(face: Face, size: int, need: float) -> Placement:
    """Align a face in a view wider by ``need``."""
    aligned, points = _aligned(face, size)
    middle = (size - 1) / 2
    inner = geometry.similarity(scale=1 / need, shift=(middle * (1 - 1 / need),) * 2)
    return Placement(inner @ aligned, geometry.apply(inner, points))


@lru_cache(_FACES)
def _need(face: Face, size: int) -> float:
    """By how much the canonical view must be widened to hold the protected area; at least 1."""
    aligned, points = _aligned(face, size)
    low, high = _extent(points, size, face.box, aligned)
    middle = (size - 1) / 2
    return max(1.0, float(max((middle - low).max(), (high - middle).max())) / (middle - _EDGE))


@lru_cache(_FACES)
def _aligned(face: Face, size: int) -> tuple[Matrix, NDArray[np.float64]]:
    """The canonical ``crop_from_frame`` and the landmarks in that crop."""
    if face.landmarks is None:
        raise ValueError("a face without landmarks cannot be aligned; link it into a track first")
    aligned = canonical.crop_from_frame(face.landmarks, size)
    return aligned, geometry.apply(aligned, face.landmarks)


def protected_mask(
    landmarks: NDArray[np.floating],
    size: int,
    *,
    box: Box | None = None,
    frame_from_crop: Matrix | None = None,
) -> NDArray[np.float32]:
    """Opacity of a face in its crop.

    The core is an oval from the hairline to the chin and from ear to ear, reaching further back
    when the head is turned, together with the ellipse in the detector's box, slightly enlarged, and
    a margin around both.

    Args:
        landmarks: ``(5, 2)`` in crop pixels.
        size: Side of the crop.
        box: The detector's box, in frame pixels; None uses the landmarks alone.
        frame_from_crop: Where the crop lies; None if the box is given in crop pixels.

    Returns:
        ``(size, size)`` in [0, 1].
    """
    aligned = canonical.crop_from_frame(landmarks, canonical.REFERENCE_SIZE)
    points, (x, y) = geometry.apply(aligned, landmarks), geometry.grid(aligned, size)
    level = _oval(points).level(x, y)
    if box is not None:
        matrix = np.eye(3) if frame_from_crop is None else frame_from_crop
        unit = geometry.scale_of(aligned) / geometry.scale_of(matrix)
        ellipse = _box_level(box, *geometry.grid(matrix, size)) * unit
        level = np.minimum(level, np.maximum(ellipse, _hairline(points) - y))
    return (1 - (level - MARGIN) / FEATHER).clip(0, 1)


def _oval(landmarks: NDArray[np.float64]) -> _Oval:
    """The template for landmarks in the canonical crop of 128 pixels."""
    eyes, mouth = landmarks[:2].mean(axis=0), landmarks[3:].mean(axis=0)
    turn = float(landmarks[2, 0] - (eyes[0] + mouth[0]) / 2)
    forward = max(_WIDTH - 0.8 * abs(turn), abs(turn) + 14.0)
    back = _WIDTH + 0.5 * min(abs(turn), 24.0)
    left, right = (back, forward) if turn > 0 else (forward, back)
    return _Oval(_MIDDLE, left, right, _HEIGHT)


def _hairline(landmarks: NDArray[np.float64]) -> float:
    """Height above which no face is, in the canonical crop of 128 pixels.

    Boxes often reach into the hair. The less eyes and mouth are where a face has them, as when they
    were misplaced, the higher it lies.
    """
    off = landmarks[[0, 1, 3, 4], 1] - canonical.MEAN_LANDMARKS[[0, 1, 3, 4], 1]
    doubt = max(0.0, float(np.sqrt(np.square(off).mean())) - SURE)
    return HAIRLINE - 4.0 * doubt


def _box_level(box: Box, x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
    """Distance from the enlarged ellipse in the box, about, in frame pixels; negative inside."""
    middle = geometry.centre(box)
    wide, high = (box[2] - box[0]) * BOX_REACH / 2, (box[3] - box[1]) * BOX_REACH / 2
    across, down = (x - middle[0]) / wide, (y - middle[1]) / high
    level: NDArray[np.float32] = (np.sqrt(across * across + down * down) - 1) * min(wide, high)
    return level


def _extent(
    landmarks: NDArray[np.float64], size: int, box: Box, crop_from_frame: Matrix
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Least and greatest (x, y) of the protected area, in pixels of the canonical crop."""
    unit = size / canonical.REFERENCE_SIZE
    oval = _oval((landmarks + 0.5) / unit - 0.5)
    middle = np.array(oval.middle)
    low = (middle - np.array([oval.left, oval.height]) - MARGIN - FEATHER) * unit
    high = (middle + np.array([oval.right, oval.height]) + MARGIN + FEATHER) * unit
    half = np.array([box[2] - box[0], box[3] - box[1]]) * BOX_REACH / 2
    turn = crop_from_frame[:2, :2]
    grow = 1 + (MARGIN + FEATHER) * unit / (half.min() * geometry.scale_of(crop_from_frame))
    reach = np.hypot(*(turn * half * grow).T)
    middle = geometry.apply(crop_from_frame, geometry.centre(box))
    return np.minimum(low, middle - reach), np.maximum(high, middle + reach)
