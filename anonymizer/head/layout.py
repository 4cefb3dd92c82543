"""Where the skin's texture lies on the head.

It wraps the head like a cylinder: u grows to the right of the viewer around the vertical axis of
the neutral mean head, denser at the front; v grows downwards with height. Texel `(row, column)` of
an n-sided texture has its centre at `u = (column + 0.5) / n`, `v = (row + 0.5) / n`.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from anonymizer.head.anatomy import Curve, mirrored

AXIS_Z: Final = -1.0
"""Depth of the cylinder's axis in head space."""
TOP: Final = 14.5
"""Height at v = 0."""
BOTTOM: Final = -17.5
"""Height at v = 1."""
DENSITY: Final = 4.0
"""How much denser the front is than the back (argument of the inverse hyperbolic sine)."""
HEIGHT: Final = TOP - BOTTOM
"""Head units from the first to the last row."""


def texture_coordinates(rest_xyz: NDArray[np.floating]) -> NDArray[np.float32]:
    """Texture position of points given by where they rest on the neutral mean head.

    Args:
        rest_xyz: (N, 3) or (..., 3) positions on the *mean* neutral head, head space. Interpolate
            these, not the result, across triangles at the back of the head (u jumps there).

    Returns:
        (..., 2) `(u, v)` in [0, 1].
    """
    rest = np.asarray(rest_xyz, np.float32)
    turn = np.arctan2(rest[..., 0], rest[..., 2] - AXIS_Z) / np.pi
    u = 0.5 + 0.5 * np.arcsinh(DENSITY * turn) / np.arcsinh(DENSITY)
    v = (TOP - rest[..., 1]) / (TOP - BOTTOM)
    return np.asarray(np.clip(np.stack([u, v], -1), 0, 1), np.float32)


def texels(curve: Curve, size: int) -> NDArray[np.float64]:
    """Texel positions (N, 2), (column, row), of head points."""
    uv = texture_coordinates(np.asarray(curve, np.float64)).astype(np.float64)
    return uv * size - 0.5


def whole(curve: Curve) -> Curve:
    """A curve from the middle to the right, continued to the left through the middle."""
    return mirrored(curve)[::-1] + curve[1:]
