"""Cutting and pasting on asymmetric pictures: what leaves a protected area, what remains of it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizer import crops, geometry
from anonymizer.alignment import place, protected_mask
from anonymizer.data import Face, Frame, Track
from tests.factories import TICK, face, frame, picture

WIDE = (150, 220)
"""(height, width) of the pictures here."""


def turned(box, angle, size=WIDE):
    """A face turned in the picture about the middle of its box."""
    x, y = geometry.centre(box)
    upright = face(box)
    about = geometry.similarity(shift=(x, y)) @ geometry.similarity(angle=angle)
    matrix = about @ geometry.similarity(shift=(-x, -y))
    assert upright.landmarks is not None
    points = geometry.apply(matrix, upright.landmarks).astype(np.float32)
    return Face(box=box, score=0.9, landmarks=points)


def still(one, *, id=0, count=1, start=0):
    return Track(id=id, shot=0, start=start, faces=(one,) * count, origins=("detected",) * count)


def cut(image, one, others=(), size=64):
    everyone = [still(one), *(still(other, id=1 + n) for n, other in enumerate(others))]
    shot = [Frame(0, 0, TICK, image)]
    return crops.cut_clip(shot, everyone[0], everyone, size=size, lead=0)


def protected(image, one, size=64):
    """Frame pixels with opacity above 0, found by pasting white onto black."""
    placement = place(one, size)
    matrix = placement.frame_from_crop
    mask = protected_mask(placement.landmarks, size, box=one.box, frame_from_crop=matrix)
    white = np.full((size, size, 3), 255, np.uint8)
    return (
        crops.paste(np.zeros_like(image), white, (mask > 0).astype(np.float32), matrix)[0][..., 0]
        > 0
    )


PLACES = {
    "upright": turned((70.0, 40.0, 120.0, 105.0), 0.0),
    "rotated": turned((70.0, 40.0, 120.0, 105.0), 0.7),
    "upside down": turned((70.0, 40.0, 120.0, 105.0), 3.1),
    "large": turned((20.0, 5.0, 120.0, 140.0), -0.3),
    "tiny": turned((100.0, 60.0, 109.0, 71.0), 0.2),
    "over the left edge": turned((-25.0, 40.0, 25.0, 105.0), 0.1),
    "over the corner": turned((185.0, 110.0, 245.0, 185.0), -0.2),
    "flush with the last row": turned((90.0, 90.0, 140.0, 150.0), 0.0),
}
where = pytest.mark.parametrize("one", PLACES.values(), ids=PLACES.keys())


@where
@pytest.mark.parametrize("size", [32, 64])
def test_nothing_inside_a_protected_area_reaches_the_context(one, size):
    """P1: bit for bit, for the face itself and for another one in the same crop."""
    other = turned((95.0, 60.0, 135.0, 110.0), 0.4)
    image = picture(WIDE, seed=1)
    inside = protected(image, one, size) | protected(image, other, size)
    changed = image.copy()
    changed[inside] = np.random.default_rng(2).integers(0, 256, (inside.sum(), 3))
    before, after = cut(image, one, [other], size), cut(changed, one, [other], size)
    assert not np.array_equal(before.pixels, after.pixels)
    for name in ("context", "hidden", "mask", "frame_from_crop", "landmarks"):
        assert np.array_equal(getattr(before, name), getattr(after, name)), name


@where
def test_what_is_not_hidden_shows_only_seen_pixels(one):
    """Every crop pixel that a blanked pixel takes part in is marked, however large the step."""
    image = np.full((*WIDE, 3), 200, np.uint8)
    clip = cut(image, one)
    assert (clip.context[~clip.hidden] == 200).all()
    assert clip.hidden[clip.mask > 0.01].all()
    core = clip.context[clip.mask == 1]
    assert (core == crops.GREY).all()


@where
def test_where_something_is_laid_over_the_frame_is_told(one):
    """Also where what is laid over it looks the same."""
    image = np.zeros((*WIDE, 3), np.uint8)
    clip = cut(image, one)
    _, found = crops.paste(image, clip.pixels[0], clip.mask[0], clip.frame_from_crop[0])
    laid = protected(image, one)
    assert laid.any()
    assert found[laid].all()
    near = cv2.dilate(laid.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    assert not found[~near].any()


@where
@pytest.mark.parametrize("size", [32, 64, 256])
def test_nothing_opaque_is_left_out_wherever_in_the_crop_it_lies(one, size):
    matrix = place(one, size).frame_from_crop
    image, white = np.zeros((*WIDE, 3), np.uint8), np.full((size, size, 3), 255, np.uint8)
    side = size // 8
    for top, left in ((0, 0), (size - side, size - side), (3 * side, 3 * side), (side, 5 * side)):
        spot = np.zeros((size, size), np.float32)
        spot[top : top + side, left : left + side] = 1
        pasted, laid = crops.paste(image, white, spot, matrix)
        everywhere, _ = crops.paste(image, white, np.maximum(spot, np.float32(1e-6)), matrix)
        assert np.abs(pasted.astype(int) - everywhere).max() <= 1  # positions are rounded
        assert laid[everywhere[..., 0] > 0].all()


def test_a_crop_that_is_nowhere_opaque_changes_nothing():
    image, matrix = picture(WIDE), place(PLACES["upright"], 64).frame_from_crop
    pasted, laid = crops.paste(image, image[:64, :64], np.zeros((64, 64), np.float32), matrix)
    assert np.array_equal(pasted, image)
    assert not laid.any()


@where
def test_every_core_pixel_is_replaced(one):
    """P2: first and last row and column of the frame included."""
    black = np.zeros((*WIDE, 3), np.uint8)
    clip = cut(black, one)
    pixels = np.full_like(clip.pixels[0], 255)
    pasted = crops.paste(black, pixels, clip.mask[0], clip.frame_from_crop[0])[0]
    solid = frame_core(clip.mask[0], clip.frame_from_crop[0])
    assert solid.any()
    assert (pasted[solid] == 255).all()


def frame_core(mask, frame_from_crop):
    """Frame pixels whose whole neighbourhood in the crop is core, looked up one by one."""
    crop_from_frame = geometry.inverse(frame_from_crop)
    reach = int(np.ceil(1.5 * geometry.scale_of(crop_from_frame))) + 1
    y, x = np.mgrid[: WIDE[0], : WIDE[1]]
    points = np.floor(geometry.apply(crop_from_frame, np.stack([x, y], axis=-1))).astype(int)
    core = np.zeros(WIDE, bool)
    for row, column in np.argwhere(((points >= reach) & (points < 64 - reach)).all(axis=-1)):
        u, v = points[row, column]
        core[row, column] = (mask[v - reach : v + reach + 1, u - reach : u + reach + 1] == 1).all()
    return core


def test_the_frames_outermost_rows_and_columns_are_replaced():
    black = np.zeros((*WIDE, 3), np.uint8)
    everywhere = turned((-30.0, -60.0, 250.0, 210.0), 0.0)
    clip = cut(black, everywhere)
    white = np.full_like(clip.pixels[0], 255)
    pasted = crops.paste(black, white, clip.mask[0], clip.frame_from_crop[0])[0]
    assert (pasted[0, 60:160] == 255).all()
    assert (pasted[-1, 60:160] == 255).all()
    assert (pasted[50:100, 0] == 255).all()
    assert (pasted[50:100, -1] == 255).all()


@where
@pytest.mark.parametrize("size", [32, 64])
def test_pasting_changes_nothing_outside_the_protected_area(one, size):
    image = picture(WIDE, seed=3)
    clip = cut(image, one, size=size)
    pixels = np.random.default_rng(4).integers(0, 256, clip.pixels[0].shape).astype(np.uint8)
    pasted = crops.paste(image, pixels, clip.mask[0], clip.frame_from_crop[0])[0]
    outside = ~protected(image, one, size)
    assert outside.any()
    assert np.array_equal(pasted[outside], image[outside])
    assert not np.array_equal(pasted, image)


@where
def test_pasting_what_was_cut_gives_the_frame_back(one):
    image = picture(WIDE, seed=5)
    clip = cut(image, one, size=128)
    inside = protected(image, one, 128)
    shown = np.zeros(WIDE, bool)
    shown[2:-2, 2:-2] = True
    pasted = crops.paste(image, clip.pixels[0], clip.mask[0], clip.frame_from_crop[0])[0]
    error = np.abs(pasted.astype(int) - image)[inside & shown]
    assert error.mean() < 2.5
    assert np.median(error) <= 2


@where
def test_the_feather_mixes_by_opacity(one):
    """Pasting the mask's own grey levels as white on black shows the mask in the frame."""
    black = np.zeros((*WIDE, 3), np.uint8)
    clip = cut(black, one)
    white = np.full_like(clip.pixels[0], 255)
    pasted = crops.paste(black, white, clip.mask[0], clip.frame_from_crop[0])[0]
    soft = (pasted[..., 0] > 0) & (pasted[..., 0] < 255)
    assert soft.any()
    y, x = np.nonzero(soft)
    points = geometry.apply(geometry.inverse(clip.frame_from_crop[0]), np.stack([x, y], axis=1))
    u, v = points.astype(np.float32).T
    there = cv2.remap(clip.mask[0], u[:, None], v[:, None], cv2.INTER_LINEAR)[:, 0]
    step = max(1.0, geometry.scale_of(geometry.inverse(clip.frame_from_crop[0])))
    apart = pasted[y, x, 0] / 255 - there
    assert np.abs(apart).max() < 0.4 * step
    assert np.abs(apart.mean()) < 0.1


def test_a_core_shows_nothing_of_the_frame():
    one = PLACES["rotated"]
    clip = cut(picture(WIDE, seed=6), one)
    painted = picture((64, 64), seed=7)
    first, second = (
        crops.paste(picture(WIDE, seed=seed), painted, clip.mask[0], clip.frame_from_crop[0])[0]
        for seed in (8, 9)
    )
    white = np.zeros((*WIDE, 3), np.uint8)
    solid, _ = crops.paste(
        white, np.full((64, 64, 3), 255, np.uint8), clip.mask[0], clip.frame_from_crop[0]
    )
    core = solid[..., 0] == 255
    assert core.sum() > 1000
    assert np.array_equal(first[core], second[core])


def test_overlapping_faces_never_show_the_frame_in_a_core():
    faces = [PLACES["upright"], turned((100.0, 50.0, 150.0, 115.0), 0.2)]
    image = np.zeros((*WIDE, 3), np.uint8)
    result, cores = image, np.zeros(WIDE, bool)
    for one in faces:
        clip = cut(image, one)
        white = np.full_like(clip.pixels[0], 255)
        alone = crops.paste(image, white, clip.mask[0], clip.frame_from_crop[0])[0]
        cores |= alone[..., 0] == 255
        result = crops.paste(result, white, clip.mask[0], clip.frame_from_crop[0])[0]
    assert (result[cores] == 255).all()


def test_a_crop_outside_the_frame_changes_nothing():
    image = picture(WIDE)
    away = geometry.similarity(shift=(900, 900))
    pasted, laid = crops.paste(image, image[:64, :64], np.ones((64, 64), np.float32), away)
    assert not laid.any()
    assert np.array_equal(pasted, image)
    assert pasted is not image


def test_a_face_outside_the_frame_is_cut_as_hidden():
    clip = cut(picture(WIDE), turned((400.0, 300.0, 450.0, 360.0), 0.0))
    assert clip.hidden.all()
    assert (clip.context == crops.GREY).all()


@pytest.mark.parametrize(("place_name", "size"), [("rotated", 64), ("large", 32), ("tiny", 64)])
def test_the_crop_shows_the_frame_where_its_matrix_says(place_name, size):
    y, x = np.mgrid[: WIDE[0], : WIDE[1]]
    image = np.stack([x, y, x * 0], axis=-1).astype(np.uint8)
    clip = cut(image, PLACES[place_name], size=size)
    v, u = np.nonzero(~clip.hidden[0])
    points = geometry.apply(clip.frame_from_crop[0], np.stack([u, v], axis=1))
    shown = clip.context[0][v, u, :2].astype(float)
    assert len(shown) > 50
    assert np.abs(shown - points).max() <= 1.01


@pytest.mark.parametrize("place_name", ["rotated", "large", "tiny"])
def test_the_frame_shows_the_crop_where_its_matrix_says(place_name):
    image = np.zeros((*WIDE, 3), np.uint8)
    clip = cut(image, PLACES[place_name])
    v, u = np.mgrid[:64, :64]
    painted = np.stack([3 * u + 10, 3 * v + 10, 0 * u], axis=-1).astype(np.uint8)
    pasted = crops.paste(image, painted, clip.mask[0], clip.frame_from_crop[0])[0]
    y, x = np.nonzero(frame_core(clip.mask[0], clip.frame_from_crop[0]))
    points = geometry.apply(geometry.inverse(clip.frame_from_crop[0]), np.stack([x, y], axis=1))
    assert len(x) > 10
    assert np.abs(pasted[y, x, :2] - (3 * points + 10)).max() <= 2


def test_large_faces_are_averaged_not_picked():
    """A checkerboard finer than the crop's pixels becomes grey, not a moire."""
    y, x = np.mgrid[:600, :700]
    image = np.repeat(((x + y) % 2 * 255).astype(np.uint8)[..., None], 3, axis=-1)
    clip = cut(image, turned((150.0, 60.0, 550.0, 560.0), 0.0), size=32)
    seen = clip.pixels[0][4:-4, 4:-4].astype(int)
    assert np.abs(seen - 127).max() < 45


def test_a_clip_counts_its_frames_and_its_lead():
    track = still(face(), count=5, start=10)
    shot = [frame(index) for index in range(11, 15)]
    clip = crops.cut_clip(shot, track, [track], size=32, lead=2)
    assert (clip.indices, clip.lead, clip.size, clip.track) == ((11, 12, 13, 14), 2, 32, 0)


def test_others_are_blanked_only_in_frames_where_they_are():
    image = picture(WIDE)
    one, other = PLACES["upright"], turned((110.0, 50.0, 150.0, 105.0), 0.0)
    shot = [Frame(index, index, TICK, image) for index in range(2)]
    everyone = [still(one, count=2), still(other, id=1, start=1)]
    clip = crops.cut_clip(shot, everyone[0], everyone, size=64, lead=0)
    assert clip.hidden[1].sum() > clip.hidden[0].sum() + 50


def test_a_track_without_a_face_in_the_frame_is_refused():
    with pytest.raises(ValueError, match="track 0 has no face in frame 3"):
        crops.cut_clip([frame(3)], still(face()), [], size=32, lead=0)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6))
def test_cut_then_paste_changes_nothing_outside_for_any_face(seed):
    rng = np.random.default_rng(seed)
    x, y, side = rng.uniform(-30, 220), rng.uniform(-30, 150), rng.uniform(6, 160)
    one = turned((x, y, x + side, y + 1.2 * side), rng.uniform(-3, 3))
    image = picture(WIDE, seed=seed % 7)
    clip = cut(image, one, size=32)
    white = np.full((32, 32, 3), 255, np.uint8)
    pasted = crops.paste(image, white, clip.mask[0], clip.frame_from_crop[0])[0]
    outside = ~protected(image, one, 32)
    assert np.array_equal(pasted[outside], image[outside])


@pytest.mark.parametrize("wrong", [np.nan, -0.5, 1.5])
def test_an_opacity_that_is_none_is_refused(wrong):
    """What it is for would stay in the frame."""
    matrix = place(PLACES["upright"], 64).frame_from_crop
    mask = np.ones((64, 64), np.float32)
    mask[30, 30] = wrong
    with pytest.raises(ValueError, match="opacities must lie in"):
        crops.paste(picture(WIDE), picture((64, 64)), mask, matrix)
