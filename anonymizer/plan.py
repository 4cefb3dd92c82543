"""What is known of a film before it is painted, and what a person decided about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from anonymizer.data import Action, Box, Track

ZoneAction = Literal["always", "ignore"]
"""``always`` covers an area whatever is there; ``ignore`` keeps faces that never leave it."""


@dataclass(frozen=True, slots=True)
class Zone:
    """An area of the frame for some time, as a person drew it into a plan."""

    action: ZoneAction
    box: Box
    """In frame pixels."""
    start: int
    """Index of its first frame."""
    stop: int
    """One past its last frame."""

    def __post_init__(self) -> None:
        x0, y0, x1, y1 = self.box
        if not np.isfinite(self.box).all() or x1 <= x0 or y1 <= y0:
            raise ValueError("box of a zone must be finite with x0 < x1 and y0 < y1")
        if not 0 <= self.start < self.stop:
            raise ValueError(f"zone from frame {self.start} to {self.stop} is empty")

    def holds(self, track: Track) -> bool:
        """Whether the middle of the track's face is inside, in all of its frames."""
        x0, y0, x1, y1 = self.box
        boxes = np.array([face.box for face in track.faces])
        x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
        inside = (x0 <= x) & (x < x1) & (y0 <= y) & (y < y1)
        return self.start <= track.start and track.stop <= self.stop and bool(inside.all())


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Where the faces of a film are: everything the second reading needs to know of the first."""

    pts: NDArray[np.int64]
    """``(F,)`` presentation time of every frame, in the stream's time base."""
    starts: tuple[int, ...]
    """Index of the first frame of every shot; the first is 0."""
    tracks: tuple[Track, ...]
    """Ordered by first frame; repairs come last."""
    zones: tuple[Zone, ...] = ()
    unconfirmed: int = 0
    """Sightings at low scores that no track confirms; they are in none, and nothing hides them."""

    def during(self, start: int, stop: int) -> list[Track]:
        """Tracks with a face in some frame of ``[start, stop)``."""
        return [track for track in self.tracks if track.start < stop and start < track.stop]

    def hides(self) -> NDArray[np.bool_]:
        """``(F,)`` True for every frame in which anything is to be painted."""
        there = np.zeros(len(self.pts), np.bool_)
        spans = [(track.start, track.stop) for track in self.tracks if self.action(track) != "keep"]
        spans += [(zone.start, zone.stop) for zone in self.zones if zone.action == "always"]
        for start, stop in spans:
            there[start:stop] = True
        return there

    @property
    def busy(self) -> bool:
        """Whether something is to be painted in more than half of the frames."""
        there = self.hides()
        return 2 * int(there.sum()) > len(there)

    def action(self, track: Track) -> Action:
        """What becomes of a track: what it says itself, unless a zone lets it be kept."""
        kept = any(zone.action == "ignore" and zone.holds(track) for zone in self.zones)
        return "keep" if kept else track.action
