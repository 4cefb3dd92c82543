"""Weights that the package does not carry: what they are, where they lie, whether they are whole.

The folder is named by the environment variable VEILFRAME_MODELS; without it, it is
``veilframe/models`` in the user's cache (XDG_CACHE_HOME, or ``.cache`` at home).

Sizes and hashes were taken from files that the detectors are tested with. Addresses name one
version for good (a commit, a storage generation), never a branch.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from anonymizer.errors import UnknownPart

State = Literal["good", "absent", "bad"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One file of weights."""

    name: str
    """What the command line calls it."""
    detector: str
    """Name of the detector that loads it."""
    purpose: str
    """What it is, in a few words."""
    file: str
    """File name that the detector looks for."""
    licence: str
    """SPDX identifier, or words where there is none."""
    commercial: bool
    """Whether the licence allows commercial use."""
    source: str
    """Page that tells of the weights and their licence."""
    size: int
    """Bytes."""
    sha256: str
    """Lower-case hexadecimal digits."""
    url: str
    """Where exactly this file is."""


KNOWN: Final = (
    Model(
        name="yunet",
        detector="yunet",
        purpose="YuNet-n, any picture size",
        file="yunet_n.onnx",
        licence="Apache-2.0 (LICENSE; README says BSD)",
        commercial=True,
        source="https://github.com/ShiqiYu/libfacedetection.train",
        size=322_906,
        sha256="104ee26c71d5c270ce79a6b3dced91c91013260d29a6bf18f9296c5b8c4c2b12",
        url="https://raw.githubusercontent.com/ShiqiYu/libfacedetection.train/"
        "dca340aa082c71081a68d17db8e58b33a58a914b/onnx/yunet_n_dynamic.onnx",
    ),
    Model(
        name="mediapipe",
        detector="mediapipe",
        purpose="BlazeFace, people up to five metres away",
        file="face_detection_full_range_sparse.tflite",
        licence="Apache-2.0",
        commercial=True,
        source="https://ai.google.dev/edge/mediapipe/solutions/vision/face_detector",
        size=676_746,
        sha256="2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1",
        url="https://storage.googleapis.com/mediapipe-assets/"
        "face_detection_full_range_sparse.tflite?generation=1674261618323821",
    ),
    Model(
        name="mediapipe-short",
        detector="mediapipe",
        purpose='BlazeFace, people up to two metres away (reach = "short")',
        file="face_detection_short_range.tflite",
        licence="Apache-2.0",
        commercial=True,
        source="https://ai.google.dev/edge/mediapipe/solutions/vision/face_detector",
        size=229_714,
        sha256="bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
        url="https://storage.googleapis.com/mediapipe-assets/"
        "face_detection_short_range.tflite?generation=1677044301978921",
    ),
    Model(
        name="scrfd",
        detector="scrfd",
        purpose="SCRFD-2.5G with key points",
        file="scrfd_2.5g_kps.onnx",
        licence="non-commercial research only (InsightFace)",
        commercial=False,
        source="https://github.com/deepinsight/insightface/tree/master/model_zoo",
        size=3_291_017,
        sha256="32d20c77b9e2dc1d07e94c2ab9d25bdd5cd05eddbe0b46e7b38e7a1eca22e99a",
        url="https://raw.githubusercontent.com/hpc203/scrfd-opencv/"
        "9e14b462707fe75105c99213fba911646366aebd/weights/scrfd_2.5g_kps.onnx",
    ),
)
"""All of them; the default detector needs none."""


@dataclass(frozen=True, slots=True)
class Place:
    """What lies where a model belongs."""

    model: Model
    path: Path
    state: State
    says: str
    """What was found, in words; without the path."""


def folder() -> Path:
    """The models' cache folder; it need not exist."""
    if named := os.environ.get("VEILFRAME_MODELS"):
        return Path(named).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "veilframe" / "models"


def named(names: Sequence[str]) -> list[Model]:
    """The models of these names, each once, in the order given.

    Raises:
        UnknownPart: for a name that is not in the registry.
    """
    known = {model.name: model for model in KNOWN}
    for name in names:
        if name not in known:
            raise UnknownPart(f"unknown model {name!r}; known: {', '.join(known)}")
    return [known[name] for name in dict.fromkeys(names)]


def of_file(file: str) -> Model | None:
    """The model whose file is called so, if one is."""
    return next((model for model in KNOWN if model.file == file), None)


def look(model: Model, where: Path) -> Place:
    """Compare what lies in the folder ``where`` with the registry; reads the whole file."""
    path = where / model.file
    try:
        differs = difference(model, path)
    except FileNotFoundError:
        return Place(model, path, "absent", f"absent; anonymize models pull {model.name}")
    except OSError as error:
        return Place(model, path, "bad", f"cannot be read ({error.strerror})")
    if differs:
        advice = f"anonymize models pull {model.name} replaces it"
        return Place(model, path, "bad", f"is not the registered file: {differs}; {advice}")
    return Place(model, path, "good", "SHA-256 agrees")


def difference(model: Model, path: Path) -> str:
    """How a file differs from the registered one; empty if it is that one.

    Raises:
        OSError: if it cannot be read.
    """
    if (size := path.stat().st_size) != model.size:
        return f"{size} bytes, expected {model.size}"
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return "" if digest == model.sha256 else f"SHA-256 {digest}, expected {model.sha256}"
