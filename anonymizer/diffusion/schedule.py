"""Noise levels: from a scheduler's configuration to the sigmas a sampler walks down.

Coordinates are k-diffusion's: a noisy latent is `x = x0 + sigma * noise`. With the paper's
`alphabar` (diffusers: `alphas_cumprod`), `sigma = sqrt((1 - alphabar) / alphabar)`, and the
variance-preserving sample that networks were trained on is `x / sqrt(1 + sigma^2)`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Self, get_args

import torch
from diffusers import DDIMScheduler
from torch import Tensor

Prediction = Literal["epsilon", "v_prediction", "sample"]
"""What a network was trained to return."""
Spacing = Literal["leading", "trailing", "linspace"]
"""How timesteps are spread over the schedule; names and meaning as in diffusers."""

SMALLEST_ALPHA: Final = 1e-10
"""Bound on alphabar from below: schedules that end in pure noise would give an infinite sigma."""
_BETAS: Final = (
    "num_train_timesteps",
    "beta_start",
    "beta_end",
    "beta_schedule",
    "trained_betas",
    "rescale_betas_zero_snr",
)


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """What a network was trained with."""

    sigmas: Tensor
    """(T,) float64, increasing: the noise level of every integer timestep."""
    prediction: Prediction
    spacing: Spacing = "leading"
    offset: int = 0
    """Added to every timestep of the spacing `leading`."""

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Read the configuration of any diffusers scheduler; keys of other samplers are ignored.

        Raises:
            ValueError: for an unknown prediction type or spacing.
        """
        betas = {name: config[name] for name in _BETAS if name in config}
        alphas = DDIMScheduler(**betas).alphas_cumprod
        prediction = config.get("prediction_type", "epsilon")
        spacing = config.get("timestep_spacing", "leading")
        for value, legal in ((prediction, Prediction), (spacing, Spacing)):
            if value not in get_args(legal):
                raise ValueError(f"{value!r} is not one of {', '.join(get_args(legal))}")
        return cls(
            sigmas_from_alphas(alphas), prediction, spacing, int(config.get("steps_offset", 0))
        )


def sigmas_from_alphas(alphas: Tensor) -> Tensor:
    """Noise levels (T,) float64 of cumulative alphas (T,)."""
    kept = alphas.double().clamp(min=SMALLEST_ALPHA)
    return ((1 - kept) / kept).sqrt()


def timestep_from_sigma(sigmas: Tensor, sigma: float) -> float:
    """The possibly fractional timestep of a noise level: linear in log sigma, within the table."""
    logs, wanted = sigmas.log(), torch.tensor(sigma, dtype=sigmas.dtype).log()
    above = int(torch.searchsorted(logs, wanted).clamp(1, len(logs) - 1))
    low, high = logs[above - 1], logs[above]
    return float(above - 1 + ((wanted - low) / (high - low)).clamp(0, 1))


def sigma_from_timestep(sigmas: Tensor, timestep: float) -> float:
    """The noise level of a possibly fractional timestep in [0, T - 1]."""
    below = min(max(int(timestep), 0), len(sigmas) - 2)
    return float(torch.lerp(sigmas[below].log(), sigmas[below + 1].log(), timestep - below).exp())


def ddim_timesteps(
    count: int, steps: int, *, spacing: Spacing = "leading", offset: int = 0
) -> list[int]:
    """Decreasing timesteps of a full descent, as diffusers' `DDIMScheduler` spreads them.

    Args:
        count: T, the length of the training schedule.
        steps: number of timesteps, 1 to T.
        spacing: `leading` ends at `offset`, `trailing` starts at T - 1, `linspace` does both.
        offset: see `spacing`.
    """
    if not 1 <= steps <= count:
        raise ValueError(f"steps must be in 1..{count}, got {steps}")
    if spacing == "linspace":
        times = torch.linspace(0, count - 1, steps, dtype=torch.float64).flip(0)
    elif spacing == "trailing":
        times = count - torch.arange(steps, dtype=torch.float64) * (count / steps) - 1
    else:
        times = torch.arange(steps - 1, -1, -1, dtype=torch.float64) * (count // steps) + offset
    return [min(int(time), count - 1) for time in times.round().tolist()]


def ddim_sigmas(schedule: Schedule, steps: int, strength: float = 1.0) -> list[float]:
    """Noise levels of DDIM, high to low, with a final 0.

    Args:
        schedule: what the network was trained with.
        steps: steps of the whole schedule.
        strength: share of them that is run, in (0, 1]: the first `steps - int(steps * strength)`
            are dropped (medm.md 5.3), but one is always kept.
    """
    if not 0 < strength <= 1:
        raise ValueError(f"strength must be in (0, 1], got {strength}")
    times = ddim_timesteps(
        len(schedule.sigmas), steps, spacing=schedule.spacing, offset=schedule.offset
    )
    kept = max(int(steps * strength), 1)
    return [float(schedule.sigmas[time]) for time in times[-kept:]] + [0.0]


def descent(schedule: Schedule, start: float, steps: int) -> list[float]:
    """Noise levels of exactly `steps` even steps from a share of the schedule to 0, and that 0.

    Args:
        schedule: what the network was trained with.
        start: where to begin, as a share of the training timesteps, in (0, 1].
        steps: number of steps, at least 1.
    """
    if not 0 < start <= 1 or steps < 1:
        raise ValueError(f"need start in (0, 1] and at least 1 step, got {start} and {steps}")
    first = max(int(start * len(schedule.sigmas)) - 1, 0)
    times = torch.linspace(first, 0, steps + 1, dtype=torch.float64).round().long()[:-1]
    return [float(schedule.sigmas[time]) for time in times] + [0.0]
