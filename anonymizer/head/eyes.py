"""The colour of the eye as a function on its sphere, the same for every renderer."""

import numpy as np
from numpy.typing import NDArray

from anonymizer.head.anatomy import IRIS_ANGLE
from anonymizer.head.traits import Appearance

PUPIL = 0.36
"""Radius of the pupil as a share of the iris."""


def _ramp(low: float, high: float, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Smooth step from 0 at `low` to 1 at `high`."""
    t = np.clip((x - low) / (high - low), 0, 1)
    step: NDArray[np.float64] = t * t * (3 - 2 * t)
    return step


def _fibres(seed: int, azimuth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Radial streaks of the iris, about -1 to 1, periodic in the azimuth."""
    rng = np.random.default_rng(seed)
    streaks = np.zeros_like(azimuth)
    for frequency in (5, 9, 14, 23):
        streaks += 0.35 * np.sin(frequency * azimuth + rng.uniform(0, 2 * np.pi))
    return streaks


def eye_colour(
    appearance: Appearance,
    angle_from_gaze: NDArray[np.floating],
    azimuth: NDArray[np.floating],
) -> NDArray[np.float32]:
    """Linear RGB of points on the eyeball, without light.

    Args:
        appearance: whose eye it is.
        angle_from_gaze: (...) angle at the eyeball's centre between point and gaze, radians.
        azimuth: (...) direction around the gaze: 0 is head +x, a quarter turn is up, radians.

    Returns:
        (..., 3) colour. The white is grey-rose and darker under the upper lid; the iris has a
        soft dark rim, a lighter ring around the pupil and faint fibres.
    """
    angle = np.asarray(angle_from_gaze, np.float64)
    around = np.asarray(azimuth, np.float64)
    corner = _ramp(0.55, 1.05, angle)[..., None]
    white = np.array([0.57, 0.52, 0.49]) * (1 - corner * (0.10, 0.27, 0.30))
    rim = _ramp(IRIS_ANGLE - 0.15, IRIS_ANGLE + 0.02, angle)
    pupil = IRIS_ANGLE * PUPIL
    tone = 1 + 0.22 * _fibres(appearance.seed, around) * _ramp(pupil, pupil + 0.1, angle)
    tone = tone * (1 - 0.62 * rim) * (1.25 - 0.35 * _ramp(pupil, pupil + 0.16, angle))
    iris = np.asarray(appearance.iris) * tone[..., None]
    in_iris = 1 - _ramp(IRIS_ANGLE - 0.045, IRIS_ANGLE + 0.045, angle)[..., None]
    in_pupil = 1 - _ramp(pupil - 0.03, pupil + 0.03, angle)[..., None]
    colour = white * (1 - in_iris) + iris * in_iris
    colour = colour * (1 - in_pupil) + 0.005 * in_pupil
    lid = 1 - 0.55 * _ramp(0.05, 0.62, angle * np.sin(around))[..., None]
    return np.asarray(colour * lid, np.float32)
