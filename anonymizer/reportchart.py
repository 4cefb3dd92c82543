"""When every track was covered, and how: one bar per track over the time of the film."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from math import floor, log10
from typing import Final
from xml.etree.ElementTree import Element

from anonymizer.markup import element
from anonymizer.report import Report, Span, TrackOutcome

KINDS: Final = {
    "detected": "seen by the detector",
    "interpolated": "filled in between sightings",
    "extended": "added before and after sightings",
    "repaired": "covered after the second look",
    "kept": "left as it was, because a plan says so",
}
"""What a bar is made of, and what that means."""
WIDE: Final = 10_000
"""Units across a bar."""
TICKS: Final = 4
"""Most steps of the time axis: their labels fit beside each other on a telephone."""


def coverage(report: Report) -> Element:
    """The chart with its axis and legend."""
    end = max((span.stop_s for track in report.tracks for span in track.spans), default=0.0)
    end = max(end, report.duration_s)
    rows = [_bar(track, end) for track in report.tracks]
    chart = element(
        "div",
        *([_axis(end)] if end else []),
        *rows,
        class_="chart",
        tabindex="0",
        role="region",
        aria_label="Coverage over time, one bar per track",
    )
    return element("figure", _legend(report.tracks), chart)


def _legend(tracks: Iterable[TrackOutcome]) -> Element:
    used = {_kind(track, span) for track in tracks for span in track.spans}
    items = [
        element("li", element("span", class_=f"key {kind}"), f"{kind}: {meaning}")
        for kind, meaning in KINDS.items()
        if kind in used
    ]
    return element("ul", *items, class_="legend")


def _axis(end: float) -> Element:
    step = step_of(end)
    marks = [
        element("span", f"{mark:g} s", style=f"left:{100 * mark / end:.3f}%")
        for mark in (round(number * step, 6) for number in range(floor(end / step + 1e-9) + 1))
    ]
    return element("div", element("span", ""), element("div", *marks, class_="axis"), class_="row")


def step_of(end: float) -> float:
    """A round number of seconds, at most `TICKS` of which fit into ``end``.

    >>> step_of(9.4), step_of(0.7), step_of(3600)
    (5, 0.2, 1000)
    """
    unit = 10.0 ** floor(log10(end / TICKS))
    step = next(times * unit for times in (1, 2, 5, 10) if times * unit * TICKS >= end * (1 - 1e-9))
    return int(step) if step >= 1 else step


def _bar(track: TrackOutcome, end: float) -> Element:
    """One row: the track's number, and paths for what it is made of."""
    parts: dict[str, list[str]] = defaultdict(list)
    for span in track.spans:
        parts[_kind(track, span)].append(_block(span, end))
    paths = [element("path", d="".join(blocks), class_=kind) for kind, blocks in parts.items()]
    bar = element(
        "svg",
        element("title", described(track)),
        *paths,
        viewBox=f"0 0 {WIDE} 1",
        preserveAspectRatio="none",
        role="img",
    )
    return element("div", element("span", f"{track.track}"), bar, class_="row")


def _kind(track: TrackOutcome, span: Span) -> str:
    return "kept" if track.action == "keep" else span.origin


def _block(span: Span, end: float) -> str:
    """A rectangle, a thousandth of the bar wide at least."""
    if not end:
        return f"M0 0h{WIDE}v1H0z"
    left, right = (round(WIDE * moment / end) for moment in (span.start_s, span.stop_s))
    left = min(left, WIDE - WIDE // 1000)
    return f"M{left} 0h{max(right - left, WIDE // 1000)}v1H{left}z"


def described(track: TrackOutcome) -> str:
    """One bar in words."""
    counts = [
        f"{count} {kind}" for kind, count in zip(KINDS, counts_of(track), strict=False) if count
    ]
    kept = "; left as it was" if track.action == "keep" else ""
    return f"Track {track.track}, {moments(track)}: {', '.join(counts)}{kept}"


def counts_of(track: TrackOutcome) -> Sequence[int]:
    """Frames by origin, in the order of `KINDS`."""
    return track.detected, track.interpolated, track.extended, track.repaired


def moments(track: TrackOutcome) -> str:
    """From when to when, in seconds."""
    return f"{track.spans[0].start_s:.2f} to {track.spans[-1].stop_s:.2f} s"
