"""What a finished translation says of itself: a report of its own kind, for it hides nobody."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from anonymizer.report import StreamOutcome

FORMAT: Final = "veilframe-translation-1"
"""What such a report says of itself."""


@dataclass(frozen=True, slots=True)
class Translated:
    """What one translation did. It hides nobody."""

    kind: Literal["translation"] = field(default="translation", kw_only=True)
    anonymized: Literal[False] = field(default=False, kw_only=True)
    """Never: faces are told anew with all else, by frames that show them."""
    source: str
    """Name of the input, without its folder."""
    destination: str
    """Path of the output."""
    source_sha256: str
    output_sha256: str | None
    """None until it is published."""
    frames: int
    duration_s: float
    """From the first frame to the last."""
    shots: int
    size: tuple[int, int]
    """(width, height) at which the network worked; the film has its own."""
    streams: tuple[StreamOutcome, ...]
    """Every stream of the input."""
    skipped_packets: int
    """Damaged packets of the input that could not be decoded."""
    warnings: tuple[str, ...]
    """What could not be kept, in sentences."""
    settings: dict[str, object]
    """The resolved settings without secrets."""
    versions: dict[str, str]
    devices: dict[str, str]
    """What the painter runs on, as it says itself."""
    seconds: dict[str, float]
    """Wall time by stage."""

    @property
    def summary(self) -> str:
        """All of it in one line for a person."""
        took = sum(self.seconds.values())
        return (
            f"{self.destination}  {self.frames} frames translated, not anonymized, {took:.1f} s "
            f"({self.frames / max(took, 1e-9):.1f} frames/s)"
        )
