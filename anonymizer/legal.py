"""What a setting may be; every check raises `UsageError` with the value and what was expected."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin

from anonymizer.errors import UsageError

_WORDS: Final[Mapping[Any, str]] = {
    bool: "true or false",
    str: "text",
    Path: "the name of a file",
    tuple: "a list",
    Mapping: "a table of tables",
}


def kind(name: str, value: object, hint: Any) -> None:  # noqa: ANN401 - an annotation
    """Insist on a value of the kind that an annotation names; numbers are left to other checks."""
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    if not any(_is(value, one) for one in kinds):
        words = [_WORDS[one] for one in map(_plain, kinds) if one in _WORDS]
        raise UsageError(f"{name} must be {' or '.join(words) or 'text'}, got {value!r}")


def _plain(hint: Any) -> Any:  # noqa: ANN401 - an annotation
    return get_origin(hint) or hint


def _is(value: object, hint: Any) -> bool:  # noqa: ANN401 - an annotation
    """Whether a value is of one kind."""
    plain, inner = _plain(hint), get_args(hint)
    if plain in (int, float):
        return True
    if plain is Literal:  # which text is legal is checked, and said, elsewhere
        return isinstance(value, str)
    if plain is tuple:
        return isinstance(value, tuple) and all(_is(each, inner[0]) for each in value)
    if plain is Mapping:
        return isinstance(value, Mapping) and all(isinstance(v, Mapping) for v in value.values())
    return isinstance(value, plain)


def choose(name: str, value: object, legal: object) -> None:
    """Insist on one of the values of a ``Literal``."""
    choices = get_args(legal)
    if value not in choices:
        raise UsageError(f"{name} {value!r} is not one of {', '.join(choices)}")


def between(name: str, value: object, low: float, high: float) -> None:
    """Insist on a number from ``low`` to ``high``, both included."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not low <= value <= high:  # type: ignore[operator]  # number says so
        legal = f"between {low:g} and {high:g}" if math.isfinite(high) else f"at least {low:g}"
        raise UsageError(f"{name} must be {legal}, got {value!r}")


def whole(name: str, value: object, low: int, high: float = float("inf")) -> None:
    """Insist on a whole number from ``low`` to ``high``, both included."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise UsageError(f"{name} must be a whole number, got {value!r}")
    between(name, value, low, high)


def spacing(name: str, value: object) -> int:
    """A whole number from 1, perhaps in digits, where ``auto`` would have been legal, too."""
    number = int(value) if isinstance(value, str) and value.isdecimal() else value
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise UsageError(f"{name} must be auto or a whole number from 1, got {value!r}")
    return number
