"""Link the faces of one shot through time, fill what is missing, and steady what is there.

Everything is known before anything is decided, so nothing here is causal, and the same film played
backwards gives the same tracks backwards.

A track errs on the side of covering: a wrong link costs a face that drifts over background, a
missing one a face that is seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anonymizer import geometry, linking, smoothing
from anonymizer.data import Box, Face, Origin, Track
from anonymizer.linking import Piece, sides

LAYOUT: Final = np.array([[0.30, 0.39], [0.70, 0.39], [0.50, 0.59], [0.34, 0.77], [0.66, 0.77]])
"""Where the landmarks of a frontal face lie in its box, as fractions of width and height."""
EXTENSION: Final = 3
"""Frames added before the first and after the last sighting."""
CONVINCING: Final = 0.5
"""A face seen once is extended only from this score on; it is covered in any case."""


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
        What `completed` makes of the pieces that something confirms.
    """
    found = linking.pieces(observations, gap)
    return completed(
        [piece for piece in found if piece.confirmed],
        frames=len(observations),
        shot=shot,
        start=start,
        first_id=first_id,
        frame_size=frame_size,
    )


def completed(
    pieces: Sequence[Piece],
    *,
    frames: int,
    shot: int,
    start: int,
    first_id: int,
    frame_size: tuple[int, int],
) -> list[Track]:
    """Turn pieces of one shot into tracks without holes.

    Args:
        pieces: Sightings of one face each.
        frames: Length of the shot.
        shot: Number of the shot.
        start: Index in the film of the shot's first frame.
        first_id: Identity of the first track; the others count on.
        frame_size: (width, height) in pixels.

    Returns:
        Tracks by first frame. Every face has landmarks. Boxes hold what was detected. Motion is
        filled and steadied where it was read in some frame of the track.
    """
    made = [_track(piece, frames, frame_size) for piece in pieces]
    made.sort(key=lambda item: (item[0], item[1][0].box))
    return [
        Track(id=first_id + number, shot=shot, start=start + first, faces=faces, origins=origins)
        for number, (first, faces, origins) in enumerate(made)
    ]


def _track(
    piece: Piece, count: int, frame_size: tuple[int, int]
) -> tuple[int, tuple[Face, ...], tuple[Origin, ...]]:
    """Fill, steady and extend one piece within the ``count`` frames of its shot."""
    seen = np.array(piece.frames)
    every = np.arange(seen[0], seen[-1] + 1)
    raw = np.array([face.box for face in piece.faces])
    points = np.stack([_landmarks(face) for face in piece.faces])
    scores = np.interp(every, seen, [face.score for face in piece.faces])
    filled = _filled(every, seen, raw)
    boxes = smoothing.covering(smoothing.steady(filled, sides(filled)), filled)
    flat = smoothing.steady(_filled(every, seen, points.reshape(-1, 10)), sides(filled))
    motions = _motions(piece, every)
    sighted = set(piece.frames) - piece.carried
    faces = [_face(*values) for values in zip(boxes, flat, scores, motions, strict=True)]
    origins: list[Origin] = ["detected" if t in sighted else "interpolated" for t in every.tolist()]
    if len(seen) > 1 or scores[0] >= CONVINCING:
        head = _extended(piece, faces[0], int(seen[0]), frame_size, at_end=False)
        tail = _extended(piece, faces[-1], count - 1 - int(seen[-1]), frame_size, at_end=True)
        faces = [*reversed(head), *faces, *tail]
        origins = ["extended"] * len(head) + origins + ["extended"] * len(tail)  # type: ignore[assignment]
        return int(seen[0]) - len(head), tuple(faces), tuple(origins)
    return int(seen[0]), tuple(faces), tuple(origins)


def _motions(piece: Piece, every: NDArray[np.int64]) -> list[NDArray[np.float32] | None]:
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
        return typical(face.box)
    return face.landmarks.astype(np.float64)


def typical(box: Box) -> NDArray[np.float64]:
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
    away = float(np.hypot(*((eyes + mouth) / 2 - typical(face.box).mean(axis=0))))
    return 0.2 * side < length < 0.9 * side and away < 0.5 * side


def _filled(
    every: NDArray[np.int64], seen: NDArray[np.int64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Values ``(N, K)`` at frames ``seen``, interpolated to all frames ``every``."""
    return np.stack([np.interp(every, seen, column) for column in values.T], axis=1)


def _extended(
    piece: Piece, face: Face, room: int, frame_size: tuple[int, int], *, at_end: bool
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
