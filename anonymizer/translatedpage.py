"""The report of a translation as one page for a person; it says first that nobody is hidden."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from anonymizer.markup import element
from anonymizer.reportparts import (
    banner,
    counted,
    document,
    listed,
    made_by,
    streams,
    titled,
    warned,
)
from anonymizer.translated import Translated

WORD = "Not anonymized"
"""The verdict of every translation."""


def page_of(report: Translated) -> str:
    """The page as HTML."""
    return document(f"{WORD}: {Path(report.destination).name}", _sections(report))


def _sections(report: Translated) -> Iterator[Element]:
    yield element("h1", f"{report.source} → {Path(report.destination).name}")
    yield banner(
        "translated",
        WORD,
        "A model has told this film anew by a prompt. That hides nobody: it was shown every frame, "
        "faces and all, and people may be as recognisable as before. Nothing looked for faces.",
    )
    yield from titled("What was done", listed(_done(report)))
    yield from streams(report.streams)
    yield from warned(report.warnings)
    yield from titled("How it was made", *made_by(report))


def _done(report: Translated) -> Iterator[str]:
    painting: Any = report.settings.get("painting", {})
    told: Any = report.settings.get("translation", {})
    yield f"prompt: {painting.get('prompt')}"
    if unwanted := painting.get("negative_prompt"):
        yield f"not: {unwanted}"
    yield f"by {told.get('mode')}, mediator {painting.get('mediator')}"
    shots = counted(report.shots, "shot")
    yield f"{counted(report.frames, 'frame')} in {shots}, all of them at their original times"
    width, height = report.size
    yield f"worked on at {width} x {height} pixels"
    if (every := told.get("keyframes", 1)) > 1:
        yield f"one frame in {every} by the model, those between filled along flow"
    if report.skipped_packets:
        yield f"{counted(report.skipped_packets, 'damaged packet')} of the original left out"
