"""What networks answer with: boxes, scores and landmarks of many faces, merged and turned about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

OVERLAP: Final = 0.35
"""Of two boxes with a larger intersection over union only one is kept."""
MISFIT: Final = 0.4
"""Misfit of landmarks from which on they count for nothing. Measured with CenterFace on real faces,
turned by 0, 90, 180 and 270 degrees: at most 0.11 right way up, otherwise 0.14 to 0.67."""
_FRONTAL: Final = np.array([-0.5, 0.5, 0.57j, -0.41 + 1.16j, 0.41 + 1.16j])
"""Landmarks of a frontal face as complex numbers, in distances of the eyes from between them."""
_PICTURE_FROM_TURNED: Final = (
    np.array([[0, -1], [1, 0]]),
    np.array([[-1, 0], [0, -1]]),
    np.array([[0, 1], [-1, 0]]),
)
"""Rotations that undo 1, 2 and 3 quarter turns of ``np.rot90``."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Candidates:
    """K faces: ``boxes (K, 4)`` from edge to edge, ``scores (K,)``, ``landmarks (K, 5, 2)``."""

    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    landmarks: NDArray[np.float32]

    def only(self, which: NDArray[np.bool_] | NDArray[np.intp]) -> Candidates:
        """Some of them, chosen by a mask or by numbers in order."""
        return Candidates(self.boxes[which], self.scores[which], self.landmarks[which])

    def likelier_than(self, least: float, *, weight: float = 1.0) -> Candidates:
        """Those whose score, times ``weight``, exceeds ``least``; with that score."""
        weighted = Candidates(self.boxes, self.scores * weight, self.landmarks)
        return weighted.only(weighted.scores > least)

    def mapped(
        self, margin: int, scale: NDArray[np.float64], origin: NDArray[np.float64]
    ) -> Candidates:
        """From pixels of a picture's cut-out, scaled and framed, to pixels of the picture.

        Args:
            margin: Width of the frame around the cut-out.
            scale: (x, y) pixels of the picture per pixel.
            origin: (x, y) of the cut-out's corner in the picture.
        """
        corners = (self.boxes.reshape(-1, 2, 2) - margin) * scale + origin
        points = (self.landmarks + 0.5 - margin) * scale - 0.5 + origin
        return Candidates(corners.reshape(-1, 4), self.scores, points.astype(np.float32))

    def turned_back(self, quarters: int, size: tuple[int, int]) -> Candidates:
        """From a picture turned by ``np.rot90(picture, quarters)`` to the picture itself.

        Landmarks keep their order, which is that of the upright face.

        Args:
            quarters: 1, 2 or 3.
            size: (width, height) of the picture itself.
        """
        turn = _PICTURE_FROM_TURNED[quarters - 1]
        shift = np.where(turn.sum(axis=1) < 0, size, 0)
        corners = self.boxes.reshape(-1, 2, 2) @ turn.T + shift
        boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
        points = (self.landmarks + 0.5) @ turn.T + shift - 0.5
        return Candidates(boxes, self.scores, points.astype(np.float32))

    def misfits(self) -> NDArray[np.float64]:
        """How far landmarks are from those of a frontal face laid on them, ``(K,)``.

        Root of the mean squared distance, in distances of the eyes of the laid-on face; infinite
        when all are in one place.
        """
        points = self.landmarks.astype(np.float64) @ np.array([1, 1j])
        points -= points.mean(axis=1, keepdims=True)
        frontal = _FRONTAL - _FRONTAL.mean()
        laid = points @ frontal.conj() / np.vdot(frontal, frontal).real
        apart = np.sqrt(np.mean(np.abs(points - laid[:, None] * frontal) ** 2, axis=1))
        length = np.abs(laid)
        return np.where(length > 1e-6, apart / np.maximum(length, 1e-6), np.inf)


def joined(parts: Sequence[Candidates]) -> Candidates:
    """All candidates of several searches, duplicates and all."""
    return Candidates(
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.landmarks for part in parts]),
    )


def distinct(found: Candidates) -> Candidates:
    """Keep the likeliest of boxes that overlap, likeliest first; drop boxes that hold nothing.

    Raises:
        FloatingPointError: if a number is not finite.
    """
    insist_on_numbers(found.boxes, found.scores, found.landmarks)
    sides = found.boxes[:, 2:] - found.boxes[:, :2]
    found = found.only(np.flatnonzero(sides.min(axis=1) > 0))
    return found.only(_best(found.boxes, found.scores))


def right_way_up(found: Candidates, threshold: float) -> Candidates:
    """Keep the best of boxes that overlap: a score above the threshold first, then landmarks.

    A network that sees a face lying on its side is as sure of it, but takes its mouth for an eye.
    """
    fits = (1 - found.misfits() / MISFIT).clip(0.01)
    return found.only(_best(found.boxes, (found.scores > threshold) + found.scores * fits))


def _best(boxes: NDArray[np.float64], ranks: NDArray[np.float64]) -> NDArray[np.intp]:
    """Numbers of the boxes that no better one overlaps, best first; ranks are above 0."""
    rectangles = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    kept = cv2.dnn.NMSBoxes(rectangles.tolist(), ranks.tolist(), 0.0, OVERLAP)
    return np.asarray(kept, np.intp).ravel()


def insist_on_numbers(*arrays: NDArray[np.floating]) -> None:
    """Stop when a network answers with what is no number: a face may have been there.

    Raises:
        FloatingPointError: if a number is not finite.
    """
    if not all(np.isfinite(array).all() for array in arrays):
        raise FloatingPointError(
            "a face detector answered with NaN or infinity; try device cpu, or another detector"
        )
