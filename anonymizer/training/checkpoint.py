"""Checkpoints that let a run stop at any time and continue as if it had not.

Randomness is drawn per step from (seed, step), so weights, averages, the optimizer and the step are
the whole state.
"""

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn


@dataclass(slots=True, eq=False)
class Run:
    """A model in training; the owner of its state."""

    model: nn.Module
    average: nn.Module
    """Exponential moving average of the weights."""
    optimizer: torch.optim.Optimizer
    step: int = 0


def begin(model: nn.Module, rate: float, decay: float) -> Run:
    """A fresh run with AdamW."""
    optimizer = torch.optim.AdamW(model.parameters(), rate, betas=(0.9, 0.99), weight_decay=decay)
    return Run(model, deepcopy(model).requires_grad_(False).eval(), optimizer)


def save(run: Run, path: Path) -> None:
    """Write the state beside `path` and move it there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    state = {
        "model": run.model.state_dict(),
        "average": run.average.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "step": run.step,
    }
    torch.save(state, partial)
    partial.replace(path)


def resume(run: Run, path: Path) -> Run:
    """Load `path` into `run` if it exists."""
    if path.exists():
        state = torch.load(path, weights_only=True)
        run.model.load_state_dict(state["model"])
        run.average.load_state_dict(state["average"])
        run.optimizer.load_state_dict(state["optimizer"])
        run.step = int(state["step"])
    return run


def generator(seed: int, step: int) -> torch.Generator:
    """The generator of one step."""
    mixed = np.random.SeedSequence([seed, step]).generate_state(2, np.uint32)
    return torch.Generator().manual_seed(int(mixed[0]) << 31 ^ int(mixed[1]))


def cosine_rate(rate: float, step: int, steps: int) -> float:
    """Learning rate: a rise over 100 steps or a tenth of all, half a cosine to one per cent."""
    rise = min(1.0, (step + 1) / min(100, 1 + steps // 10))
    return rate * rise * (0.01 + 0.99 * 0.5 * (1 + float(np.cos(np.pi * min(1.0, step / steps)))))


def update(run: Run, loss: torch.Tensor, rate: float, ema: float) -> None:
    """One optimizer step with clipped gradients, then the moving average."""
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    run.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
    run.optimizer.step()
    run.step += 1
    keep = min(ema, (1 + run.step) / (10 + run.step))
    with torch.no_grad():
        for mean, new in zip(run.average.parameters(), run.model.parameters(), strict=True):
            mean.lerp_(new, 1 - keep)
