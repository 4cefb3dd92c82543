from __future__ import annotations

import numpy as np
import pytest

from anonymizer.data import Face
from detectors import united
from detectors._union import fused
from tests.faces import MarkerDetector, film
from tests.factories import five_points

BOX = (10.0, 20.0, 50.0, 70.0)


def face(box=BOX, score=0.9, *, landmarks=True, doubtful=False):
    return Face(box, score, five_points(box) if landmarks else None, doubtful=doubtful)


def moved(box, dx, dy):
    return box[0] + dx, box[1] + dy, box[2] + dx, box[3] + dy


def test_a_face_is_found_when_any_detector_finds_it():
    frames = film(4, lambda index: (20.0 + index, 30.0, 60.0 + index, 80.0))
    parts = [MarkerDetector(blind=(0, 1)), MarkerDetector(blind=(1, 2))]
    found = united(parts).detect(frames)
    assert [len(faces) for faces in found] == [1, 0, 1, 1]
    assert all(part.seen == [0, 1, 2, 3] for part in parts)
    assert found[3][0].box == pytest.approx(MarkerDetector().detect(frames)[3][0].box)


def test_one_detector_is_no_union():
    part = MarkerDetector()
    assert united([part]) is part


def test_no_frames_give_no_lists():
    assert united([MarkerDetector(), MarkerDetector()]).detect([]) == []


def test_boxes_of_one_face_are_averaged_by_score_and_the_surest_landmarks_kept():
    sure, other = face(score=0.75), face(moved(BOX, 8, 4), 0.25)
    (one,) = fused([[other], [sure]])
    assert one.box == pytest.approx(moved(BOX, 2, 1))
    assert one.score == 0.75
    assert one.landmarks is sure.landmarks


def test_landmarks_come_from_whoever_has_them():
    bare, told = face(score=0.9, landmarks=False), face(score=0.4)
    (one,) = fused([[bare], [told]])
    assert one.landmarks is told.landmarks
    (one,) = fused([[bare], []])
    assert one.landmarks is None


def test_a_box_well_inside_another_shows_the_same_face_and_one_at_its_edge_does_not():
    inside, beside = (22.0, 35.0, 38.0, 55.0), (34.0, 50.0, 50.0, 70.0)
    assert len(fused([[face()], [face(inside)]])) == 1
    assert len(fused([[face()], [face(beside)]])) == 2


def test_faces_of_one_detector_stay_apart():
    near = moved(BOX, 12, 0)
    assert len(fused([[face(), face(near, 0.5)], []])) == 2
    both = fused([[face(), face(near, 0.5)], [face(near, 0.8)]])
    assert len(both) == 2


def test_a_third_box_joins_a_face_through_any_of_its_boxes():
    first, second, third = face(), face(moved(BOX, 14, 0), 0.8), face(moved(BOX, 28, 0), 0.7)
    assert len(fused([[first], [], [third]])) == 2
    assert len(fused([[first], [second], [third]])) == 1


def test_a_doubt_ends_when_two_see_the_face():
    doubt = face(score=0.15, doubtful=True)
    assert fused([[doubt], []])[0].doubtful
    assert not fused([[doubt], [face(score=0.2, doubtful=True)]])[0].doubtful
    assert not fused([[face(score=0.3)], []])[0].doubtful


def test_a_union_is_as_sure_as_its_surest_and_lists_the_likeliest_first():
    far = moved(BOX, 200, 0)
    found = fused([[face(score=0.4)], [face(score=0.6), face(far, 0.5)]])
    assert [one.score for one in found] == [0.6, 0.5]
    assert np.isfinite(found[0].box).all()


def test_a_score_of_zero_still_has_a_box():
    (one,) = fused([[face(score=0.0)], [face(score=0.0)]])
    assert one.box == pytest.approx(BOX)
