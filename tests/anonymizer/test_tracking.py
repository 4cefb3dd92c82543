"""Tracks of faces whose true paths are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizer import geometry, tracking
from anonymizer.data import Face
from tests.factories import face

SIZE = (400, 300)
thorough = settings(deadline=None, max_examples=40)


def link(observations, *, start=0, first_id=0, frame_size=SIZE, gap=60):
    return tracking.link(
        observations, shot=2, start=start, first_id=first_id, frame_size=frame_size, gap=gap
    )


def at(x, y, side=40.0, *, score=0.9, landmarks=True):
    """A face whose box has its middle at (x, y)."""
    half = side / 2
    return face((x - half, y - half, x + half, y + half), score=score, landmarks=landmarks)


def path(count, x=60.0, y=80.0, dx=2.0, dy=1.0, side=40.0):
    return [at(x + dx * t, y + dy * t, side) for t in range(count)]


def middle(face: Face):
    return np.add(face.box[:2], face.box[2:]) / 2


def only(tracks):
    assert len(tracks) == 1
    return tracks[0]


def held(track, observations, start=0):
    """Whether the track's boxes hold everything that was seen of one face."""
    return all(
        geometry.overlaps(track.at(start + t).box, seen.box)[0, 0]
        == pytest.approx(geometry.area(seen.box))
        for t, faces in enumerate(observations)
        for seen in faces
    )


def test_no_frames_and_no_faces_give_no_tracks():
    assert link([]) == []
    assert link([[], [], []]) == []


def test_one_face_in_one_frame():
    track = only(link([[at(50, 50)]], start=7, first_id=5))
    assert (track.id, track.shot, track.start, track.stop) == (5, 2, 7, 8)
    assert track.origins == ("detected",)
    assert track.faces[0].box == pytest.approx((30, 30, 70, 70))


def test_a_steady_face_is_one_track_and_stays_where_it_was_seen():
    seen = path(12)
    track = only(link([[one] for one in seen], start=100))
    assert (track.start, track.stop) == (100, 112)
    assert set(track.origins) == {"detected"}
    for found, true in zip(track.faces, seen, strict=True):
        assert found.box == pytest.approx(true.box, abs=1e-5)
        assert found.landmarks == pytest.approx(true.landmarks, abs=1e-3)


@pytest.mark.parametrize("gap", [1, 7, 30, 60])
def test_a_gap_is_filled_along_the_path(gap):
    seen = path(10 + gap + 10, dx=1.0, dy=0.5)
    observations = [[] if 10 <= t < 10 + gap else [one] for t, one in enumerate(seen)]
    track = only(link(observations))
    assert track.origins == ("detected",) * 10 + ("interpolated",) * gap + ("detected",) * 10
    for found, true in zip(track.faces, seen, strict=True):
        assert middle(found) == pytest.approx(middle(true), abs=1e-3)


def test_a_gap_longer_than_allowed_is_not_bridged():
    observations = [[at(50, 50)]] * 6 + [[]] * 9 + [[at(50, 50)]] * 6
    assert len(link(observations, gap=9)) == 1
    assert len(link(observations, gap=8)) == 2


def test_ends_are_extended_by_three_frames_along_the_motion():
    seen = path(20)
    observations = [[one] if 6 <= t < 14 else [] for t, one in enumerate(seen)]
    track = only(link(observations, start=50))
    assert (track.start, track.stop) == (53, 67)
    assert track.origins == ("extended",) * 3 + ("detected",) * 8 + ("extended",) * 3
    for t in (*range(3, 6), *range(14, 17)):
        assert middle(track.at(50 + t)) == pytest.approx(middle(seen[t]), abs=1e-3)
        assert geometry.area(track.at(50 + t).box) > geometry.area(seen[t].box)


@thorough
@given(st.integers(0, 5), st.integers(1, 6), st.integers(0, 5))
def test_nothing_reaches_past_the_shot(before, count, after):
    observations = [[] for _ in range(before)] + [[at(90, 90)]] * count + [[] for _ in range(after)]
    track = only(link(observations, start=30))
    assert track.start == 30 + max(0, before - 3)
    assert track.stop == 30 + before + count + min(after, 3)


@pytest.mark.parametrize(("score", "length"), [(0.3, 1), (0.7, 7)])
def test_a_single_sighting_is_covered_and_extended_only_if_convincing(score, length):
    observations = [[]] * 5 + [[at(90, 90, score=score)]] + [[]] * 5
    assert len(only(link(observations)).faces) == length


def test_an_extension_ends_where_the_face_has_left_the_picture():
    seen = [[at(30.0 - 14 * t, 90)] for t in range(3)] + [[]] * 4
    track = only(link(seen))
    assert track.origins == ("detected",) * 3 + ("extended",)


def test_a_face_at_the_border_keeps_its_box_past_the_frame():
    observations = [[at(2, 90)]] * 5
    track = only(link(observations))
    assert track.faces[2].box[0] == pytest.approx(-18)


def test_a_face_that_enters_through_the_border_is_one_track():
    seen = [[at(-15.0 + 5 * t, 90)] for t in range(12)]
    track = only(link(seen))
    assert len(track.faces) == 12
    assert held(track, seen)


@pytest.mark.parametrize("rate", [10.0, 24.0, 32.0])
def test_fast_motion_stays_one_track_without_lag(rate):
    seen = [[at(30.0 + rate * t, 90)] for t in range(10)]
    track = only(link(seen))
    assert [middle(found)[0] for found in track.faces] == pytest.approx(
        [30 + rate * t for t in range(10)], abs=1e-3
    )


def test_a_sudden_stop_is_covered():
    seen = [[at(30.0 + 15 * min(t, 8), 90)] for t in range(16)]
    track = only(link(seen))
    assert held(track, seen)
    assert all(
        abs(middle(found)[0] - middle(true[0])[0]) < 4
        for found, true in zip(track.faces, seen, strict=True)
    )


def crossing(hidden=()):
    """Two faces of one height that pass through each other around frame 15."""
    return [
        [] if t in hidden else [at(50.0 + 8 * t, 100), at(290.0 - 8 * t, 104, 42)]
        for t in range(31)
    ]


@pytest.mark.parametrize("hidden", [(), (15,), tuple(range(13, 18))])
def test_faces_that_cross_keep_going(hidden):
    tracks = link(crossing(hidden))
    assert len(tracks) == 2
    for track, direction in zip(tracks, (8, -8), strict=True):
        assert len(track.faces) == 31
        steps = np.diff([middle(found)[0] for found in track.faces])
        assert steps == pytest.approx(direction, abs=1.0)


def test_faces_that_cross_fast_keep_going_although_the_other_is_nearer():
    """In the frame of the crossing each face lands closer to where the other one was."""
    tracks = link([[at(40.0 + 24 * t, 100), at(352.0 - 24 * t, 118)] for t in range(14)])
    assert [len(track.faces) for track in tracks] == [14, 14]
    for track, direction in zip(tracks, (24, -24), strict=True):
        assert np.diff([middle(found)[0] for found in track.faces]) == pytest.approx(direction)


def test_faces_side_by_side_stay_apart():
    observations = [[at(80.0 + t, 90), at(125.0 + t, 92), at(80.0 + t, 140)] for t in range(20)]
    tracks = link(observations)
    assert [len(track.faces) for track in tracks] == [20, 20, 20]
    for track in tracks:
        assert np.diff([middle(found)[0] for found in track.faces]) == pytest.approx(1, abs=0.01)


def test_two_boxes_of_one_face_make_one_track():
    observations = [
        [at(80, 90, 40), at(82, 91, 44, score=0.5), at(80, 96, 16, score=0.4)] for _ in range(6)
    ]
    track = only(link(observations))
    assert track.faces[3].box == pytest.approx((60, 70, 100, 110))


def test_a_small_face_at_the_edge_of_a_large_box_is_someone_else():
    observations = [[at(100, 100, 120), at(146, 60, 20, score=0.4)] for _ in range(6)]
    assert len(link(observations)) == 2


def test_missing_and_absurd_landmarks_are_laid_out_in_the_box():
    nowhere = Face(box=(60, 70, 100, 110), score=0.9, landmarks=np.full((5, 2), 3, np.float32))
    absent = at(80, 90, landmarks=False)
    for seen in (nowhere, absent):
        points = only(link([[seen]])).faces[0].landmarks
        assert points == pytest.approx(tracking.LAYOUT * 40 + (59.5, 69.5), abs=1e-3)


def test_jitter_is_smoothed_but_every_detection_is_held():
    rng = np.random.default_rng(5)
    seen = [[at(100 + t + rng.normal(0, 1), 90 + rng.normal(0, 1))] for t in range(60)]
    track = only(link(seen))
    assert held(track, seen)
    raw = np.diff([one[0].landmarks[2, 1] for one in seen]).std()
    assert np.diff([found.landmarks[2, 1] for found in track.faces]).std() < 0.5 * raw


def test_ids_count_on_by_first_frame():
    observations = [[]] * 5 + [[at(200, 90)]] * 2 + [[at(200, 90), at(60, 90)]] * 6
    tracks = link(observations, first_id=11)
    assert [track.id for track in tracks] == [11, 12]
    assert [middle(track.faces[0])[0] for track in tracks] == pytest.approx([200, 60])


def scenes():
    """A few faces on their own paths, seen now and then."""
    one = st.tuples(
        st.floats(40, 360),
        st.floats(40, 260),
        st.floats(-6, 6),
        st.floats(-6, 6),
        st.floats(15, 60),
    )
    return st.tuples(st.lists(one, max_size=4), st.integers(1, 14), st.integers(0, 2**30))


def observed(scene):
    faces, count, seed = scene
    rng = np.random.default_rng(seed)
    return [
        [at(x + dx * t, y + dy * t, side) for x, y, dx, dy, side in faces if rng.random() < 0.7]
        for t in range(count)
    ]


def outline(tracks):
    """Every placed box, by frame, without the numbering of the tracks."""
    return sorted(
        (t, track.origins[t - track.start], *np.round(track.at(t).box, 4))
        for track in tracks
        for t in range(track.start, track.stop)
    )


@thorough
@given(scenes())
def test_everything_seen_is_covered(scene):
    observations = observed(scene)
    tracks = link(observations)
    for t, faces in enumerate(observations):
        boxes = [found.box for track in tracks if (found := track.at(t))]
        for seen in faces:
            assert geometry.overlaps(boxes, seen.box).max() > 0.5 * geometry.area(seen.box)


@thorough
@given(scenes(), st.randoms(use_true_random=False))
def test_the_order_within_a_frame_does_not_matter(scene, random):
    observations = observed(scene)
    shuffled = [random.sample(faces, len(faces)) for faces in observations]
    assert outline(link(shuffled)) == outline(link(observations))


@thorough
@given(scenes())
def test_the_film_backwards_gives_the_tracks_backwards(scene):
    observations = observed(scene)
    last = len(observations) - 1
    backwards = [(last - t, origin, *box) for t, origin, *box in outline(link(observations[::-1]))]
    forwards = outline(link(observations))
    assert [item[:2] for item in sorted(backwards)] == [item[:2] for item in forwards]
    assert np.array([item[2:] for item in sorted(backwards)]) == pytest.approx(
        np.array([item[2:] for item in forwards]), abs=1e-2
    )


def moving(faces, motions):
    return [
        [replace(face, motion=None if motion is None else np.array(motion, np.float32))]
        for face, motion in zip(faces, motions, strict=True)
    ]


def motions(track):
    return np.stack([face.motion for face in track.faces])


def test_a_constant_motion_stays_constant_through_gaps_and_past_the_ends():
    seen = moving(path(20), [(0.4, -0.2, 1.0)] * 20)
    seen[6] = seen[7] = []
    track = only(link([[], [], [], *seen, [], [], []]))
    assert len(track.faces) == 26
    np.testing.assert_allclose(motions(track), np.tile([[0.4, -0.2, 1.0]], (26, 1)), atol=1e-6)


def test_a_gap_in_the_motion_is_filled_in_proportion():
    values = [(t / 10,) if t in (0, 1, 2, 3, 9, 10, 11, 12) else None for t in range(13)]
    track = only(link(moving(path(13), values)))
    np.testing.assert_allclose(motions(track)[:, 0], np.arange(13) / 10, atol=1e-6)


def test_a_blink_of_three_frames_is_not_washed_out_or_late():
    blink = np.zeros(30)
    blink[14:17] = 0.5, 1.0, 0.5
    found = motions(only(link(moving(path(30), blink[:, None]))))[:, 0]
    assert np.abs(found - blink).max() < 0.08


def test_a_tremble_is_quietened():
    rng = np.random.default_rng(0)
    noise = rng.normal(0.3, 0.02, (60, 2))
    assert motions(only(link(moving(path(60), noise)))).std() < 0.6 * noise.std()


def test_motion_backwards_is_the_same_backwards():
    values = np.random.default_rng(1).uniform(0, 1, (25, 3))
    faces = path(25, dx=0, dy=0)
    forwards = motions(only(link(moving(faces, values))))
    backwards = motions(only(link(moving(faces, values[::-1]))))
    np.testing.assert_allclose(forwards, backwards[::-1], atol=1e-6)


def test_a_track_that_was_never_read_has_no_motion():
    assert all(face.motion is None for face in only(link([[f] for f in path(5)])).faces)


def test_motion_read_off_absurd_landmarks_does_not_count():
    faces = path(9)
    astray = replace(faces[4], landmarks=faces[4].landmarks * 0 + np.float32(3))
    faces[4] = astray
    values = [(0.2,)] * 9
    values[4] = (1.0,)
    np.testing.assert_allclose(motions(only(link(moving(faces, values)))), 0.2, atol=1e-6)
