"""MeDM and FRESCO together, over one set of correspondences (FRESCO, 14.3 of our notes).

FRESCO guides features and attention inside each step, MeDM then lets the estimates agree in pixels.
Both ask the same memory where pixels were, so they never disagree on what is hidden.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from anonymizer.data import Carry, Clip
from anonymizer.protocols import Mediation, Mediator, Reference
from mediators import fresco, medm
from mediators._flow import Remembered, estimated

COARSE = 64 * 64 - 1
"""Tokens of the finest grid whose features still have to agree along flow: on finer ones MeDM does
the same more exactly."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class BothCarry(Carry):
    """What both hand on."""

    pixels: Carry | None
    features: Carry | None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class BothMediation:
    """The plan of one clip of one chunk."""

    pixels: Mediation
    features: Mediation

    @property
    def together(self) -> bool:
        """As FRESCO wants it."""
        return self.features.together

    def noise(self, shape: tuple[int, ...], seed: int) -> Tensor:
        """MeDM's: it moves along trajectories."""
        return self.pixels.noise(shape, seed)

    def __call__(self, x0: Tensor, sigma: float) -> Tensor:
        """MeDM's means."""
        return self.pixels(x0, sigma)

    def attach(
        self,
        model: Any,  # noqa: ANN401 - any torch module
        reference: Reference | None = None,
    ) -> AbstractContextManager[None]:
        """FRESCO's guidance."""
        return self.features.attach(model, reference)

    def carry(self) -> Carry | None:
        """Of both."""
        return BothCarry(self.pixels.carry(), self.features.carry())


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Both:
    """Prepares both, and lets them share."""

    pixels: medm.Medm
    features: fresco.Fresco

    def prepare(self, clip: Clip, carry: Carry | None) -> Mediation:
        """The plans of both.

        Raises:
            ValueError: if what was carried came from another mediator.
        """
        if not isinstance(carry, BothCarry | None):
            raise ValueError(f"carry must come from medm+fresco, got {type(carry).__name__}")
        past = carry or BothCarry(None, None)
        find = Remembered(self.pixels.correspond)
        return BothMediation(
            replace(self.pixels, correspond=find).prepare(clip, past.pixels),
            replace(self.features, correspond=find).prepare(clip, past.features),
        )


def build(pixels: Mapping[str, Any], features: Mapping[str, Any]) -> Mediator:
    """Both mediators, from the keywords of each; flow may be named by either.

    Raises:
        TypeError: for an unknown option.
        ValueError: for an option that makes no sense, or if the two name different flows.
    """
    found: dict[str, Any] = {}
    for name in ("flow", "correspond"):
        named = [part[name] for part in (pixels, features) if name in part]
        if any(each != named[0] for each in named):
            raise ValueError(f"medm and fresco share one {name}, got {named[0]!r} and {named[1]!r}")
        found |= {name: named[0]} if named else {}
    correspond = found.get("correspond") or estimated(found.get("flow", "dis"))
    own = {"finest_temporal": COARSE} | dict(features) | {"correspond": correspond}
    own.pop("flow", None)
    both = medm.build(**{**pixels, "correspond": correspond}), fresco.build(**own)
    return Both(*both)
