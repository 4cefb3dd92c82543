"""The ears of a drawn head, which no painter is shown: they are laid over what is around a face.

Ears may be in the hair; `anonymizer.head.ears` says how far the film shows them.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.head.model import PART_SKIN, HeadModel
from anonymizer.head.raster import ONES, SAMPLES, Hits, averaged, interpolate
from anonymizer.head.reflection import rise
from anonymizer.head.scene import View, drawn

Array = NDArray[np.float32]

EAR_TOP: Final = (3.6, 4.4)
"""Heights between which ears of the mean head become temples."""
EAR_FRONT: Final = (0.9, 1.8)
"""Depths between which they become cheeks."""
EAR_CONTRAST: Final = 0.4
"""Power of their light against a face's: light shines through them."""
EAR_SOFTNESS: Final = 1 / 128
"""Spread that they are blurred with, as a share of S: farther away than a face, and not painted."""


def auricles(view: View, head: HeadModel, hits: Hits) -> Array:
    """`Guide.ears`, as far as nothing that is drawn already, at `hits`, is before them."""
    triangles, scene = drawn(head)[1], view.scene
    found, depth = view.hits(triangles), view.points[:, 2:]
    nearest = np.full(view.side**2, -np.inf, np.float32)
    nearest[hits.pixel] = interpolate(hits, scene.triangles, depth)[:, 0]
    seen = interpolate(found, triangles, depth)[:, 0] > nearest[found.pixel]
    light = view.light @ ONES
    lit = (scene.parts == PART_SKIN) & (scene.face[:, 1] > 0.5) & (view.normals[:, 2] > 0.5)
    usual = light[lit]
    level = (light / max(float(usual.mean()) if len(usual) else 1.0, 1e-6)) ** EAR_CONTRAST
    table = np.stack([level, np.ones_like(level)], 1) * _auricle(head, len(level))[:, None]
    values = interpolate(found, triangles, table) * seen[:, None]
    covered = averaged(view.side // SAMPLES, found, values)[0] / np.float32(SAMPLES**2)
    return np.asarray(cv2.GaussianBlur(covered, (0, 0), EAR_SOFTNESS * len(covered)), np.float32)


def _auricle(head: HeadModel, count: int) -> Array:
    """How much vertices (N,), of `count` with those of eyes and tongue, are ear and no temple."""
    _, height, depth = head.mean.T
    shares = 1 - np.maximum(rise(height, EAR_TOP), rise(depth, EAR_FRONT))
    return np.concatenate([shares, np.zeros(count - len(shares))]).astype(np.float32)
