"""YuNet: a tiny face detector with five landmarks, run by OpenCV on the CPU.

Wu et al., "YuNet: A Tiny Millisecond-level Face Detector", 2023. The weights are not part of this
program; `anonymizer.models` tells their licence.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.errors import MissingWeights
from anonymizer.protocols import Detector
from detectors import _weights
from detectors._candidates import Candidates
from detectors._search import Recall, Scheme, Search
from detectors._sessions import on_cpu_only

FILE: Final = "yunet_n.onnx"
"""Name in the models' cache folder."""
_MOST: Final = 5000
"""Candidates kept before duplicates are removed."""
_SAME: Final = 0.6
"""Overlap beyond which OpenCV removes duplicates; ours are removed later, more strictly."""


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
        device: ``auto``, ``cpu`` or ``mps``, which all mean the CPU.
        weights: ONNX file; by default ``yunet_n.onnx`` in the models' cache folder.

    Raises:
        UsageError: for an option out of range, or a GPU.
        MissingWeights: if the file is absent or OpenCV cannot load it.
    """
    scheme = Scheme(threshold, recall, doubt, max_side=max_side, second_side=second_side)
    on_cpu_only(device, part="yunet")
    path = _weights.located(FILE, weights, part="yunet")
    return Search(YuNet(_loaded(path)), scheme)


class YuNet:
    """A loaded network."""

    provider: Final = "cpu (OpenCV)"

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - OpenCV has no types for it
        self._model = model

    def look(self, pictures: NDArray[np.uint8], least: float) -> list[Candidates]:
        """Faces with a score above ``least`` in each of ``(B, h, w, 3)`` pictures."""
        self._model.setInputSize(pictures.shape[2:0:-1])
        self._model.setScoreThreshold(least)
        return [self._one(picture) for picture in pictures]

    def _one(self, picture: NDArray[np.uint8]) -> Candidates:
        """Rows are x, y, width, height, then five (x, y), then the score."""
        _, rows = self._model.detect(np.ascontiguousarray(picture[..., ::-1]))
        table = np.zeros((0, 15)) if rows is None else rows.astype(np.float64)
        return Candidates(
            boxes=np.concatenate([table[:, :2], table[:, :2] + table[:, 2:4]], axis=1),
            scores=table[:, 14].clip(0, 1),
            landmarks=table[:, 4:14].reshape(-1, 5, 2).astype(np.float32),
        )


def _loaded(path: Path) -> Any:  # noqa: ANN401 - OpenCV has no types for it
    """Load the network, without the warning of OpenCV 5 about a setting that it makes itself."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    try:
        return cv2.FaceDetectorYN.create(str(path), "", (320, 320), 0.5, _SAME, _MOST)
    except cv2.error as error:
        advice = _weights.advice("yunet", FILE)
        raise MissingWeights(path, f"OpenCV cannot load it; {advice}") from error
    finally:
        cv2.utils.logging.setLogLevel(level)
