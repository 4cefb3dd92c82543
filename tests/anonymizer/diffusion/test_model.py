from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from anonymizer.diffusion.model import Condition, LatentModel, x0_from_output
from anonymizer.diffusion.schedule import Prediction, Schedule
from tests.anonymizer.diffusion import tiny

PREDICTIONS: tuple[Prediction, ...] = ("epsilon", "v_prediction", "sample")


def noise(shape: tuple[int, ...], seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def schedule(prediction: Prediction = "epsilon") -> Schedule:
    return Schedule.from_config({"prediction_type": prediction})


class Oracle(nn.Module):
    """A network that knows the clean latents and answers in the terms of its training."""

    dtype = torch.float32

    def __init__(self, truth: Tensor, table: Schedule) -> None:
        super().__init__()
        self.truth, self.table = truth, table

    def forward(self, seen: Tensor, time: int) -> Any:
        sigma = float(self.table.sigmas[time])
        signal, spread = 1 / (1 + sigma**2) ** 0.5, sigma / (1 + sigma**2) ** 0.5
        eps = (seen - signal * self.truth) / spread
        v = signal * eps - spread * self.truth
        return SimpleNamespace(
            sample={"epsilon": eps, "v_prediction": v, "sample": self.truth}[self.table.prediction]
        )


@pytest.mark.parametrize("time", [1, 200, 700, 999])
@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_all_predictions_mean_the_same_x0(prediction: Prediction, time: int) -> None:
    table = schedule(prediction)
    truth, sigma = noise((2, 4, 3, 5), 0), float(table.sigmas[time])
    model = LatentModel(Oracle(truth, table), table)
    x = truth + sigma * noise((2, 4, 3, 5), 1)
    assert torch.allclose(model(x, sigma, Condition()), truth, atol=2e-6 * (1 + sigma**2))


def test_predictions_convert_by_hand() -> None:
    x0, eps, sigma = torch.tensor(0.3), torch.tensor(-1.2), 2.0
    x = x0 + sigma * eps
    v = (eps - sigma * x0) / (1 + sigma**2) ** 0.5
    for prediction, output in zip(PREDICTIONS, (eps, v, x0), strict=True):
        assert float(x0_from_output(output, x, sigma, prediction)) == pytest.approx(0.3, abs=1e-6)


@torch.no_grad()
def test_batches_do_not_change_the_answer() -> None:
    network, table = tiny.guided_unet(), schedule()
    x, told = noise((5, 8, 4, 4), 0), Condition(noise((5, 13, 4, 4), 1))
    whole = LatentModel(network, table, 16)(x, 1.0, told)
    assert torch.allclose(LatentModel(network, table, 2)(x, 1.0, told), whole, atol=1e-5)


@torch.no_grad()
def test_a_network_for_inpainting_takes_mask_and_picture_after_the_noisy_latents() -> None:
    """A 9-channel network that ignores five of its channels is the 4-channel network."""
    four, nine, table = tiny.text_unet(4), tiny.text_unet(9), schedule()
    weights = dict(four.state_dict())
    wide = torch.zeros_like(nine.conv_in.weight)
    wide[:, :4] = four.conv_in.weight
    nine.load_state_dict({**weights, "conv_in.weight": wide})
    x, extra, text = noise((2, 4, 16, 16), 0), noise((2, 5, 16, 16), 1), noise((1, 12, 16), 2)
    alone = LatentModel(four, table)(x, 1.0, Condition(None, text))
    told = LatentModel(nine, table)(x, 1.0, Condition(extra, text))
    assert torch.allclose(alone, told, atol=1e-6)
    assert not torch.allclose(
        LatentModel(four, table)(x, 1.0, Condition(None, 0 * text)), alone, atol=1e-4
    )


@torch.no_grad()
def test_half_precision_networks_take_and_give_floats() -> None:
    network, table = tiny.guided_unet(), schedule()
    x, told = noise((2, 8, 4, 4), 0), Condition(noise((2, 13, 4, 4), 1))
    full = LatentModel(network, table)(x, 1.0, told)
    half = LatentModel(network.to(torch.bfloat16), table)(x, 1.0, told)
    assert half.dtype == torch.float32
    assert torch.allclose(half, full, atol=0.1)


@torch.no_grad()
def test_given_binds_the_condition() -> None:
    model = LatentModel(tiny.guided_unet(), schedule())
    x, told = noise((2, 8, 4, 4), 0), Condition(noise((2, 13, 4, 4), 1))
    assert torch.equal(model.given(told)(x, 2.0), model(x, 2.0, told))
