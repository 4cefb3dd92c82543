from __future__ import annotations

import pytest
import torch
from diffusers import DDIMScheduler
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from anonymizer.diffusion.model import Condition, LatentModel
from anonymizer.diffusion.sampling import sample_ddim
from anonymizer.diffusion.schedule import Prediction, Schedule, Spacing, ddim_sigmas
from tests.anonymizer.diffusion import tiny


def noise(shape: tuple[int, ...], seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@given(st.lists(st.floats(1e-2, 1e3), min_size=1, max_size=6, unique=True))
def test_exact_when_the_denoiser_knows_the_answer(levels: list[float]) -> None:
    truth = noise((2, 3, 4, 5), 0)
    sigmas = [*sorted(levels, reverse=True), 0.0]
    x = truth + sigmas[0] * noise((2, 3, 4, 5), 1)
    assert torch.equal(sample_ddim(lambda _x, _sigma: truth, x, sigmas), truth)


def test_keeps_the_noise_between_levels() -> None:
    truth, given_noise = noise((1, 2, 3, 4), 0), noise((1, 2, 3, 4), 1)
    x = sample_ddim(lambda _x, _sigma: truth, truth + 5 * given_noise, [5.0, 3.0, 2.0])
    assert torch.allclose(x, truth + 2 * given_noise, atol=1e-5)


def test_asks_once_for_every_level_but_the_final() -> None:
    asked: list[float] = []

    def denoise(x: Tensor, sigma: float) -> Tensor:
        asked.append(sigma)
        return 0.5 * x

    sample_ddim(denoise, noise((1, 1, 2, 3), 0), [4.0, 2.0, 1.0, 0.0])
    assert asked == [4.0, 2.0, 1.0]


def test_no_level_changes_nothing() -> None:
    x = noise((1, 1, 2, 3), 0)
    assert sample_ddim(lambda x, _sigma: x * 0, x, [3.0]) is x


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("spacing", ["leading", "trailing"])
def test_equals_ddim_of_diffusers_step_by_step(prediction: Prediction, spacing: Spacing) -> None:
    """Independent reference: the scheduler's own step around the same network, eta = 0."""
    scheduler = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type=prediction,
        timestep_spacing=spacing,
        clip_sample=False,
        set_alpha_to_one=True,
    )
    scheduler.set_timesteps(10)
    network = tiny.guided_unet()
    told = noise((2, 13, 4, 4), 3)
    scaled = noise((2, 8, 4, 4), 4)
    schedule = Schedule.from_config(scheduler.config)
    sigmas = ddim_sigmas(schedule, 10)
    with torch.no_grad():
        denoise = LatentModel(network, schedule).given(Condition(told))
        ours = sample_ddim(denoise, scaled * (1 + sigmas[0] ** 2) ** 0.5, sigmas)
        for time in scheduler.timesteps:
            output = network(torch.cat([scaled, told], 1), time).sample
            scaled = scheduler.step(output, int(time), scaled).prev_sample
    assert torch.allclose(ours, scaled, atol=2e-4 * float(scaled.abs().max()))
