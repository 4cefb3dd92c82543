"""MeDM as a whole: flow, masks, noise, seams and non-interference."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch

from anonymizer.bench.scenes import scene
from anonymizer.data import Carry
from mediators import medm
from mediators._coding import encode, key
from mediators._flow import Dis, Estimated, alike, places, returns
from mediators._noise import normals
from mediators._seams import MedmCarry, handed_on, shares
from tests import factories
from tests.mediators import oracle

SIDE = 24


def moving(frames=8, step=(1.0, 0.0), mask=None):
    """A clip, and correspondences that are exact."""
    film = oracle.film_of(frames, SIDE, step)
    pixels = ((film.permute(0, 2, 3, 1).numpy() + 1) * 127.5).round().astype(np.uint8)
    grids, valid = oracle.panned(frames, SIDE, step)
    return oracle.clip_of(pixels, mask), oracle.Held(oracle.matches(grids, valid))


def estimate(n, seed=0):
    return torch.randn((n, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(seed))


def planned(mediator, clip, carry=None) -> Any:
    """A mediation whose inner parts tests may look at."""
    return mediator.prepare(clip, carry)


def carried_to_second(rule="ramp", frames=12, at=6, step=(1.0, 0.0), mask=None):
    """(second mediation of ``frames - at`` crops, what it was carried, the whole clip).

    The first was asked at levels 2 and 0.5, for different estimates.
    """
    clip, held = moving(frames, step, mask)
    mediator = medm.build(rule=rule, correspond=held)
    first = planned(mediator, oracle.part_of(clip, 0, at, 0))
    for level, seed in ((2.0, 8), (0.5, 9)):
        first(estimate(at, seed=seed) * 0.3, level)
    carry = first.carry()
    return planned(mediator, oracle.part_of(clip, at - 2, frames, 2), carry), carry, clip


# Flow and its tests.


@pytest.mark.parametrize(("name", "error"), [("subpixel", 0.03), ("pan", 0.06), ("zoom", 0.1)])
def test_dis_is_right_to_a_fraction_of_a_pixel(name, error):
    film = scene(name, 2, (128, 128))
    there, back = Dis()(film.images[1], film.images[0])
    for flow, truth, hidden in (
        (there, film.flow_backward[0], film.occlusion_backward[0]),
        (back, film.flow_forward[0], film.occlusion_forward[0]),
    ):
        assert np.linalg.norm(flow - truth, axis=-1)[~hidden].mean() < error


def test_the_round_trip_finds_what_is_hidden():
    film = scene("occluder", 2, (96, 96))
    there, back = film.flow_backward[0], film.flow_forward[0]
    target = places(96) + there
    visible = returns(there, back, target)
    hidden = film.occlusion_backward[0] & ((target > 1) & (target < 94)).all(-1)
    assert hidden.sum() > 100
    assert visible[~film.occlusion_backward[0]].mean() > 0.97
    assert visible[hidden].mean() < 0.1


def test_the_second_magnitude_is_taken_where_the_flow_leads():
    """There 40 px of motion excuse 0.8 px, here none would."""
    there = np.zeros((60, 60, 2), np.float32)
    back = there.copy()
    there[10, 5] = (40, 0)
    back[10, 45] = (-39.3, 0)
    assert returns(there, back, places(60) + there)[10, 5]
    back[10, 45] = (-38.0, 0)
    assert not returns(there, back, places(60) + there)[10, 5]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_flow_that_is_not_finite_counts_as_hidden(bad):
    class Broken:
        def __call__(self, target, source):
            there = np.zeros((SIDE, SIDE, 2), np.float32)
            there[3, 4, 1] = bad
            return there, np.zeros_like(there)

    clip, _ = moving(2, (0.0, 0.0))
    found = Estimated(Broken())(clip, 1, 0)
    assert not found.valid[3, 4]
    assert found.valid.sum() == SIDE * SIDE - 1
    mediation = planned(medm.build(correspond=Estimated(Broken())), clip)
    assert mediation.encoding.count == SIDE * SIDE + 1


def test_pixels_that_look_different_do_not_correspond():
    here = np.full((SIDE, SIDE, 3), 100, np.uint8)
    there = here.copy()
    there[5:15, 5:15] += 40
    same = alike(here, there, places(SIDE))
    assert not same[6:14, 6:14].any()
    assert same[17:, 17:].all()
    assert alike(here, here + 20, places(SIDE)).all()


def test_what_looks_different_is_new_whatever_the_flow_says():
    class Resting:
        def __call__(self, target, source):
            still = np.zeros((SIDE, SIDE, 2), np.float32)
            return still, still

    pixels = np.full((2, SIDE, SIDE, 3), 100, np.uint8)
    pixels[1, :, :12] += 60
    found = Estimated(Resting())(oracle.clip_of(pixels), 1, 0)
    assert not found.valid[:, :11].any()
    assert found.valid[:, 13:].all()


def test_a_cut_makes_every_pixel_new():
    pixels = np.stack([factories.picture((SIDE, SIDE), seed=s) for s in (0, 5)])
    pixels[1] = 255 - pixels[0]
    assert planned(medm.build(), oracle.clip_of(pixels)).encoding.count > 1.9 * SIDE * SIDE


def test_property_harmonizing_the_source_with_real_flow_keeps_it():
    film = oracle.film_of(8, 64, (0.4, 0.3))
    pixels = ((film.permute(0, 2, 3, 1).numpy() + 1) * 127.5).round().astype(np.uint8)
    mediation = planned(medm.build(), oracle.clip_of(pixels))
    assert mediation.encoding.count < 1.35 * 64 * 64
    assert oracle.psnr(mediation(film, 1.0)[..., 6:-6, 6:-6], film[..., 6:-6, 6:-6]) > 22


# Non-interference and masks.


def test_p1_with_flow_held_fixed_the_face_changes_no_bit():
    clip, held = moving(6, mask=np.repeat(factories.oval(SIDE)[None], 6, 0))
    faces = np.random.default_rng(3).integers(0, 256, clip.pixels.shape, np.uint8)
    other = oracle.clip_of(np.where(clip.mask[..., None] > 0, faces, clip.pixels), clip.mask)
    mediator = medm.build(correspond=held)
    a, b = (planned(mediator, c) for c in (clip, other))
    assert not np.array_equal(clip.pixels, other.pixels)
    assert torch.equal(a(estimate(6), 1.0), b(estimate(6), 1.0))
    assert torch.equal(a.noise((6, 2, 8, 8), 1), b.noise((6, 2, 8, 8), 1))
    left = [m.carry() for m in (a, b)]
    assert left[0].levels == (1.0,)
    for slot in fields(MedmCarry):
        np.testing.assert_array_equal(*(getattr(carry, slot.name) for carry in left))


def test_a_trajectory_is_cut_where_it_leaves_the_mask():
    mask = np.ones((3, SIDE, SIDE), bool)
    mask[1, :, 10] = False
    clip, held = moving(3, (0.0, 0.0), mask)
    first, second, third = (f.ids for f in planned(medm.build(correspond=held), clip).new)
    assert (second[:, 10] == -1).all()
    assert (third[:, 10] > second.max()).all()
    np.testing.assert_array_equal(np.delete(third, 10, 1), np.delete(first, 10, 1))


def test_pixels_with_any_opacity_take_part():
    mask = np.zeros((2, SIDE, SIDE), np.float32)
    mask[:, 3, 4] = 1e-6
    clip, held = moving(2, (0.0, 0.0), mask)
    assert planned(medm.build(correspond=held), clip).encoding.count == 1


def test_an_empty_mask_changes_nothing_and_can_be_carried():
    clip, held = moving(4, mask=np.zeros((4, SIDE, SIDE)))
    mediation = planned(medm.build(correspond=held), clip)
    assert torch.equal(mediation(estimate(4), 1.0), estimate(4))
    assert mediation.carry().values.shape == (1, 0, 3)


# Noise.


@pytest.mark.parametrize("step", [(1.0, 0.0), (0.4, 0.3), (-2.0, 1.0)])
def test_noise_moves_with_the_picture_by_whole_cells(step):
    clip, held = moving(9, step)
    noise = planned(medm.build(correspond=held), clip).noise((9, 2, 12, 12), 4)
    t = 8
    dx, dy = (round(t * s / 2) for s in step)
    if abs(t * step[0] / 2 - dx) < 0.25 and abs(t * step[1] / 2 - dy) < 0.25:
        rolled = torch.roll(noise[0], (dy, dx), (1, 2))
        inner = slice(abs(dy), 12 - abs(dy)), slice(abs(dx), 12 - abs(dx))
        assert torch.equal(noise[t][:, *inner], rolled[:, *inner])
    assert not torch.equal(noise[0], noise[t])


def test_no_two_cells_of_a_frame_share_noise_and_all_stay_white():
    grids = np.stack([(places(SIDE) - 12) * 0.8 + 12] * 7)
    clip, _ = moving(8)
    held = oracle.Held(oracle.matches(grids))
    noise = planned(medm.build(correspond=held), clip).noise((8, 3, 24, 24), 2)
    for frame in noise:
        assert len(frame[0].unique()) == 24 * 24
    assert abs(float(noise[-1].mean())) < 0.1
    assert abs(float(noise[-1].std()) - 1) < 0.05
    neighbours = float((noise[-1][:, :, 1:] * noise[-1][:, :, :-1]).mean())
    assert abs(neighbours) < 0.1


def test_noise_is_standard_normal():
    values = normals(np.arange(20000).reshape(1, 100, 200), 4, -5)
    assert abs(values.mean()) < 0.02
    assert abs(values.std() - 1) < 0.02
    assert abs((values**4).mean() - 3) < 0.15
    assert abs(np.corrcoef(values[0].reshape(4, -1))[0, 1:]).max() < 0.02


def test_noise_in_chunks_is_noise_in_one_where_the_surface_was_there_from_the_start():
    clip, held = moving(12, (0.61, 0.27))  # cells do not change exactly at a frame
    mediator = medm.build(correspond=held)
    whole = mediator.prepare(clip, None).noise((12, 2, 12, 12), 8)
    carry, at = None, 0
    for stop in (5, 6, 12):
        part = oracle.part_of(clip, max(at - 1, 0), stop, min(at, 1))
        mediation = mediator.prepare(part, carry)
        noise = mediation.noise((stop - at, 2, 12, 12), 8)
        assert (noise == whole[at:stop])[..., 3:, 6:].all()
        carry, at = mediation.carry(), stop


# Seams.


def test_ids_and_values_cross_the_seam():
    second, carry, _ = carried_to_second()
    assert carry.index == 5
    first = second.new[0].ids
    np.testing.assert_array_equal(first[:, 1:], carry.ids[:, :-1])
    assert carry.levels == (2.0, 0.5)
    clip, held = moving(12)
    first = planned(medm.build(correspond=held), oracle.part_of(clip, 0, 6, 0))
    for values, seed in zip(carry.values, (8, 9), strict=True):
        expected = first(estimate(6, seed=seed) * 0.3, 1.0)[5].permute(1, 2, 0)
        np.testing.assert_array_equal(values[carry.ids], expected)


def test_carried_values_are_those_of_the_live_ids_which_are_named_anew():
    coded, _ = key(np.array([[True, True], [False, True]]))
    coded.ids[:] = [[7, 7], [-1, 2]]
    crop = torch.tensor([[[0.1, 0.1], [9, 2.5]], [[0.2, 0.2], [9, -3]], [[0, 0], [9, 0.5]]])
    weights = np.arange(9, dtype=np.float32)
    where = np.zeros((2, 2, 2), np.float32), np.zeros((2, 2), np.int64)
    carry = handed_on(coded, 3, {0.7: crop}, weights, where)
    np.testing.assert_array_equal(carry.ids, [[1, 1], [-1, 0]])
    np.testing.assert_array_equal(carry.weights, [2, 7])
    expected = np.array([[[2.5, -3, 0.5], [0.1, 0.2, 0]]], np.float32)
    np.testing.assert_array_equal(carry.values, expected)


def test_the_ramp_lets_go_evenly_and_carried_values_count_once():
    second, carry, _ = carried_to_second(step=(0.0, 0.0))
    x = estimate(6)
    for values, level in zip(carry.values, carry.levels, strict=True):
        past = torch.from_numpy(values[carry.ids]).permute(2, 0, 1)
        for at, frame in enumerate(second(x, level)):
            share = 1 - (at + 1) / 7
            expected = share * past + (1 - share) * x.mean(0)
            torch.testing.assert_close(frame, expected, atol=2e-6, rtol=0)


def test_at_a_level_that_was_not_asked_for_nothing_is_held_on_to():
    second, _, _ = carried_to_second(step=(0.0, 0.0))
    x = estimate(6)
    torch.testing.assert_close(second(x, 0.7), x.mean(0).expand_as(x), atol=2e-6, rtol=0)


def test_what_is_added_after_the_loop_is_not_added_again_in_every_chunk():
    """A replacer's own structure, as large as the values: the seam must not show it twice."""
    clip, held = moving(8, (0.0, 0.0))
    mediator, x = medm.build(correspond=held), estimate(4) * 0.2
    added = estimate(1, seed=5)[0] * 0.2
    first = planned(mediator, oracle.part_of(clip, 0, 4, 0))
    before = first(x, 0.5) + added
    second = planned(mediator, oracle.part_of(clip, 3, 8, 1), first.carry())
    after = second(x, 0.5) + added
    torch.testing.assert_close(after, before, atol=2e-6, rtol=0)


@pytest.mark.parametrize("rule", ["independent", "pinned", "running", "capped"])
def test_other_rules(rule):
    second, carry, _ = carried_to_second(rule, frames=30, at=24, step=(0.0, 0.0))
    x = estimate(6)
    values = torch.from_numpy(carry.values[1][carry.ids]).permute(2, 0, 1)
    share = {"independent": 0, "pinned": 1, "running": 24 / 30, "capped": 16 / 22}[rule]
    expected = share * values + (1 - share) * x.mean(0)
    assert (carry.weights == 24).all()
    torch.testing.assert_close(second(x, 0.5), expected.expand_as(x), atol=2e-6, rtol=0)
    assert (second.carry().weights == 30).all()


def test_shares_stay_within_bounds():
    weights = np.array([0, 3, 1000], np.float32)
    for rule in ("ramp", "independent", "pinned", "running", "capped"):
        share = shares(rule, 5, weights, np.array([0, 2, 7]))
        assert share.shape == (5, 3)
        assert 0 <= share.min() <= share.max() <= 1


def test_the_seam_jump_is_smaller_with_carry_than_without():
    """Per-frame independent errors, the worst case of the method's notes (9.2)."""
    jumps = {}
    for rule in ("independent", "ramp"):
        second, carry, _ = carried_to_second(rule, step=(0.0, 0.0))
        after = second(estimate(6) * 0.3, 0.5)[0]
        before = torch.from_numpy(carry.values[1][carry.ids]).permute(2, 0, 1)
        jumps[rule] = float((after - before).abs().mean())
    assert jumps["ramp"] < 0.25 * jumps["independent"]


def test_a_constant_film_is_a_fixed_point_over_seams_bitwise():
    clip, held = moving(8)
    mediator = medm.build(correspond=held)
    x = torch.full((4, 3, SIDE, SIDE), float(np.float32(77 / 127.5 - 1)))
    first = mediator.prepare(oracle.part_of(clip, 0, 4, 0), None)
    assert torch.equal(first(x, 0.7), x)
    carry = first.carry()
    assert torch.equal(mediator.prepare(oracle.part_of(clip, 3, 8, 1), carry)(x, 0.7), x)


def test_without_a_carry_the_first_new_crop_is_the_key():
    clip, held = moving(6)
    mediator = medm.build(correspond=held)
    led = mediator.prepare(oracle.part_of(clip, 0, 6, 2), None)
    alone = mediator.prepare(oracle.part_of(clip, 2, 6, 0), None)
    assert torch.equal(led(estimate(4), 1.0), alone(estimate(4), 1.0))


def test_a_carry_stays_as_large_as_one_crop():
    clip, held = moving(40, (1.0, 0.0))
    mediator, carry = medm.build(correspond=held), None
    for start in range(0, 40, 4):
        part = oracle.part_of(clip, max(start - 1, 0), start + 4, min(start, 1))
        mediation = mediator.prepare(part, carry)
        for again in range(3):
            mediation(estimate(4, seed=again), 0.5)
        carry = mediation.carry()
        sizes = [np.size(getattr(carry, slot.name)) for slot in fields(MedmCarry)]
        assert max(sizes) <= 3 * SIDE * SIDE


@pytest.mark.parametrize("what", ["frame", "size", "kind"])
def test_a_carry_that_does_not_fit_is_refused(what):
    clip, held = moving(6)
    mediator = medm.build(correspond=held)
    carry = mediator.prepare(oracle.part_of(clip, 0, 3, 0), None).carry()
    if what == "frame":
        clip, message = oracle.part_of(clip, 3, 6, 1), "frame 2 .* continues frame 3"
    elif what == "size":
        small = oracle.clip_of(clip.pixels[:, :8, :8], lead=3)
        clip, message = small, r"size \(24, 24\), .* size \(8, 8\)"
    else:
        carry, message = Carry(), "must come from medm, got Carry"
        clip = oracle.part_of(clip, 2, 6, 1)
    with pytest.raises(ValueError, match=message):
        mediator.prepare(clip, carry)


# The rest.


def lower(clip, rows):
    """A clip of a square without what is below so many rows."""
    small = {name: getattr(clip, name)[:, :rows] for name in ("pixels", "context", "hidden")}
    return replace(clip, **small, mask=clip.mask[:, :rows])


@pytest.mark.parametrize("step", [(1.0, 0.5), (-1.5, -1.0)], ids=str)
def test_a_picture_wider_than_high_is_a_square_whose_rest_takes_no_part(step):
    rows, mask = 16, np.zeros((9, SIDE, SIDE), np.float32)
    mask[:, :rows] = 1
    clip, held = moving(9, step, mask)
    found = held.found.values()
    flat = oracle.Held([replace(m, grid=m.grid[:rows], valid=m.valid[:rows]) for m in found])
    x = estimate(9) * 0.3
    carries: list[Carry | None] = [None, None]
    for start, stop, lead in ((0, 5, 0), (3, 9, 2)):
        part = oracle.part_of(clip, start, stop, lead)
        whole = medm.build(correspond=held).prepare(part, carries[0])
        own = medm.build(correspond=flat).prepare(lower(part, rows), carries[1])
        new = x[start + lead : stop]
        assert torch.equal(whole(new, 0.5)[:, :, :rows], own(new[:, :, :rows], 0.5))
        assert not torch.equal(whole(new, 0.5), new)
        shape = (len(new), 2, SIDE // 2, SIDE // 2)
        noise = own.noise((*shape[:2], rows // 2, shape[3]), 3)
        assert torch.equal(whole.noise(shape, 3)[:, :, : rows // 2], noise)
        carries = [whole.carry(), own.carry()]


def test_warp_error_falls_with_the_strength():
    clip, held = moving(8, (1.0, 0.0))
    mediation, x = planned(medm.build(correspond=held), clip), estimate(8)
    errors = []
    for w in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = x.lerp(mediation(x, 1.0), w)
        errors.append(float((y[1:, :, :, 1:] - y[:-1, :, :, :-1]).square().mean()))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-9 < errors[0]


def test_a_window_is_handed_on():
    clip, held = moving(6, (0.0, 0.0))
    mediation = medm.build(correspond=held, window=3).prepare(clip, None)
    x = estimate(6)
    torch.testing.assert_close(mediation(x, 1.0)[2], x[1:4].mean(0))


def test_the_average_is_handed_on():
    clip, held = moving(5, (0.0, 0.0))
    mediation = medm.build(correspond=held, average="median").prepare(clip, None)
    x = estimate(5)
    torch.testing.assert_close(mediation(x, 1.0), x.median(0).values.expand_as(x))


@pytest.mark.parametrize(
    "options",
    [
        {"flow": "raft9"},
        {"rule": "hope"},
        {"window": 0},
        {"average": "mode"},
        {"average": "median", "window": 3},
    ],
    ids=lambda o: "+".join(o),
)
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(ValueError, match=r"raft9|hope|at least 1|mode|leave window out"):
        medm.build(**options)


def test_crops_of_another_shape_are_refused():
    clip, held = moving(3)
    with pytest.raises(ValueError, match=r"crops must be \(3, 3, 24, 24\), got \(2, 3, 24, 24\)"):
        planned(medm.build(correspond=held), clip)(estimate(2), 1.0)


def test_nothing_shows_a_face_when_printed():
    second, carry, _ = carried_to_second()
    assert len(repr(carry)) < 200
    assert len(repr(second)) < 2000


def test_ids_of_one_frame_are_coded_without_matches():
    start, count = key(np.ones((4, 4), bool))
    assert encode(start, count, [], []).frames == (start,)
