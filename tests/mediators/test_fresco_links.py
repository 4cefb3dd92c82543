"""Tokens, their trajectories and their differences along flow; numbers are those of our notes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizer.data import Correspondence
from mediators._difference import Differences
from mediators._flow import Dis, Estimated, Remembered, places
from mediators._levels import unique
from mediators._links import Links, View, pooled
from mediators._paths import linked, paths
from tests.mediators import tokens
from tests.mediators.tokens import GRID, SIZE, TOKENS, Moving, N


def links_of(motion, count=N, clip=None):
    return Links.of(tokens.seen(tokens.frames(count)) if clip is None else clip, motion)


def followed(flow, hidden, before, after):
    """`linked` as the notes tell it, one token at a time."""
    height, width = hidden.shape
    onto, linked_, used = [-1] * (height * width), [False] * (height * width), set()
    best: dict[int, tuple[float, int]] = {}
    for q in range(height * width):
        y, x = divmod(q, width)
        px, py = np.rint(x + flow[y, x, 0]), np.rint(y + flow[y, x, 1])
        if hidden[y, x] or not (0 <= px < width and 0 <= py < height):
            continue
        p = int(py) * width + int(px)
        cost = float(((after[y, x] - before[int(py), int(px)]) ** 2).sum())
        if p not in best or cost < best[p][0]:
            best[p] = (cost, q)
    for p, (_, q) in best.items():
        onto[p], linked_[p] = q, True
        used.add(q)
    rest = iter([q for q in range(height * width) if q not in used])
    return [next(rest) if q < 0 else q for q in onto], linked_


# Views.


def test_flow_is_scaled_to_tokens_on_each_axis():
    match = Moving((8.0, -4.0))(tokens.frames(2), 1, 0)
    small = View.of(match).flow_at((6, 5))
    np.testing.assert_allclose(small, np.broadcast_to([-8 * 5 / 80, 4 * 6 / 48], (6, 5, 2)))


def test_one_hidden_pixel_hides_its_cell_for_losses_but_not_its_middle():
    hole = np.zeros(SIZE, bool)
    hole[8, 16] = True  # a corner of cell (1, 2)
    match = Moving(holes={(1, 0): hole})(tokens.frames(2), 1, 0)
    view = View.of(match)
    assert view.touched(GRID).sum() == 1
    assert view.touched(GRID)[1, 2]
    assert not view.mostly(GRID).any()
    hole[8:16, 16:24] = True
    assert View.of(Moving(holes={(1, 0): hole})(tokens.frames(2), 1, 0)).mostly(GRID)[1, 2]


@pytest.mark.parametrize(("step", "edge"), [(0.4, -1), (-0.4, 0)])
@pytest.mark.parametrize("axis", [0, 1])
def test_what_leads_out_of_the_picture_is_hidden_even_by_a_fraction_of_a_pixel(axis, step, edge):
    grid = places(*SIZE)
    grid[..., axis] += step
    hidden = View.of(Correspondence(0, 1, grid, np.ones(SIZE, bool))).hidden
    hidden = hidden.T if axis else hidden
    assert hidden[:, edge].all()
    assert not np.delete(hidden, edge, 1).any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
def test_flow_that_is_not_finite_is_hidden_and_harms_nothing(bad):
    grid = places(*SIZE)
    grid[9, 9] = bad
    view = View.of(Correspondence(0, 1, grid, np.ones(SIZE, bool)))
    assert view.hidden[9, 9]
    assert view.hidden.sum() == 1
    assert np.isfinite(view.flow).all()
    linked(view.flow_at(GRID), view.mostly(GRID), *np.zeros((2, *GRID, 3), np.float32))


def test_pooling_covers_grids_that_do_not_divide_the_picture():
    plane = np.zeros((7, 11), bool)
    plane[6, 10] = True
    assert pooled(plane, (3, 4)).sum() == 1
    assert pooled(plane, (3, 4))[2, 3]


# The ring.


def test_frames_are_in_a_ring_and_each_pair_is_asked_both_ways():
    motion = Moving()
    ring = links_of(motion)
    assert [(pair.first, pair.second) for pair in ring.pairs] == [(0, 1), (1, 2), (2, 3), (3, 0)]
    assert len(ring.chain) == N - 1
    assert sorted(set(motion.asked)) == sorted(motion.asked)
    assert len(motion.asked) == 2 * N


@pytest.mark.parametrize(("count", "pairs"), [(1, 0), (2, 1), (3, 3)])
def test_short_clips_have_no_ring_to_close(count, pairs):
    ring = links_of(Moving(), count)
    assert len(ring.pairs) == pairs
    assert ring.paths(GRID).tokens.shape == (count, TOKENS)
    assert (Differences.of(ring, GRID) is None) == (count == 1)


def test_pairs_with_little_in_common_are_not_believed_and_do_not_close_the_ring():
    wide = np.zeros(SIZE, bool)
    wide[:, :50] = True  # 62 %
    ring = links_of(Moving(holes={(1, 0): wide, (3, 0): wide}))
    assert len(ring.pairs) == N - 1
    assert ring.pairs[0].back.hidden.all()
    assert ring.pairs[0].ahead.hidden.all()
    assert not ring.pairs[1].back.hidden.any()
    half = np.zeros(SIZE, bool)
    half[:, :40] = True
    ring = links_of(Moving(holes={(1, 0): half, (3, 0): half}))
    assert len(ring.pairs) == N
    assert not ring.pairs[0].ahead.hidden.any()


def test_correspondences_are_found_once_whoever_asks():
    class Counting(Dis):
        count = 0

        def __call__(self, target, source):
            Counting.count += 1
            return super().__call__(target, source)

    clip = tokens.frames(3)
    plain, find = Estimated(Dis()), Remembered(Estimated(Counting()))
    for target, source in ((1, 0), (0, 1), (1, 0), (1, 2)):
        found, alone = find(clip, target, source), plain(clip, target, source)
        np.testing.assert_array_equal(found.grid, alone.grid)
        np.testing.assert_array_equal(found.valid, alone.valid)
        assert (found.source, found.target) == (source, target)
    assert Counting.count == 2


# Who follows whom.


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.booleans(), st.floats(0, 4))
def test_07_the_map_is_a_permutation_and_that_of_a_plain_loop(seed, alike, speed):
    rng = np.random.default_rng(seed)
    flow = rng.normal(0, speed, (*GRID, 2)).astype(np.float32)
    hidden = rng.random(GRID) < 0.2
    colours = rng.integers(0, 3, (2, *GRID, 3)).astype(np.float32)
    if alike:
        colours[:] = 7
    step = linked(flow, hidden, *colours)
    onto, found = followed(flow, hidden, *colours)
    assert step.onto.tolist() == onto
    assert step.linked.tolist() == found
    assert sorted(onto) == list(range(TOKENS))


@pytest.mark.parametrize("seed", range(3))
def test_07_trajectories_pass_each_token_of_each_frame_once(seed):
    found = links_of(tokens.random_motion(seed)).paths(GRID)
    values = np.random.default_rng(seed).normal(size=(N, TOKENS))
    gathered = np.take_along_axis(values, found.tokens, 1)
    back = np.empty_like(values)
    np.put_along_axis(back, found.tokens, gathered, 1)
    np.testing.assert_array_equal(back, values)
    assert (np.diff(found.segments, axis=0) >= 0).all()
    assert found.segments.max() > 0


def test_04_without_motion_every_token_stays_where_it_is():
    found = links_of(Moving()).paths(GRID)
    np.testing.assert_array_equal(found.tokens, np.tile(np.arange(TOKENS), (N, 1)))
    assert not found.segments.any()


def test_06_a_pan_by_whole_tokens_moves_trajectories_and_loses_columns():
    step = 16  # two tokens
    found = links_of(Moving((step, 0.0))).paths(GRID)
    start = found.tokens[0] % GRID[1]
    for i in range(N):
        whole = found.segments[i] == 0
        np.testing.assert_array_equal(found.tokens[i][whole] % GRID[1], start[whole] + 2 * i)
        assert (found.tokens[i][whole] // GRID[1] == found.tokens[0][whole] // GRID[1]).all()
        assert whole.sum() == GRID[0] * (GRID[1] - 2 * i)


def test_chained_steps_count_their_breaks():
    flow, colours = np.zeros((1, 3, 2), np.float32), np.zeros((1, 3, 3), np.float32)
    calm = linked(flow, np.array([[False, True, False]]), colours, colours)
    found = paths([calm, calm], 3)
    assert found.segments.tolist() == [[0, 0, 0], [0, 1, 0], [0, 2, 0]]
    assert found.tokens.tolist() == [[0, 1, 2]] * 3


# Unique tokens.


def test_tokens_are_unique_once_seen():
    hole = np.zeros(SIZE, bool)
    hole[16:24, 8:16] = True
    fresh = links_of(Moving(holes={(2, 1): hole, (0, 3): ~hole})).fresh(GRID)
    assert fresh[0].all()
    assert fresh.sum() == TOKENS + 1
    assert fresh[2].reshape(GRID)[2, 1]


def test_too_many_tokens_are_thinned_after_the_first_frame():
    fresh = np.ones((3, 10), bool)
    fresh[2, ::2] = False
    np.testing.assert_array_equal(unique(fresh, None), np.flatnonzero(fresh))
    np.testing.assert_array_equal(unique(fresh, 3.0), np.flatnonzero(fresh))
    few = unique(fresh, 1.5)
    assert few.tolist() == [*range(10), 10, 13, 16, 19, 25]
    assert unique(fresh, 1.0).tolist() == list(range(10))


# Regions.


def test_the_region_is_what_is_painted_and_its_neighbours_and_blanks_are_exact():
    mask = np.zeros((1, *SIZE))
    mask[0, 17:23, 33:39] = 1
    ring = links_of(Moving(), 1, tokens.frames(1, mask=mask))
    region, blank = ring.region(GRID).reshape(GRID), ring.blank(GRID).reshape(GRID)
    assert blank.sum() == 1
    assert blank[2, 4]
    assert region.sum() == 9
    assert region[1:4, 3:6].all()


# Differences.


def sampled(values, grid):
    """``values`` (h, w, C) at points (h, w, 2), bilinear and zero outside, one at a time."""
    height, width, _ = values.shape
    result = np.zeros_like(values)
    for y, x in np.ndindex(height, width):
        px, py = grid[y, x].astype(np.float64)
        left, top = int(np.floor(px)), int(np.floor(py))
        for cx, cy in ((left, top), (left + 1, top), (left, top + 1), (left + 1, top + 1)):
            if 0 <= cx < width and 0 <= cy < height:
                result[y, x] += (1 - abs(px - cx)) * (1 - abs(py - cy)) * values[cy, cx]
    return result


def temporal_loss(ring, features):
    """The notes' L_t without its weight, of features (N, h, w, C)."""
    total = 0.0
    for pair in ring.pairs:
        for view, own, other in (
            (pair.back, pair.second, pair.first),
            (pair.ahead, pair.first, pair.second),
        ):
            moved = sampled(features[other], places(*GRID) + view.flow_at(GRID))
            rest = abs(features[own] - moved) * ~view.touched(GRID)[..., None]
            total += rest.sum()
    return total / (len(ring.pairs) * TOKENS * features.shape[-1])


def test_the_temporal_loss_is_the_notes():
    ring = links_of(tokens.random_motion(3))
    ring = replace(ring, pairs=tuple(replace(p, back=thinner(p.back)) for p in ring.pairs))
    features = np.random.default_rng(1).normal(size=(N, *GRID, 5)).astype(np.float32)
    found = Differences.of(ring, GRID)
    assert found is not None
    loss, _ = found.loss(torch.from_numpy(features.reshape(-1, 5)))
    assert loss == pytest.approx(temporal_loss(ring, features), rel=1e-5)
    assert loss > 0.1


def thinner(view):
    """Fewer holes: with 30 % of pixels hidden, every cell is."""
    hidden = view.hidden.copy()
    hidden[:, 30:] = hidden[:, 30:] & (np.arange(50) % 40 == 0)
    return View(view.flow, hidden)


def test_14_its_gradient_is_that_of_autograd():
    ring = links_of(tokens.random_motion(3))
    ring = replace(ring, pairs=tuple(replace(p, back=thinner(p.back)) for p in ring.pairs))
    found = Differences.of(ring, GRID)
    assert found is not None
    stack = tokens.noise(N * TOKENS, 5).requires_grad_()
    dense = found.matrix.to_dense()
    ((dense @ stack).abs().sum() / (found.pairs * TOKENS * 5)).backward()
    _, gradient = found.loss(stack.detach())
    torch.testing.assert_close(gradient, stack.grad, rtol=1e-5, atol=1e-8)
    assert gradient.abs().max() > 0


def test_11_features_that_move_by_whole_tokens_do_not_differ_along_flow():
    found = Differences.of(links_of(Moving((8.0, -16.0), bend=None), 4), GRID)
    assert found is not None
    wide = tokens.noise(30, 30, 3)
    row, column = np.indices(GRID)
    films = [wide[10 + row + 2 * i, 10 + column - i] for i in range(4)]
    loss, gradient = found.loss(torch.stack(films).reshape(-1, 3))
    assert loss == 0
    assert not gradient.any()
    assert found.loss(tokens.noise(4 * TOKENS, 3))[0] > 0.5


def test_13_what_no_visible_token_mentions_has_no_gradient():
    every = np.ones(SIZE, bool)
    corner = np.zeros(SIZE, bool)
    corner[:24, :40] = True
    holes = {(a, b): corner for a in range(N) for b in range(N)}
    holes |= {(1, 2): every, (2, 1): every}
    found = Differences.of(links_of(Moving(holes=holes)), GRID)
    assert found is not None
    _, gradient = found.loss(tokens.noise(N * TOKENS, 3))
    touched = gradient.reshape(N, *GRID, 3).abs().amax(-1) > 0
    assert not touched[:, :3, :5].any()
    assert touched[:, 3:].float().mean() > 0.5
