"""Where a head is turned to: a weak-perspective pose from five landmarks.

Convention: `x = scale * (R X)_x + t_x`, `y = -scale * (R X)_y + t_y` takes a head point X (y up) to
picture pixels (y down, integers at pixel centres). `R = Rz(roll) Ry(yaw) Rx(pitch)`: positive yaw
turns the nose to the right of the picture, positive pitch downwards, positive roll turns the head
counter-clockwise as seen.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anonymizer.head.canonical import EYE_DISTANCE, REFERENCE_SIZE

Array = NDArray[np.float64]

NOISE: Final = 0.04
"""Expected error of a landmark as a share of the canonical eye distance."""
YAW_SPREAD: Final = 0.7
"""Standard deviation of the prior on yaw, radians."""
PITCH_SPREAD: Final = 0.25
"""Standard deviation of the prior on pitch, radians."""
STEPS: Final = 10
"""Gauss-Newton steps; three are enough near the front."""
_STARTS: Final = np.array(
    [(yaw, pitch) for yaw in (-1, -0.5, 0, 0.5, 1) for pitch in (-0.3, 0, 0.3)]
)


@dataclass(frozen=True, slots=True, eq=False)
class Pose:
    """One pose, or a batch of poses with leading dimensions (...)."""

    rotation: Array
    """(..., 3, 3) head to view: x right, y up, z towards the viewer."""
    scale: Array
    """(...,) pixels per head unit."""
    translation: Array
    """(..., 2) picture position of the head's origin."""

    def __getitem__(self, index: int) -> "Pose":
        """One pose of a batch."""
        return Pose(self.rotation[index], self.scale[index], self.translation[index])

    def __len__(self) -> int:
        """Number of poses of a batch."""
        return len(self.rotation)

    def project(self, points: NDArray[np.floating]) -> Array:
        """Points (N, 3) of one head as `(x, y, depth)` (N, 3), a larger depth nearer, in pixels."""
        seen = np.asarray(points, np.float64) @ self.rotation.T * self.scale
        return np.asarray(seen * (1, -1, 1) + np.append(self.translation, 0.0))

    def resized(self, ratio: float) -> "Pose":
        """The same pose in a picture scaled by `ratio` about its corner."""
        moved = (self.translation + 0.5) * ratio - 0.5
        return Pose(self.rotation, self.scale * ratio, moved)


def rotation(yaw: Array | float, pitch: Array | float, roll: Array | float = 0.0) -> Array:
    """Rotation (..., 3, 3) of the module's convention; angles in radians."""
    yaw, pitch, roll = np.broadcast_arrays(yaw, pitch, roll)
    one, zero = np.ones_like(yaw, np.float64), np.zeros_like(yaw, np.float64)

    def matrix(*rows: tuple[Array, Array, Array]) -> Array:
        return np.stack([np.stack(row, -1) for row in rows], -2)

    cosine, sine = np.cos(yaw), np.sin(yaw)
    around_y = matrix((cosine, zero, sine), (zero, one, zero), (-sine, zero, cosine))
    cosine, sine = np.cos(pitch), np.sin(pitch)
    around_x = matrix((one, zero, zero), (zero, cosine, -sine), (zero, sine, cosine))
    cosine, sine = np.cos(roll), np.sin(roll)
    around_z = matrix((cosine, -sine, zero), (sine, cosine, zero), (zero, zero, one))
    return np.asarray(around_z @ around_y @ around_x)


def _flat(angles: Array, head: Array) -> Array:
    """Landmarks of heads turned by (B, 2) yaw and pitch, as complex `x + i y`, y down, (B, 5)."""
    turned = head @ np.swapaxes(rotation(angles[:, 0], angles[:, 1]), -1, -2)
    return np.asarray(turned[..., 0] - 1j * turned[..., 1])


def _fit(flat: Array, target: Array) -> tuple[Array, Array, Array]:
    """Best similarity `target = gain * flat + shift` (B, 5) and its residual."""
    centre, goal = flat.mean(1, keepdims=True), target.mean(1, keepdims=True)
    here, there = flat - centre, target - goal
    gain = (here.conj() * there).sum(1, keepdims=True) / (abs(here) ** 2).sum(1, keepdims=True)
    return gain, goal - gain * centre, there - gain * here


def _residual(angles: Array, head: Array, target: Array, unit: float) -> Array:
    """Normalised residuals (B, 12): ten of the landmarks, two of the prior on the angles."""
    _, _, left = _fit(_flat(angles, head), target)
    prior = angles / (YAW_SPREAD, PITCH_SPREAD)
    return np.concatenate([left.real / unit, left.imag / unit, prior], 1)


def _start(head: Array, target: Array, unit: float) -> Array:
    """The best of a few coarse poses for each item, (B, 2)."""
    costs = []
    for start in _STARTS:
        angles = np.broadcast_to(start, (len(target), 2))
        costs.append((_residual(angles, head, target, unit) ** 2).sum(1))
    return np.asarray(_STARTS[np.argmin(costs, 0)], np.float64)


def _descend(angles: Array, head: Array, target: Array, unit: float) -> Array:
    """Gauss-Newton on yaw and pitch; roll, scale and shift are solved exactly at every step."""
    for _ in range(STEPS):
        here = _residual(angles, head, target, unit)
        slopes = [
            (_residual(angles + step, head, target, unit) - here) / 1e-5
            for step in (np.array([1e-5, 0]), np.array([0, 1e-5]))
        ]
        slope = np.stack(slopes, -1)  # (B, 12, 2)
        square = np.swapaxes(slope, -1, -2) @ slope
        move = np.linalg.solve(square, np.swapaxes(slope, -1, -2) @ here[..., None])[..., 0]
        angles = np.clip(angles - np.clip(move, -0.3, 0.3), -1.5, 1.5)
    return angles


def solve_pose(
    landmarks: NDArray[np.floating], size: int, head_landmarks: NDArray[np.floating]
) -> Pose:
    """Pose under which the head's landmarks fall nearest to the given ones.

    Args:
        landmarks: (5, 2) or (T, 5, 2) positions in a canonical crop.
        size: side of that crop in pixels.
        head_landmarks: (5, 3) landmarks of the head, in its own space, or (T, 5, 3) as each
            expression moves them: `marked_landmarks` of the head model when the positions come
            from a face detector.

    Returns:
        One pose, or a batch of T. A weak prior (`YAW_SPREAD`, `PITCH_SPREAD`) keeps the answer
        near the front where the landmarks leave it open; it costs a few per cent of the angle.

    Raises:
        ValueError: if the shapes are wrong or a number is not finite.
    """
    points = np.asarray(landmarks, np.float64)
    head = np.asarray(head_landmarks, np.float64)
    fits = head.shape[-2:] == (5, 3) and head.shape[:-2] in ((), points.shape[:-2])
    if points.shape[-2:] != (5, 2) or points.ndim not in (2, 3) or not fits:
        raise ValueError(
            "expected (5, 2) or (T, 5, 2), and (5, 3) or as many of them, got "
            f"{points.shape}, {head.shape}"
        )
    if not (np.isfinite(points).all() and np.isfinite(head).all()):
        raise ValueError("landmarks must be finite; fill gaps in the track before posing")
    batch = points.reshape(-1, 5, 2)
    target = batch[..., 0] + 1j * batch[..., 1]
    unit = NOISE * EYE_DISTANCE * size / REFERENCE_SIZE
    angles = _descend(_start(head, target, unit), head, target, unit)
    gain, shift, _ = _fit(_flat(angles, head), target)
    roll = -np.angle(gain[:, 0])
    poses = Pose(
        rotation(angles[:, 0], angles[:, 1], roll),
        abs(gain[:, 0]),
        np.concatenate([shift.real, shift.imag], 1),
    )
    return poses if points.ndim == 3 else poses[0]
