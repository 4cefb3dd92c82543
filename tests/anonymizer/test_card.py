"""The section for the page of a set says what was done, and what was not."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

import anonymizer
from anonymizer.card import card
from anonymizer.manifest import Row
from anonymizer.settings import Media, Painting, Settings
from anonymizer.totals import Run, Summary, summary_of


def summary(**changes: object) -> Summary:
    row = Row(path="a", kind="video", verdict="clean", output_sha256="x", faces=400, members=1)
    made = summary_of(iter([row]), Run(), ended=True)
    return replace(made, **changes)  # type: ignore[arg-type]  # fields


def table(text: str) -> dict[str, str]:
    return dict(re.findall(r"^\| ([a-z ]+) \| (.*) \|$", text, re.MULTILINE))


def test_the_section_tells_what_was_done_with_what():
    text = card(summary(), Settings(seed=123456))
    said = table(text)
    assert text.startswith("## Faces\n\nEvery face that was found in this dataset was replaced by")
    assert f"with veilframe {anonymizer.__version__} before publication" in text
    assert said["files"] == "1: 1 clean"
    assert said["faces compared with the original"] == "400; none was still to be seen"
    assert said["upper limit of the share still to be seen"] == "0.75 % at 95 % confidence"
    assert said["faces painted by"] == "face, model builtin, mediator medm"
    assert said["faces found by"] == "centerface, recall normal"
    assert said["faces below"] == "24 pixels: mosaic"
    assert "torch" in said["same result needs"]
    assert "through at most 22 numbers per frame" in text
    assert "Sound was copied" in text
    assert "not complete" not in text
    assert "123456" not in text


@pytest.mark.parametrize(
    ("painting", "word", "recoverable"),
    [
        (Painting(replace="cover"), "covered", False),
        (Painting(replace="blur"), "blurred", True),
        (Painting(replace="mosaic"), "a mosaic", True),
        (Painting(init="source", min_face=0), "synthetic", True),
    ],
)
def test_other_ways_are_called_what_they_are(painting, word, recoverable):
    text = card(summary(), Settings(painting=painting, media=Media(audio="drop")))
    assert f"was {word}" in text or word in text.split(" with ")[0]
    assert ("may be recovered" in text) == recoverable
    assert "Sound" not in text
    assert ("faces below" in text) == (painting.min_face > 0)


def test_what_failed_and_what_is_to_be_known_is_said():
    text = card(
        summary(
            complete=False, failures={"Doubtful": 2, "JobError": 1}, notices=("a: b",), faces=0
        ),
        Settings(),
    )
    assert "not complete: 3 files failed" in text
    assert "- a: b\n" in text
    assert table(text)["upper limit of the share still to be seen"] == "unknown: no face was found"
