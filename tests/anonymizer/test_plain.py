from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from anonymizer import plain
from anonymizer.data import Clip
from anonymizer.errors import UnknownPart
from mediators import load
from tests.factories import clip

NAMES = ("cover", "blur", "mosaic")


def replaced(name: str, given: Clip):
    mediation = load("none", {}).prepare(given, None)
    return plain.build(name).sketch(given, 0).paint(mediation)


def with_other_face(given: Clip) -> Clip:
    """The same clip with other pixels inside the protected area."""
    pixels = given.pixels.copy()
    pixels[given.mask > 0] = 255 - pixels[given.mask > 0]
    return dataclasses.replace(given, pixels=pixels)


@pytest.mark.parametrize("name", NAMES)
def test_only_new_crops_come_back(name):
    given = clip(T=5, S=48, lead=2)
    before = given.pixels.copy()
    made = replaced(name, given)
    assert (made.shape, made.dtype) == ((3, 48, 48, 3), np.uint8)
    assert np.array_equal(given.pixels, before)
    assert plain.build(name).size == 128


def test_a_cover_is_one_colour_that_no_face_decides():
    given = clip(T=4, S=64)
    made = replaced("cover", given)
    assert len(np.unique(made.reshape(-1, 3), axis=0)) == 1
    assert np.array_equal(made, replaced("cover", with_other_face(given)))


@pytest.mark.parametrize(
    ("around", "cover"),
    [
        ((10, 90, 200), (22, 102, 212)),
        ((4, 3, 2), (16, 15, 14)),
        ((250, 240, 255), (238, 228, 243)),
    ],
)
def test_a_cover_is_set_apart_from_what_is_around_the_face(around, cover):
    """As a dark face may not be: a cover of its own colour would hide nothing that can be told."""
    given = clip(T=2, S=64)
    context = given.context.copy()
    context[~given.hidden] = around
    made = replaced("cover", dataclasses.replace(given, context=context))
    assert (made == cover).all()


def test_a_cover_is_grey_where_nothing_is_seen():
    given = clip(T=2, S=32)
    made = replaced("cover", dataclasses.replace(given, hidden=np.ones_like(given.hidden)))
    assert (made == 116).all()


def test_a_mosaic_has_cells_of_a_quarter_with_averaged_colour():
    given = clip(T=1, S=64)
    made = replaced("mosaic", given)[0]
    cells = made.reshape(4, 16, 4, 16, 3)
    assert (cells == cells[:, :1, :, :1]).all()
    mean = given.pixels[0].reshape(4, 16, 4, 16, 3).mean(axis=(1, 3))
    assert np.abs(cells[:, 0, :, 0] - mean).max() <= 1


def test_a_blur_removes_what_is_smaller_than_a_face():
    fine = np.random.default_rng(1).integers(0, 256, (1, 64, 64, 3)).astype(np.uint8)
    given = dataclasses.replace(clip(T=1, S=64), pixels=fine)
    made = replaced("blur", given).astype(float)
    assert made.std() < 0.1 * fine.std()
    assert made.mean() == pytest.approx(fine.mean(), abs=2)


def test_a_blur_keeps_the_tone_in_place():
    fine = np.random.default_rng(1).integers(60, 121, (1, 64, 64, 3)).astype(np.uint8)
    fine[:, :, 32:] += 100
    made = replaced("blur", dataclasses.replace(clip(T=1, S=64), pixels=fine))
    assert made[0, :, 0].mean() == pytest.approx(90, abs=5)
    assert made[0, :, -1].mean() == pytest.approx(190, abs=5)
    steps = np.abs(np.diff(made[0].astype(int), axis=1))
    assert steps.max() <= 8, "no steps, as if it were enlarged without interpolation"


@pytest.mark.parametrize("name", ["blur", "mosaic"])
def test_a_face_that_they_would_not_change_is_covered(name):
    """One flat spot, as far away or in the dark: nothing could tell that it was hidden."""
    given = clip(T=3, S=64)
    pixels = given.pixels.copy()
    pixels[1] = 90
    given = dataclasses.replace(given, pixels=pixels)
    np.testing.assert_array_equal(replaced(name, given), replaced("cover", given))


@pytest.mark.parametrize("name", ["blur", "mosaic"])
def test_where_nothing_is_protected_nothing_is_compared(name):
    given = clip(T=1, S=64)
    empty = dataclasses.replace(given, mask=np.zeros_like(given.mask))
    assert replaced(name, empty).shape == given.pixels.shape


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(
        UnknownPart, match="unknown replacer 'blurr'; plain ones: cover, blur, mosaic"
    ):
        plain.build("blurr")
