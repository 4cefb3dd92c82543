"""SCRFD: an anchor-based face detector with five landmarks, run by the package ``insightface``.

Guo et al., "Sample and Computation Redistribution for Efficient Face Detection", 2021. The weights
are not part of this program; those of InsightFace are for non-commercial research only. Any SCRFD
file with key points will do; its picture size is made free.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from anonymizer.errors import MissingWeights
from anonymizer.protocols import Detector
from detectors import _weights
from detectors._candidates import Candidates
from detectors._search import Recall, Scheme, Search
from detectors._sessions import opened, read

FILE: Final = "scrfd_2.5g_kps.onnx"
"""Name in the models' cache folder."""
_KEY_POINTS: Final = (9, 15)
"""Number of outputs of networks with three or five scales, with landmarks."""


def build(
    *,
    threshold: float = 0.3,
    recall: Recall = "normal",
    doubt: float | None = None,
    max_side: int = 640,
    second_side: int = 1280,
    device: str = "auto",
    weights: str | Path | None = None,
) -> Detector:
    """Load the network.

    Args:
        threshold: Least score of a face, in (0, 1). Low values favour recall.
        recall: ``high`` searches every frame in every way.
        doubt: With recall ``high``, least score of a doubtful face; default: 2/3 threshold.
        max_side: Longer side of the picture in the quick search, pixels. Never enlarges.
        second_side: Longer side in the second search, pixels; enlarges up to twice.
        device: ``cpu``, ``cuda``, ``cuda:N``, or ``auto`` for CUDA where onnxruntime has it. The
            network runs on the CPU for ``mps``.
        weights: ONNX file; by default ``scrfd_2.5g_kps.onnx`` in the models' cache folder.

    Raises:
        UsageError: for an option out of range, or a device that is not there.
        MissingWeights: if the file is absent or is not SCRFD with key points.
    """
    scheme = Scheme(threshold, recall, doubt, max_side=max_side, second_side=second_side)
    path = _weights.located(FILE, weights, part="scrfd")
    advice = _weights.advice("scrfd", FILE)
    model = read(path, advice)
    if len(model.graph.input) != 1 or len(model.graph.output) not in _KEY_POINTS:
        raise MissingWeights(path, f"is not SCRFD with key points; {advice}")
    network = model.SerializeToString()
    session = opened(network, path, device, part="scrfd", advice=advice)
    from insightface.model_zoo import SCRFD

    return Search(Scrfd(SCRFD(session=session)), scheme)


class Scrfd:
    """A loaded network."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - insightface has no types
        self._model = model

    @property
    def provider(self) -> str:
        """What it runs on, as onnxruntime calls it."""
        return str(self._model.session.provider)

    def look(self, pictures: NDArray[np.uint8], least: float) -> list[Candidates]:
        """Faces with a score above ``least`` in each of ``(B, h, w, 3)`` pictures."""
        return [self._one(picture, least) for picture in pictures]

    def _one(self, picture: NDArray[np.uint8], least: float) -> Candidates:
        bgr = np.ascontiguousarray(picture[..., ::-1])
        scores, boxes, landmarks = map(np.concatenate, self._model.forward(bgr, least))
        return Candidates(
            boxes=boxes.astype(np.float64),
            scores=scores.ravel().astype(np.float64).clip(0, 1),
            landmarks=landmarks.astype(np.float32),
        )
