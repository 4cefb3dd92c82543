"""What is installed, which device is really used, and which models are at hand."""

from __future__ import annotations

import importlib
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata, resources

import anonymizer
from anonymizer import build, models
from anonymizer.errors import VeilframeError
from anonymizer.settings import Detection, Painting, Settings

_NEEDED = {
    "torch": "torch",
    "diffusers": "diffusers",
    "av": "av",
    "cv2": "opencv-python",
    "onnxruntime": "onnxruntime",
    "mediapipe": "mediapipe",
    "insightface": "insightface",
}
"""Modules of the default installation, and the distribution each comes from."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the examination."""

    part: str
    good: bool
    says: str
    """What was found, or what is wrong and what to do about it."""


def examine(device: str = "auto") -> list[Finding]:
    """Look at every default part; loads the default detector and the built-in model for real."""
    settings = Settings(device=device)
    checks: dict[str, Callable[[], str]] = {
        "device": lambda: str(build.device(device)),
        "detector": lambda: _detector(settings),
        "built-in model": lambda: _model(settings),
    }
    return [
        Finding("veilframe", good=True, says=f"{anonymizer.__version__}, {_platform()}"),
        *_packages(),
        *(_checked(part, check) for part, check in checks.items()),
        *_further_detectors(device),
        _checked("embedder (optional)", _embedder),
    ]


def _platform() -> str:
    return f"Python {platform.python_version()}, {build.cores()} cores"


def _packages() -> Iterator[Finding]:
    for module, distribution in _NEEDED.items():
        try:
            importlib.import_module(module)
            yield Finding(distribution, good=True, says=metadata.version(distribution))
        except ImportError as error:
            says = f"does not import ({error}); pip install --force-reinstall {distribution}"
            yield Finding(distribution, good=False, says=says)


def _checked(part: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(part, good=True, says=check())
    except VeilframeError as error:
        return Finding(part, good=False, says=str(error))


def _detector(settings: Settings) -> str:
    import onnxruntime

    build.attentive(settings, build.detector(settings))
    providers = ", ".join(onnxruntime.get_available_providers())
    return f"{settings.detection.detector} loads; ONNX Runtime offers {providers}"


def _further_detectors(device: str) -> Iterator[Finding]:
    """Detectors that need weights of their own: whether these are at hand. None has to be."""
    for name in build.detector_names():
        if name != Detection().detector:
            try:
                build.detector(Settings(device=device, detection=Detection(detector=name)))
                says = f"loads (optional{_bound(name)})"
            except VeilframeError as error:
                says = f"optional, and not at hand: {error}"
            yield Finding(f"detector {name}", good=True, says=says)


def _embedder() -> str:
    from anonymizer import embedder

    if embedder.present():
        return "dlib's is at hand: new faces are compared with the old persons'"
    return "not at hand; pip install 'veilframe[verify]' to compare persons, too"


def _bound(detector: str) -> str:
    """The licence of a detector's weights where it forbids commercial use."""
    licences = [m.licence for m in models.KNOWN if m.detector == detector and not m.commercial]
    return "".join(f"; weights for {licence}" for licence in licences)


def _model(settings: Settings) -> str:
    side = build.studio(settings).face.replacer.size
    weights = resources.files("anonymizer") / "weights"
    size = sum(len(part.read_bytes()) for part in _files(weights))
    return f"{Painting().model} loads; {side} px faces, {size / 2**20:.0f} MiB of weights"


def _files(folder: resources.abc.Traversable) -> Iterator[resources.abc.Traversable]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _files(entry)
        else:
            yield entry
