"""A detector that also says what faces do, through to the clip."""

from __future__ import annotations

import numpy as np
import pytest

from anonymizer import pipeline
from anonymizer.crops import cut_clip
from anonymizer.head.expression import MOTION, gap_of
from anonymizer.head.points import Marked
from anonymizer.reading import Reading
from tests.faces import MarkerDetector, film
from tests.factories import face


class Brightness:
    """Reads the frame's number from its first pixel; refuses faces on the right."""

    def read(self, image, landmarks):
        if landmarks[:, 0].mean() > 110:
            raise ValueError("no direction")
        return np.array([float(image[0, 0, 0]), float(landmarks[0, 0])], np.float32)


def box_at(index):
    return 30 + 2 * index, 30, 66 + 2 * index, 74


def test_every_face_with_landmarks_gets_the_motion_of_its_own_frame():
    frames = film(3, box_at)
    found = Reading(MarkerDetector(), Brightness()).detect(frames)
    plain = MarkerDetector().detect(frames)
    for frame, (one,), (other,) in zip(frames, found, plain, strict=True):
        assert one.motion is not None
        assert other.landmarks is not None
        assert one.motion.tolist() == [frame.image[0, 0, 0], other.landmarks[0, 0]]
        assert (one.box, one.score) == (other.box, other.score)
        np.testing.assert_array_equal(one.landmarks, other.landmarks)


def test_faces_that_are_read_together_go_back_to_their_frames():
    class Several:
        def detect(self, frames):
            return [[face((10 * at, 20, 10 * at + 30, 60)) for at in range(n)] for n in (2, 0, 3)]

    calls: list[int] = []

    def mapped(function, seen):
        calls.append(len(seen))
        return [function(each) for each in seen]

    frames = film(3, box_at)
    found = Reading(Several(), Brightness(), mapped=mapped).detect(frames)
    assert calls == [5]
    assert [[one.box[0] for one in faces] for faces in found] == [[0, 10], [], [0, 10, 20]]
    shown = [[float(one.motion[0]) for one in faces if one.motion is not None] for faces in found]
    assert shown == [[frames[0].image[0, 0, 0]] * 2, [], [frames[2].image[0, 0, 0]] * 3]


class Marker:
    """Marks every face five pixels to the right, lips a fifth of the eyes apart."""

    def read(self, image, landmarks):
        if landmarks[:, 0].mean() > 110:
            raise ValueError("no direction")
        return Marked(landmarks + np.array([5, 0], np.float32), 0.2, 1.0)


class Still:
    """Reads a face at rest, and where it was looked for."""

    def read(self, image, landmarks):
        motion = np.zeros(len(MOTION), np.float32)
        motion[-1] = landmarks[0, 0]
        return motion


def test_landmarks_are_marked_before_the_motion_is_read_and_lips_part_as_marked():
    frames = film(2, box_at)
    found = Reading(MarkerDetector(), Still(), Marker()).detect(frames)
    plain = MarkerDetector().detect(frames)
    for (one,), (other,) in zip(found, plain, strict=True):
        assert one.motion is not None
        assert one.landmarks is not None
        assert other.landmarks is not None
        np.testing.assert_array_equal(one.landmarks, other.landmarks + np.array([5, 0], np.float32))
        assert one.motion[-1] == one.landmarks[0, 0]
        assert gap_of(one.motion) == pytest.approx(0.2)
        assert (one.box, one.score) == (other.box, other.score)


def test_faces_that_cannot_be_marked_are_kept_as_they_were_found():
    class Found:
        def detect(self, frames):
            return [[face((120, 20, 150, 60))]]

    ((one,),) = Reading(Found(), Still(), Marker()).detect(film(1, box_at))
    assert one.motion is None
    np.testing.assert_array_equal(one.landmarks, face((120, 20, 150, 60)).landmarks)


def test_faces_that_cannot_be_read_are_kept_without_motion():
    class Found:
        def detect(self, frames):
            return [[face((20, 20, 50, 60), landmarks=False), face((120, 20, 150, 60))]]

    ((first, second),) = Reading(Found(), Brightness()).detect(film(1, box_at))
    assert first.motion is None
    assert second.motion is None
    assert second.landmarks is not None


def test_motion_reaches_the_clip_and_none_stays_none():
    frames = film(6, box_at)
    for detector, moving in ((Reading(MarkerDetector({2}), Brightness()), True),
                             (MarkerDetector({2}), False)):  # fmt: skip
        plan = pipeline.analyse(frames, detector)
        (track,) = plan.tracks
        clip = cut_clip(frames[1:4], track, plan.tracks, size=32, lead=1)
        if not moving:
            assert clip.motion is None
            continue
        assert clip.motion is not None
        assert clip.motion.shape == (3, 2)
        for motion, index in zip(clip.motion, clip.indices, strict=True):
            np.testing.assert_array_equal(motion, track.faces[index - track.start].motion)
