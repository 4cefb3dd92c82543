"""Mediators, one per file; the file's name is the mediator's name.

A mediator is a module with ``build(...) -> Mediator``. It is imported only when it is asked for.
``medm+fresco`` asks for both: one agrees on pixels, the other inside the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from anonymizer.errors import UnknownPart, UsageError
from anonymizer.protocols import Mediator

TOGETHER = ("medm", "fresco")
"""The mediators that work together: on pixels, and inside the model."""


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


def named(names: str) -> list[str]:
    """The single names in ``a+b``, in the order they work in.

    Raises:
        UnknownPart: if there is no such mediator.
        UsageError: if they cannot work together.
    """
    parts = names.split("+")
    for name in parts:
        if name not in available():
            raise UnknownPart(f"unknown mediator {name!r}; available: {', '.join(available())}")
    if len(parts) > 1 and sorted(parts) != sorted(TOGETHER):
        raise UsageError(
            f"mediators {names!r} cannot be joined; only {'+'.join(TOGETHER)} work together"
        )
    return list(TOGETHER) if len(parts) > 1 else parts


def united(names: str, options: Mapping[str, Mapping[str, Any]]) -> Mediator:
    """The mediator that ``names`` name, one or ``a+b``; ``options`` by the name of each.

    Raises:
        UnknownPart: if there is no such mediator.
        UsageError: if they cannot work together.
    """
    parts = named(names)
    own = [options.get(name, {}) for name in parts]
    if len(parts) == 1:
        return load(parts[0], own[0])
    from mediators import _both

    return _both.build(*own)
