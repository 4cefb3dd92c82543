"""What a finished translation says of itself: a report of its own kind, for it hides nobody."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from anonymizer.report import StreamOutcome

FORMAT: Final = "veilframe-translation-1"
"""What such a report says of itself."""
START: Final = '{\n  "format": "veilframe-translation-'
"""How every one begins."""


@dataclass(frozen=True, slots=True)
class Translated:
    """What one translation did."""

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
    kind: str = "translation"
    anonymized: bool = False
    """Never: faces are told anew with all else, by frames that show them."""

    @property
    def summary(self) -> str:
        """All of it in one line for a person."""
        took = sum(self.seconds.values())
        return (
            f"{self.destination}  {self.frames} frames translated, not anonymized, {took:.1f} s "
            f"({self.frames / max(took, 1e-9):.1f} frames/s)"
        )


def table_of(report: Translated) -> dict[str, Any]:
    """The report as plain values; what the sink calls anonymized was translated."""
    table = {"format": FORMAT} | asdict(report)
    for stream in table["streams"]:
        if stream["fate"] == "anonymized":
            stream["fate"] = "translated"
    return table


def text_of(report: Translated) -> str:
    """The report as JSON."""
    table = table_of(report) | {"destination": Path(report.destination).name}
    return json.dumps(table, indent=2, default=str, allow_nan=False) + "\n"
