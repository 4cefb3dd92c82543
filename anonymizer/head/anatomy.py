"""Measures of the mean head that every part draws from: landmark curves in head space.

Head space: centimetre-like units, x to the right of the picture, y up, z towards the viewer, origin
inside the head. Only half of each symmetric curve is written down (x > 0); `mirrored` gives the
other. The numbers are rounded positions on the neutral mean of the ICT head (MIT licence).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Curve = tuple[tuple[float, float, float], ...]

LANDMARKS_3D: Final[Curve] = (
    (-3.257, 3.44, 9.222),
    (3.257, 3.44, 9.222),
    (0.0, 0.41, 13.07),
    (-2.53, -3.52, 10.19),
    (2.53, -3.52, 10.19),
)
"""Eye, eye, nose tip, mouth corner, mouth corner (in the order of all landmarks)."""

UPPER_LID: Final[Curve] = (
    (1.84, 3.25, 9.20),
    (2.78, 3.94, 9.53),
    (3.87, 3.87, 9.36),
    (4.46, 3.43, 8.60),
)
"""Margin of the upper lid, inner to outer corner."""

LOWER_LID: Final[Curve] = (
    (1.84, 3.25, 9.20),
    (2.73, 3.08, 9.41),
    (3.86, 3.07, 9.23),
    (4.46, 3.43, 8.60),
)
"""Margin of the lower lid, inner to outer corner."""

BROW: Final[Curve] = (
    (1.05, 5.62, 10.70),
    (2.41, 5.98, 10.45),
    (3.79, 6.12, 9.83),
    (4.93, 5.82, 8.99),
    (5.75, 5.20, 7.95),
)
"""Middle line of the brow, inner end to tail."""

UPPER_LIP: Final[Curve] = (
    (0.0, -2.48, 11.84),
    (0.73, -2.42, 11.73),
    (1.70, -2.78, 11.22),
    (2.53, -3.52, 10.19),
)
"""Upper edge of the red of the lip, middle to corner."""

LOWER_LIP: Final[Curve] = (
    (0.0, -4.38, 11.55),
    (1.03, -4.30, 11.39),
    (1.80, -4.06, 10.90),
    (2.53, -3.52, 10.19),
)
"""Lower edge of the red of the lip, middle to corner."""

LIP_LINE: Final[Curve] = (
    (0.0, -3.36, 11.26),
    (1.03, -3.34, 11.06),
    (2.21, -3.49, 10.13),
    (2.53, -3.52, 10.19),
)
"""Line where the closed lips meet, middle to corner."""

BEARD: Final[Curve] = (
    (0.0, -1.75, 11.7),
    (0.6, -1.35, 11.4),
    (2.4, -1.35, 10.6),
    (3.2, -2.6, 10.0),
    (4.7, -2.9, 8.6),
    (5.9, -0.4, 7.0),
    (6.7, 3.4, 4.6),
    (7.4, 3.6, 3.4),
    (7.2, -2.4, 3.6),
    (5.4, -7.6, 4.5),
    (3.4, -9.4, 6.3),
    (0.0, -9.8, 7.2),
)
"""Outline of the half of the face on which a beard may grow."""

FACE: Final[Curve] = (
    (0.0, 10.3, 9.3),
    (2.5, 10.2, 9.2),
    (4.6, 9.3, 8.2),
    (6.3, 7.6, 6.6),
    (7.2, 5.2, 5.0),
    (7.5, 2.0, 4.2),
    (7.3, -2.4, 3.9),
    (6.2, -6.2, 4.0),
    (5.0, -9.0, 4.6),
    (3.2, -11.0, 5.0),
    (0.0, -11.6, 5.0),
)
"""Outline of half of what is always face: below the hair line, before the ear, down to the jaw."""

FRAMED: Final[Curve] = (
    (0.0, 9.7, 9.5),
    (2.2, 9.4, 9.3),
    (3.8, 8.6, 8.7),
    (5.0, 7.2, 7.6),
    (5.6, 5.4, 6.8),
    (5.7, 3.6, 6.6),
    (5.8, 1.2, 6.4),
    (5.8, -2.4, 5.9),
    (5.4, -5.4, 4.9),
    (4.6, -7.5, 5.1),
    (3.2, -9.0, 6.2),
    (0.0, -9.6, 7.4),
)
"""Outline of half of what hair and neck leave free of a face."""

NASOLABIAL: Final[Curve] = ((1.75, 0.0, 10.9), (2.6, -1.5, 10.6), (3.3, -3.2, 9.7))
"""The fold from the wing of the nose towards the mouth corner."""

IRIS_ANGLE: Final = 0.405
"""Angle between the gaze and the edge of the iris, seen from the eyeball's centre, radians."""


def mirrored(curve: Curve) -> Curve:
    """The same curve on the other side of the face."""
    return tuple((-x, y, z) for x, y, z in curve)


def smooth(points: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
    """Catmull-Rom curve (M, D) through the points (N, D), `steps` pieces to each gap."""
    ends = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    time = np.linspace(0, 1, steps, endpoint=False)[:, None]
    before, here, there, after = (ends[k : len(ends) - 3 + k, None] for k in range(4))
    curve = here + time * 0.5 * (
        there
        - before
        + time * (2 * before - 5 * here + 4 * there - after)
        + time**2 * (3 * (here - there) + after - before)
    )  # (N - 1, steps, D)
    return np.concatenate([curve.reshape(-1, points.shape[1]), points[-1:]])
