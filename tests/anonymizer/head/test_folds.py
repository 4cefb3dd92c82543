from dataclasses import replace

import numpy as np
import pytest

from anonymizer.head.appearance import albedo, sample_appearance, texture_coordinates
from anonymizer.head.folds import FOLDS, relief
from anonymizer.head.texture import texels

SIZE = 512
YOUNG = replace(sample_appearance(np.random.default_rng(4)), wrinkles=0.0)
OLD = replace(YOUNG, wrinkles=1.0)


def shade(look, size=SIZE):
    return relief(look, size, texels)


def around(
    picture: np.ndarray, place: tuple[float, float, float], reach: float = 0.6
) -> np.ndarray:
    """The square of a texture that reaches so far, in head units, from a head point."""
    size = len(picture)
    column, row = (texture_coordinates(np.array(place)) * size).astype(int)
    side = round(reach * size / 32)
    return picture[row - side : row + side + 1, column - side : column + side + 1]


@pytest.mark.parametrize("fold", FOLDS)
def test_wrinkles_make_every_fold_deeper(fold):
    middle = fold.curve[len(fold.curve) // 2]
    before, after = around(shade(YOUNG), middle).max(), around(shade(OLD), middle).max()
    assert after > before + 0.15 * fold.old
    assert after < 1.2


def test_light_from_above_falls_on_the_ridge_below_a_fold():
    forehead = shade(OLD) - shade(YOUNG)
    column = around(forehead, (0.0, 8.35, 10.9), 0.5)[:, 8]
    assert column.max() > 0.1 > -0.03 > column.min()
    assert column.argmax() != column.argmin()


def test_skin_without_wrinkles_has_folds_of_nose_lid_and_chin_only():
    young = shade(YOUNG)
    assert around(young, (2.6, -1.5, 10.6)).max() > 0.03
    assert np.abs(around(young, (0.0, 8.3, 10.9), 0.3)).max() < 1e-3


def test_people_have_folds_of_their_own_and_keep_them():
    other = shade(replace(OLD, seed=OLD.seed + 1))
    assert np.abs(other - shade(OLD)).max() > 0.1
    assert (shade(OLD) == shade(OLD)).all()
    lines = [around(shade(replace(OLD, seed=k)), (0.0, 8.35, 10.9), 0.3)[:, 4] for k in range(9)]
    assert len({int(line.argmax()) for line in lines}) > 2


def test_the_two_halves_of_a_face_are_not_alike():
    whole = shade(OLD)
    assert np.abs(whole - whole[:, ::-1]).max() > 0.05


def test_age_is_seen_in_the_skin():
    young, old = albedo(YOUNG, 256), albedo(OLD, 256)
    lines = [around(skin, (0.0, 8.35, 10.9), 1.2).mean(-1) for skin in (young, old)]
    contrast = [float((part / part.mean()).std()) for part in lines]
    assert contrast[1] > 1.5 * contrast[0]
    assert 0.93 < float(old.mean()) / float(young.mean()) < 1.0
