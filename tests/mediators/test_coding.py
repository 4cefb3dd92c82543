"""Flow coding: the numbered properties of the method's notes (8.1), and what happens at seams."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from anonymizer import geometry
from mediators._coding import encode, key, resumed
from mediators._flow import Dis, places
from mediators._repository import Repository
from mediators._seams import MedmCarry, handed_on, origins
from tests.mediators import oracle


def same_partition(a, b):
    """Whether two id maps differ by names only; -1 must agree."""
    pairs = set(zip(a.ravel().tolist(), b.ravel().tolist(), strict=True))
    return len(pairs) == len({x for x, _ in pairs}) == len(
        {y for _, y in pairs}
    ) and np.array_equal(a < 0, b < 0)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999), frames=st.integers(2, 6), side=st.integers(3, 9))
def test_property_1_ids_are_dense(seed, frames, side):
    ids, count, _ = oracle.code(*oracle.wandering(frames, side, seed))
    counts = np.bincount(ids.ravel(), minlength=count)
    assert ids.min() == 0
    assert len(counts) == count
    assert counts.min() >= 1
    assert counts.sum() == frames * side * side
    assert side * side <= count <= frames * side * side


def test_property_2_key_ids_are_linear_indices():
    ids, _, _ = oracle.code(*oracle.wandering(3, 7, 1))
    np.testing.assert_array_equal(ids[0], np.arange(49).reshape(7, 7))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999), frames=st.integers(2, 5), side=st.integers(3, 8))
def test_property_3_ids_are_inherited_or_new_once(seed, frames, side):
    """By a reference that follows every pixel on its own; masks come and go."""
    grids, valid = oracle.wandering(frames, side, seed)
    active = np.random.default_rng(seed).random((frames, side, side)) > 0.2
    ids, count, _ = oracle.code(grids, valid, active)
    expected = oracle.chained(grids, valid, active)
    np.testing.assert_array_equal(ids, expected)
    assert count == expected.max() + 1


def test_property_10_zero_flow_keeps_all_ids():
    ids, count, _ = oracle.code(*oracle.panned(5, 6, (0, 0)))
    assert count == 36
    assert (ids == ids[0]).all()


@pytest.mark.parametrize("how", ["occluded", "outside", "not finite"])
def test_property_11_without_counterparts_all_ids_are_new(how):
    grids, valid = oracle.panned(4, 5, (0, 0))
    if how == "occluded":
        valid = np.zeros_like(valid)
    elif how == "outside":
        grids = grids + 100
    else:
        grids = np.where(places(5)[..., :1] % 2 == 0, np.nan, np.inf) + 0 * grids
    ids, count, _ = oracle.code(grids, valid)
    assert count == 4 * 25
    np.testing.assert_array_equal(ids.ravel(), np.arange(100))


def test_property_12_whole_pixel_motion_is_an_exact_shift():
    ids, _, _ = oracle.code(*oracle.panned(4, 8, (2, -1)))
    for t in range(1, 4):
        np.testing.assert_array_equal(ids[t, : 8 - t, 2 * t :], ids[0, t:, : 8 - 2 * t])


def test_property_13_reversed_time_gives_the_same_partition_on_whole_pixel_motion():
    forward, _, _ = oracle.code(*oracle.panned(5, 9, (1, -2)))
    backward, _, _ = oracle.code(*oracle.panned(5, 9, (-1, 2)))
    assert same_partition(forward, backward[::-1])


def decoded(encoding, frame):
    """Where the ids of a frame were born in slot 0, (S, S, 2)."""
    side = encoding.frames[0].ids.shape[0]
    at = encoding.frames[frame].ids
    return np.stack([at % side, at // side], -1)


@pytest.mark.parametrize("step", [(0.4, 0.3), (-0.23, 0.49), (0.5, -0.5), (2.6, 1.7)])
def test_property_16_positions_do_not_drift(step):
    frames, side = 13, 48
    _, _, encoding = oracle.code(*oracle.panned(frames, side, step))
    for t in range(1, frames):
        true = places(side) - np.array(step) * t
        edge = 1 + t / 2  # parents are up to half a pixel beside, and so is new surface at the edge
        inner = ((true >= edge) & (true <= side - 1 - edge)).all(-1)
        assert inner.any()
        error = np.linalg.norm(decoded(encoding, t) - true, axis=-1)[inner]
        assert error.max() <= 0.5 * np.sqrt(2) + 1e-3


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999), frames=st.integers(1, 9), side=st.integers(3, 9))
def test_property_19_the_loop_free_form_gives_the_same_ids(seed, frames, side):
    grids, valid = oracle.wandering(frames + 1, side, seed)
    ids, _, _ = oracle.code(grids, valid)
    np.testing.assert_array_equal(ids, oracle.loop_free(grids, valid))


def test_a_target_within_half_a_pixel_outside_is_inherited_and_beyond_it_is_not():
    grids = np.stack([places(6)])
    grids[0, 2, 0], grids[0, 3, 0] = (-0.4, 2), (-0.6, 3)
    grids[0, 5, 4], grids[0, 5, 5] = (4, 5.4), (5, 5.6)
    ids, count, _ = oracle.code(grids)
    assert ids[1, 2, 0] == ids[0, 2, 0]
    assert ids[1, 5, 4] == ids[0, 5, 4]
    assert (ids[1, 3, 0], ids[1, 5, 5], count) == (36, 37, 38)


def test_a_face_that_moves_over_another_surface_keeps_its_own_trail():
    """Blending trails across an edge would put ids where no surface is."""
    side, frames = 40, 9
    grids = np.repeat(places(side)[None], frames - 1, 0)
    truth = places(side).astype(np.float64)
    for t in range(1, frames):
        front = np.asarray((abs(places(side) - 20) < 8).all(-1))
        grids[t - 1] = np.where(front[..., None], places(side) - (0.3, 0.0), places(side))
    _, _, encoding = oracle.code(grids)
    inner = (abs(places(side) - 20) < 4).all(-1)
    expected = (truth - (0.3 * (frames - 1), 0))[inner]
    assert np.linalg.norm(decoded(encoding, frames - 1)[inner] - expected, axis=-1).max() < 0.75


def in_chunks(grids, valid, active, lengths):
    """Ids (T, S, S), globally named, coded in chunks of the given lengths."""
    found = oracle.matches(grids, valid)
    carry: MedmCarry | None = None
    names, used, at, parts = np.zeros(0, int), 0, 0, list[NDArray[np.int64]]()
    while at < len(active):
        stop = min(at + lengths[len(parts) % len(lengths)], len(active))
        if carry is None:
            (start, count), first = key(active[0]), 1
        else:
            start, count, first = resumed(carry.ids, carry.origin), len(carry.weights), at
        encoding = encode(start, count, found[first - 1 : stop - 1], list(active[first:stop]))
        fresh = encoding.count - len(names)
        table = np.concatenate([names, used + np.arange(fresh)])
        used += fresh
        frames = encoding.frames[carry is not None :]
        assert encoding.count <= len(names) + len(frames) * start.ids.size
        parts.append(np.stack([np.where(f.ids >= 0, table[f.ids], -1) for f in frames]))
        where = origins(frames[-1], np.arange(100), carry)
        weights = np.ones(encoding.count, np.float32)
        carry = handed_on(frames[-1], stop - 1, {}, weights, where)
        names = np.zeros(len(carry.weights), int)
        names[carry.ids[carry.ids >= 0]] = parts[-1][-1][carry.ids >= 0]
        at = stop
    return np.concatenate(parts)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 999),
    frames=st.integers(1, 12),
    lengths=st.lists(st.integers(1, 7), min_size=1, max_size=4),
)
def test_streaming_theorem_chunks_of_any_length_give_the_one_shot_partition(seed, frames, lengths):
    side = 7
    grids, valid = oracle.wandering(frames + 1, side, seed)
    active = np.random.default_rng(seed).random((frames + 1, side, side)) > 0.1
    whole, _, _ = oracle.code(grids, valid, active)
    assert same_partition(whole, in_chunks(grids, valid, active, lengths))


def worst_error(step, rebase, margin):
    """Largest position error of 32 panned frames in chunks of 8, traced through all seams.

    Only what was never nearer to the edge than ``margin`` counts, and no surface that came later.
    """
    side, frames, chunk = 64, 33, 8
    grids, valid = oracle.panned(frames, side, step)
    found = oracle.matches(grids, valid)
    start, count = key(np.ones((side, side), bool))
    born = places(side).astype(np.float64)
    table = born.reshape(-1, 2)
    worst = 0.0
    for at in range(0, frames - 1, chunk):
        part = found[at : at + chunk]
        encoding = encode(start, count, part, [np.ones((side, side), bool)] * len(part))
        last = encoding.frames[-1]
        table = np.concatenate([table, np.full((encoding.count - count, 2), np.nan)])
        true = places(side) - np.array(step) * (at + len(part))
        inner = ((true >= margin) & (true <= side - 1 - margin)).all(-1)
        error = np.linalg.norm(table[last.ids] - true, axis=-1)[inner]
        worst = max(worst, float(np.nanmax(error)))
        where, _ = origins(last, np.zeros(len(part) + 1, int), None)
        start, count = resumed(last.ids, where if rebase else np.rint(where)), encoding.count
    return worst


def test_rebasing_keeps_the_residual_so_that_seams_do_not_drift():
    step = (0.4, 0.3)
    assert worst_error(step, True, margin=17) <= 0.5 * np.sqrt(2) + 1e-3
    assert worst_error(step, False, margin=17) > 1.2


def test_ids_stray_by_a_pixel_at_most_at_the_edge_where_new_surface_comes_in():
    """The least surface that an id of the edge can be taken for is that half a pixel outside."""
    assert worst_error((0.4, 0.3), True, margin=-0.5) <= 1.01


def test_anchors_beat_chained_rounding_by_4_db_on_a_slow_pan():
    frames, side, step = 16, 40, (0.4, 0.3)
    film = oracle.film_of(frames, side, step)
    grids, valid = oracle.panned(frames, side, step)
    ours, count, _ = oracle.code(grids, valid)
    anchored = Repository.of(ours, count).harmonize(film)
    rounded = torch.from_numpy(oracle.means(oracle.chained(grids, valid), film))
    assert oracle.psnr(anchored, film) > oracle.psnr(rounded, film) + 4


def test_crops_that_move_and_turn_give_the_flow_of_section_10():
    """Exact motion of the frame, seen through two crops: flow is applied between the transforms."""
    side, step = 64, np.array([3.3, -2.7])
    boxes = [
        geometry.similarity(scale=1.6, angle=0.05, shift=(11, 7)),
        geometry.similarity(scale=1.55, angle=0.02, shift=(12.5, 9.25)),
    ]
    base = places(side).astype(np.float64)
    shown = [oracle.textured((geometry.apply(b, base) - step * t) / 2) for t, b in enumerate(boxes)]
    grid = geometry.apply(
        geometry.inverse(boxes[0]), geometry.apply(boxes[1], base) - step
    )  # u' = A0^-1 (A1 u + F)
    pictures = [((s + 1) * 127.5).round().astype(np.uint8) for s in shown]
    flow, _ = Dis()(pictures[1], pictures[0])
    inner = ((grid > 8) & (grid < side - 9)).all(-1)
    error = np.linalg.norm(base + flow - grid, axis=-1)[inner]
    assert np.median(error) < 0.1
    forgotten = np.linalg.norm(base - step - grid, axis=-1)[inner]
    assert np.median(forgotten) > 1
