"""What a setting may be; every check raises `UsageError` with the value and what was expected."""

from __future__ import annotations

from typing import get_args

from anonymizer.errors import UsageError


def choose(name: str, value: object, legal: object) -> None:
    """Insist on one of the values of a ``Literal``."""
    choices = get_args(legal)
    if value not in choices:
        raise UsageError(f"{name} {value!r} is not one of {', '.join(choices)}")


def between(name: str, value: object, low: float, high: float) -> None:
    """Insist on a number from ``low`` to ``high``, both included."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not low <= value <= high:  # type: ignore[operator]  # number says so
        raise UsageError(f"{name} must be between {low:g} and {high:g}, got {value!r}")


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
