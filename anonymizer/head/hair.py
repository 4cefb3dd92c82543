"""The hair of a track: what the film shows of it comes and goes, the person's hair does not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

COMES: Final = 1 / 8
"""Share of a frame with hair above the face in what is remembered of that."""
GOES: Final = 1 / 500
"""The same of a frame without: hair that is hidden is no bald head."""
ENOUGH: Final = 0.1
"""Weight of hair, in mean pixels of a row, that says as much of its colour as the track does."""
STEADY: Final = 25
"""Frames of so much hair that its colour is the mean of, about."""


@dataclass(frozen=True, slots=True, eq=False)
class Hair:
    """What is known of it so far."""

    crown: float = 0.0
    """How much there is above the face, in [0, 1]."""
    colour: Array = field(default_factory=lambda: np.zeros(3, np.float32))
    """(3,) in [-1, 1], of the hair that is not in the light."""
    weight: float = 0.0
    """What the colour is the mean of."""

    def after(self, crown: float, colour: NDArray[np.floating], weight: float) -> Hair:
        """With one more frame: `weight` pixels a row of a mean `colour` (3,)."""
        rate = COMES if crown > self.crown else GOES
        total = min(self.weight, STEADY * ENOUGH) + weight
        step = (colour - self.colour) * (weight / max(total, 1e-6))
        return Hair(
            self.crown + rate * (crown - self.crown),
            np.asarray(self.colour + step, np.float32),
            total,
        )

    def towards(self, later: Hair, share: float) -> Hair:
        """Between this, at 0, and a later one, at 1."""
        if not self.weight:
            return later
        return Hair(
            self.crown + share * (later.crown - self.crown),
            self.colour + np.float32(share) * (later.colour - self.colour),
            self.weight + share * (later.weight - self.weight),
        )
