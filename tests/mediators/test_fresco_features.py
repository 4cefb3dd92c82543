"""The optimisation of features; numbers are those of section 13 of our notes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own name for it

from mediators import _likeness
from mediators._difference import FLAT, Differences
from mediators._likeness import Likeness
from mediators._links import Links
from mediators._optimise import Descent, _losses, _moments, descended, optimised
from tests.mediators import tokens
from tests.mediators.tokens import GRID, SIZE, TOKENS, G, Moving, N

B, WIDTH = G * N, 7
EVERY = torch.ones(N, TOKENS, dtype=torch.bool)
HOW = Descent()


def likeness_of(features, rows=None, columns=None):
    whole = torch.ones(len(features), TOKENS, dtype=torch.bool)
    flat = features.flatten(2).transpose(1, 2)
    return Likeness(flat, whole if rows is None else rows, whole if columns is None else columns)


def differences_of(motion):
    found = Differences.of(Links.of(tokens.seen(tokens.frames()), motion), GRID)
    assert found is not None
    return found


PAN = differences_of(Moving((8.0, -16.0)))


def clean():
    """Features (B, C, h, w) of a pattern that moves by whole tokens, as `PAN` does."""
    row, column = np.indices(GRID)
    conditions = []
    for g in range(G):
        wide = torch.nn.functional.avg_pool2d(tokens.noise(WIDTH, 40, 40, seed=g), 3, 1, 1) * 6
        conditions += [wide[:, 10 + row + 2 * i, 12 + column - i] for i in range(N)]
    return torch.stack(conditions)


def losses(features, likeness, differences=PAN):
    flat = features.flatten(2).transpose(1, 2).contiguous()
    groups = flat.reshape(G, N * TOKENS, WIDTH)
    along = sum(differences.loss(group)[0] for group in groups) / G
    return HOW.temporal * along, HOW.spatial * likeness.loss(flat)[0]


def gram(features):
    unit = F.normalize(features.flatten(2).transpose(1, 2), dim=2)
    return unit @ unit.transpose(1, 2)


def test_10_likeness_is_a_matrix_of_cosines_in_full_precision():
    """A half precision reference of a size whose squares overflow."""
    reference = (tokens.noise(2, 1280, *GRID) * 300).half()
    target = gram(reference.float())
    assert target.dtype == torch.float32
    assert (target.diagonal(dim1=1, dim2=2) - 1).abs().max() < 1e-5
    assert torch.equal(target, target.transpose(1, 2))
    assert target.abs().max() <= 1 + 1e-5
    loss, gradient = likeness_of(reference).loss(reference.float().flatten(2).transpose(1, 2))
    assert loss < 1e-5
    assert torch.isfinite(gradient).all()
    far, _ = likeness_of(reference).loss(tokens.noise(2, TOKENS, 1280))
    assert far == pytest.approx(
        float(
            (gram(tokens.noise(2, TOKENS, 1280).transpose(1, 2)[..., None]) - target).abs().mean()
        ),
        rel=1e-4,
    )


def autograd_likeness(z, reference, rows, columns):
    z = z.clone().requires_grad_()
    unit, target = F.normalize(z, dim=2), F.normalize(reference, dim=2)
    differ = unit @ unit.transpose(1, 2) - target @ target.transpose(1, 2)
    used = rows[:, :, None] & columns[:, None]
    counted = used & (differ.detach().abs() >= FLAT)
    loss = (differ * counted).abs().sum() / used.sum()
    loss.backward()
    return float(loss.detach()), z.grad


@pytest.mark.parametrize("block", [512, 7], ids=["one block", "many"])
@pytest.mark.parametrize("kind", ["all", "rows", "both"])
def test_14_the_closed_form_is_the_gradient_of_autograd(kind, block, monkeypatch):
    monkeypatch.setattr(_likeness, "BLOCK", block)
    z, reference = tokens.noise(B, TOKENS, WIDTH), tokens.noise(B, TOKENS, WIDTH, seed=2)
    rows, columns = torch.ones(2, B, TOKENS, dtype=torch.bool)
    if kind != "all":
        rows = tokens.noise(B, TOKENS, seed=3) > 0.4
    if kind == "both":
        columns = tokens.noise(B, TOKENS, seed=4) > -0.2
        rows = rows & columns
    loss, gradient = Likeness(reference, rows, columns).loss(z)
    expected, slope = autograd_likeness(z, reference, rows, columns)
    assert loss == pytest.approx(expected, rel=1e-5)
    assert (gradient - slope).norm() / slope.norm() < 1e-5
    along = (z * gradient).sum(-1) / (z.norm(dim=-1) * gradient.norm(dim=-1)).clamp_min(1e-12)
    assert along.abs().max() < 1e-4


def test_12_noise_on_features_is_led_away():
    good = clean()
    likeness = likeness_of(good)
    noisy = good + 0.5 * tokens.noise(*good.shape, seed=8)
    how = replace(HOW, rate=0.05)
    result = optimised(noisy, PAN, likeness, EVERY, how)
    before, after = losses(noisy, likeness), losses(result, likeness)
    assert after[0] < before[0]
    assert after[1] < before[1]
    assert (result - good).norm() < (noisy - good).norm()


def test_12_the_loss_falls_to_less_than_a_third_before_spreads_are_restored():
    good = clean()
    likeness = likeness_of(good)
    noisy = good + 0.5 * tokens.noise(*good.shape, seed=8)
    flat = noisy.flatten(2).transpose(1, 2).contiguous()
    seen = []

    def slope(z):
        loss, gradient = _losses(z, PAN, likeness, N, HOW)
        seen.append(loss)
        return loss, gradient

    best = descended(flat, slope, replace(HOW, rate=0.05))
    assert len(seen) == HOW.iterations + 1
    assert min(seen) < 0.3 * seen[0]
    assert sum(losses(best.transpose(1, 2).reshape(noisy.shape), likeness)) == pytest.approx(
        min(seen)
    )


def test_adam_is_that_of_pytorch():
    start, target = tokens.noise(2, 5, 3), tokens.noise(2, 5, 3, seed=6) * 3
    expected = start.clone().requires_grad_()
    adam = torch.optim.Adam([expected], lr=0.2)
    for _ in range(20):
        adam.zero_grad()
        ((expected - target) ** 2).sum().backward()
        adam.step()
    got = descended(start, lambda z: (float(((z - target) ** 2).sum()), 2 * (z - target)), HOW)
    torch.testing.assert_close(got, expected.detach(), atol=1e-5, rtol=1e-5)


def test_the_best_place_is_kept_not_the_last():
    start = torch.full((1, 1, 1), 0.3)
    got = descended(start, lambda z: (float(z.abs().sum()), z.sign()), replace(HOW, iterations=3))
    assert 0 <= float(got.abs()) < 0.15
    worse = descended(start, lambda z: (1 + float((z - 0.3).abs()), torch.ones_like(z)), HOW)
    assert worse is start


def test_13_what_is_hidden_and_no_source_keeps_its_bits_until_spreads_are_restored():
    corner = np.zeros(SIZE, bool)
    corner[:24, :40] = True
    apart = differences_of(Moving(holes={(a, b): corner for a in range(N) for b in range(N)}))
    features = tokens.noise(B, WIDTH, *GRID)
    flat = features.flatten(2).transpose(1, 2).contiguous()
    best = descended(flat, lambda z: _losses(z, apart, None, N, HOW), HOW)
    moved = (best != flat).any(-1).reshape(B, *GRID)
    assert not moved[:, :3, :5].any()
    assert moved[:, 3:].all()


def test_15_means_and_spreads_are_restored():
    noisy = clean() + 0.5 * tokens.noise(B, WIDTH, *GRID, seed=8)
    result = optimised(noisy, PAN, likeness_of(clean()), EVERY, HOW)
    assert (result - noisy).abs().max() > 0.1
    for moment in (torch.mean, torch.std):
        got, wanted = (moment(x.flatten(2), 2) for x in (result, noisy))
        torch.testing.assert_close(got, wanted, atol=1e-4, rtol=1e-4)


def test_15_in_a_region_they_are_those_of_the_region():
    region = torch.zeros(N, TOKENS, dtype=torch.bool)
    region[:, 12:45] = True
    features = clean() + 0.5 * tokens.noise(B, WIDTH, *GRID, seed=8)
    result = optimised(features, PAN, None, region, HOW)
    for moment in (torch.mean, torch.std):
        got, wanted = (moment(x.flatten(2)[:, :, 12:45], 2) for x in (result, features))
        torch.testing.assert_close(got, wanted, atol=1e-4, rtol=1e-4)


def test_16_outside_of_the_region_every_bit_is_kept():
    region = tokens.noise(N, TOKENS, seed=3) > 0.5
    region[1] = False
    region[2] = False
    region[2, 5] = True  # too few for a spread
    features = (clean() + 0.5 * tokens.noise(B, WIDTH, *GRID, seed=8)).to(torch.bfloat16)
    likeness = likeness_of(clean(), region.repeat(G, 1))
    result = optimised(features, PAN, likeness, region, HOW)
    same = (result == features).all(1).flatten(1)
    inside = region.repeat(G, 1)
    assert result.dtype == torch.bfloat16
    assert same[~inside].all()
    assert same[2::N].all()
    assert not same[inside & ~same].any()
    assert (~same)[inside].float().mean() > 0.9


def test_tokens_outside_of_the_region_stand_still_while_the_others_move():
    region = tokens.noise(N, TOKENS, seed=3) > 0
    features = clean() + 0.5 * tokens.noise(B, WIDTH, *GRID, seed=8)
    flat = features.flatten(2).transpose(1, 2).contiguous()
    free = region.repeat(G, 1)[..., None]

    def slope(z):
        loss, gradient = _losses(z, PAN, None, N, HOW)
        return loss, gradient * free

    best = descended(flat, slope, HOW)
    assert torch.equal(best[~free[..., 0]], flat[~free[..., 0]])
    result = optimised(features, PAN, None, region, HOW).flatten(2).transpose(1, 2)
    for b in range(B):
        inside = region[b % N]
        spread, width = (part[b, inside].std(0) for part in (best, flat))
        moved = best[b, inside] - best[b, inside].mean(0)
        expected = moved / spread * width + flat[b, inside].mean(0)
        torch.testing.assert_close(result[b, inside], expected, atol=1e-3, rtol=1e-3)


def test_spreads_are_those_of_a_sample():
    values = tokens.noise(2, TOKENS, 3)
    free = torch.ones(2, TOKENS, 1, dtype=torch.bool)
    mean, spread = _moments(values, free, free.sum(1, keepdim=True))
    torch.testing.assert_close(mean, values.mean(1, keepdim=True))
    torch.testing.assert_close(spread**2, values.var(1, keepdim=True) + 1e-5)


def test_17_what_agrees_already_is_returned_itself():
    features = clean()
    assert optimised(features, PAN, likeness_of(features), EVERY, HOW) is features
    assert optimised(features, None, None, EVERY, HOW) is features
    noisy = features + 0.1 * tokens.noise(*features.shape)
    assert optimised(noisy, PAN, None, EVERY, replace(HOW, least=1e9)) is noisy
    assert optimised(noisy, PAN, None, EVERY, HOW) is not noisy


def test_17_numbers_that_are_not_finite_are_left_for_the_end_to_refuse():
    features = clean()
    features[0, 0, 0, 0] = torch.nan
    assert optimised(features, PAN, None, EVERY, HOW) is features


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_22_it_runs_in_any_gradient_mode_and_asks_for_no_gradient(mode):
    with mode():
        noisy = clean() + 0.5 * tokens.noise(B, WIDTH, *GRID, seed=8)
        if mode is torch.enable_grad:
            noisy.requires_grad_()
        result = optimised(noisy, PAN, likeness_of(clean()), EVERY, HOW)
        assert not result.requires_grad
        assert not torch.equal(result, noisy.detach())
