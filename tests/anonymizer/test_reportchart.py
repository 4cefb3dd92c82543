"""One bar per track."""

from __future__ import annotations

import re

import pytest

from anonymizer.markup import text_of
from anonymizer.reportchart import TICKS, WIDE, coverage, step_of
from tests.reports import report, track


def paths(html: str) -> list[tuple[str, list[tuple[int, int]]]]:
    """(kind, (left, width) of every block) of all paths."""
    found = re.findall(r'<path d="([^"]*)" class="(\w+)"', html)
    block = re.compile(r"M(\d+) 0h(\d+)v1H\d+z")
    return [(kind, [(int(x), int(w)) for x, w in block.findall(d)]) for d, kind in found]


def test_blocks_lie_where_the_spans_are():
    tracks = (track(0, ("detected", 25), ("interpolated", 50), ("detected", 25)),)
    html = text_of(coverage(report(tracks=tracks, duration_s=3.96)))
    quarter = WIDE // 4
    assert paths(html) == [
        ("detected", [(0, quarter), (3 * quarter, quarter)]),
        ("interpolated", [(quarter, 2 * quarter)]),
    ]
    assert "Track 0, 0.00 to 4.00 s: 50 detected, 50 interpolated" in html


def test_a_kept_track_is_said_to_be_seen():
    tracks = (track(0, ("detected", 5), ("extended", 3), action="keep"),)
    html = text_of(coverage(report(tracks=tracks)))
    assert [kind for kind, _ in paths(html)] == ["kept"]
    assert "left as it was" in html


def test_the_legend_holds_what_is_used():
    html = text_of(coverage(report(tracks=(track(0, ("repaired", 5)),))))
    assert re.findall(r'class="key (\w+)"', html) == ["repaired"]


def test_one_frame_of_an_hour_can_be_seen():
    tracks = (track(0, ("detected", 1), start=90_000 - 1),)
    ((_, ((left, width),)),) = paths(text_of(coverage(report(tracks=tracks, duration_s=3600))))
    assert width == WIDE // 1000
    assert left + width <= WIDE


def test_a_picture_has_a_full_bar_and_no_axis():
    (still,) = (track(0, ("detected", 0)),)
    html = text_of(coverage(report(tracks=(still,), duration_s=0.0)))
    assert paths(html) == [("detected", [(0, WIDE)])]
    assert "axis" not in html


@pytest.mark.parametrize("end", [0.04, 0.7, 3.96, 9.4, 60, 3600, 86_399.5])
def test_the_axis_has_a_few_round_steps(end):
    step = step_of(end)
    assert TICKS / 2.5 <= end / step <= TICKS + 1e-6
    assert f"{step:.0e}"[0] in "125"
