"""Key frames: which they are, and what goes on from them to the frames between."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from anonymizer.protocols import Keyed
from mediators import fresco, medm, none
from mediators._between import key_places, spread
from tests.mediators import oracle

SIDE = 24
ALL = np.arange(SIDE * SIDE, dtype=np.int32).reshape(SIDE, SIDE)


def panned(frames, step=1):
    """Ids of a surface that moves right by ``step`` columns a frame; what comes in is new."""
    row, column = np.indices((SIDE, SIDE))
    ids = [(column - step * at) * SIDE + row for at in range(frames)]
    return (np.stack(ids) + frames * step * SIDE).astype(np.int32)


@pytest.mark.parametrize(
    ("frames", "every", "wanted"),
    [
        (1, 4, (0,)),
        (2, 4, (0, 1)),
        (9, 4, (0, 4, 8)),
        (16, 4, (0, 4, 8, 11, 15)),
        (16, None, (0, 5, 10, 15)),
        (5, 1, (0, 1, 2, 3, 4)),
        (5, 100, (0, 4)),
    ],
)
def test_still_films_have_keys_evenly_and_at_both_ends(frames, every, wanted):
    assert key_places(np.repeat(ALL[None], frames, 0), every) == wanted


def test_where_much_is_new_more_frames_are_keys():
    assert key_places(panned(9), 8) == (0, 8)
    assert key_places(panned(9, step=8), 8) == (0, 2, 4, 6, 8)
    fast = panned(9, step=16)
    assert key_places(fast, 8) == tuple(range(9))
    calm_then_fast = np.concatenate([np.repeat(fast[:1], 8, 0), fast])
    assert key_places(calm_then_fast, 8) == (0, *range(8, 17))


def test_frames_without_any_active_pixel_need_no_keys():
    assert key_places(np.full((5, SIDE, SIDE), -1, np.int32), 4) == (0, 4)


def test_values_go_with_their_points_and_fade_over():
    ids, rng = panned(5), np.random.default_rng(0)
    before, after = rng.normal(size=(2, SIDE, SIDE, 3)).astype(np.float32)
    found = spread(ids, (0, 4), np.stack([before, after]))
    np.testing.assert_array_equal(found[[0, 4]], [before, after])
    for at in (1, 2, 3):  # a point in column x now was in x - at, and will be in x + 4 - at
        both = slice(at, SIDE - 4 + at)
        mixed = (1 - at / 4) * before[:, : SIDE - 4] + at / 4 * after[:, 4:]
        np.testing.assert_allclose(found[at][:, both], mixed, atol=1e-5)
        come_in = after[:, 4 - at : 4]  # seen by the later key only
        np.testing.assert_allclose(found[at][:, :at], come_in, atol=1e-5)
        gone_out = before[:, SIDE - 4 : SIDE - at]
        np.testing.assert_allclose(found[at][:, SIDE - 4 + at :], gone_out, atol=1e-5)


def test_what_no_key_shows_and_what_is_inactive_stays_in_its_place():
    ids = np.stack([ALL, ALL + ALL.size, ALL])
    ids[:, :4] = -1
    before, after = np.zeros((SIDE, SIDE, 1), np.float32), np.ones((SIDE, SIDE, 1), np.float32)
    found = spread(ids, (0, 2), np.stack([before, after]))
    np.testing.assert_allclose(found[1], 0.5)


def test_an_id_with_several_pixels_hands_on_their_mean():
    ids = np.stack([np.where(ALL < 2, 0, ALL), ALL, ALL]).astype(np.int32)
    values = np.zeros((2, SIDE, SIDE, 1), np.float32)
    values[0, 0, :2, 0] = 2, 4
    assert spread(ids, (0, 2), values)[1, 0, 0, 0] == pytest.approx(3 / 2)


def moving(frames):
    film = oracle.film_of(frames, SIDE, (1.0, 0.0))
    pixels = ((film.permute(0, 2, 3, 1).numpy() + 1) * 127.5).round().astype(np.uint8)
    grids, valid = oracle.panned(frames, SIDE, (1.0, 0.0))
    return oracle.clip_of(pixels), medm.build(correspond=oracle.Held(oracle.matches(grids, valid)))


def test_keys_agree_as_in_a_chunk_of_their_own():
    clip, mediator = moving(5)
    sparse = mediator.prepare(clip, None).sparse(4)
    assert sparse.places == (0, 4)
    x0 = torch.randn((2, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(1))
    first, last = sparse.mediation(x0, 1.0)
    shared = (x0[0, :, :, : SIDE - 4] + x0[1, :, :, 4:]) / 2
    torch.testing.assert_close(first[:, :, : SIDE - 4], shared)
    torch.testing.assert_close(last[:, :, 4:], shared)
    torch.testing.assert_close(last[:, :, :4], x0[1, :, :, :4])


def test_keys_have_the_noise_that_they_have_among_all():
    clip, mediator = moving(5)
    whole = mediator.prepare(clip, None)
    noise = whole.noise((5, 2, 6, 6), 3)
    part = whole.sparse(4).mediation.noise((2, 2, 6, 6), 3)
    torch.testing.assert_close(part, noise[[0, 4]])


def test_what_keys_agree_on_is_handed_on():
    clip, mediator = moving(5)
    whole = mediator.prepare(clip, None)
    x0 = torch.randn((2, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(1))
    agreed = whole.sparse(4).mediation(x0, 1.0)
    carry = whole.carry()
    assert carry.index == 4
    assert carry.levels == (1.0,)
    shown = carry.values[0][carry.ids]
    np.testing.assert_allclose(shown, agreed[1].permute(1, 2, 0).numpy(), atol=1e-6)


def test_only_who_knows_trajectories_has_key_frames():
    clip, mediator = moving(2)
    assert isinstance(mediator.prepare(clip, None), Keyed)
    for other in (none.build(), fresco.build()):
        assert not isinstance(other.prepare(clip, None), Keyed)
