"""What every mediator promises; a new one joins by its file."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import mediators
from anonymizer.errors import UnknownPart, UsageError
from tests import factories
from tests.mediators import tokens

NAMES = [*mediators.available(), "medm+fresco"]


@pytest.fixture(params=NAMES)
def mediator(request):
    return mediators.united(request.param, {})


def estimate(n, side=32, seed=0):
    return torch.randn((n, 3, side, side), generator=torch.Generator().manual_seed(seed))


def test_there_are_mediators():
    assert {"fresco", "medm", "none"} <= set(NAMES)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(UnknownPart, match=r"'what'.*fresco, medm, none"):
        mediators.load("what", {})


def test_two_that_work_together_are_named_in_any_order():
    assert mediators.named("fresco+medm") == mediators.named("medm+fresco") == ["medm", "fresco"]
    assert mediators.named("none") == ["none"]


@pytest.mark.parametrize("names", ["medm+none", "medm+medm", "fresco+medm+none", "fresco+fresco"])
def test_others_cannot_be_joined(names):
    with pytest.raises(UsageError, match=r"cannot be joined; only medm\+fresco work together"):
        mediators.united(names, {})


@pytest.mark.parametrize("names", ["medm+what", "+medm", "what"])
def test_unknown_names_are_told_also_where_they_are_joined(names):
    with pytest.raises(UnknownPart, match="available: fresco, medm, none"):
        mediators.united(names, {})


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_shape_and_type_are_kept_and_the_input_is_left_alone(mediator, dtype):
    x = estimate(4).to(dtype)
    result = mediator.prepare(factories.clip(4), None)(x, 1.0)
    assert (result.shape, result.dtype) == (x.shape, dtype)
    assert torch.equal(x, estimate(4).to(dtype))


def test_a_constant_clip_is_a_fixed_point_bitwise(mediator):
    x = torch.tensor([0.3, -0.9, 0.0]).view(1, 3, 1, 1).expand(4, 3, 32, 32).contiguous()
    assert torch.equal(mediator.prepare(factories.clip(4), None)(x, 1.0), x)


def test_a_single_frame_is_unchanged_bitwise(mediator):
    assert torch.equal(mediator.prepare(factories.clip(1), None)(estimate(1), 1.0), estimate(1))


def test_leading_crops_are_no_part_of_it(mediator):
    mediation = mediator.prepare(factories.clip(6, lead=2), None)
    assert mediation(estimate(4), 1.0).shape == (4, 3, 32, 32)
    assert mediation.noise((4, 2, 8, 8), 1).shape == (4, 2, 8, 8)


def test_noise_is_white_shared_and_named_by_its_seed(mediator):
    mediation = mediator.prepare(factories.clip(4, motion=(0.0, 0.0)), None)
    noise = mediation.noise((4, 6, 16, 16), 5)
    assert noise.dtype == torch.float32
    assert torch.equal(noise, mediation.noise((4, 6, 16, 16), 5))
    assert torch.equal(noise, noise[:1].expand_as(noise))
    assert not torch.equal(noise, mediation.noise((4, 6, 16, 16), 6))
    assert abs(float(noise[0].mean())) < 0.1
    assert abs(float(noise[0].std()) - 1) < 0.1


def test_noise_for_another_number_of_crops_is_refused(mediator):
    with pytest.raises(ValueError, match="must be for 4 crops, got 3"):
        mediator.prepare(factories.clip(4), None).noise((3, 2, 8, 8), 1)


def test_it_is_repeatable_bitwise(mediator):
    a, b = (mediator.prepare(factories.clip(5), None)(estimate(5), 1.0) for _ in range(2))
    assert torch.equal(a, b)


def test_attaching_changes_no_pixel_level_result_and_leaves_nothing(mediator):
    mediation, model = mediator.prepare(factories.clip(3), None), tokens.plain_unet()
    x, before = tokens.noise(3, 4, 8, 8), mediation(estimate(3), 1.0)
    with torch.no_grad():
        plainly = model(x, 5).sample
        with mediation.attach(model) as attached:
            assert attached is None
            assert torch.equal(mediation(estimate(3), 1.0), before)
            inside = model(x, 5).sample
        assert torch.equal(model(x, 5).sample, plainly)
    assert torch.equal(inside, plainly) != mediation.together


def test_what_is_carried_is_taken_by_the_next_chunk(mediator):
    first = mediator.prepare(factories.clip(5), None)
    carry = first.carry()
    second = mediator.prepare(factories.clip(4, lead=2, start=3), carry)
    assert torch.isfinite(second(estimate(2), 0.5)).all()


def test_pixels_outside_the_mask_keep_their_bits(mediator):
    clip = factories.clip(4)
    outside = torch.from_numpy(np.asarray(clip.mask == 0))[:, None].expand(4, 3, 32, 32)
    result = mediator.prepare(clip, None)(estimate(4), 1.0)
    assert torch.equal(result[outside], estimate(4)[outside])
