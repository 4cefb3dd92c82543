"""FRESCO in real UNets: hooks, windows, switches; numbers are those of our notes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from mediators import _attention, _guide, _optimise, fresco
from mediators._attention import Ways
from mediators._guide import Guide
from mediators._hooks import installed, layers
from mediators._links import Links
from mediators._switches import Switches
from tests.mediators import tokens
from tests.mediators.loops import (
    LATENTS,
    OFF,
    SIZE,
    TIMES,
    Looking,
    called,
    clip_of,
    made,
    painted,
    sampled,
    text,
)
from tests.mediators.tokens import LEVELS, Moving


@pytest.fixture(scope="module")
def unet():
    return tokens.text_unet()


# Plumbing.


def test_18_what_a_block_is_given_has_the_residual_of_a_control_network(unet):
    guide = Guide(Links.of(clip_of(), Moving()), Switches())
    x, residual = tokens.noise(4, *LATENTS), tokens.noise(8, 16, 1, 2)
    down = [torch.zeros(shape) for shape in skips(unet, x)]
    seen = []
    with torch.no_grad(), installed(unet, guide), guide.look():
        for extra in (residual * 0, residual):
            called(
                unet,
                x,
                1,
                down_block_additional_residuals=down,
                mid_block_additional_residual=extra,
            )
            seen.append(guide.recorded[guide.key[1], "0"])
    torch.testing.assert_close(seen[1] - seen[0], residual, atol=1e-5, rtol=0)


def skips(unet, x):
    """Shapes of the residuals that a control network would add for two conditions."""
    found: list[Any] = []
    handles = [
        block.register_forward_hook(lambda _, __, out: found.extend(part.shape for part in out[1]))
        for block in unet.down_blocks
    ]
    with torch.no_grad():
        called(unet, x, 1)
    for handle in handles:
        handle.remove()
    return [(8, unet.config.block_out_channels[0], *LATENTS[1:]), *found]


@pytest.mark.parametrize("kind", ["text", "plain"])
def test_19_frames_that_are_alike_stay_alike_bitwise(kind):
    """All mechanisms on and at work, two chunks, the second with anchors.

    With its two anchors the second is as long as the first: products of another size round the
    same rows differently on some processors, and each step of Adam follows the sign of that.
    """
    model = tokens.text_unet() if kind == "text" else tokens.plain_unet()
    conditions = text() if kind == "text" else None
    carry = None
    for start, count in ((0, 6), (6, 4)):
        clip = replace(still_clip(count), indices=tuple(range(start, start + count)))
        x, shown = (tokens.noise(1, *LATENTS, seed=s).repeat(count, 1, 1, 1) for s in (1, 2))
        mediation = made(longer(clip) if carry else clip, Moving(), carry)
        result = run(model, mediation, x, conditions, shown)
        assert torch.equal(result, result[:1].expand_as(result))
        assert not torch.equal(result, run(model, None, x, conditions))
        carry = mediation.carry()


def still_clip(count=4):
    """So many times the same crop."""
    clip = clip_of(count)
    same = np.repeat(clip.pixels[:1], count, 0)
    return replace(clip, pixels=same, context=same)


def longer(clip):
    """With one crop that was painted before."""
    whole = fresco._after(fresco._one(clip, 0), clip)
    return replace(whole, indices=(clip.indices[0] - 1, *clip.indices), lead=1)


@torch.no_grad()
def run(model, mediation, x, conditions, shown=None):
    """The loop for a model with a text or without one."""

    def estimate(values, time):
        if conditions is None:
            return model(values, time).sample
        without, told = called(model, values, time, conditions)
        return without + 3 * (told - without)

    class Reference:
        levels, drawn = LEVELS, True

        def look(self):
            estimate(shown, 1)

    def loop(z):
        for time in TIMES:
            z = z - 0.2 * estimate(z, time)
        return z

    if mediation is None:
        return loop(x)
    with mediation.attach(model, Reference()):
        return loop(x)


def test_03_with_frames_that_are_alike_attention_changes_nothing_at_all(unet):
    still = still_clip()
    x = tokens.noise(1, *LATENTS).repeat(4, 1, 1, 1)
    options = {"spatial_attention": False, "temporal_loss": False, "spatial_loss": False}
    with torch.no_grad():
        assert torch.equal(painted(unet, made(still, Moving(), **options), x), sampled(unet, x))


# Installing.


def state(model):
    """All that hooks and processors could leave behind."""
    hooks = (
        "_forward_pre_hooks",
        "_forward_hooks",
        "_forward_pre_hooks_with_kwargs",
        "_forward_hooks_with_kwargs",
    )
    left = [len(getattr(part, name)) for part in model.modules() for name in hooks]
    own = {
        name: id(part.processor)
        for name, part in model.named_modules()
        if hasattr(part, "processor")
    }
    return left, own, set(vars(model)), list(model.state_dict())


def test_21_afterwards_there_is_no_trace_of_it(unet):
    x = tokens.noise(4, *LATENTS)
    before, plainly = state(unet), sampled_plainly(unet, x)
    mediation = made()
    with torch.no_grad(), mediation.attach(unet, Looking(unet, x)):
        inside = sampled(unet, x)
        assert state(unet) != before
    assert state(unet) == before
    assert not torch.equal(inside, plainly)
    assert torch.equal(sampled_plainly(unet, x), plainly)


@torch.no_grad()
def sampled_plainly(unet, x):
    return sampled(unet, x)


@pytest.mark.parametrize("where", ["loop", "look", "model"])
def test_21_nor_after_an_error(unet, where):
    x = tokens.noise(4, *LATENTS)
    before, plainly = state(unet), sampled_plainly(unet, x)
    rows = 3 if where == "look" else 4

    def fails():
        with torch.no_grad(), made().attach(unet, Looking(unet, x[:rows])):
            if where == "model":
                unet(x, 1, encoder_hidden_states=torch.zeros(4, 3, 5))
            raise RuntimeError("stop")

    with pytest.raises((RuntimeError, ValueError)):
        fails()
    assert state(unet) == before
    assert torch.equal(sampled_plainly(unet, x), plainly)


def test_processors_of_others_are_put_back(unet):
    from diffusers.models.attention_processor import AttnProcessor

    name, _, layer = layers(unet.up_blocks)[0]
    other, own = AttnProcessor(), layer.processor
    layer.set_processor(other)
    with made().attach(unet):
        assert layer.processor is not other
    assert layer.processor is other
    layer.set_processor(own)
    assert name.startswith("2.")


def test_with_everything_off_the_model_is_left_alone(unet):
    before = state(unet)
    with made(**OFF).attach(unet):
        assert state(unet) == before


def test_the_finest_blocks_with_self_attention_are_guided():
    names = [name for name, _, _ in layers(tokens.text_unet().up_blocks)]
    assert {name[:2] for name in names} == {"2.", "3."}
    assert all("attn1" in name for name in names)
    assert len(names) == 4
    plain = layers(tokens.plain_unet().up_blocks)
    assert {at for _, at, _ in plain} == {0, 1}


def test_a_model_without_decoder_blocks_is_refused():
    attached = made().attach(torch.nn.Linear(2, 2))
    with pytest.raises(ValueError, match=r"Linear has no up_blocks: .* use the mediator medm"):
        attached.__enter__()


def test_a_call_must_hold_all_crops(unet):
    with (
        pytest.raises(ValueError, match="must hold all 4 crops once per condition, got 6 rows"),
        torch.no_grad(),
        made().attach(unet),
    ):
        called(unet, tokens.noise(3, *LATENTS), 1)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_22_it_runs_without_gradients(unet, mode):
    x = tokens.noise(4, *LATENTS)
    mediation = made()
    with mode(), mediation.attach(unet, Looking(unet, x)):
        result = sampled(unet, x)
    assert torch.isfinite(result).all()
    assert not result.requires_grad


def test_conditions_in_calls_of_their_own_are_the_same_as_in_one(unet):
    """Cosines, queries and anchors are each condition's own."""
    x, shown = tokens.noise(4, *LATENTS), tokens.noise(4, *LATENTS, seed=7)

    def apart(values, time):
        return torch.cat([called(unet, values, time, text()[g : g + 1]) for g in (0, 1)])

    class Apart(Looking):
        def look(self):
            apart(self.latents, 1)

    options = OFF | {"cross_frame": True, "spatial_attention": True, "spatial_loss": True}
    with torch.no_grad():
        with made(**options).attach(unet, Looking(unet, shown)):
            together = [called(unet, x, time) for time in (701, 401)]
        with made(**options).attach(unet, Apart(unet, shown)):
            each = [apart(x, time) for time in (701, 401)]
    for one, two in zip(together, each, strict=True):
        torch.testing.assert_close(one, two, atol=1e-3, rtol=0)
    assert (together[0][0] - together[0][1]).abs().max() > 0.1


# Windows.


@pytest.fixture
def spied(monkeypatch):
    """What layers and blocks did, by the number of the call."""
    done: list[tuple[str, Any]] = []
    attend, optimise = _attention.attended, _optimise.optimised

    def attended(layer, hidden, ways: Ways):
        done.append(("attention", ways))
        return attend(layer, hidden, ways)

    def optimised(features, differences, likeness, region, how):
        done.append(("features", (differences, likeness)))
        return optimise(features, differences, likeness, region, how)

    monkeypatch.setattr(_guide, "attended", attended)
    monkeypatch.setattr(_guide, "optimised", optimised)
    return done


def by_step(model, mediation, done, reference: Any = "own"):
    """What was done at each timestep."""
    steps: dict[int, list[Any]] = {}
    handle = None
    x = tokens.noise(4, *LATENTS)
    reference = Looking(model, x) if reference == "own" else reference
    with torch.no_grad(), mediation.attach(model, reference):
        done.clear()
        handle = model.register_forward_hook(
            lambda _, args, __: (steps.update({args[1]: list(done)}), done.clear())[-1]
        )
        sampled(model, x)
    handle.remove()
    return steps


def test_windows_end_by_the_ratio_of_signal_to_noise(unet, spied):
    steps = by_step(unet, made(motion=Moving()), spied)
    assert list(steps) == list(TIMES)
    for time, done in steps.items():
        ways = [what for kind, what in done if kind == "attention"]
        assert len(ways) == 4
        assert all(way.cross_frame for way in ways)
        assert all(way.temporal == (time >= 350) for way in ways)
        assert all((way.reference is not None) == (time == TIMES[0]) for way in ways)
        features = [what for kind, what in done if kind == "features"]
        assert len(features) == (4 if time >= 250 else 0)
        assert all(along and alike for along, alike in features)


def test_without_a_reference_windows_do_not_end_and_likeness_is_left_alone(unet, spied):
    for done in by_step(unet, made(motion=Moving()), spied, None).values():
        ways = [what for kind, what in done if kind == "attention"]
        assert all(way.temporal and way.reference is None for way in ways)
        features = [what for kind, what in done if kind == "features"]
        assert [(bool(along), alike) for along, alike in features] == [(True, None)] * 4


@pytest.mark.parametrize("name", OFF)
def test_each_mechanism_has_a_switch(unet, spied, name):
    done = by_step(unet, made(motion=Moving(), **(OFF | {name: True})), spied)[TIMES[0]]
    ways = [what for kind, what in done if kind == "attention"]
    features = [what for kind, what in done if kind == "features"]
    on = {
        "cross_frame": any(way.cross_frame for way in ways),
        "temporal_attention": any(way.temporal for way in ways),
        "spatial_attention": any(way.reference is not None for way in ways),
        "temporal_loss": any(along for along, _ in features),
        "spatial_loss": any(alike for _, alike in features),
    }
    assert on == (dict.fromkeys(OFF, False) | {name: True})


def test_after_the_first_step_smoothing_leaves_layers_to_themselves(unet, spied):
    steps = by_step(unet, made(motion=Moving(), **(OFF | {"spatial_attention": True})), spied)
    counts = [sum(kind == "attention" for kind, _ in done) for done in steps.values()]
    assert counts == [4, 0, 0, 0, 0]


def test_grids_that_are_too_fine_are_not_optimised(unet, spied):
    done = by_step(unet, made(motion=Moving(), finest=32, finest_temporal=8), spied)[TIMES[0]]
    features = [what for kind, what in done if kind == "features"]
    assert [(bool(along), bool(alike)) for along, alike in features] == [
        (True, True),
        (True, True),
        (False, True),
    ]


def test_keys_can_be_bounded(unet, spied):
    half = np.zeros(SIZE, bool)
    half[:, :64] = True
    motion = Moving(holes={(1, 0): half, (2, 1): half})
    done = by_step(unet, made(motion=motion, keys=1.5), spied)[TIMES[0]]
    assert {len(way.level.keys) for kind, way in done if kind == "attention"} == {48, 192}


def test_what_only_the_first_step_needs_is_dropped(unet):
    guide = Guide(Links.of(clip_of(), Moving()), Switches(iterations=1), levels=LEVELS)
    x = tokens.noise(4, *LATENTS)
    with torch.no_grad(), installed(unet, guide):
        with guide.look():
            called(unet, x, 1)
        assert sum(not name.isdecimal() for _, name in guide.recorded) == 4
        called(unet, x, 701)
        assert len(guide.recorded) == 8
        called(unet, x, 401)
    assert sorted(name for _, name in guide.recorded) == ["0", "1", "2", "3"]


def test_where_nothing_is_drawn_likeness_leaves_out_what_is_hidden(unet, spied):
    mask = np.zeros((4, *SIZE))
    mask[:, 16:48, 32:64] = 1
    clip = tokens.frames(4, 0, SIZE, mask=mask)
    x = tokens.noise(4, *LATENTS)
    for drawn in (True, False):
        done = by_step(unet, made(clip), spied, Looking(unet, x, drawn))[TIMES[0]]
        ways = [what for kind, what in done if kind == "attention"]
        assert all((way.closed is None) == drawn for way in ways)
        alike = [what[1] for kind, what in done if kind == "features"][-1]
        inside = alike.rows.reshape(2, 4, 8, 16)[..., 2:6, 4:8]
        assert inside.all() if drawn else not inside.any()
        assert alike.columns.all() == drawn
        assert alike.rows.reshape(8, 8, 16)[0].sum() == (36 if drawn else 20)


# The protocol.


def test_noise_is_one_map_for_all_frames_and_chunks():
    first, second = made().noise((4, 2, 8, 8), 3), made(clip_of(4, 9)).noise((4, 2, 8, 8), 3)
    assert first.shape == (4, 2, 8, 8)
    assert torch.equal(first, first[:1].expand_as(first))
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"flow": "raft9"}, ValueError),
        ({"sharpnes": 1}, TypeError),
        ({"cross_frame": 1}, TypeError),
        ({"rate": True}, TypeError),
        ({"rate": -0.1}, ValueError),
        ({"rate": "fast"}, TypeError),
        ({"iterations": 0}, ValueError),
        ({"keys": 0.5}, ValueError),
        ({"sharpness": float("nan")}, ValueError),
    ],
    ids=str,
)
def test_options_that_make_no_sense_are_refused(options, error):
    with pytest.raises(error):
        fresco.build(**options)


def test_nothing_shows_a_face_when_printed(unet):
    mediation = made()
    painted(unet, mediation)
    assert len(repr(mediation)) < 300
    assert len(repr(mediation.carry())) < 300
