"""Face detectors, one per file; the file's name is the detector's name.

A detector is a module with ``build(...) -> Detector``. It is imported only when it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules

from anonymizer.errors import UnknownPart
from anonymizer.protocols import Detector


def available() -> list[str]:
    """Names of the detectors, sorted."""
    return sorted(m.name for m in iter_modules(__path__) if not m.name.startswith("_"))


def load(name: str, options: Mapping[str, object]) -> Detector:
    """Build the detector ``name``; ``options`` are the keywords of its ``build``.

    Raises:
        UnknownPart: if there is no such detector.
    """
    if name not in available():
        raise UnknownPart(f"unknown detector {name!r}; available: {', '.join(available())}")
    detector: Detector = import_module(f"{__name__}.{name}").build(**options)
    return detector
