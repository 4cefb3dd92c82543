from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizer import geometry
from anonymizer.alignment import (
    BOX_REACH,
    FEATHER,
    HAIRLINE,
    MARGIN,
    place,
    place_in,
    protected_mask,
)
from anonymizer.data import Face, Track
from anonymizer.head import canonical
from tests.factories import face

BOX = (60.0, 40.0, 150.0, 160.0)


def turned(angle, *, scale=1.0, shift=(0.0, 0.0)):
    """A face whose landmarks are those of the mean head, turned and scaled about the origin."""
    matrix = geometry.similarity(scale=scale, angle=angle, shift=shift)
    points = geometry.apply(matrix, canonical.MEAN_LANDMARKS - (63.5, 67.5))
    half = 38 * scale
    x, y = shift
    box = (x - half, y - 1.2 * half, x + half, y + half)
    return Face(box=box, score=0.9, landmarks=points.astype(np.float32))


def mask_of(one: Face, size=128):
    placement = place(one, size)
    return protected_mask(
        placement.landmarks, size, box=one.box, frame_from_crop=placement.frame_from_crop
    )


def at(mask, point):
    x, y = np.round(point).astype(int)
    return mask[y, x]


@pytest.mark.parametrize("size", [64, 128])
def test_an_upright_mean_face_is_placed_canonically(size):
    unit = size / 128
    placement = place(turned(0, scale=1.5, shift=(200, 150)), size)
    expected = (canonical.MEAN_LANDMARKS + 0.5) * unit - 0.5
    assert placement.landmarks == pytest.approx(expected, abs=1e-3)
    assert placement.crop_from_frame @ placement.frame_from_crop == pytest.approx(np.eye(3))


@settings(deadline=None, max_examples=40)
@given(st.floats(-3, 3), st.floats(0.2, 6), st.floats(-300, 900), st.floats(-300, 900))
def test_the_crop_follows_turn_scale_and_shift(angle, scale, x, y):
    upright = place(turned(0), 128).landmarks
    moved = place(turned(angle, scale=scale, shift=(x, y)), 128)
    eyes = moved.landmarks[1] - moved.landmarks[0]
    assert abs(eyes[1]) < 0.02 * eyes[0]
    assert np.hypot(*eyes) <= np.hypot(*(upright[1] - upright[0])) + 1e-2


def test_a_face_whose_area_would_not_fit_gets_a_wider_view():
    narrow = face(BOX)
    assert narrow.landmarks is not None
    x0, y0, x1, y1 = geometry.expand(BOX, 2.5)
    wide = Face(box=(x0, y0, x1, y1), score=0.9, landmarks=narrow.landmarks.copy())
    assert geometry.scale_of(place(wide, 128).crop_from_frame) < 0.6 * geometry.scale_of(
        place(narrow, 128).crop_from_frame
    )


def faces():
    corner = st.floats(-50, 200)
    return st.builds(
        lambda x, y, w, tall, seed: jittered((x, y, x + w, y + tall * w), seed),
        corner,
        corner,
        st.floats(8, 300),
        st.floats(0.7, 2),
        st.integers(0, 2**20),
    )


def jittered(box, seed):
    """A face whose landmarks are up to a tenth of its box off."""
    rng = np.random.default_rng(seed)
    base = face(box).landmarks
    assert base is not None
    reach = 0.1 * min(box[2] - box[0], box[3] - box[1])
    points = base + rng.uniform(-reach, reach, (5, 2)).astype(np.float32)
    return Face(box=box, score=0.9, landmarks=points)


@settings(deadline=None, max_examples=60)
@given(faces(), st.sampled_from([32, 128]))
def test_the_protected_area_lies_inside_the_crop(one, size):
    mask = mask_of(one, size)
    edge = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    assert edge.max() == 0
    assert mask.max() == 1


@settings(deadline=None, max_examples=60)
@given(faces())
def test_the_core_holds_the_enlarged_ellipse_of_the_box_and_all_landmarks(one):
    placement = place(one, 128)
    mask = mask_of(one)
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    half = np.array([one.box[2] - one.box[0], one.box[3] - one.box[1]]) / 2
    rim = geometry.centre(one.box) + 0.96 * BOX_REACH * half * np.stack(
        [np.cos(angles), np.sin(angles)], axis=1
    )
    assert one.landmarks is not None
    upright = canonical.crop_from_frame(one.landmarks, 128)
    face = rim[geometry.apply(upright, rim)[:, 1] > HAIRLINE + 1]
    assert len(face) >= 20
    for point in (*geometry.apply(placement.crop_from_frame, face), *placement.landmarks):
        assert at(mask, point) == 1


TALL = (16.0, -40.0, 112.0, 116.0)
"""A box that reaches far into the hair of the mean face."""


def test_no_hair_is_protected_where_the_landmarks_are_those_of_a_face():
    mask = protected_mask(canonical.MEAN_LANDMARKS, 128, box=TALL)
    assert mask[: int(HAIRLINE - MARGIN - FEATHER)].max() == 0
    assert mask[int(HAIRLINE) + 1, 44:84].min() == 1


def test_misplaced_landmarks_take_nothing_from_the_ellipse_of_the_box():
    points = canonical.MEAN_LANDMARKS + np.array([[0, 12], [0, 12], [0, 0], [0, -12], [0, -12]])
    upright = canonical.crop_from_frame(points, 128)
    mask = protected_mask(points, 128, box=TALL)
    y, x = np.mgrid[:128, :128]
    inside = np.hypot((x - 64) / 48, (y - 38) / 78) < 1
    above = geometry.apply(upright, np.stack([x, y], -1).astype(float))[..., 1] < HAIRLINE - 2
    assert (inside & above).sum() > 300
    assert mask[inside].min() == 1


def test_hair_line_chin_and_ears_are_core_and_shoulders_are_not():
    mask = protected_mask(canonical.MEAN_LANDMARKS, 128)
    eyes = canonical.MEAN_LANDMARKS[:2].mean(axis=0)
    mouth = canonical.MEAN_LANDMARKS[3:].mean(axis=0)
    down = mouth - eyes
    for inside in (
        eyes - 0.9 * down,
        mouth + 0.6 * down,
        eyes + np.array([35, 5]),
        eyes + np.array([-35, 5]),
    ):
        assert at(mask, inside) == 1
    for outside in ((2, 64), (125, 64), (64, 126), (12, 112), (116, 112)):
        assert at(mask, outside) == 0


def test_the_feather_falls_from_one_to_nothing():
    row = protected_mask(canonical.MEAN_LANDMARKS, 128)[62].astype(np.float64)
    half = row[64:]
    assert (np.diff(half) <= 0).all()
    slope = half[(half > 0) & (half < 1)]
    assert len(slope) == pytest.approx(FEATHER, abs=1)
    assert np.diff(slope) == pytest.approx(-1 / FEATHER, abs=1e-3)


@pytest.mark.parametrize("side", [-1, 1])
def test_a_turned_head_is_protected_further_back(side):
    points = canonical.MEAN_LANDMARKS.copy()
    points[2, 0] += side * 16
    straight = protected_mask(canonical.MEAN_LANDMARKS, 128)
    turned_head = protected_mask(points, 128)
    back = np.s_[62, :64] if side > 0 else np.s_[62, 64:]
    assert turned_head[back].sum() > straight[back].sum() + 4


def test_a_mirrored_face_has_a_mirrored_mask():
    points = canonical.MEAN_LANDMARKS + np.array([[2, 1], [-1, 0], [7, 2], [1, 1], [0, -2]])
    mirrored = (points * (-1, 1) + (127, 0))[[1, 0, 2, 4, 3]]
    box = (20.0, 10.0, 100.0, 120.0)
    other = (128 - box[2], box[1], 128 - box[0], box[3])
    assert protected_mask(mirrored, 128, box=other) == pytest.approx(
        protected_mask(points, 128, box=box)[:, ::-1], abs=1e-5
    )


def test_a_face_without_landmarks_is_refused():
    with pytest.raises(ValueError, match="link it into a track"):
        place(face(BOX, landmarks=False), 128)


def test_placing_moves_smoothly_with_the_face():
    matrices = np.stack(
        [place(turned(0.1 + 0.01 * t, scale=1 + 0.01 * t), 128).crop_from_frame for t in range(30)]
    )
    assert np.abs(np.diff(matrices, n=2, axis=0)).max() < 0.05


def flickering():
    """A still face whose box grows in single frames, as detectors' boxes do."""
    points = face(BOX).landmarks
    factors = np.where(np.arange(40) % 7 == 3, 2.2, 1.6)
    faces = tuple(
        Face(box=geometry.expand(BOX, float(factor)), score=0.9, landmarks=points)
        for factor in factors
    )
    return Track(id=0, shot=0, start=5, faces=faces, origins=("detected",) * 40)


def test_a_tracks_view_widens_smoothly_and_holds_every_area():
    track = flickering()
    alone = [geometry.scale_of(place(one, 128).crop_from_frame) for one in track.faces]
    placements, masks = zip(*(place_in(track, index, 128) for index in range(5, 45)), strict=True)
    together = [geometry.scale_of(placement.crop_from_frame) for placement in placements]
    assert np.abs(np.diff(alone)).max() > 0.1
    assert np.abs(np.diff(together)).max() < 0.02
    for one, placement, mask in zip(track.faces, placements, masks, strict=True):
        assert np.array_equal(
            mask,
            protected_mask(
                placement.landmarks, 128, box=one.box, frame_from_crop=placement.frame_from_crop
            ),
        )
        assert max(mask[0].max(), mask[-1].max(), mask[:, 0].max(), mask[:, -1].max()) == 0


def test_a_face_alone_is_placed_as_a_track_of_one():
    one = face(BOX)
    track = Track(id=0, shot=0, start=3, faces=(one,), origins=("detected",))
    assert place_in(track, 3, 64)[0].crop_from_frame == pytest.approx(
        place(one, 64).crop_from_frame
    )


def test_a_frame_without_the_face_is_refused():
    with pytest.raises(ValueError, match="track 0 has no face in frame 45"):
        place_in(flickering(), 45, 64)
