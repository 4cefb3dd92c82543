"""Doubtful sightings; what sure ones make is tested with the tracks (test_tracking.py)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from anonymizer import linking
from anonymizer.data import Face
from anonymizer.tracking import link
from tests.factories import face

SIZE = (320, 240)


def at(x, y=50.0, *, side=40.0, doubtful=False, score=None):
    score = score or (0.15 if doubtful else 0.9)
    one = face((float(x), y, float(x) + side, y + 1.2 * side), score=score)
    return replace(one, doubtful=doubtful)


def tracks(*observations: list[Face]):
    return link(observations, shot=0, start=0, first_id=0, frame_size=SIZE)


def spans(*observations):
    return [(track.start, track.stop) for track in tracks(*observations)]


def test_a_doubt_seen_once_is_no_face():
    assert spans([], [], [at(50, doubtful=True)], [], []) == []


def test_what_nothing_confirms_is_told_of():
    lost = linking.pieces([[at(50, doubtful=True)], []], 9)
    assert [piece.confirmed for piece in lost] == [False]


def test_doubts_in_enough_frames_make_a_face():
    doubts = [[at(50 + t, doubtful=True)] for t in range(linking.CONFIRMING)]
    assert spans(*doubts) == [(0, linking.CONFIRMING)]
    assert spans(*doubts[1:]) == []


def test_doubts_at_different_places_confirm_nothing():
    assert spans(*([at(50 + 60 * (t % 4), doubtful=True)] for t in range(8))) == []


def test_a_sure_sighting_confirms_the_doubts_before_and_after_it():
    doubts = [[at(50 + t, doubtful=t != 4)] for t in range(8)]
    ((start, stop),) = spans(*doubts)
    assert (start, stop) == (0, 8)


def test_a_doubt_bridges_to_a_sure_piece_over_a_short_gap_only():
    near = [[at(50)], [at(50)], *[[]] * 9, [at(52, doubtful=True)]]
    assert spans(*near) == [(0, 12)]
    far = [[at(50)], [at(50)], *[[]] * 30, [at(52, doubtful=True)]]
    assert spans(*far) == [(0, 2 + 3)]


def test_a_doubt_never_takes_a_face_from_a_sure_piece():
    """A hand passes where the face is hidden; the face comes back beside it."""
    hand = [[at(60 + 9 * t, 60.0, doubtful=True)] for t in range(1, 4)]
    (whole,) = tracks([at(50)], [at(50)], *[[]] * 3, [at(52)], [at(52)])
    found = tracks([at(50)], [at(50)], *hand, [at(52)], [at(52)])
    (same,) = [track for track in found if track.stop - track.start == 7]
    assert [one.box for one in same.faces] == [one.box for one in whole.faces]


def test_a_doubt_about_a_face_that_is_known_adds_nothing():
    frames = [[at(50), at(53, 52.0, side=36, doubtful=True)] for _ in range(6)]
    assert len(tracks(*frames)) == 1
    hidden = [[at(50)], *([[at(52, doubtful=True)]] * 6), [at(54)]]
    assert spans(*hidden) == [(0, 8)]


@pytest.mark.parametrize("first", ["sure", "doubtful"])
def test_of_two_boxes_of_one_face_the_sure_one_stays(first):
    """Scores of different detectors cannot be compared; what each is sure of can."""
    sure, doubt = at(50, score=0.21), at(51, score=0.29, doubtful=True)
    frames = [[sure, doubt] if first == "sure" else [doubt, sure]]
    ((one,),) = [track.faces for track in tracks(*frames)]
    assert one.score == pytest.approx(0.21)
