"""dlib's face embedder, as one that may say whether a new face is the old person's.

The threshold is far below the 0.6 of dlib's authors. In a dark, blurred film chance alone brings
new faces, and even solid covers, down to 0.4: there the network sees little but darkness and blur.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from anonymizer import geometry
from anonymizer.data import Box
from anonymizer.errors import MissingWeights

LEAST: Final = 60
"""Longer side in pixels of faces that it can tell apart."""
CONTRAST: Final = 20.0
"""Standard deviation in grey levels of faces that it can tell apart."""
_MODELS: Final = (
    "shape_predictor_68_face_landmarks.dat",
    "dlib_face_recognition_resnet_model_v1.dat",
)


@dataclass(frozen=True, slots=True, eq=False)
class DlibEmbedder:
    """Distance between 128 numbers that dlib's network makes of each face."""

    name: str = "dlib"
    threshold: float = 0.35
    false_match_rate: float = 0.001
    """None of 3,474 pairs of different people in seven films and pictures was below the threshold:
    at most 0.09 % at 95 % confidence."""
    _networks: Callable[[], tuple[Any, Any]] = field(kw_only=True, repr=False)
    """What finds points, and what makes numbers of them; 120 MB, read for the first pair."""

    def distance(
        self, before: NDArray[np.uint8], after: NDArray[np.uint8], box: Box
    ) -> float | None:
        """Distance of what two pictures show in a box.

        None for small, dark and cut faces, and where the pictures are not of one size.
        """
        height, width = before.shape[:2]
        if before.shape != after.shape or geometry.clip(box, width, height) != box:
            return None
        x0, y0, x1, y1 = (round(edge) for edge in box)
        if max(x1 - x0, y1 - y0) < LEAST or before[y0:y1, x0:x1].mean(-1).std() < CONTRAST:
            return None
        one, other = (self._embedding(image, (x0, y0, x1, y1)) for image in (before, after))
        return float(np.linalg.norm(one - other))

    def _embedding(
        self, image: NDArray[np.uint8], box: tuple[int, int, int, int]
    ) -> NDArray[np.float64]:
        import dlib

        image = np.ascontiguousarray(image)
        points, who = self._networks()
        shape = points(image, dlib.rectangle(*box))
        return np.array(who.compute_face_descriptor(image, shape))


def present() -> bool:
    """Whether the extra ``verify`` is installed."""
    return all(find_spec(name) is not None for name in ("dlib", "face_recognition_models"))


def load() -> DlibEmbedder:
    """The embedder; its networks are read when the first two faces are to be told apart.

    Raises:
        MissingWeights: if the extra is not installed.
    """
    if not present():
        raise MissingWeights("dlib", "is not installed; run: pip install 'veilframe[verify]'")
    return DlibEmbedder(_networks=cache(_read))


def _read() -> tuple[Any, Any]:
    import dlib

    package = find_spec("face_recognition_models")  # not imported: it wants setuptools
    assert package is not None
    assert package.origin is not None
    points, who = (str(Path(package.origin).parent / "models" / name) for name in _MODELS)
    return dlib.shape_predictor(points), dlib.face_recognition_model_v1(who)
