"""Mediators, one per file; the file's name is the mediator's name.

A mediator is a module with ``build(...) -> Mediator``. It is imported only when it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules

from anonymizer.errors import UnknownPart
from anonymizer.protocols import Mediator


def available() -> list[str]:
    """Names of the mediators, sorted."""
    return sorted(m.name for m in iter_modules(__path__) if not m.name.startswith("_"))


def load(name: str, options: Mapping[str, object]) -> Mediator:
    """Build the mediator ``name``; ``options`` are the keywords of its ``build``.

    Raises:
        UnknownPart: if there is no such mediator.
    """
    if name not in available():
        raise UnknownPart(f"unknown mediator {name!r}; available: {', '.join(available())}")
    mediator: Mediator = import_module(f"{__name__}.{name}").build(**options)
    return mediator
