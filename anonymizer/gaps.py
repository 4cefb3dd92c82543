"""Follow faces by optical flow where no detector saw them, between two sightings of one track.

A straight line between the sightings misses a head that turns, nods or bounces. Points on the face
are followed forward from the sighting before and backward from the one after (Lucas and Kanade's
method in pyramids); their median tells how the box moves, as in Kalal, Mikolajczyk and Matas,
"Forward-backward error" (ICPR 2010). Where a way does not arrive near the other sighting, because
something passed in front, the straight line stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer import geometry
from anonymizer.data import Box, Face, Frame
from anonymizer.linking import Piece

LEAST: Final = 3
"""Missing frames from which a gap is worth a look."""
WIDTH: Final = 640
"""Pictures wider than this are made smaller to follow points in them."""
ARRIVED: Final = 0.4
"""IoU with the other sighting from which a way is believed."""
GRID: Final = 9
"""Points across and down a face."""
FEWEST: Final = 12
"""Points that must be found again in every frame."""
RETURNED: Final = 1.0
"""Pixels that a point followed there and back may be off."""

Gray = NDArray[np.uint8]
Boxes = NDArray[np.float64]
"""``(T, 4)``."""


@dataclass(frozen=True, slots=True, eq=False)
class Gap:
    """Frames of a film without a sighting, between two sightings of one face."""

    start: int
    """Film index of the sighting before."""
    stop: int
    """Film index of the sighting after."""
    before: Face
    after: Face


def gaps(piece: Piece, start: int) -> list[Gap]:
    """The gaps of a piece in a shot that begins at film index ``start``."""
    sightings = list(zip(piece.frames, piece.faces, strict=True))
    return [
        Gap(start + frame, start + then, before, after)
        for (frame, before), (then, after) in pairwise(sightings)
        if then - frame > LEAST
    ]


def closed(piece: Piece, start: int, holes: Sequence[Gap], followed: Mapping[Gap, Boxes]) -> Piece:
    """The piece with a face in every frame of its gaps that were followed."""
    faces = dict(zip(piece.frames, piece.faces, strict=True))
    carried: set[int] = set()
    for gap in holes:
        for index, box in enumerate(followed.get(gap, ()), gap.start + 1):
            nearer = gap.before if 2 * index <= gap.start + gap.stop else gap.after
            faces[index - start] = _moved(nearer, tuple(box.tolist()))
            carried.add(index - start)
    frames = tuple(sorted(faces))
    return Piece(frames, tuple(faces[frame] for frame in frames), frozenset(carried))


def follow(frames: Iterable[Frame], wanted: Sequence[Gap]) -> dict[Gap, Boxes]:
    """Where faces are in the frames of gaps: boxes by gap, for those that could be followed.

    Holds no more pictures than the longest gap has. Reads no further than the last gap.
    """
    if not wanted:
        return {}
    last = max(gap.stop for gap in wanted)
    held: dict[int, Gray] = {}
    found: dict[Gap, Boxes] = {}
    for frame in frames:
        if frame.index > last:
            break
        here = [gap for gap in wanted if gap.start <= frame.index <= gap.stop]
        oldest = min((gap.start for gap in here), default=frame.index + 1)
        held = {index: gray for index, gray in held.items() if index >= oldest}
        if not here:
            continue
        held[frame.index], scale = _small(frame.image)
        for gap in here:
            if gap.stop == frame.index:
                film = [held[index] for index in range(gap.start, gap.stop + 1)]
                boxes = between(film, gap.before.box, gap.after.box, scale)
                if boxes is not None:
                    found[gap] = boxes
    return found


def between(film: Sequence[Gray], before: Box, after: Box, scale: float = 1.0) -> Boxes | None:
    """Boxes ``(T - 2, 4)`` of a face in all but the first and the last of ``T`` pictures.

    Args:
        film: ``(H, W)`` each.
        before: Box in the first picture.
        after: Box in the last.
        scale: Pixels of a picture per pixel of the boxes.

    Returns:
        None where the face cannot be followed.
    """
    ends = np.array(before) * scale, np.array(after) * scale
    share = np.linspace(0, 1, len(film))[:, None]
    forward = _way(film, *ends)
    backward = _way(film[::-1], *ends[::-1])
    if forward is None or backward is None:
        return None
    boxes: Boxes = forward * (1 - share) + backward[::-1] * share
    return boxes[1:-1] / scale


def _way(film: Sequence[Gray], first: Boxes, last: Boxes) -> Boxes | None:
    """Boxes ``(T, 4)`` from the first to the last; None if points lead elsewhere."""
    boxes = [first]
    for one, other in pairwise(film):
        step = _step(one, other, boxes[-1])
        if step is None:
            return None
        boxes.append(step)
    if geometry.iou(boxes[-1][None], last[None])[0, 0] < ARRIVED:
        return None
    drift = np.linspace(0, 1, len(film))[:, None] * (last - boxes[-1])
    way: Boxes = np.stack(boxes) + drift
    return way


def _step(one: Gray, other: Gray, box: Boxes) -> Boxes | None:
    """The box one picture later, moved and scaled by the median of the points in it."""
    x, y = (np.linspace(low, high, GRID) for low, high in _inner(box))
    points = np.stack(np.meshgrid(x, y), -1).reshape(-1, 1, 2).astype(np.float32)
    window = {"winSize": (15, 15), "maxLevel": 4}
    moved, there, _ = cv2.calcOpticalFlowPyrLK(one, other, points, None, **window)  # type: ignore[call-overload]
    back, again, _ = cv2.calcOpticalFlowPyrLK(other, one, moved, None, **window)  # type: ignore[call-overload]
    error = np.hypot(*(back - points).reshape(-1, 2).T)
    good = (there.ravel() == 1) & (again.ravel() == 1) & (error <= RETURNED)
    if good.sum() < FEWEST:
        return None
    before, after = points.reshape(-1, 2)[good], moved.reshape(-1, 2)[good]
    middle = (box[:2] + box[2:]) / 2
    half = (box[2:] - box[:2]) / 2 * _growth(before, after)
    centre = middle + np.median(after - before, axis=0)
    return np.concatenate([centre - half, centre + half])


def _inner(box: Boxes) -> list[tuple[float, float]]:
    """Ranges of x and of y in the middle of a box, where there is more face than background."""
    margin = 0.15 * (box[2:] - box[:2])
    return [(float(box[at] + margin[at]), float(box[at + 2] - margin[at])) for at in (0, 1)]


def _growth(before: Boxes, after: Boxes) -> float:
    """By how much the median distance between points grew, within a tenth."""
    apart = np.hypot(*(before[:, None] - before[None]).reshape(-1, 2).T)
    later = np.hypot(*(after[:, None] - after[None]).reshape(-1, 2).T)
    far = apart > 1
    return float(np.clip(np.median(later[far] / apart[far]), 0.9, 1.1)) if far.any() else 1.0


def _small(image: NDArray[np.uint8]) -> tuple[Gray, float]:
    """A grey picture of at most `WIDTH`, and its pixels per pixel of the frame."""
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    scale = min(1.0, WIDTH / gray.shape[1])
    if scale < 1:
        gray = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(gray, np.uint8), scale


def _moved(face: Face, box: Box) -> Face:
    """The face in another box, landmarks with it; what it does there is not known."""
    x0, y0, x1, y1 = face.box
    scale = np.array([(box[2] - box[0]) / (x1 - x0), (box[3] - box[1]) / (y1 - y0)])
    points = face.landmarks
    if points is not None:
        points = ((points - (x0, y0)) * scale + box[:2]).astype(np.float32)
    return replace(face, box=box, landmarks=points, motion=None)
