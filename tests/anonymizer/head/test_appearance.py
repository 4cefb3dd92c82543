"""Traits, painted skin and eyes."""

from dataclasses import replace

import numpy as np
import pytest

from anonymizer.head import anatomy
from anonymizer.head.appearance import (
    albedo,
    eye_colour,
    sample_appearance,
    texture_coordinates,
    vector,
)
from anonymizer.head.hairs import beard_cover


def person(seed, **changes):
    return replace(sample_appearance(np.random.default_rng(seed)), **changes)


def brightness(picture):
    return float(picture.mean())


def at(picture, place):
    u, v = texture_coordinates(np.array(place))
    size = len(picture)
    row, column = int(v * size), int(u * size)
    return picture[row - 1 : row + 2, column - 1 : column + 2].mean((0, 1))


def test_the_same_seed_paints_the_same_skin():
    np.testing.assert_array_equal(albedo(person(4), 64), albedo(person(4), 64))


def test_other_seeds_are_other_people():
    assert person(1) != person(2)
    assert abs(albedo(person(1), 64) - albedo(person(2), 64)).mean() > 0.01
    assert abs(vector(person(1)) - vector(person(2))).max() > 0.1


def test_reflectance_is_physical():
    for seed in range(4):
        skin = albedo(person(seed), 64)
        assert skin.shape == (64, 64, 3)
        assert skin.dtype == np.float32
        assert 0 <= skin.min() < skin.max() <= 1


def test_melanin_can_be_asked_for_and_darkens():
    rng = np.random.default_rng(3)
    tones = [brightness(albedo(person(7, melanin=m, stubble=0.0), 64)) for m in (0.05, 0.4, 0.9)]
    assert tones[0] > 1.5 * tones[1] > 2.5 * tones[2]
    assert sample_appearance(rng, 0.33).melanin == 0.33


def test_people_cover_the_range_of_tones():
    drawn = np.array([person(seed).melanin for seed in range(300)])
    assert np.mean(drawn < 0.2) > 0.2
    assert np.mean(drawn > 0.5) > 0.2
    assert 0.02 < drawn.min() < drawn.max() < 0.96


def grey(look):
    return max(look.hair) < 1.2 * min(look.hair) and min(look.hair) > 0.1


def test_hair_is_grey_in_old_age():
    drawn = [person(seed) for seed in range(3000)]
    ages, old = (np.array([look.age for look in each]) for each in (drawn, filter(grey, drawn)))
    assert 0.055 < len(old) / len(ages) < 0.08
    assert np.mean(old < 0.3) < np.mean(ages < 0.3) / 4
    assert np.mean(old > 0.6) > 1.5 * np.mean(ages > 0.6)


def test_skin_is_redder_at_the_lips_and_dark_at_the_brows():
    plain = person(11, melanin=0.1, brow_height=0.0, brow_angle=0.0, make_up=0.0, stubble=0.0)
    skin = albedo(replace(plain, hair=(0.02, 0.015, 0.01), brow_density=0.9), 256)
    cheek, lip, brow = (at(skin, p) for p in ((4.5, 0, 9.3), (0, -4.0, 11.5), (3.0, 6.0, 10.2)))
    assert lip[0] / lip[1] > 1.15 * cheek[0] / cheek[1]
    assert brow.mean() < 0.6 * cheek.mean()


def test_thin_brows_of_dark_hair_are_no_tint_of_the_skin():
    plain = person(11, melanin=0.1, brow_height=0.0, brow_angle=0.0, make_up=0.0, stubble=0.0)
    hair = {"hair": (0.02, 0.015, 0.01)}
    thin, thick = (albedo(replace(plain, brow_density=d, **hair), 256) for d in (0.45, 0.9))
    cheek, brow, dark = (at(skin, p) for skin, p in (
        (thin, (4.5, 0, 9.3)), (thin, (3.0, 6.0, 10.2)), (thick, (3.0, 6.0, 10.2))
    ))  # fmt: skip
    assert 1.5 * dark.mean() < brow.mean() < 0.5 * cheek.mean()


def test_traits_show_where_they_should():
    plain = person(5, melanin=0.2, stubble=0.0, moustache=0.0, wrinkles=0.0, make_up=0.0)
    chin, lid = (1.0, -6.0, 10.6), (3.2, 4.3, 9.5)
    before = albedo(plain, 128)
    bearded = albedo(replace(plain, stubble=0.8), 128)
    painted = albedo(replace(plain, make_up=1.0), 128)
    assert at(bearded, chin).mean() < 0.85 * at(before, chin).mean()
    assert at(painted, lid).mean() < 0.6 * at(before, lid).mean()


def test_who_wears_make_up_wears_lipstick_and_it_is_not_the_same_for_all():
    lip = (1.0, -3.9, 11.4)
    plain = person(5, melanin=0.2, make_up=0.0, lip_red=0.6)
    seeds = range(1, 9)
    bare = np.array([at(albedo(replace(plain, seed=k), 128), lip) for k in seeds])
    worn = np.array([at(albedo(replace(plain, seed=k, make_up=1.0), 128), lip) for k in seeds])
    assert (worn.mean(1) < 0.85 * bare.mean(1)).all()
    assert worn.std(0).max() > 3 * bare.std(0).max()


def test_lipstick_leaves_the_line_between_the_lips():
    between, lip = (0.0, -3.36, 11.26), (0.0, -3.9, 11.4)
    plain = person(5, melanin=0.2, make_up=0.0)
    lines = [
        at(skin, between).mean() / at(skin, lip).mean()
        for skin in (albedo(replace(plain, make_up=worn), 256) for worn in (0.0, 1.0))
    ]
    assert lines[1] < lines[0] + 0.03 < 0.95


def test_texture_runs_right_and_down():
    left, right, high, low = texture_coordinates(
        np.array([(-4.0, 0, 9), (4.0, 0, 9), (0, 9, 10.5), (0, -9, 8)])
    )
    assert left[0] < 0.5 < right[0]
    assert left[0] + right[0] == pytest.approx(1)
    assert high[1] < low[1]


def test_curves_mirror_and_pass_their_points():
    curve = np.array(anatomy.BROW)
    smooth = anatomy.smooth(curve, 4)
    np.testing.assert_allclose(smooth[::4], curve)
    np.testing.assert_allclose(np.array(anatomy.mirrored(anatomy.BROW)), curve * [-1, 1, 1])


def test_the_eye_is_dark_inside_coloured_around_and_never_white():
    look = person(2, iris=(0.05, 0.12, 0.2))
    pupil, iris, white = eye_colour(look, np.array([0.0, 0.27, 0.7]), np.zeros(3))
    assert pupil.max() < 0.02
    assert iris[2] > iris[0]
    assert 0.4 < white.min() <= white.max() < 0.65


def test_the_upper_lid_shades_the_eye():
    up, down = eye_colour(person(2), np.array([0.6, 0.6]), np.array([np.pi / 2, -np.pi / 2]))
    assert up.mean() < 0.7 * down.mean()


def test_a_beard_has_strands_that_hang_down():
    rng = np.random.default_rng(1)
    look = replace(sample_appearance(rng), stubble=0.8, moustache=0.0, seed=5)
    where = np.zeros((512, 512), np.float32)
    where[200:300, 180:330] = 1
    cover = beard_cover(look, where, 512)
    inside = cover[210:290, 190:320]
    assert 0.6 < inside.mean() < 0.95
    assert inside.std() > 0.08
    down, across = (np.abs(np.diff(inside, axis=axis)).mean() for axis in (0, 1))
    assert across > 1.3 * down
    assert cover.max() <= 1
    assert cover[:150].max() == 0
    np.testing.assert_array_equal(cover, beard_cover(look, where, 512))
    assert (beard_cover(replace(look, seed=6), where, 512) != cover).any()


def test_the_strands_of_a_beard_part_at_the_chin():
    look = replace(sample_appearance(np.random.default_rng(1)), stubble=0.8, seed=5)
    where = np.zeros((512, 512), np.float32)
    where[200:300, 156:356] = 1
    cover = beard_cover(look, where, 512)
    down, across = (np.asarray(np.gradient(cover, axis=axis)) for axis in (0, 1))
    slant = down * across  # of a strand that hangs to the left it is positive
    left, right = slant[210:290, 166:246].mean(), slant[210:290, 266:346].mean()
    assert left > 3e-3 > -3e-3 > right


def test_less_beard_is_lighter_and_none_is_none():
    look = sample_appearance(np.random.default_rng(1))
    bare, some, full = (albedo(replace(look, stubble=s, moustache=0.0)) for s in (0.0, 0.3, 0.8))
    chin = np.s_[150:180, 118:138]
    assert bare[chin].mean() > 1.03 * some[chin].mean() > 1.06 * full[chin].mean()
    fine = [np.abs(np.diff(skin[chin], axis=1)).mean() / skin[chin].mean() for skin in (bare, full)]
    assert fine[1] > 1.5 * fine[0]
