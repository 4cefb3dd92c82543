from dataclasses import replace

import numpy as np
import pytest

from anonymizer.head import anatomy
from anonymizer.head.appearance import albedo, sample_appearance
from anonymizer.head.folds import FOLDS, Fold, always, folded, relief
from anonymizer.head.layout import texels

SIZE = 512
UNIT = SIZE / 32
YOUNG = replace(sample_appearance(np.random.default_rng(4)), wrinkles=0.0)
OLD = replace(YOUNG, wrinkles=1.0)


def around(picture: np.ndarray, place: tuple[float, float, float], reach: float) -> np.ndarray:
    """The square of a texture that reaches so far, in head units, from a head point."""
    column, row = np.round(texels((place,), len(picture))[0]).astype(int)
    side = round(reach * len(picture) / 32)
    return picture[row - side : row + side + 1, column - side : column + side + 1]


def middle(fold: Fold) -> tuple[float, float, float]:
    return fold.curve[len(fold.curve) // 2]


def beside(place: tuple[float, float, float]) -> tuple[float, float, float]:
    return (-place[0], place[1], place[2])


@pytest.mark.parametrize("fold", FOLDS)
def test_wrinkles_make_every_fold_deeper_on_both_halves(fold):
    for place in {middle(fold), beside(middle(fold))}:
        before, after = (around(relief(look, SIZE), place, 0.6).max() for look in (YOUNG, OLD))
        assert before + 0.12 * fold.old < after < 1


def test_light_from_above_falls_on_the_ridge_below_a_fold():
    forehead = around(relief(OLD, SIZE), (0.0, 8.35, 10.9), 1.5)
    beyond = round(0.35 * UNIT)
    deep = forehead[beyond:-beyond] > 0.1
    assert deep.any()
    above, below = forehead[: -2 * beyond][deep].mean(), forehead[2 * beyond :][deep].mean()
    assert below < above - 0.04
    assert forehead.min() < -0.03


def test_a_fold_that_runs_down_is_not_lighter_for_its_own_ridge():
    frown = next(
        fold for fold in FOLDS if fold.curve[0][1] < fold.curve[-1][1] and fold.curve[0][0] < 1
    )
    depths = [
        around(relief(replace(OLD, seed=seed), SIZE), middle(frown), 0.5).max() for seed in range(9)
    ]
    assert max(depths) > 0.7 * frown.old


def test_skin_without_wrinkles_has_no_lines_on_the_forehead():
    young = relief(YOUNG, SIZE)
    assert around(young, (2.6, -1.5, 10.6), 0.6).max() > 0.03
    assert np.abs(around(young, (0.0, 8.3, 10.9), 0.3)).max() < 1e-3


def test_people_have_folds_of_their_own_and_keep_them():
    other = relief(replace(OLD, seed=OLD.seed + 1), SIZE)
    assert np.abs(other - relief(OLD, SIZE)).max() > 0.1
    assert (relief(OLD, SIZE) == relief(OLD, SIZE)).all()
    lines = [
        around(relief(replace(OLD, seed=k), SIZE), (0.0, 8.35, 10.9), 0.3)[:, 4] for k in range(9)
    ]
    assert len({int(line.argmax()) for line in lines}) > 2


def test_one_half_of_a_face_has_deeper_folds_than_the_other():
    cheeks = [fold for fold in FOLDS if not fold.across and fold.old > 0.6]
    whole = relief(OLD, SIZE)
    pairs = [
        [around(whole, place, 0.6).max() for place in (middle(fold), beside(middle(fold)))]
        for fold in cheeks
    ]
    assert max(abs(one - other) for one, other in pairs) > 0.15


def test_everybody_has_a_line_between_the_lips_and_a_crease_in_the_lid():
    shade = always(SIZE)
    lid = anatomy.UPPER_LID[1]
    assert around(shade, (0.0, -3.36, 11.26), 0.3).max() > 0.15
    for place in (lid, beside(lid)):
        assert around(shade, (place[0] + 0.05, place[1] + 0.42, place[2]), 0.3).max() > 0.08
    assert (around(shade, (0.0, 8.3, 10.9), 1.0) == 0).all()


def test_skin_is_darker_and_redder_in_a_fold_and_lighter_on_its_ridge():
    plain = np.full((SIZE, SIZE, 3), 0.3, np.float32)
    skin, form = folded(plain, OLD), relief(OLD, SIZE)
    deep, ridge = form > 0.3, form < -0.15
    assert deep.any()
    assert ridge.any()
    assert skin[deep].max() < 0.27
    assert (skin[deep][:, 0] > skin[deep][:, 2]).all()
    assert skin[ridge & (always(SIZE) == 0)].min() > 0.31
    lips = around(folded(plain, YOUNG), (0.0, -3.36, 11.26), 0.3)
    assert lips.min() < 0.26


def test_age_is_seen_in_the_skin():
    young, old = albedo(YOUNG, 256), albedo(OLD, 256)
    lines = [around(skin, (0.0, 8.35, 10.9), 1.2).mean(-1) for skin in (young, old)]
    contrast = [float((part / part.mean()).std()) for part in lines]
    assert contrast[1] > 1.5 * contrast[0]
    assert 0.93 < float(old.mean()) / float(young.mean()) < 1.0
