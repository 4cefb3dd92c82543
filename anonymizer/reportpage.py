"""A report as one page for a person: no script, nothing from elsewhere, no picture of anybody.

It is built as a tree (`anonymizer.markup`), so that names of files and streams stay text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final
from xml.etree.ElementTree import Element

from anonymizer.markup import element, table
from anonymizer.report import (
    Doubt,
    Recognition,
    Report,
    SmartCopy,
    TrackOutcome,
    percent,
)
from anonymizer.reportchart import KINDS, counts_of, coverage, moments
from anonymizer.reportparts import (
    banner,
    counted,
    document,
    made_by,
    many,
    streams,
    titled,
    warned,
)

MOST: Final = 500
"""Rows of a table; what is more is only in the JSON file."""
FEW: Final = 12
"""Rows up to which the table of tracks is open from the start."""


def page_of(report: Report) -> str:
    """The page as HTML."""
    return document(f"{_verdict(report)[0]}: {_name(report)}", _sections(report))


def _sections(report: Report) -> Iterator[Element]:
    yield element("h1", f"{report.source} → {_name(report)}")
    yield _banner(report)
    yield from titled("What was looked at", element("ul", *_looked(report)))
    if report.tracks:
        yield from titled("Coverage over time", coverage(report))
        yield from titled("Tracks", _tracks(report.tracks))
    seen = report.verification
    if seen.doubts:
        yield from titled("Still to be seen", *_doubts(seen.doubts))
    if seen.repaired:
        yield from titled("Found by the second look, then covered", *_doubts(seen.repaired))
    yield from streams(report.streams)
    yield from warned(report.warnings)
    yield from titled("How it was made", *_making(report))


def _name(report: Report) -> str:
    return Path(report.destination).name


def _verdict(report: Report) -> tuple[str, str]:
    """In a word and in a sentence."""
    seen = report.verification
    if seen.verdict == "doubt":
        return "Doubt", f"{seen.reason}. Nothing was published."
    if seen.verdict == "repaired":
        return "Repaired", (
            f"{counted(len(seen.repaired), 'face')} still looked as in the original after "
            "painting. Each was covered, and then nothing more was found."
        )
    if not seen.faces:
        return "Clean", "No face was found that had to be hidden."
    return "Clean", "No face that had to be hidden was found to look as in the original."


def _banner(report: Report) -> Element:
    word, sentence = _verdict(report)
    kept = sum(track.action == "keep" for track in report.tracks)
    lines = [sentence]
    if kept:
        lines.append(f"{counted(kept, 'track')} left as in the original, because a plan says so.")
    if report.unconfirmed:
        lines.append(_unconfirmed(report.unconfirmed))
    return banner(report.verification.verdict, word, *lines)


def _unconfirmed(count: int) -> str:
    return f"Seen once or a few times at low score, not covered: {count}."


def _looked(report: Report) -> Iterator[Element]:
    seen = report.verification
    if seen.in_time:
        yield element("li", f"{counted(seen.frames, 'frame')}, all of them at their original times")
    else:
        yield element(
            "li",
            f"{counted(seen.frames, 'frame')} of the original, {seen.frames_written} of the "
            f"output; times differ by up to {seen.latest_s:g} s",
        )
    by = (
        f"{seen.second} searched the original again"
        if seen.second
        else ("no second detector was at hand, so what the first one missed is not known")
    )
    yield element("li", f"{counted(seen.faces, 'face')} compared with the original; {by}")
    if seen.recognition:
        yield element("li", _recognition(seen.recognition))
    if seen.faces:
        yield _bound(report)
    for film in report.films:
        there = f"{counted(film.frames, 'frame')}, {counted(len(film.tracks), 'track')}"
        words = f"{there}, {film.verification.verdict}"
        yield element("li", f"among them a further film, stream {film.stream}: {words}")
    if report.skipped_packets:
        said = f"{counted(report.skipped_packets, 'damaged packet')} of the original left out"
        yield element("li", said)


def _bound(report: Report) -> Element:
    seen = report.verification
    return element(
        "li",
        element("b", f"At most {percent(seen.leak_bound)} %"),
        f" of the faces compared may still be seen, at {seen.confidence:.0%} confidence: were it "
        "more, a look as close as this one would most likely have found more. This takes frames to "
        "be independent of each other, and knows nothing of faces that no detector found.",
    )


def _tracks(tracks: Sequence[TrackOutcome]) -> Element:
    heads = ["track", "shot", "frames", "time", *list(KINDS)[:4], "decision"]
    rows = [_track_row(track) for track in tracks[:MOST]]
    parts = [many(table("Tracks", heads, rows)), *_rest(len(tracks))]
    opened = {"open": ""} if len(tracks) <= FEW else {}
    return element("details", element("summary", counted(len(tracks), "track")), *parts, **opened)


def _track_row(track: TrackOutcome) -> list[object]:
    frames = f"{track.start} to {track.stop - 1}"
    return [track.track, track.shot, frames, moments(track), *counts_of(track), _decision(track)]


def _decision(track: TrackOutcome) -> str:
    said: list[str] = [track.action]
    said += [f"“{track.prompt}”"] if track.prompt is not None else []
    said += [f"not “{track.negative_prompt}”"] if track.negative_prompt is not None else []
    return ", ".join(said)


def _recognition(seen: Recognition) -> str:
    return (
        f"{counted(seen.faces, 'face')} compared by {seen.embedder}, which takes fewer than "
        f"{100 * seen.false_match_rate:g} % of different people for one"
    )


def _doubts(doubts: Sequence[Doubt]) -> Iterator[Element]:
    heads = ["frame", "time", "box (pixels)", "found by", "score", "likeness"]
    yield many(table("Faces", heads, [_doubt_row(doubt) for doubt in doubts[:MOST]]))
    yield from _rest(len(doubts))


def _doubt_row(doubt: Doubt) -> list[object]:
    box = ", ".join(f"{edge:.0f}" for edge in doubt.box)
    seconds = f"{doubt.seconds:.2f} s"
    alike = f"{doubt.likeness:.2f}"
    if doubt.distance is not None:
        alike = f"taken for the same person (distance {doubt.distance:.2f})"
    return [doubt.frame, seconds, box, doubt.finder, f"{doubt.score:.2f}", alike]


def _rest(count: int) -> list[Element]:
    said = f"{count - MOST} more are in the JSON file beside this page."
    return [element("p", said, class_="faint")] if count > MOST else []


def _making(report: Report) -> Iterator[Element]:
    yield element(
        "p",
        "Nothing inside a face could reach what was painted, apart from geometry."
        if report.non_interference
        else "What was painted was made of the original faces: they may be recognised in it.",
    )
    yield element("p", _copied(report.smart_copy))
    if report.motion:
        count = counted(len(report.motion), "number")
        yield element("p", f"{count} read off every face: {', '.join(report.motion)}.")
    yield from made_by(report)


def _copied(copy: SmartCopy) -> str:
    if copy.reason:
        return f"All pictures were encoded again, even without faces: {copy.reason}."
    return (
        f"{copy.groups} of {counted(copy.of, 'group')} of pictures, "
        f"{counted(copy.frames, 'frame')} without anything to hide, are copied from the original "
        "as they were."
    )
