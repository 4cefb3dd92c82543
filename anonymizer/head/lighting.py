"""The light that heads are drawn in: soft, neutral, from the viewer's side and above."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

LIGHT: Final = np.array([0.08, 0.50, 0.86], np.float32)
"""Direction of the soft light, view space (about unit length)."""
WRAP: Final = np.array([0.48, 0.40, 0.36], np.float32)
"""How far the light reaches around the form, R, G, B: more in red, as in skin."""
CONTRAST: Final = 2.3
"""Power of the light: from the first to the last decile of its log light a filmed face spans 0.8 to
1.7, mean 1.4, a drawn one with this 1.1 to 1.3, and looked flat with .9."""


def light_on(normals: Array, occlusion: Array) -> Array:
    """Light (N, 3) that reaches vertices: an overcast ambient and one soft lamp."""
    open_sky = occlusion[:, None] ** np.array([0.75, 1.0, 1.05], np.float32)
    facing = (normals @ LIGHT)[:, None]
    lamp = np.clip((facing + WRAP) / (1 + WRAP), 0, None)
    ambient = 0.42 + 0.10 * normals[:, 1:2] + 0.06 * normals[:, 2:3]
    soft = ambient * open_sky + 0.62 * lamp * (0.35 + 0.65 * open_sky)
    return np.asarray(soft**CONTRAST, np.float32)
