"""The canonical crop every part of the program shares: where a face lies in a square picture.

Convention: points are `(x, y)` in pixels with integers at pixel centres; a crop has `size` pixels
a side. Numbers given "at 128" scale with the size about the picture's corner, so 256 is 128 with
every pixel split in four. Alignment is a similarity: in-plane rotation, scale and shift only.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from anonymizer.head.anatomy import LANDMARKS_3D

REFERENCE_SIZE: Final = 128
"""Crop size, in pixels, that the constants below are written for."""
EYE_DISTANCE: Final = 34.0
"""Distance of the two eyes of the frontal mean head, pixels at 128."""
CENTRE: Final = (64.0, 68.0)
"""Where the middle between eyes and mouth goes, pixels at 128 from the picture's corner."""
NORM: Final = 6
"""Exponent of the mean that turns eye distance and eye-mouth distance into one scale."""


def _eye_mouth(landmarks: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Middle of the eyes and middle of the mouth corners, each (..., 2)."""
    eyes = (landmarks[..., 0, :] + landmarks[..., 1, :]) / 2
    mouth = (landmarks[..., 3, :] + landmarks[..., 4, :]) / 2
    return eyes, mouth


def _mean_ratio() -> float:
    """Eye-mouth distance over eye distance of the mean head seen from the front."""
    flat = np.asarray(LANDMARKS_3D, np.float64)[:, :2]
    eyes, mouth = _eye_mouth(flat)
    return float(np.linalg.norm(eyes - mouth) / np.linalg.norm(flat[1] - flat[0]))


RATIO: Final = _mean_ratio()
"""Eye-mouth distance over eye distance of the frontal mean head (about 1.07)."""


def crop_from_frame(landmarks: NDArray[np.floating], size: int) -> NDArray[np.float64]:
    """Similarity that takes a frame to the canonical crop of a face.

    The direction is that of the eye vector plus the eye-to-mouth vector turned a quarter left, and
    the scale comes from the sixth-power mean of both lengths: under yaw the eyes draw together
    and the eye-mouth length decides, under pitch the other way round, with no switch between them.

    Args:
        landmarks: (5, 2) frame pixels: eye, eye, nose tip, mouth corner, mouth corner.
        size: side of the crop in pixels.

    Returns:
        (3, 3) matrix on column vectors (x, y, 1), pixel centres to pixel centres.

    Raises:
        ValueError: if the landmarks are not (5, 2), not finite, or all in one place.
    """
    points = np.asarray(landmarks, np.float64)
    if points.shape != (5, 2):
        raise ValueError(f"landmarks must be (5, 2), got {points.shape}")
    if not np.isfinite(points).all():
        raise ValueError("landmarks must be finite; drop the face or cover it solid")
    eyes, mouth = _eye_mouth(points)
    across, down = points[1] - points[0], mouth - eyes
    direction = across + np.array([down[1], -down[0]])
    lengths = np.array([np.hypot(*across), np.hypot(*down) / RATIO])
    length = float(np.mean(lengths**NORM) ** (1 / NORM))
    if length < 1e-6 or float(np.hypot(*direction)) < 1e-6 * length:
        raise ValueError("landmarks give no direction or scale; drop the face or cover it solid")
    return _similarity(direction, EYE_DISTANCE / length, (eyes + mouth) / 2, size)


def _similarity(
    direction: NDArray[np.float64], scale: float, middle: NDArray[np.float64], size: int
) -> NDArray[np.float64]:
    """Matrix that turns `direction` to +x, scales (at 128) and puts `middle` at the centre."""
    unit = size / REFERENCE_SIZE
    cosine, sine = direction / np.hypot(*direction)
    turn = scale * unit * np.array([[cosine, sine], [-sine, cosine]])
    matrix = np.eye(3)
    matrix[:2, :2] = turn
    matrix[:2, 2] = np.array(CENTRE) * unit - 0.5 - turn @ middle
    return matrix


def _mean_landmarks() -> NDArray[np.float64]:
    flat = np.asarray(LANDMARKS_3D, np.float64)[:, :2] * (1, -1)
    matrix = crop_from_frame(flat, REFERENCE_SIZE)
    aligned: NDArray[np.float64] = flat @ matrix[:2, :2].T + matrix[:2, 2]
    aligned.setflags(write=False)
    return aligned


MEAN_LANDMARKS: Final = _mean_landmarks()
"""(5, 2) landmarks of the frontal mean head in the canonical crop of 128 pixels."""


def scaled(points: NDArray[np.floating], size: int) -> NDArray[np.float64]:
    """Points (..., 2) of the 128-pixel crop in the crop of `size` pixels."""
    unit = size / REFERENCE_SIZE
    return (np.asarray(points, np.float64) + 0.5) * unit - 0.5
