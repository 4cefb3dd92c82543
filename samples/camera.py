"""The camera of the sample films: from a head at rest to places in the picture, and back."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anonymizer.training.headmesh import PIVOT
from anonymizer.training.person import rotation
from samples.acting import Moment

_NECK: Final = -6.0
"""Height below which points begin to follow the shoulders instead of the head."""
_REACH: Final = 9.0
"""Over how many units below it they come to follow them wholly."""


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """Turns a head and projects it into the picture."""

    head: NDArray[np.float32]
    torso: NDArray[np.float32]
    distance: float
    place: NDArray[np.float64]
    scale: float

    @classmethod
    def of(cls, moment: Moment, distance: float) -> "Camera":
        """The camera that shows a head as `moment` says."""
        yaw, pitch, roll = moment.angles
        torso = rotation(0.35 * yaw, 0.2 * pitch, 0.3 * roll)
        place = np.array(moment.place, np.float64)
        return cls(rotation(yaw, pitch, roll), torso, distance, place, moment.scale)

    def turn(self, points: NDArray[np.floating]) -> NDArray[np.float32]:
        """Points (..., 3) of a head at rest into view space."""
        sway = np.clip((_NECK - points[..., 1:2]) / _REACH, 0, 1)
        return self.turned(points, sway)

    def turned(
        self, points: NDArray[np.floating], sway: NDArray[np.floating]
    ) -> NDArray[np.float32]:
        """The same when it is known how much each point follows the shoulders."""
        centred = points - PIVOT
        moved = centred @ self.head.T * (1 - sway) + centred @ self.torso.T * sway + PIVOT
        return np.asarray(moved, np.float32)

    def back(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """View space (n, 3) to rest: `turn` undone by fixed-point iteration."""
        centred = points - PIVOT
        rest = centred @ self.head + PIVOT
        for _ in range(6):
            sway = np.clip((_NECK - rest[:, 1:2]) / _REACH, 0, 1)[:, :, None]
            both = self.head * (1 - sway) + self.torso * sway
            rest = np.linalg.solve(both, centred[..., None])[..., 0] + PIVOT
        return np.asarray(rest, np.float64)

    def project(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """View points (..., 3) to picture x, y and nearness 1 / distance."""
        near = 1 / (self.distance - points[..., 2].astype(np.float64))
        zoom = near * (self.distance - float(PIVOT[2])) * self.scale
        flat = (points[..., :2] - PIVOT[:2]) * [1, -1] * zoom[..., None] + self.place
        return np.concatenate([flat, near[..., None]], -1)

    def unproject(self, places: NDArray[np.floating]) -> NDArray[np.float64]:
        """Picture x, y and nearness (n, 3) to view points."""
        far = 1 / places[:, 2]
        zoom = self.scale * (self.distance - float(PIVOT[2])) / far
        flat = (places[:, :2] - self.place) / zoom[:, None] * [1, -1] + PIVOT[:2]
        return np.concatenate([flat, (self.distance - far)[:, None]], 1)

    def screen(self, points: NDArray[np.floating], fine: int) -> NDArray[np.float32]:
        """`project` in the rasteriser's pixels, whose centres are at integers + 0.5."""
        seen = self.project(points)
        seen[..., :2] = (seen[..., :2] + 0.5) * fine
        return seen.astype(np.float32)
