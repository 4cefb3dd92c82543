"""What a measurement says: the median of several rounds, and how far they lay apart."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        digits = max(0, 3 - len(str(int(abs(self.median)))))
        middle, low, high = (f"{v:.{digits}f}" for v in (self.median, self.least, self.most))
        return f"{middle} ({low} to {high})"


def figure(values: Iterable[float]) -> Figure | None:
    """The rounds as one figure; None if no round could say anything (NaN).

    >>> str(figure([0.5, 2.0, 1.0, float("nan")]))
    '1.00 (0.50 to 2.00)'
    """
    known = [value for value in values if math.isfinite(value)]
    return Figure(median(known), min(known), max(known)) if known else None


def quotients(above: Iterable[float], below: Iterable[float]) -> list[float]:
    """Ratios within each round; NaN where there is nothing to divide by."""
    pairs = zip(above, below, strict=True)
    return [one / other if other else math.nan for one, other in pairs]
