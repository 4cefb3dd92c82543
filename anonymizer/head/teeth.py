"""The colour of the teeth along their row."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

ENAMEL: Final = np.array([0.72, 0.66, 0.56], np.float32)
"""Linear RGB of teeth."""
GAPS: Final = np.array([0.0, 0.0244, 0.0446, 0.0666, 0.084], np.float32)
"""Where one tooth ends and the next begins, from the middle, in texture coordinates: incisors of
8.5 and 6.5 mm, a canine of 7.5, a premolar of 7."""
NARROW: Final = 0.0024
"""Half width of the dark line between two teeth."""
DARK: Final = 0.4
"""What such a line takes of the light."""
SIDE: Final = 0.1
"""Distance from the middle at which cheeks shade half of the light away."""


def teeth_colour(across: Array) -> Array:
    """Linear RGB (F, 3), without light, of places on teeth by their texture coordinate u (F,)."""
    away = np.abs(across - np.float32(0.5))
    gap = np.exp(-np.square((away[:, None] - GAPS) / NARROW)).max(1)
    light = (1 - DARK * gap) / (1 + np.square(away / SIDE))
    return np.asarray(light[:, None] * ENAMEL, np.float32)
