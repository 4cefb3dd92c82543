"""Frames of earlier chunks beside the new ones; numbers are those of our notes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from anonymizer import shots
from anonymizer.data import Carry
from mediators._anchors import joined, row, without
from tests import factories
from tests.mediators import oracle, tokens
from tests.mediators.loops import (
    LATENTS,
    OFF,
    SIZE,
    Looking,
    made,
    painted,
    sampled,
)
from tests.mediators.tokens import Moving


@pytest.fixture(scope="module")
def unet():
    return tokens.text_unet()


# Anchors.


def chunks(model, count=3, lead=2, carry_all=True, **options):
    """(mediation, latents that the model was given at each call) of three chunks of four crops."""
    found, carry = [], None
    motion = tokens.drifting()
    for at in range(count):
        start = 4 * at
        before = lead if at else 0
        whole = tokens.seen(tokens.frames(12, 3, SIZE))
        clip = oracle.part_of(whole, start - before, start + 4, before)
        mediation = made(clip, motion, carry if carry_all else None, **options)
        seen: list[Any] = []
        result = watched(model, mediation, seen)
        found.append((mediation, seen, result))
        carry = mediation.carry()
    return found


@torch.no_grad()
def watched(model, mediation, seen):
    count = len(mediation.clip.indices) - len(mediation.anchors)
    x = tokens.noise(count, *LATENTS, seed=mediation.clip.indices[-1])
    with mediation.attach(model, Looking(model, x + 1)):
        keep = model.register_forward_pre_hook(
            lambda _, args, named: seen.append((args[1], args[0].clone())), with_kwargs=True
        )
        result = sampled(model, x)
        keep.remove()
    return result


def test_20_anchors_are_shown_as_they_were_at_every_step_bitwise(unet):
    (_, first, _), (two, second, _), (three, third, _) = chunks(unet)
    assert len(first[0][1]) == 2 * 4
    assert len(second[0][1]) == len(third[0][1]) == 2 * 6
    for (t0, x0), (t1, x1), (t2, x2) in zip(first, second, third, strict=True):
        assert t0 == t1 == t2
        for g in (0, 1):
            one, new, newer = x0[4 * g :][:4], x1[6 * g :][:6], x2[6 * g :][:6]
            assert torch.equal(new[:2], one[[0, 3]])
            assert torch.equal(newer[0], one[0])
            assert torch.equal(newer[1], new[5])
    assert two.clip.indices == (0, 3, 4, 5, 6, 7)
    assert three.clip.indices == (0, 7, 8, 9, 10, 11)


def test_20_anchors_act_through_what_frames_have_in_common_only(unet):
    def second(**options):
        shown, alone = (
            chunks(unet, 2, carry_all=carry, **options)[1][2] for carry in (True, False)
        )
        return float((shown - alone).abs().max())

    assert second(**OFF) == 0
    assert second(**(OFF | {"spatial_attention": True})) < 1e-5
    for name in ("cross_frame", "temporal_attention", "temporal_loss"):
        assert second(**(OFF | {name: True})) > 1e-4
    assert second(**(OFF | {"cross_frame": True, "anchors": False})) == 0


def test_a_track_of_one_crop_has_one_anchor(unet):
    whole = tokens.seen(tokens.frames(5, 3, SIZE))
    first = made(oracle.part_of(whole, 0, 1, 0))
    painted(unet, first)
    second = made(oracle.part_of(whole, 0, 4, 1), carry=first.carry())
    assert second.clip.indices == (0, 1, 2, 3)
    assert len(second.anchors) == 1
    painted(unet, second)
    assert second.carry().first.indices == (0,)
    assert second.carry().index == 3


def test_the_first_crop_is_seated_anew_when_nothing_of_it_is_left(unet):
    whole = tokens.seen(tokens.frames(12, 3, SIZE))
    first = made(oracle.part_of(whole, 0, 4, 0), Moving())
    painted(unet, first)
    hidden = np.ones(SIZE, bool)
    second = made(oracle.part_of(whole, 2, 8, 2), Moving(holes={(3, 0): hidden}), first.carry())
    painted(unet, second)
    assert second.carry().first.indices == (4,)
    assert second.carry().shown[0] is second.kept[0]
    near = made(oracle.part_of(whole, 2, 8, 2), Moving(), first.carry())
    painted(unet, near)
    assert near.carry().first.indices == (0,)
    assert near.carry().shown[0] is first.kept[0]


def test_anchors_need_the_steps_they_were_painted_in(unet):
    whole = tokens.seen(tokens.frames(12, 3, SIZE))
    first = made(oracle.part_of(whole, 0, 4, 0))
    painted(unet, first)
    second = made(oracle.part_of(whole, 3, 8, 1), carry=first.carry())
    with pytest.raises(ValueError, match=r"not painted at timestep 333.0; use the same steps"):
        painted(unet, second, times=(333, 1))


def test_without_being_attached_or_without_anchors_nothing_is_carried(unet):
    assert made().carry() is None
    mediation = made(anchors=False)
    painted(unet, mediation)
    assert mediation.carry() is None


@pytest.mark.parametrize("what", ["frame", "size", "kind"])
def test_a_carry_that_does_not_fit_is_refused(unet, what):
    whole = tokens.seen(tokens.frames(12, 3, SIZE))
    first = made(oracle.part_of(whole, 0, 4, 0))
    painted(unet, first)
    carry, clip, message = first.carry(), oracle.part_of(whole, 3, 8, 1), ""
    if what == "frame":
        clip, message = oracle.part_of(whole, 4, 8, 1), "frame 3 .* continues frame 4"
    elif what == "size":
        small = tokens.seen(tokens.frames(12, 3, (32, 64)))
        clip, message = oracle.part_of(small, 3, 8, 1), r"size \(64, 128\), .* size \(32, 64\)"
    else:
        carry, message = Carry(), "must come from fresco, got Carry"
    with pytest.raises(ValueError, match=message):
        made(clip, carry=carry)


def test_models_may_answer_with_a_tuple_or_a_tensor():
    values = tokens.noise(2 * 6, 3)
    expected = torch.cat([values[2:6], values[8:]])
    assert torch.equal(without(values, 4, 2), expected)
    tensor, rest = without((values, "rest"), 4, 2)
    assert torch.equal(tensor, expected)
    assert rest == "rest"
    assert without(values, 12, 0) is values


def test_anchors_have_a_row_in_every_tensor_of_the_arguments():
    """Lists and mappings too, as SDXL and control networks have them; what has no rows stays."""
    scale = torch.ones(3)
    call: Any = {"told": [tokens.noise(4, 2), tokens.noise(4, 5)], "flag": True, "scale": scale}
    rows = [row(call, 4, 2, at) for at in (0, 1)]
    whole = joined(call, 4, 2, rows)
    for part, own in zip(whole["told"], call["told"], strict=True):
        assert torch.equal(part, own[[0, 1, 0, 1, 2, 3, 2, 3]])
    assert whole["scale"] is scale
    assert whole["flag"] is True
    assert joined(call, 4, 2, []) is call


# Chunks.


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 7])
def test_23_every_frame_is_painted_once_in_chunks_of_any_length(unet, length):
    film = factories.frames(8)
    whole = tokens.seen(tokens.frames(8, 3, SIZE))
    carry, written = None, []
    for chunk in shots.chunks(film, (0,), length=length, overlap=min(2, length - 1)):
        first = chunk.frames[0].index
        clip = oracle.part_of(whole, first, chunk.frames[-1].index + 1, chunk.lead)
        mediation = made(clip, Moving(), carry, iterations=1)
        result = painted(unet, mediation, times=(701, 1))
        written += list(clip.indices[clip.lead :])
        assert len(result) == len(clip.indices) - clip.lead
        carry = mediation.carry()
    assert written == list(range(8))
