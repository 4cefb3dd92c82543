"""Link the faces of one shot through time, fill what is missing, and steady what is there.

Everything is known before anything is decided, so nothing here is causal, and the same film played
backwards gives the same tracks backwards.

Linking joins pieces, at first single sightings. A round looks at every pair of a piece that ends
and a piece that begins at most so many frames later, and asks how far apart the two put the face in
the middle of the gap, each carrying its own velocity there. The distance is in face sizes; a change
of size by a factor e counts like one face size. Pairs are taken cheapest first. The first
round leaves doubtful pairs alone: where faces cross, velocities measured before and after
decide, not the mere distance. Later rounds reach over longer gaps.

A track errs on the side of covering: a wrong link costs a face that drifts over background, a
missing one a face that is seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anonymizer import geometry, smoothing
from anonymizer.data import Box, Face, Origin, Track

LAYOUT: Final = np.array([[0.30, 0.39], [0.70, 0.39], [0.50, 0.59], [0.34, 0.77], [0.66, 0.77]])
"""Where the landmarks of a frontal face lie in its box, as fractions of width and height."""
EXTENSION: Final = 3
"""Frames added before the first and after the last sighting."""
CONVINCING: Final = 0.5
"""A face seen once is extended only from this score on; it is covered in any case."""
_ROUNDS: Final = ((1, 0.8, 1.5), (1, 0.8, 1.0), (4, 0.8, 1.0), (15, 1.0, 1.0), (None, 1.2, 1.0))
"""(longest step in frames, or None for the gap, largest cost, how much worse a rival must be)."""


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """Sightings of one face; ``frames`` increase."""

    frames: tuple[int, ...]
    faces: tuple[Face, ...]

    def motion(self, at_end: bool) -> NDArray[np.float64]:
        """``(5,)``: centre (x, y), velocity (x, y) per frame, side, at one end."""
        step = slice(-5, None) if at_end else slice(5)
        frames = np.array(self.frames[step], np.float64)
        boxes = np.array([face.box for face in self.faces[step]])
        centres, side = (boxes[:, :2] + boxes[:, 2:]) / 2, _sides(boxes)
        anchor = -1 if at_end else 0
        away = frames - frames.mean()
        slope = away @ centres / max(float(away @ away), 1e-9)
        limit = 0.6 * side[anchor] / max(float(np.hypot(*slope)), 1e-9)
        return np.concatenate(
            [centres[anchor], slope * min(1.0, limit), side[anchor : anchor + 1 or None]]
        )


def link(
    observations: Sequence[Sequence[Face]],
    *,
    shot: int,
    start: int,
    first_id: int,
    frame_size: tuple[int, int],
    gap: int = 60,
) -> list[Track]:
    """Turn the faces seen in every frame of one shot into tracks without holes.

    Args:
        observations: Faces of each frame of the shot, in any order.
        shot: Number of the shot.
        start: Index in the film of the shot's first frame.
        first_id: Identity of the first track; the others count on.
        frame_size: (width, height) in pixels.
        gap: Longest run of frames without a sighting that is filled.

    Returns:
        Tracks by first frame. Every face has landmarks. Boxes hold what was detected. Motion is
        filled and steadied where it was read in some frame of the track.
    """
    pieces = [
        _Piece((index,), (face,))
        for index, faces in enumerate(observations)
        for face in _distinct(faces)
    ]
    for longest, dearest, rivalry in _ROUNDS:
        step = gap + 1 if longest is None else min(longest, gap + 1)
        pieces = _joined(pieces, step, dearest, rivalry)
    made = [_track(piece, len(observations), frame_size) for piece in pieces]
    made.sort(key=lambda item: (item[0], item[1][0].box))
    return [
        Track(id=first_id + number, shot=shot, start=start + first, faces=faces, origins=origins)
        for number, (first, faces, origins) in enumerate(made)
    ]


def _sides(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Geometric mean side of boxes ``(N, 4)``."""
    sides: NDArray[np.float64] = np.sqrt((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
    return sides


def _distinct(faces: Sequence[Face]) -> list[Face]:
    """Drop further boxes of a face: those that agree with, or lie inside, a likelier one.

    A smaller face near the edge of a larger box is another person, and stays.
    """
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: (-face.score, face.box)):
        if not any(_same(face.box, other.box) for other in kept):
            kept.append(face)
    return sorted(kept, key=lambda face: face.box)


def _same(a: Box, b: Box) -> bool:
    shared = float(geometry.overlaps(a, b)[0, 0])
    small, large = sorted((geometry.area(a), geometry.area(b)))
    apart = np.subtract(geometry.centre(a), geometry.centre(b))
    if shared > 0.5 * (small + large - shared):
        return True
    return bool(shared > 0.8 * small and float(np.hypot(*apart)) < 0.3 * large**0.5)


def _joined(pieces: list[_Piece], step: int, dearest: float, rivalry: float) -> list[_Piece]:
    """One round: join pieces whose ends are at most ``step`` frames apart, cheapest first."""
    pairs = sorted(_pairs(pieces, step, dearest, rivalry))
    after: dict[int, int] = {}
    taken: set[int] = set()
    for _, first, second in pairs:
        if first not in after and second not in taken:
            after[first] = second
            taken.add(second)
    chains: list[_Piece] = []
    for head in range(len(pieces)):
        if head not in taken:
            chain = [head]
            while chain[-1] in after:
                chain.append(after[chain[-1]])
            frames = tuple(frame for part in chain for frame in pieces[part].frames)
            faces = tuple(face for part in chain for face in pieces[part].faces)
            chains.append(_Piece(frames, faces))
    return chains


def _pairs(
    pieces: Sequence[_Piece], step: int, dearest: float, rivalry: float
) -> Iterator[tuple[float, int, int]]:
    """(cost, number of the ending piece, number of the beginning piece), each within limits."""
    begins: dict[int, list[int]] = defaultdict(list)
    ends: dict[int, list[int]] = defaultdict(list)
    for number, piece in enumerate(pieces):
        begins[piece.frames[0]].append(number)
        ends[piece.frames[-1]].append(number)
    before = {
        number: pieces[number].motion(at_end=True) for group in ends.values() for number in group
    }
    later = {
        number: pieces[number].motion(at_end=False) for group in begins.values() for number in group
    }
    for frame, firsts in ends.items():
        for ahead in range(1, step + 1):
            if not (seconds := begins.get(frame + ahead)):
                continue
            costs = _costs(
                np.stack([before[number] for number in firsts]),
                np.stack([later[number] for number in seconds]),
                ahead,
            )
            for row, column in np.argwhere(costs <= dearest).tolist():
                if costs[row, column] * rivalry <= _rival(costs, row, column):
                    yield float(costs[row, column]), firsts[row], seconds[column]


def _costs(
    ends: NDArray[np.float64], begins: NDArray[np.float64], ahead: int
) -> NDArray[np.float64]:
    """Disagreement of every pair, in face sizes; ``(N, 5)`` and ``(M, 5)`` to ``(N, M)``.

    Faces stop and start, so standing still is tried as well as moving on, and the distance
    counts less after a long gap.
    """
    size = np.sqrt(ends[:, None, 4] * begins[None, :, 4])
    apart = ends[:, None, :2] - begins[None, :, :2]
    travel = (ends[:, None, 2:4] + begins[None, :, 2:4]) * (min(ahead, 12) / 2)
    moving = np.hypot(*np.moveaxis(apart + travel, -1, 0))
    still = np.hypot(*np.moveaxis(apart, -1, 0)) + 0.25 * np.hypot(*np.moveaxis(travel, -1, 0))
    growth = np.abs(np.log(ends[:, None, 4] / begins[None, :, 4]))
    cost: NDArray[np.float64] = np.minimum(moving, still) / size / (1 + 0.02 * ahead) + growth
    return cost


def _rival(costs: NDArray[np.float64], row: int, column: int) -> float:
    """The least cost of any other pair with one of the same pieces."""
    others = np.concatenate([np.delete(costs[row], column), np.delete(costs[:, column], row)])
    return float(others.min(initial=np.inf)) + 1e-9


def _track(
    piece: _Piece, count: int, frame_size: tuple[int, int]
) -> tuple[int, tuple[Face, ...], tuple[Origin, ...]]:
    """Fill, steady and extend one piece within the ``count`` frames of its shot."""
    seen = np.array(piece.frames)
    every = np.arange(seen[0], seen[-1] + 1)
    raw = np.array([face.box for face in piece.faces])
    points = np.stack([_landmarks(face) for face in piece.faces])
    scores = np.interp(every, seen, [face.score for face in piece.faces])
    filled = _filled(every, seen, raw)
    boxes = smoothing.covering(smoothing.steady(filled, _sides(filled)), filled)
    flat = smoothing.steady(_filled(every, seen, points.reshape(-1, 10)), _sides(filled))
    motions = _motions(piece, every)
    sighted = set(piece.frames)
    faces = [_face(*values) for values in zip(boxes, flat, scores, motions, strict=True)]
    origins: list[Origin] = ["detected" if t in sighted else "interpolated" for t in every.tolist()]
    if len(seen) > 1 or scores[0] >= CONVINCING:
        head = _extended(piece, faces[0], int(seen[0]), frame_size, at_end=False)
        tail = _extended(piece, faces[-1], count - 1 - int(seen[-1]), frame_size, at_end=True)
        faces = [*reversed(head), *faces, *tail]
        origins = ["extended"] * len(head) + origins + ["extended"] * len(tail)  # type: ignore[assignment]
        return int(seen[0]) - len(head), tuple(faces), tuple(origins)
    return int(seen[0]), tuple(faces), tuple(origins)


def _motions(piece: _Piece, every: NDArray[np.int64]) -> list[NDArray[np.float32] | None]:
    """What the face does in all frames ``every``; None in all where it was never read."""
    read = {
        frame: face.motion
        for frame, face in zip(piece.frames, piece.faces, strict=True)
        if face.motion is not None and _plausible(face)
    }
    if not read:
        return [None] * len(every)
    values = np.stack(list(read.values())).astype(np.float64)
    filled = _filled(every, np.array(list(read)), values)
    return list(smoothing.quiet(filled).astype(np.float32))


def _face(
    box: NDArray[np.float64],
    flat: NDArray[np.float64],
    score: float,
    motion: NDArray[np.float32] | None,
) -> Face:
    x0, y0, x1, y1 = box.tolist()
    points = flat.reshape(5, 2).astype(np.float32)
    return Face(box=(x0, y0, x1, y1), score=float(score), landmarks=points, motion=motion)


def _landmarks(face: Face) -> NDArray[np.float64]:
    """The detector's landmarks, or a frontal layout in its box where they are absent or absurd."""
    if face.landmarks is None or not _plausible(face):
        return _typical(face.box)
    return face.landmarks.astype(np.float64)


def _typical(box: Box) -> NDArray[np.float64]:
    """The landmarks ``(5, 2)`` of a frontal face that fills a box."""
    x0, y0, x1, y1 = box
    points: NDArray[np.float64] = LAYOUT * (x1 - x0, y1 - y0) + (x0 - 0.5, y0 - 0.5)
    return points


def _plausible(face: Face) -> bool:
    """Whether the detector's landmarks fit its box."""
    if face.landmarks is None:
        return False
    points = face.landmarks.astype(np.float64)
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    x0, y0, x1, y1 = face.box
    side = (x1 - x0 + y1 - y0) / 2
    length = max(float(np.hypot(*(points[1] - points[0]))), float(np.hypot(*(mouth - eyes))))
    away = float(np.hypot(*((eyes + mouth) / 2 - _typical(face.box).mean(axis=0))))
    return 0.2 * side < length < 0.9 * side and away < 0.5 * side


def _filled(
    every: NDArray[np.int64], seen: NDArray[np.int64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Values ``(N, K)`` at frames ``seen``, interpolated to all frames ``every``."""
    return np.stack([np.interp(every, seen, column) for column in values.T], axis=1)


def _extended(
    piece: _Piece, face: Face, room: int, frame_size: tuple[int, int], *, at_end: bool
) -> list[Face]:
    """Faces past one end, nearest first, at constant velocity and a little larger every frame."""
    velocity = piece.motion(at_end)[2:4] * (1 if at_end else -1)
    faces: list[Face] = []
    for step in range(1, min(EXTENSION, room) + 1):
        dx, dy = (velocity * step).tolist()
        x0, y0, x1, y1 = geometry.expand(face.box, 1 + 0.05 * step)
        box = (x0 + dx, y0 + dy, x1 + dx, y1 + dy)
        if geometry.area(geometry.clip(box, *frame_size)) == 0:
            break
        points = np.array([dx, dy]) + (face.landmarks if face.landmarks is not None else 0)
        faces.append(replace(face, box=box, landmarks=points.astype(np.float32)))
    return faces
