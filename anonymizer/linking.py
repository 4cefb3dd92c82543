"""Which sightings of one shot are of one face: pieces of tracks, with holes.

Linking joins pieces, at first single sightings. A round looks at every pair of a piece that ends
and a piece that begins at most so many frames later, and asks how far apart the two put the face in
the middle of the gap, each carrying its own velocity there. The distance is in face sizes; a change
of size by a factor e counts like one face size. Pairs are taken cheapest first. The first
round leaves close decisions alone: where faces cross, velocities measured before and after
decide, not the mere distance. Later rounds reach over longer gaps.

Sightings that the detector doubts come last, so that they add to what sure ones make and take
nothing from it. They may go on a little before and after a sure piece. By themselves they make a
face when there are enough of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anonymizer import geometry
from anonymizer.data import Box, Face

CONFIRMING: Final = 5
"""Doubtful sightings in as many frames make a face."""
HESITATION: Final = 15
"""Longest run of frames without a sighting that is bridged to a doubtful one."""
_ROUNDS: Final = ((1, 0.8, 1.5), (1, 0.8, 1.0), (4, 0.8, 1.0), (15, 1.0, 1.0), (None, 1.2, 1.0))
"""(longest step in frames, or None for the gap, largest cost, how much worse a rival must be)."""


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Sightings of one face; ``frames`` increase."""

    frames: tuple[int, ...]
    faces: tuple[Face, ...]
    carried: frozenset[int] = frozenset()
    """Those of ``frames`` in which nothing was seen: the face was followed there."""

    @property
    def confirmed(self) -> bool:
        """Whether the detector was once sure, or saw it often enough."""
        return len(self.frames) >= CONFIRMING or not all(face.doubtful for face in self.faces)

    def box_at(self, frame: int) -> Box:
        """The box in a frame between the first and the last, interpolated where it was not seen."""
        boxes = np.array([face.box for face in self.faces])
        x0, y0, x1, y1 = (float(np.interp(frame, self.frames, edges)) for edges in boxes.T)
        return x0, y0, x1, y1

    def motion(self, at_end: bool) -> NDArray[np.float64]:
        """``(5,)``: centre (x, y), velocity (x, y) per frame, side, at one end."""
        step = slice(-5, None) if at_end else slice(5)
        frames = np.array(self.frames[step], np.float64)
        boxes = np.array([face.box for face in self.faces[step]])
        centres, side = (boxes[:, :2] + boxes[:, 2:]) / 2, sides(boxes)
        anchor = -1 if at_end else 0
        away = frames - frames.mean()
        slope = away @ centres / max(float(away @ away), 1e-9)
        limit = 0.6 * side[anchor] / max(float(np.hypot(*slope)), 1e-9)
        return np.concatenate(
            [centres[anchor], slope * min(1.0, limit), side[anchor : anchor + 1 or None]]
        )


def pieces(observations: Sequence[Sequence[Face]], gap: int) -> list[Piece]:
    """Join the sightings of one shot.

    Args:
        observations: Faces of each frame of the shot, in any order.
        gap: Longest run of frames without a sighting that is bridged.

    Returns:
        Pieces in no particular order, those that nothing confirms among them: ``confirmed`` tells.
    """
    seen = [
        Piece((index,), (face,))
        for index, faces in enumerate(observations)
        for face in _distinct(faces)
    ]
    made = _connected([piece for piece in seen if not piece.faces[0].doubtful], gap)
    doubts = [piece for piece in seen if piece.faces[0].doubtful and not _known(piece, made)]
    if not doubts:
        return made
    near = min(gap, HESITATION)
    return _connected(made + doubts, near)


def _connected(parts: list[Piece], gap: int) -> list[Piece]:
    """Join pieces in all rounds, bridging at most ``gap`` frames."""
    for longest, dearest, rivalry in _ROUNDS:
        step = gap + 1 if longest is None else min(longest, gap + 1)
        parts = _joined(parts, step, dearest, rivalry)
    return parts


def _known(sighting: Piece, pieces: Sequence[Piece]) -> bool:
    """Whether a single sighting is of a face that some piece has there, seen or filled in."""
    frame, box = sighting.frames[0], sighting.faces[0].box
    return any(
        _same(box, piece.box_at(frame))
        for piece in pieces
        if piece.frames[0] <= frame <= piece.frames[-1]
    )


def sides(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Geometric mean side of boxes ``(N, 4)``."""
    sides: NDArray[np.float64] = np.sqrt((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
    return sides


def _distinct(faces: Sequence[Face]) -> list[Face]:
    """Drop further boxes of a face: those that agree with, or lie inside, a surer one.

    A smaller face near the edge of a larger box is another person, and stays.
    """
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: (face.doubtful, -face.score, face.box)):
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


def _joined(pieces: list[Piece], step: int, dearest: float, rivalry: float) -> list[Piece]:
    """One round: join pieces whose ends are at most ``step`` frames apart, cheapest first."""
    pairs = sorted(_pairs(pieces, step, dearest, rivalry))
    after: dict[int, int] = {}
    taken: set[int] = set()
    for _, first, second in pairs:
        if first not in after and second not in taken:
            after[first] = second
            taken.add(second)
    chains: list[Piece] = []
    for head in range(len(pieces)):
        if head not in taken:
            chain = [head]
            while chain[-1] in after:
                chain.append(after[chain[-1]])
            frames = tuple(frame for part in chain for frame in pieces[part].frames)
            faces = tuple(face for part in chain for face in pieces[part].faces)
            chains.append(Piece(frames, faces))
    return chains


def _pairs(
    pieces: Sequence[Piece], step: int, dearest: float, rivalry: float
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
