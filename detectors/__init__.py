"""Face detectors, one per file; the file's name is the detector's name.

A detector is a module with ``build(...) -> Detector``. It is imported only when it is asked for.
Names joined by ``+`` ask for several at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pkgutil import iter_modules

from anonymizer.errors import UnknownPart, UsageError
from anonymizer.protocols import Detector


def available() -> list[str]:
    """Names of the detectors, sorted."""
    return sorted(m.name for m in iter_modules(__path__) if not m.name.startswith("_"))


def load(name: str, options: Mapping[str, object]) -> Detector:
    """Build the detector ``name``; ``options`` are the keywords of its ``build``.

    Raises:
        UnknownPart: if there is no such detector.
    """
    insist_on(name)
    detector: Detector = import_module(f"{__name__}.{name}").build(**options)
    return detector


def insist_on(name: str) -> None:
    """Refuse what is no detector.

    Raises:
        UnknownPart: if there is none of that name.
    """
    if name not in available():
        raise UnknownPart(f"unknown detector {name!r}; available: {', '.join(available())}")


def named(names: str) -> list[str]:
    """The single names in ``a+b``.

    Raises:
        UnknownPart: if there is no such detector.
        UsageError: if one occurs twice, or is empty.
    """
    parts = names.split("+")
    if "" in parts or len(set(parts)) < len(parts):
        raise UsageError(f"detector {names!r} must join different names by +, as in a+b")
    for name in parts:
        insist_on(name)
    return parts


def united(parts: Sequence[Detector]) -> Detector:
    """One detector that finds what any of ``parts`` finds."""
    from detectors._union import Union

    return parts[0] if len(parts) == 1 else Union(parts)
