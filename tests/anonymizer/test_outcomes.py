"""What is said of tracks and of what parts run on."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

import mediators
from anonymizer import outcomes, plain
from anonymizer.data import Face, Origin, Track
from anonymizer.plan import Plan
from anonymizer.reading import Reading
from anonymizer.report import Span
from anonymizer.studio import Brush, Studio
from anonymizer.verify import Second
from anonymizer.wording import Wording
from detectors import load, united
from tests.faces import MarkerDetector


def plan(pts: list[int], *origins: Origin, start: int = 0) -> Plan:
    face = Face((10.0, 10.0, 50.0, 60.0), 0.9)
    track = Track(4, 0, start, (face,) * len(origins), origins)
    return Plan(np.array(pts, np.int64), (0,), (track,))


def test_spans_tell_when_frames_are_shown_whatever_their_rate():
    shown = plan([7, 8, 12, 13], "detected", "detected", "extended", start=1)
    (track,) = outcomes.tracks(shown, Fraction(1, 4))
    assert track.spans == (
        Span("detected", 1, 3, 0.25, 1.5),
        Span("extended", 3, 4, 1.5, 1.75),
    )
    assert (track.detected, track.extended, track.track) == (2, 1, 4)


def test_a_prompt_is_told_of_faces_that_were_painted_by_it():
    shown = plan([7, 8], "detected", "detected")
    (track,) = shown.tracks
    track = replace(track, wording=Wording("an old man", "fog"))
    (told,) = outcomes.tracks(replace(shown, tracks=(track,)), Fraction(1))
    assert (told.prompt, told.negative_prompt) == ("an old man", "fog")
    covered = replace(shown, tracks=(replace(track, action="cover"),))
    (told,) = outcomes.tracks(covered, Fraction(1))
    assert (told.prompt, told.negative_prompt) == (None, None)


def test_a_picture_lasts_no_time():
    (track,) = outcomes.tracks(plan([3], "detected"), Fraction(1))
    assert track.spans == (Span("detected", 0, 1, 0.0, 0.0),)


def studio() -> Studio:
    brush = Brush(plain.build("cover"), mediators.load("none", {}))
    return Studio(brush, brush, min_face=0)


def test_devices_are_what_the_parts_say():
    onnx = load("centerface", {"device": "cpu"})
    seen = outcomes.devices(Reading(onnx, None), Second("x", MarkerDetector()), studio())  # type: ignore[arg-type]
    assert seen == {
        "detector": "CPUExecutionProvider",
        "painter": "cpu",
        "second_detector": "unknown",
    }
    assert "second_detector" not in outcomes.devices(onnx, None, studio())


def test_a_union_names_what_each_runs_on_once():
    onnx = load("centerface", {"device": "cpu"})
    both = united([onnx, onnx, MarkerDetector()])
    assert outcomes.devices(both, None, studio())["detector"] == "CPUExecutionProvider + unknown"
