"""The three ways of attention; numbers are those of section 13 of our notes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own name for it
from diffusers.models.attention_processor import Attention, AttnProcessor2_0

from mediators._attention import Ways, _along, attended
from mediators._links import Links
from tests.mediators import tokens
from tests.mediators.tokens import GRID, SIZE, TOKENS, G, Moving, N

B = G * N
WIDTH = 12


def level_of(motion, **options):
    return tokens.level(Links.of(tokens.seen(tokens.frames()), motion), **options)


RESTING = level_of(Moving())
WILD = level_of(tokens.random_motion(1))


@pytest.fixture(params=["tokens", "picture", "normed"])
def layer(request):
    """Layers of transformers, of old blocks on (B, C, h, w), and with norms of queries and keys."""
    with torch.random.fork_rng():
        torch.manual_seed(2)
        old = {"norm_num_groups": 4, "residual_connection": True, "rescale_output_factor": 1.5}
        normed = {"qk_norm": "layer_norm"}
        kinds: dict[str, dict[str, Any]] = {"tokens": {}, "picture": old, "normed": normed}
        layer = Attention(WIDTH, heads=3, dim_head=4, bias=True, **kinds[request.param])
    layer.picture = request.param == "picture"
    return layer.requires_grad_(False)


def given(layer, seed=0, alike=False):
    """What the layer is given for all rows; alike: frames of a condition are the same."""
    x = tokens.noise(G, 1 if alike else N, TOKENS, WIDTH, seed=seed) * 2
    x = x.expand(G, N, TOKENS, WIDTH).reshape(B, TOKENS, WIDTH)
    return shaped(layer, x)


def shaped(layer, x):
    return x.transpose(1, 2).reshape(len(x), WIDTH, *GRID) if layer.picture else x


def rows(layer, x):
    """(B, n, C) of what a layer is given or gives."""
    return x.flatten(2).transpose(1, 2) if layer.picture else x


def plain(layer, x):
    return AttnProcessor2_0()(layer, x)


def ways(level=RESTING, cross_frame=False, temporal=False, **options):
    return Ways(level, cross_frame, temporal, **options)


def projected(layer, x):
    """Query, key and value (B, m, n, d)."""
    values = rows(layer, x)
    if layer.group_norm is not None:
        values = layer.group_norm(values.transpose(1, 2)).transpose(1, 2)
    parts = [
        project(values).reshape(len(values), TOKENS, 3, 4).transpose(1, 2)
        for project in (layer.to_q, layer.to_k, layer.to_v)
    ]
    if layer.norm_q is not None:
        parts[:2] = layer.norm_q(parts[0]), layer.norm_k(parts[1])
    return parts


def finished(layer, result, x):
    """The layer's output from heads (B, m, n, d)."""
    out = layer.to_out[0](result.transpose(1, 2).flatten(2))
    out = shaped(layer, out)
    return (out + x if layer.residual_connection else out) / layer.rescale_output_factor


def test_01_with_everything_off_it_is_the_layer_itself_bitwise(layer):
    x = given(layer)
    assert torch.equal(attended(layer, x, ways(WILD)), plain(layer, x))


def test_02_with_nothing_hidden_all_frames_attend_to_the_first_bitwise(layer):
    x = given(layer)
    query, key, value = projected(layer, x)
    first = torch.arange(B) // N * N
    result = F.scaled_dot_product_attention(query, key[first], value[first])
    assert torch.equal(attended(layer, x, ways(cross_frame=True)), finished(layer, result, x))


def test_02_a_token_that_was_hidden_is_attended_to_as_well(layer):
    hole = np.zeros(SIZE, bool)
    hole[16:24, 8:16] = True
    level = level_of(Moving(holes={(2, 1): hole}))
    x, extra = given(layer), 2 * GRID[1] + 1
    query, key, value = projected(layer, x)
    for b in range(B):
        g = b // N * N
        known, told = (
            torch.cat([part[g], part[g + 2][:, extra : extra + 1]], 1)[None]
            for part in (key, value)
        )
        result = F.scaled_dot_product_attention(query[b : b + 1], known, told)
        got = attended(layer, x, ways(level, cross_frame=True))[b : b + 1]
        torch.testing.assert_close(got, finished(layer, result, x[b : b + 1]), atol=1e-5, rtol=0)


def test_03_frames_that_are_alike_change_nothing_bitwise(layer):
    x = given(layer, alike=True)
    for options in (
        {"cross_frame": True},
        {"temporal": True},
        {"cross_frame": True, "temporal": True},
    ):
        assert torch.equal(attended(layer, x, ways(**options)), plain(layer, x))


def test_04_without_motion_a_value_reaches_the_same_place_of_all_frames_and_no_other(layer):
    x, at = given(layer), 17
    query, key, value = projected(layer, x)
    moved = value.clone()
    moved[1, :, at] += 3
    before, after = (_along(query, key, part, RESTING, 0.2) for part in (value, moved))
    changed = (before != after).any(-1).any(1).nonzero().tolist()
    assert changed == [[i, at] for i in range(N)]


def test_05_without_links_the_temporal_way_does_nothing(layer):
    every = np.ones(SIZE, bool)
    alone = level_of(Moving(holes={(a, b): every for a in range(N) for b in range(N)}))
    x = given(layer)
    assert alone.together.sum() == TOKENS * N
    got = attended(layer, x, ways(alone, temporal=True))
    torch.testing.assert_close(got, plain(layer, x), atol=1e-6, rtol=0)


def test_05_outputs_are_between_the_values_on_a_trajectory(layer):
    query, key, value = projected(layer, given(layer))
    result = _along(query, key, value, WILD, 0.2)
    for g in range(G):
        for j in range(TOKENS):
            for i in range(N):
                friends = WILD.together[j, 0, i].nonzero()[:, 0]
                pool = torch.stack([value[g * N + k, :, WILD.tokens[k, j]] for k in friends])
                mine = result[g * N + i, :, WILD.tokens[i, j]]
                assert (mine <= pool.amax(0) + 1e-6).all()
                assert (mine >= pool.amin(0) - 1e-6).all()


def test_the_temporal_way_is_the_notes(layer):
    x = given(layer)
    query, key, value = projected(layer, x)
    y = F.scaled_dot_product_attention(query, key, value)
    expected = y.clone()
    for g in range(G):
        for j in range(TOKENS):
            where = [(g * N + i, int(WILD.tokens[i, j])) for i in range(N)]
            for m in range(3):
                q, k, v = (
                    torch.stack([part[b, m, t] for b, t in where]) for part in (query, key, y)
                )
                scores = 0.2 * q @ k.T / 2
                weight = scores.masked_fill(~WILD.together[j, 0], -torch.inf).softmax(1)
                for (b, t), z in zip(where, weight @ v, strict=True):
                    expected[b, m, t] = z
    got = attended(layer, x, ways(WILD, temporal=True))
    torch.testing.assert_close(got, finished(layer, expected, x), atol=1e-5, rtol=0)
    assert (got - plain(layer, x)).abs().max() > 0.01


def test_the_temporal_way_follows_the_layers_own_queries_on_what_the_others_made(layer):
    """Smoothed queries and the keys of all frames are for the main attention only."""
    x, reference = given(layer), rows(layer, given(layer, seed=5))
    query, key, value = projected(layer, x)
    first = torch.arange(B) // N * N
    asked = smoothed(layer, query, reference, 0.2)
    y = F.scaled_dot_product_attention(asked, key[first], value[first])
    expected = finished(layer, _along(query, key, y, RESTING, 0.2), x)
    got = attended(layer, x, ways(cross_frame=True, temporal=True, reference=reference))
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)


def smoothed(layer, query, reference, sharpness):
    seen = [
        project(reference).reshape(B, TOKENS, 3, 4).transpose(1, 2)
        for project in (layer.to_q, layer.to_k)
    ]
    if layer.norm_q is not None:
        seen = [layer.norm_q(seen[0]), layer.norm_k(seen[1])]
    weight = (sharpness * seen[0] @ seen[1].transpose(2, 3) / 2).softmax(-1)
    return weight @ query


def test_08_tokens_that_are_alike_only_to_themselves_keep_their_queries():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        layer = Attention(TOKENS, heads=1, dim_head=TOKENS).requires_grad_(False)
    layer.to_q.weight.copy_(torch.eye(TOKENS))
    layer.to_k.weight.copy_(torch.eye(TOKENS))
    x = tokens.noise(B, TOKENS, TOKENS)
    reference = torch.eye(TOKENS).expand(B, -1, -1)
    got = attended(layer, x, ways(reference=reference, sharpness=1e4))
    torch.testing.assert_close(got, AttnProcessor2_0()(layer, x), atol=1e-5, rtol=0)
    flat = attended(layer, x, ways(reference=reference, sharpness=1e-9))
    mean = layer.to_q(x).mean(1, keepdim=True).expand_as(x)
    result = F.scaled_dot_product_attention(
        mean[:, None], layer.to_k(x)[:, None], layer.to_v(x)[:, None]
    )
    torch.testing.assert_close(flat, layer.to_out[0](result[:, 0]), atol=1e-5, rtol=0)


def test_smoothing_averages_queries_by_the_likeness_of_the_reference(layer):
    x, reference = given(layer), rows(layer, given(layer, seed=5))
    query, key, value = projected(layer, x)
    result = F.scaled_dot_product_attention(smoothed(layer, query, reference, 0.2), key, value)
    got = attended(layer, x, ways(reference=reference))
    torch.testing.assert_close(got, finished(layer, result, x), atol=1e-5, rtol=0)


def test_smoothing_leaves_out_what_is_closed(layer):
    """Neither do closed tokens change, nor does anything depend on their reference."""
    x, reference = given(layer), rows(layer, given(layer, seed=5)).clone()
    closed = torch.zeros(N, TOKENS, dtype=torch.bool)
    closed[:, 20:33] = True
    closed[3] = True
    some = attended(layer, x, ways(reference=reference, closed=closed))
    reference[closed.repeat(G, 1)] = 50
    assert torch.equal(attended(layer, x, ways(reference=reference, closed=closed)), some)
    untouched = rows(layer, some) - rows(layer, plain(layer, x))
    assert untouched[closed.repeat(G, 1)].abs().max() < 1e-6
    assert untouched[~closed.repeat(G, 1)].abs().max() > 1e-3


def test_09_conditions_do_not_see_each_other(layer):
    every = ways(WILD, True, True, reference=rows(layer, given(layer, seed=5)))
    x = given(layer)
    other = torch.cat([x[:N], given(layer, seed=9)[N:]])
    seen = replace(
        every, reference=torch.cat([every.reference[:N], tokens.noise(N, TOKENS, WIDTH)])
    )
    one, two = attended(layer, x, every), attended(layer, other, seen)
    assert torch.equal(one[:N], two[:N])
    assert not torch.equal(one[N:], two[N:])
