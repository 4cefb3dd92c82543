"""BlazeFace: a very fast face detector, run by MediaPipe's Tasks API on the CPU.

Bazarevsky et al., "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs", 2019. The
weights (Apache-2.0) are not part of this program. The network sees every picture at 128 or 192
pixels, so the second search cuts frames into many small tiles.

It tells of both eyes, the nose tip, the middle of the mouth and the ears, and its box leaves out
the forehead. Mouth corners are set along the line of the eyes, and the box is made higher. A face
that lies on its side is found, but often told of as an upright one.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from anonymizer.errors import MissingWeights, UsageError
from anonymizer.protocols import Detector
from detectors import _weights
from detectors._candidates import Candidates
from detectors._search import Recall, Scheme, Search
from detectors._sessions import on_cpu_only

if TYPE_CHECKING:
    from mediapipe.tasks.python.vision import FaceDetector

Reach = Literal["full", "short"]

FILES: Final = {
    "full": "face_detection_full_range_sparse.tflite",
    "short": "face_detection_short_range.tflite",
}
"""Names in the models' cache folder."""
MOUTH: Final = 0.4
"""From the middle of the mouth to a corner, in distances of the eyes; measured on real faces by
detectors that see the corners."""
FOREHEAD: Final = 0.11
"""By how much of its height a box is made higher to begin where those of other detectors do."""


def build(
    *,
    threshold: float = 0.4,
    recall: Recall = "normal",
    doubt: float | None = None,
    reach: Reach = "full",
    max_side: int = 640,
    second_side: int = 1280,
    tile: int = 320,
    device: str = "auto",
    weights: str | Path | None = None,
) -> Detector:
    """Load the network.

    Args:
        threshold: Least score of a face, in (0, 1). Low values favour recall.
        recall: ``high`` searches every frame in every way.
        doubt: With recall ``high``, least score of a doubtful face; default: 2/3 threshold.
        reach: ``full`` for people up to some five metres away, ``short`` for two.
        max_side: Longer side of the picture in the quick search, pixels. Never enlarges.
        second_side: Longer side in the second search, pixels; enlarges up to twice.
        tile: Longest side of one tile of the second search, pixels.
        device: ``auto``, ``cpu`` or ``mps``, which all mean the CPU.
        weights: TFLite file; by default the one of ``reach`` in the models' cache folder.

    Raises:
        UsageError: for an option out of range, or a GPU.
        MissingWeights: if the file is absent or MediaPipe cannot load it.
    """
    scheme = Scheme(threshold, recall, doubt, max_side=max_side, second_side=second_side, tile=tile)
    if reach not in get_args(Reach):
        raise UsageError(f"reach {reach!r} is not one of {', '.join(get_args(Reach))}")
    on_cpu_only(device, part="mediapipe")
    path = _weights.located(FILES[reach], weights, part="mediapipe")
    return Search(_loaded(path, scheme.least), scheme)


class BlazeFace:
    """A loaded network; it answers with scores above the one it was loaded for."""

    provider: Final = "cpu (MediaPipe)"

    def __init__(self, model: FaceDetector) -> None:
        self._model = model
        weakref.finalize(self, _close, model)

    def look(self, pictures: NDArray[np.uint8], least: float) -> list[Candidates]:
        """Faces with a score above ``least`` in each of ``(B, h, w, 3)`` pictures."""
        return [self._one(picture).likelier_than(least) for picture in pictures]

    def _one(self, picture: NDArray[np.uint8]) -> Candidates:
        import mediapipe

        image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=picture)
        found = self._model.detect(image).detections
        boxes = [each.bounding_box for each in found]
        corners = [(b.origin_x, b.origin_y, b.width, b.height) for b in boxes]
        points = [[(point.x, point.y) for point in each.keypoints[:4]] for each in found]
        return Candidates(
            boxes=_higher(np.array(corners, np.float64).reshape(-1, 4)),
            scores=np.array([each.categories[0].score for each in found], np.float64).clip(0, 1),
            landmarks=_five(
                np.array(points, np.float64).reshape(-1, 4, 2) * picture.shape[1::-1] - 0.5
            ),
        )


def _close(model: FaceDetector) -> None:
    """Free the network. At exit its thread is gone, and its own clean-up would complain."""
    with suppress(RuntimeError), _silent():
        model.close()
    model._handle = None  # noqa: SLF001 - what its __del__ looks at


def _higher(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Boxes ``(K, 4)`` from rows of x, y, width, height."""
    corner, size = rows[:, :2], rows[:, 2:]
    top = corner - size * (0, FOREHEAD)
    return np.concatenate([top, corner + size], axis=1)


def _five(points: NDArray[np.float64]) -> NDArray[np.float32]:
    """Five landmarks from eye, eye, nose tip and middle of the mouth, ``(K, 4, 2)``."""
    half = (points[:, 1] - points[:, 0]) * MOUTH
    corners = np.stack([points[:, 3] - half, points[:, 3] + half], axis=1)
    return np.concatenate([points[:, :3], corners], axis=1).astype(np.float32)


def _loaded(path: Path, least: float) -> BlazeFace:
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.FaceDetectorOptions(
        base_options=BaseOptions(model_asset_buffer=path.read_bytes()),
        min_detection_confidence=least,
    )
    try:
        with _silent():
            network = BlazeFace(vision.FaceDetector.create_from_options(options))
            network.look(np.zeros((1, 64, 64, 3), np.uint8), least)  # more notes come with this
    except (RuntimeError, ValueError) as error:
        advice = _weights.advice("mediapipe", path.name)
        raise MissingWeights(path, f"MediaPipe cannot load it; {advice}") from error
    return network


@contextmanager
def _silent() -> Iterator[None]:
    """Keep MediaPipe's native notes, some forty lines, off the terminal."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
