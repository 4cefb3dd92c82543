"""The hair of a track: what the film shows of it comes and goes, the person's hair does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

COMES: Final = 1 / 8
"""Share of a frame with hair above the face in what is remembered of that."""
GOES: Final = 1 / 500
"""The same of a frame without: hair that is hidden is no bald head."""
BARES: Final = 1 / 125
"""Share of a frame without hair over an ear in what is remembered of that: hair beside a face is
hidden more often than it is combed back."""
ENOUGH: Final = 0.1
"""Weight of hair, in mean pixels of a row, of a frame that shows it well."""
STEADY: Final = 25
"""Such frames that its colour is the mean of, about."""
GUESS: Final = ENOUGH / 20
"""Weight of what nobody has seen."""
CURLS: Final = 0.25
"""Its grain."""
SHINE: Final = 0.15
"""How fast hair counts less the lighter it is than what is known: light falls on it. Of 2."""
FINE: Final = 2.0
"""Sigma in pixels, at half the size, of what is too coarse for strands."""
GRAINY: Final = 0.3
"""Share of the grain that is seen with which strands are drawn: noise is part of it."""
MOST: Final = 0.12
"""Grain that they are drawn with at most."""
CENTRE: Final = (0.5, 0.62)
"""Column and row that strands point away from, as shares of S: the face's."""
STRANDS: Final = 2.0
"""Strands around a face for each pixel of S."""
LENGTHS: Final = 6
"""Strands one after another over a distance of S."""


@dataclass(frozen=True, slots=True, eq=False)
class Hair:
    """What is seen of it in a frame, or known of a track so far."""

    crown: float = 0.0
    """How much there is above the face, in [0, 1]."""
    colour: Array = field(default_factory=lambda: np.zeros(3, np.float32))
    """(3,) in [-1, 1], of the hair that is not in the light."""
    grain: float = 0.0
    """How much lighter or darker strands are than all of it, as a share of its light."""
    weight: float = 0.0
    """What colour and grain are the means of, in pixels a row."""
    ears: Array = field(default_factory=lambda: np.full(2, np.nan, np.float32))
    """(2,) in [0, 1], how likely there is none over the left and right ear; NaN if not known."""

    @classmethod
    def guessed(cls, colour: Array) -> Hair:
        """Of a person of whose head the film has shown nothing: most people have hair."""
        return cls(1.0, colour, CURLS, GUESS)

    @property
    def known(self) -> float:
        """How sure it is, in [0, 1], how it looks."""
        return float(np.clip((self.weight - GUESS) / ENOUGH, 0, 1))

    def after(self, seen: Hair) -> Hair:
        """With one more frame."""
        rate = COMES if seen.crown > self.crown else GOES
        lighter = self.known * max(0.0, float((seen.colour - self.colour).mean()))
        weight = seen.weight * float(np.exp(-lighter / SHINE))
        total = min(self.weight, STEADY * ENOUGH) + weight
        share = weight / max(total, 1e-9)
        return Hair(
            self.crown + rate * (seen.crown - self.crown),
            np.asarray(self.colour + share * (seen.colour - self.colour), np.float32),
            self.grain + share * (seen.grain - self.grain),
            total,
            self._ears_after(seen.ears),
        )

    def _ears_after(self, seen: Array) -> Array:
        """`ears` with one more frame; what that does not tell stays, what is told first counts."""
        rate = np.where(seen > self.ears, BARES, COMES)
        moved = self.ears + rate * (seen - self.ears)
        first = np.where(np.isnan(self.ears), seen, self.ears)
        return np.asarray(np.where(np.isnan(moved), first, moved), np.float32)

    @property
    def contrast(self) -> float:
        """How much lighter or darker strands are drawn, as a share of the hair's light."""
        return min(GRAINY * self.grain, MOST)

    def towards(self, later: Hair, share: float) -> Hair:
        """Between this, at 0, and a later one, at 1."""
        colour = self.colour if self.weight else later.colour
        ears = np.nan_to_num(self.ears)
        return Hair(
            self.crown + share * (later.crown - self.crown),
            colour + np.float32(share) * (later.colour - colour),
            self.grain + share * (later.grain - self.grain),
            self.weight + share * (later.weight - self.weight),
            np.asarray(ears + np.float32(share) * (later.ears - ears), np.float32),
        )


def grown(before: Hair, seen: Sequence[Hair], *, slowly: bool) -> list[Hair]:
    """That of a track at each of N crops: what they show all in all comes little by little.

    At the start of a track it is there from the first crop: it need not come `slowly`.
    """
    after = before
    for each in seen:
        after = after.after(each)
    if not slowly:
        return [after] * len(seen)
    return [before.towards(after, (at + 1) / len(seen)) for at in range(len(seen))]


def grain_of(seen: Array, there: NDArray[np.bool_], weights: Array) -> float:
    """How much fine structure there is in hair that is seen (s, s, 3), as a share of its light.

    `there` (s, s) is where it is, `weights` (s, s) how much each place of it counts.
    """
    light, known = seen.mean(-1) + 1, there.astype(np.float32)
    around, share = (cv2.GaussianBlur(each, (0, 0), FINE) for each in (light * known, known))
    other = light * np.maximum(share, 1e-6) / np.maximum(around, 1e-3) - 1
    return float(np.sqrt((np.square(other) * weights).sum() / max(float(weights.sum()), 1e-6)))


@lru_cache
def strands(size: int) -> Array:
    """Lighter and darker strands (S, S), of mean 0 and spread 1, combed back from a face.

    They are the same in every crop, and so stay where they are on a head that moves.
    """
    row, column = np.indices((size, size), np.float32) / size
    across, up = column - CENTRE[0], CENTRE[1] - row
    along = LENGTHS * np.hypot(across, up)
    turn = (np.arctan2(across, up) / np.pi + 1) / 2
    count = max(1, round(STRANDS * size))
    levels = np.random.default_rng(0).standard_normal((count, LENGTHS)).astype(np.float32)
    found = cv2.remap(levels, along, turn * count, cv2.INTER_CUBIC, borderMode=cv2.BORDER_WRAP)
    return np.asarray((found - found.mean()) / found.std(), np.float32)
