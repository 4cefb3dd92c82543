from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from diffusers import DDIMScheduler, PNDMScheduler
from hypothesis import given
from hypothesis import strategies as st

from anonymizer.diffusion.schedule import (
    Schedule,
    Spacing,
    ddim_sigmas,
    ddim_timesteps,
    descent,
    sigma_from_timestep,
    sigmas_from_alphas,
    timestep_from_sigma,
)

COSINE = {"beta_schedule": "squaredcos_cap_v2", "prediction_type": "v_prediction"}
SCHEDULE = Schedule.from_config(COSINE)


def test_sigmas_are_noise_over_signal() -> None:
    alphas = torch.tensor([0.8, 0.5, 0.1])
    expected = [(0.2 / 0.8) ** 0.5, 1.0, 3.0]
    assert sigmas_from_alphas(alphas).tolist() == pytest.approx(expected, rel=1e-6)


def test_config_of_another_sampler_is_understood() -> None:
    config = dict(PNDMScheduler(beta_schedule="scaled_linear", steps_offset=1).config)
    schedule = Schedule.from_config(config)
    expected = DDIMScheduler(beta_schedule="scaled_linear").alphas_cumprod
    assert torch.equal(schedule.sigmas, sigmas_from_alphas(expected))
    assert (schedule.prediction, schedule.spacing, schedule.offset) == ("epsilon", "leading", 1)


def test_a_schedule_that_ends_in_pure_noise_stays_finite() -> None:
    schedule = Schedule.from_config({"rescale_betas_zero_snr": True})
    assert torch.isfinite(schedule.sigmas).all()
    assert schedule.sigmas[-1] == pytest.approx(1e5)


@pytest.mark.parametrize("key", ["prediction_type", "timestep_spacing"])
def test_unknown_words_are_refused(key: str) -> None:
    with pytest.raises(ValueError, match="'flow' is not one of"):
        Schedule.from_config({key: "flow"})


@given(st.floats(0, 999))
def test_timesteps_and_sigmas_are_inverse(timestep: float) -> None:
    sigma = sigma_from_timestep(SCHEDULE.sigmas, timestep)
    assert timestep_from_sigma(SCHEDULE.sigmas, sigma) == pytest.approx(timestep, abs=1e-6)


def test_sigmas_of_the_table_have_whole_timesteps() -> None:
    times = [timestep_from_sigma(SCHEDULE.sigmas, float(sigma)) for sigma in SCHEDULE.sigmas[::37]]
    assert times == pytest.approx(list(range(0, 1000, 37)), abs=1e-9)


def test_sigmas_outside_the_table_take_its_ends() -> None:
    assert timestep_from_sigma(SCHEDULE.sigmas, 1e-9) == 0
    assert timestep_from_sigma(SCHEDULE.sigmas, 1e9) == 999


@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
@pytest.mark.parametrize("steps", [1, 4, 7, 20, 1000])
def test_timesteps_are_those_of_diffusers(spacing: Spacing, steps: int) -> None:
    scheduler = DDIMScheduler(timestep_spacing=spacing)
    scheduler.set_timesteps(steps)
    assert ddim_timesteps(1000, steps, spacing=spacing) == scheduler.timesteps.tolist()


def test_offset_moves_leading_timesteps() -> None:
    scheduler = DDIMScheduler(timestep_spacing="leading", steps_offset=1)
    scheduler.set_timesteps(20)
    assert ddim_timesteps(1000, 20, offset=1) == scheduler.timesteps.tolist()


def test_strength_drops_the_first_steps() -> None:
    whole = ddim_sigmas(SCHEDULE, 20)
    half = ddim_sigmas(SCHEDULE, 20, 0.5)
    assert (len(whole), len(half)) == (21, 11)  # medm.md 5.3: ten steps are left, nine are mediated
    assert half == whole[10:]
    assert whole[-1] == 0
    assert len(ddim_sigmas(SCHEDULE, 20, 0.01)) == 2


def test_descent_takes_even_steps_from_its_start() -> None:
    sigmas = descent(SCHEDULE, 0.7, 4)
    times = [timestep_from_sigma(SCHEDULE.sigmas, sigma) for sigma in sigmas[:-1]]
    assert times == pytest.approx([699, 524, 350, 175], abs=0.51)
    assert sigmas[-1] == 0
    assert descent(SCHEDULE, 1.0, 1) == [float(SCHEDULE.sigmas[-1]), 0.0]


@given(st.floats(0.001, 1), st.integers(1, 50))
def test_descents_fall(start: float, steps: int) -> None:
    sigmas = descent(SCHEDULE, start, steps)
    assert len(sigmas) == steps + 1
    assert all(high >= low for high, low in pairwise(sigmas))


def test_values_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"steps must be in 1\.\.1000, got 0"):
        ddim_sigmas(SCHEDULE, 0)
    with pytest.raises(ValueError, match="strength"):
        ddim_sigmas(SCHEDULE, 5, 0)
    with pytest.raises(ValueError, match=r"got 1\.5 and 4"):
        descent(SCHEDULE, 1.5, 4)
    with pytest.raises(ValueError, match=r"got 0\.5 and 0"):
        descent(SCHEDULE, 0.5, 0)
