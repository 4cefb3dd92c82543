"""The page for people: what it says, and what a browser makes of it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from anonymizer.report import StreamOutcome
from anonymizer.reportpage import MOST, page_of
from anonymizer.reportparts import HEAD
from tests.anonymizer.test_markup import seen
from tests.browser import shown
from tests.reports import doubt, report, track, verification

NASTY = "</title><script>document.documentElement.dataset.ran='yes'</script>\n\"'&<img src=x>.mp4"
MANY = tuple(track(number, ("detected", 9), start=9 * number) for number in range(MOST + 20))


def said(page: str) -> str:
    """The words of a page, without its style."""
    return seen(re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)).said


def test_a_clean_film():
    page = page_of(report())
    assert page.startswith(HEAD)
    words = said(page)
    assert "film.mp4 → film_anonymized.mp4CleanNo face that had to be hidden" in words
    assert "At most 0.99 % of the faces compared may still be seen, at 95%" in words
    assert "yunet searched the original again" in words
    assert "1audioaacdeucopied" in words
    assert "2datadroppedmay show or tell who was filmed" in words
    assert "CPUExecutionProvider" in words
    assert "paint20.25" in words
    assert "detection.detectorcenterface" in words
    assert "22 numbers read off every face: jawOpen, " in words
    assert "jane" not in page
    assert "Warnings" not in words


def test_a_repaired_film():
    words = said(page_of(report(verification=verification(repaired=[doubt(3), doubt(4)]))))
    assert "Repaired2 faces still looked as in the original" in words
    assert "30.12 s10, 20, 50, 70yunet0.900.96" in words
    assert "Still to be seen" not in words


def test_a_doubt_names_its_frames_and_that_nothing_was_published():
    told = report(output_sha256=None, verification=verification(doubt(17), doubt(40)))
    words = said(page_of(told))
    assert "Doubt2 of 300 faces look as in the original, in 2 frames: 17, 40" in words
    assert "Nothing was published." in words
    assert "outputnot published" in words


def test_a_film_of_other_times():
    late = verification(in_time=False, frames_written=99, latest_s=0.04)
    words = said(page_of(report(output_sha256=None, verification=late)))
    assert "Doubt99 frames instead of 100" in words
    assert "100 frames of the original, 99 of the output; times differ by up to 0.04 s" in words


def test_what_nothing_hides_is_said_first():
    kept = track(5, ("detected", 9), action="keep")
    words = said(page_of(report(tracks=(kept,), unconfirmed=3)))
    first = words[: words.index("What was looked at")]
    assert "1 track left as in the original, because a plan says so." in first
    assert "Seen once or a few times at low score, not covered: 3." in first


def test_a_prompt_of_a_track_stands_beside_what_became_of_it():
    asked = replace(track(0, ("detected", 9)), prompt="an old man", negative_prompt="")
    words = said(page_of(report(tracks=(asked, track(1, ("detected", 9))))))
    assert "replace, “an old man”, not “”1" in words
    assert words.count("“") == 2


def test_a_film_without_faces_damaged_and_with_a_warning():
    none = verification(second=None, faces=0, leak_bound=1.0)
    told = report(tracks=(), verification=none, skipped_packets=2, motion=(), warnings=("mind",))
    words = said(page_of(replace(told, non_interference=False)))
    assert "CleanNo face was found that had to be hidden." in words
    assert "no second detector was at hand" in words
    assert "At most" not in words
    assert "2 damaged packets of the original left out" in words
    assert "Warningsmind" in words
    assert "may be recognised" in words
    assert "Coverage" not in words


def test_long_tables_are_cut_and_say_so():
    doubts = [doubt(frame) for frame in range(MOST + 7)]
    page = page_of(report(tracks=MANY, verification=verification(repaired=doubts)))
    words = said(page)
    assert "20 more are in the JSON file" in words
    assert "7 more are in the JSON file" in words
    assert page.count("<td>yunet</td>") == MOST
    assert page.count("<svg") == len(MANY)
    assert len(page) < 1_000_000


def test_nothing_comes_from_elsewhere_and_nothing_runs():
    page = page_of(report())
    tags = seen(page).tags
    assert not {tag for tag, _ in tags} & {"script", "img", "link", "iframe", "object", "image"}
    assert not [name for _, given in tags for name in given if name.startswith(("on", "src", "hr"))]
    assert "url(" not in page
    assert "@import" not in page
    assert "default-src 'none'" in page


def nasty() -> str:
    stream = StreamOutcome(0, NASTY, NASTY, NASTY, "copied", NASTY)
    return page_of(
        report(
            source=NASTY,
            destination=NASTY.replace("/", "") + "x",
            streams=(stream,),
            warnings=(NASTY,),
            settings={NASTY: {NASTY: NASTY}},
            verification=verification(repaired=[doubt(finder=NASTY)]),
            devices={NASTY: NASTY},
        )
    )


def test_names_stay_words():
    usual = {tag for tag, _ in seen(page_of(report())).tags}
    assert {tag for tag, _ in seen(nasty()).tags} == usual | {"li"}
    assert NASTY in seen(nasty()).said


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("kind", ["clean", "doubt", "nasty", "many"])
def test_a_browser_shows_it_without_scripts(tmp_path: Path, kind, width):
    wide = doubt(17, finder="a" * 200)
    page = {
        "clean": lambda: page_of(report()),
        "doubt": lambda: page_of(report(output_sha256=None, verification=verification(wide))),
        "nasty": nasty,
        "many": lambda: page_of(report(tracks=MANY, destination="m" * 240 + ".mp4")),
    }[kind]()
    shows = shown(page, tmp_path, width=width)
    assert shows.console == []
    told = shows.measured
    assert told["width"] <= width
    assert told["verdict"] == {"doubt": "Doubt", "nasty": "Repaired"}.get(kind, "Clean")
    left, top, right, bottom = told["box"]
    assert 0 <= left < right <= width
    assert 0 < top < bottom <= 640  # visible before anybody scrolls
    assert told["ran"] == ""
    assert all(bar > width / 4 for bar in told["bars"])
    assert "Streams" in told["text"]


@pytest.mark.browser
def test_the_browser_would_tell(tmp_path: Path):
    page = '<p style="width: 999px" id="verdict"><strong>x</strong></p><script>1</script>'
    shows = shown(page, tmp_path, width=360)
    assert shows.measured["width"] >= 999
    assert any("Blocked script" in line for line in shows.console)
