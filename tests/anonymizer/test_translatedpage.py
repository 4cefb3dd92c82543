"""The page of a translation: nobody may take it for that of an anonymized film."""

from __future__ import annotations

from pathlib import Path

import pytest

from anonymizer.report import StreamOutcome
from anonymizer.reportparts import HEAD
from anonymizer.translatedpage import page_of
from tests.anonymizer.test_markup import seen
from tests.anonymizer.test_reportpage import NASTY, said
from tests.browser import shown
from tests.reports import translation


def test_it_says_first_that_nobody_is_hidden():
    page = page_of(translation())
    assert page.startswith(HEAD)
    assert "<title>Not anonymized: film_translated.mp4</title>" in page
    words = said(page)
    first = words[: words.index("What was done")]
    assert "film.mp4 → film_translated.mp4Not anonymizedA model has told this film anew" in first
    assert "That hides nobody: it was shown every frame, faces and all" in first
    assert "Clean" not in words
    assert "jane" not in page


def test_it_says_what_was_done():
    words = said(page_of(translation()))
    assert "prompt: an oil paintingnot: fogby sdedit, mediator medm" in words
    assert "100 frames in 1 shot, all of them at their original times" in words
    assert "worked on at 512 x 288 pixels" in words
    assert "0videoh264translated" in words
    assert "paint20.25" in words
    assert "originalabab" in words
    assert "Warnings" not in words
    assert "one frame in" not in words


def test_it_says_what_is_not_usual():
    settings = translation().settings | {"translation": {"mode": "ip2p", "keyframes": 4}}
    told = translation(settings=settings, skipped_packets=2, warnings=("mind",))
    words = said(page_of(told))
    assert "by ip2p" in words
    assert "one frame in 4 by the model, those between filled along flow" in words
    assert "2 damaged packets of the original left out" in words
    assert "Warningsmind" in words


def nasty() -> str:
    stream = StreamOutcome(0, NASTY, NASTY, NASTY, "copied", NASTY)
    settings = {"painting": {"prompt": NASTY, "negative_prompt": NASTY}, NASTY: {NASTY: NASTY}}
    told = translation(source=NASTY, streams=(stream,), warnings=(NASTY,), settings=settings)
    return page_of(told)


def test_names_and_prompts_stay_words():
    usual = {tag for tag, _ in seen(page_of(translation())).tags}
    assert {tag for tag, _ in seen(nasty()).tags} == usual
    assert NASTY in seen(nasty()).said


@pytest.mark.browser
@pytest.mark.parametrize("make", [lambda: page_of(translation()), nasty], ids=["usual", "nasty"])
def test_a_browser_shows_it_without_scripts(tmp_path: Path, make):
    shows = shown(make(), tmp_path, width=360)
    assert shows.console == []
    told = shows.measured
    assert told["width"] <= 360
    assert told["verdict"] == "Not anonymized"
    left, top, right, bottom = told["box"]
    assert 0 <= left < right <= 360
    assert 0 < top < bottom <= 640  # visible before anybody scrolls
    assert told["ran"] == ""
