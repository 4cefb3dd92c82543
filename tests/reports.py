"""Reports made up for tests: no film is needed to write or show one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from anonymizer.data import Action, Origin
from anonymizer.head.expression import MOTION
from anonymizer.report import (
    Doubt,
    Report,
    SmartCopy,
    Span,
    StreamOutcome,
    TrackOutcome,
    Verification,
)
from anonymizer.settings import Settings
from anonymizer.translated import Translated


def track(number: int, *spans: tuple[Origin, int], start: int = 0, action: Action = "replace"):
    """A track of (origin, frames) at 25 frames a second."""
    made: list[Span] = []
    at = start
    for origin, count in spans:
        made.append(Span(origin, at, at + count, at / 25, (at + count) / 25))
        at += count
    kinds = ("detected", "interpolated", "extended", "repaired")
    seen, filled, added, mended = (sum(n for own, n in spans if own == kind) for kind in kinds)
    return TrackOutcome(
        number, 0, start, at, seen, filled, added, mended, spans=tuple(made), action=action
    )


def doubt(frame: int = 17, **changes: Any) -> Doubt:
    made = Doubt(frame, frame, frame / 25, (10.0, 20.0, 50.0, 70.0), 0.9, "yunet", 0.96)
    return replace(made, **changes)


def verification(*doubts: Doubt, repaired: Sequence[Doubt] = (), **changes: Any) -> Verification:
    made = Verification(
        100, 100, 0.0, True, "yunet", 300, doubts, 0.0099, 0.95, repaired=tuple(repaired)
    )
    return replace(made, **changes)


def report(**changes: Any) -> Report:
    """What became of a film of four seconds with two faces."""
    made = Report(
        source="film.mp4",
        destination="/home/jane/films/film_anonymized.mp4",
        source_sha256="ab" * 32,
        output_sha256="cd" * 32,
        frames=100,
        duration_s=3.96,
        shots=1,
        tracks=(
            track(0, ("detected", 80), ("extended", 3)),
            track(1, ("detected", 20), ("interpolated", 5), ("detected", 30), start=40),
        ),
        unconfirmed=0,
        streams=(
            StreamOutcome(0, "video", "h264", None, "anonymized", ""),
            StreamOutcome(1, "audio", "aac", "deu", "copied", ""),
            StreamOutcome(2, "data", "", None, "dropped", "may show or tell who was filmed"),
        ),
        smart_copy=SmartCopy(3, 5, 60),
        skipped_packets=0,
        warnings=(),
        non_interference=True,
        motion=MOTION,
        verification=verification(),
        settings=Settings(seed=20).described(),
        versions={"veilframe": "0.1.0"},
        devices={"detector": "CPUExecutionProvider", "painter": "cpu"},
        seconds={"find": 1.5, "paint": 20.25, "check": 2.0},
    )
    return replace(made, **changes)


def translation(**changes: Any) -> Translated:
    """What became of a film that was told anew."""
    asked = {"painting.prompt": "an oil painting", "painting.negative_prompt": "fog"}
    made = Translated(
        source="film.mp4",
        destination="/home/jane/films/film_translated.mp4",
        source_sha256="ab" * 32,
        output_sha256="cd" * 32,
        frames=100,
        duration_s=3.96,
        shots=1,
        size=(512, 288),
        streams=(
            StreamOutcome(0, "video", "h264", None, "translated", ""),
            StreamOutcome(1, "audio", "aac", "deu", "copied", ""),
        ),
        skipped_packets=0,
        warnings=(),
        settings=Settings(seed=20).with_values(asked).described(),
        versions={"veilframe": "0.1.0"},
        devices={"painter": "cpu"},
        seconds={"find": 1.5, "paint": 20.25, "check": 2.0},
    )
    return replace(made, **changes)
