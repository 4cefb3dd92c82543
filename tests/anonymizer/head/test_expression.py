"""What the numbers of a motion mean to the head."""

import numpy as np
import pytest

from anonymizer.head.expression import (
    MIRROR,
    MOTION,
    expression_of,
    gap_of,
    level_gaze,
    parted,
    selection,
)
from anonymizer.head.lips import seal_of
from anonymizer.head.model import PART_SKIN, HeadModel
from anonymizer.head.person import person_for
from anonymizer.head.pose import Pose, rotation
from anonymizer.head.raster import rasterise


@pytest.fixture(scope="module")
def head():
    return HeadModel.load()


def motion(**values):
    return np.array([values.get(name, 0.0) for name in MOTION], np.float32)


def weights(head, **values):
    found, gaze = expression_of(head, motion(**values))
    there = dict(zip(head.expression_names, found.astype(float).round(4).tolist(), strict=True))
    return {name: value for name, value in there.items() if value}, gaze


def test_at_most_24_numbers_pass():
    assert len(MOTION) == len(set(MOTION)) <= 24


def test_rest_is_rest(head):
    assert weights(head) == ({}, (0.0, 0.0))


@pytest.mark.parametrize("seed", [1, 3, 6])
def test_lips_at_rest_just_meet(head, seed):
    """What is seen between them, in pixels of a large picture."""
    person = person_for(head, seed)

    def slit(seal):
        face, _ = expression_of(head, motion(), seal)
        pose = Pose(rotation(0.0, 0.0), np.array(24.0), np.array([128.0, 0.0]))
        points = pose.project(head.vertices(person.identity, face))
        hits = rasterise(points, head.triangles, 256)
        inside = head.parts[head.triangles[hits.triangle, 2]] != PART_SKIN
        return int(inside[hits.pixel < 160 * 256].sum())

    assert slit(seal_of(head, person)) < 0.4 * slit(0.0)
    assert seal_of(head, person) < 0.12


@pytest.mark.parametrize("shut", [0.7, 1.0, 1.4])
def test_a_blink_goes_as_far_as_it_shuts_these_lids(head, shut):
    names = head.expression_names
    for read, share in ((0.0, 0.0), (0.31, 0.5), (1.0, 1.0)):
        found, _ = expression_of(head, motion(eyeBlink_L=read), 0.0, shut)
        assert found[names.index("eyeBlink_L")] == pytest.approx(share * shut, abs=0.01)
        assert found[names.index("eyeBlink_R")] == 0


def test_names_without_side_move_both_and_sides_move_one(head):
    both = {"mouthStretch_L": 0.5, "mouthStretch_R": 0.5}
    assert weights(head, mouthStretch=0.5)[0] == both
    both = {"mouthFrown_L": 0.25, "mouthFrown_R": 0.25}
    assert weights(head, mouthFrown=0.25)[0] == both
    assert weights(head, eyeBlink_L=1)[0] == {"eyeBlink_L": 1.0}


def test_the_jaw_goes_to_the_side_of_its_sign(head):
    assert weights(head, jawSide=0.5)[0] == {"jawLeft": 0.5}
    assert weights(head, jawSide=-0.5)[0] == {"jawRight": 0.5}
    code = np.zeros(head.code_length)
    moved, _ = expression_of(head, motion(jawSide=0.5))
    shift = head.vertices(code, moved)[:, 0] - head.mean[:, 0]
    assert shift.max() > 0.2 > 0.1 > -shift.min()  # the person's left is the picture's right


def test_what_no_face_can_do_is_cut_off(head):
    found, gaze = weights(head, jawOpen=3, mouthSmile_L=-2, jawSide=-4, gazeX=5, gazeY=-5)
    assert found == {"jawOpen": 1.0, "jawRight": 1.0}
    assert gaze == pytest.approx((0.55, -0.55))


def test_every_number_moves_the_head(head):
    rest, rest_gaze = expression_of(head, motion())
    for name in MOTION:
        found, gaze = expression_of(head, motion(**{name: 0.5}))
        assert gaze != rest_gaze if name.startswith("gaze") else (found != rest).any()


def test_the_mirror_of_a_mirror_is_the_face():
    np.testing.assert_array_equal(MIRROR @ MIRROR, np.eye(len(MOTION)))
    one = motion(eyeBlink_L=0.7, mouthSmile_R=0.3, jawSide=0.2, gazeX=0.1, gazeY=0.4, jawOpen=0.6)
    other = motion(
        eyeBlink_R=0.7, mouthSmile_L=0.3, jawSide=-0.2, gazeX=-0.1, gazeY=0.4, jawOpen=0.6
    )
    np.testing.assert_array_equal(MIRROR @ one, other)


@pytest.mark.parametrize("values", [np.zeros(3), np.full(len(MOTION), np.nan)])
def test_a_motion_of_another_length_or_not_finite_is_refused(head, values):
    with pytest.raises(ValueError, match=f"must be {len(MOTION)} finite numbers"):
        expression_of(head, values)


def test_names_the_head_does_not_have_are_left_out():
    chosen = selection(("jawOpen", "eyeBlink_L"))
    assert chosen.sum() == 2
    assert chosen[MOTION.index("jawOpen"), 0] == chosen[MOTION.index("eyeBlink_L"), 1] == 1


def test_lids_at_rest_are_open_and_read_as_shut_are_shut(head):
    lids, _ = weights(head, eyeBlink_L=0.05, eyeBlink_R=0.7)
    assert (lids.get("eyeBlink_L", 0), lids["eyeBlink_R"]) == (0, 1)
    half, _ = weights(head, eyeBlink_L=0.4)
    assert 0.3 < half["eyeBlink_L"] < 0.7


def test_lips_that_nearly_meet_do_and_open_ones_open_farther_than_read(head):
    assert weights(head, jawOpen=0.05, mouthUpperUp=0.05)[0] == {}
    opened, _ = weights(head, jawOpen=0.4, mouthUpperUp=0.2)
    assert opened["jawOpen"] == pytest.approx(1.2 * 0.4)
    assert "mouthClose" not in opened
    together, _ = weights(head, jawOpen=0.3, mouthClose=0.26)
    assert together == {"mouthClose": pytest.approx(0.26)}
    pressed, _ = expression_of(head, motion(jawOpen=0.02), 0.08)
    assert pressed[head.expression_names.index("mouthClose")] == pytest.approx(0.08)
    parted_, _ = expression_of(head, motion(jawOpen=0.4), 0.08)
    assert parted_[head.expression_names.index("mouthClose")] == 0
    gaps = [weights(head, jawOpen=jaw)[0].get("jawOpen", 0) for jaw in np.linspace(0, 0.3, 61)]
    assert (np.diff(gaps) >= 0).all()
    assert np.diff(gaps).max() < 0.021  # no jump: a slow mouth does not snap


@pytest.mark.parametrize("gap", [0.0, 0.02, 0.1, 0.3])
def test_lips_are_brought_as_far_apart_as_they_were_marked(gap):
    for read in (
        motion(),
        motion(jawOpen=0.4, mouthUpperUp=0.2, mouthSmile_L=0.5, gazeX=-0.2),
        motion(jawOpen=-0.1, mouthClose=0.05, mouthFunnel=0.3),
    ):
        found = parted(read, gap, 1.0)
        assert gap_of(found) == pytest.approx(gap, abs=1e-6)
        same = [k for k, name in enumerate(MOTION) if name[:5] != "jawOp" and name[:5] != "mouth"]
        np.testing.assert_array_equal(found[same], read[same])
        assert found.min() >= min(0.0, read.min())


def test_the_jaw_opens_before_lips_do_and_other_ways_of_parting_stay():
    read = motion(jawOpen=0.1, mouthUpperUp=0.2, mouthFunnel=0.1)
    wider, narrower = parted(read, 0.2, 1.0), parted(read, 0.05, 1.0)
    changed = [name for name, a, b in zip(MOTION, wider, read, strict=True) if a != b]
    assert changed == ["jawOpen"]
    assert 0 < narrower[MOTION.index("jawOpen")] < 0.1
    shut = parted(read, 0.01, 1.0)
    assert shut[MOTION.index("jawOpen")] == 0
    assert shut[MOTION.index("mouthUpperUp")] / shut[MOTION.index("mouthFunnel")] == pytest.approx(
        2
    )


def test_without_trust_nothing_is_changed_and_half_goes_half_way():
    read = motion(jawOpen=0.2, mouthUpperUp=0.1)
    np.testing.assert_allclose(parted(read, 0.4, 0.0), read, atol=1e-7)
    half = gap_of(parted(read, 0.4, 0.5))
    assert half == pytest.approx((gap_of(read) + 0.4) / 2)


def test_eyes_make_up_for_half_a_nod_and_for_no_turn_of_the_head():
    down, up = rotation(0.0, 0.4), rotation(0.0, -0.4)
    assert level_gaze((0.1, 0.05), np.eye(3)) == pytest.approx((0.1, 0.05))
    assert level_gaze((0.1, 0.05), rotation(0.8, 0.0)) == pytest.approx((0.1, 0.05))
    assert level_gaze((0.1, 0.0), up) == pytest.approx((0.1, -np.sin(0.4) / 2))
    assert level_gaze((0.0, 0.0), down)[1] == pytest.approx(np.sin(0.4) / 2)
    for gaze in ((0.0, -0.5), (0.0, -0.55)):
        assert level_gaze(gaze, rotation(0.0, -1.2)) == (0.0, -0.55)


def test_levelled_eyes_look_less_far_past_the_viewer():
    for nod in (-0.5, -0.2, 0.3):
        view_from_head = rotation(0.3, nod)
        x, y = level_gaze((0.0, 0.0), view_from_head)
        seen = view_from_head @ (x, y, np.sqrt(1 - x * x - y * y))
        assert abs(seen[1]) < 0.6 * abs(view_from_head[1, 2])
