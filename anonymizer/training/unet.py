"""The denoiser: diffusers' `UNet2DModel`, trained to predict v under production's schedule.

Input channels: noisy latent, then those of `latents.condition_of`. There is no vector condition:
identity, pose and expression come from the guide alone.
"""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Final

import torch
from diffusers import DDIMScheduler, UNet2DModel
from torch import Tensor

from anonymizer.training.checkpoint import Run, begin, cosine_rate, generator, update
from anonymizer.training.recipe import UnetRecipe

STRUCTURE: Final = 5
"""Channels beside the two latents: mask, normals, coverage."""
TIMESTEPS: Final = 1000


def build_scheduler() -> DDIMScheduler:
    """The noise schedule of training and of production."""
    return DDIMScheduler(
        num_train_timesteps=TIMESTEPS, beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction", clip_sample=False, set_alpha_to_one=True,
        timestep_spacing="trailing",
    )  # fmt: skip


def build_unet(recipe: UnetRecipe, latent: int = 12, cells: int = 16) -> UNet2DModel:
    """An untrained denoiser with attention on the two coarser grids."""
    model: UNet2DModel = UNet2DModel(
        sample_size=cells,
        in_channels=2 * latent + STRUCTURE,
        out_channels=latent,
        block_out_channels=recipe.channels,
        layers_per_block=recipe.layers,
        down_block_types=("DownBlock2D", *["AttnDownBlock2D"] * (len(recipe.channels) - 1)),
        up_block_types=(*["AttnUpBlock2D"] * (len(recipe.channels) - 1), "UpBlock2D"),
        attention_head_dim=32,
        norm_num_groups=16,
        resnet_time_scale_shift="scale_shift",
    )
    return model.to(memory_format=torch.channels_last)


def begin_unet(recipe: UnetRecipe) -> Run:
    """A fresh run, seeded."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        return begin(build_unet(recipe), recipe.rate, 1e-2)


def signal_and_noise(timesteps: Tensor) -> tuple[Tensor, Tensor]:
    """Factors (B, 1, 1, 1) of the clean latent and of the noise at integer timesteps (B,)."""
    kept = build_scheduler().alphas_cumprod[timesteps].view(-1, 1, 1, 1)
    return kept.sqrt(), (1 - kept).sqrt()


def loss_weight(weight: Tensor) -> Tensor:
    """Weights (B, 1, h, w) of the error: little outside the area, most at eyes and mouth."""
    area, detail = weight[:, :1].float(), weight[:, 1:].float()
    return 0.1 + 0.9 * area + 1.2 * detail * area


def v_error(
    model: UNet2DModel, clean: Tensor, condition: Tensor, weight: Tensor, timesteps: Tensor,
    noise: Tensor, *, start: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Weighted mean squared error of the predicted v.

    The noisy input is made from `start` instead of the clean latent where that is given, as when
    painting begins at the noised composite; what is asked for still leads to the clean latent:
    `clean = signal * noisy - spread * v`.
    """
    signal, spread = signal_and_noise(timesteps)
    noisy = signal * (clean if start is None else start) + spread * noise
    given = torch.cat([noisy, condition], 1).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        predicted = model(given, timesteps).sample
    wanted = (signal * noisy - clean) / spread
    square = (predicted.float() - wanted).square().mean(1, keepdim=True)
    factor = loss_weight(weight)
    error: Tensor = (square * factor).sum() / factor.sum()
    return error


def beginnings(
    clean: Tensor, composite: Tensor, timesteps: Tensor, random: torch.Generator
) -> Tensor:
    """Clean latents, from timestep 250 half of them mixed with the composite.

    Half of the mixed ones are the composite itself, as at the first step of painting; the rest are
    between the two, as an estimate is on the way. With less noise than that the composite would
    have to vanish within too little.
    """
    count = len(clean)
    share = (2 * torch.rand(count, generator=random)).clamp(max=1)
    mixed = (torch.rand(count, generator=random) < 0.5) & (timesteps >= 250)
    return torch.lerp(clean, composite, (share * mixed).view(-1, 1, 1, 1))


def draw_timesteps(count: int, strength: float, random: torch.Generator) -> Tensor:
    """Integer timesteps (count,): nine in ten uniform up to `strength`, the rest anywhere."""
    share = torch.rand(count, generator=random)
    top = torch.where(torch.rand(count, generator=random) < 0.9, strength, 1.0)
    return (share * top * TIMESTEPS).long().clamp(0, TIMESTEPS - 1)


def train_unet(
    run: Run, data: Mapping[str, Tensor], recipe: UnetRecipe, *, until: int,
    report: Callable[[int, float], None],
) -> None:  # fmt: skip
    """Train up to step `until` on latents; `report` gets the step and the loss."""
    run.model.train()
    while run.step < until:
        random = generator(recipe.seed, run.step)
        chosen = torch.randint(len(data["clean"]), (recipe.batch,), generator=random)
        clean = data["clean"][chosen].float()
        timesteps = draw_timesteps(recipe.batch, recipe.strength, random)
        noise = torch.randn(clean.shape, generator=random)
        condition = data["condition"][chosen].float()
        weight = data["weight"][chosen]
        start = beginnings(clean, condition[:, 1:-4], timesteps, random)
        loss = v_error(run.model, clean, condition, weight, timesteps, noise, start=start)
        update(run, loss, cosine_rate(recipe.rate, run.step, recipe.steps), recipe.ema)
        report(run.step, float(loss.detach()))


@torch.no_grad()
def sample(
    model: UNet2DModel, condition: Tensor, *, strength: float, steps: int, random: torch.Generator
) -> Tensor:
    """Latents (B, C, h, w) painted from the composite noised to `strength`, by DDIM."""
    start = int(strength * TIMESTEPS) - 1
    times = torch.linspace(start, 0, steps + 1).round().long()
    composite = condition[:, 1:-4]
    signal, spread = signal_and_noise(times[:1])
    x = signal * composite + spread * torch.randn(composite.shape, generator=random)
    for now, after in pairwise(times):
        signal, spread = signal_and_noise(now[None])
        v = model(torch.cat([x, condition], 1), now).sample.float()
        clean: Tensor = signal * x - spread * v
        noise = spread * x + signal * v
        if after == 0:
            break
        signal, spread = signal_and_noise(after[None])
        x = signal * clean + spread * noise
    return clean


@torch.no_grad()
def measure(
    model: UNet2DModel, data: Mapping[str, Tensor], *, strength: float = 0.7, steps: int = 5
) -> dict[str, float]:
    """Held-out figures with fixed noise: v error at four noise levels, and L1 inside the area.

    `result` and `composite` are mean absolute latent errors inside the protected area of the
    painted picture and of the plain composite.
    """
    model.eval()
    random = torch.Generator().manual_seed(5)
    clean, condition, weight = (data[k].float() for k in ("clean", "condition", "weight"))
    figures = {}
    for share in (0.2, 0.4, 0.6, 0.8):
        timesteps = torch.full((len(clean),), int(share * TIMESTEPS))
        noise = torch.randn(clean.shape, generator=random)
        error = v_error(model, clean, condition, weight, timesteps, noise)
        figures[f"v at {share}"] = round(float(error), 4)
    area = weight[:, :1].expand_as(clean)
    with torch.autocast("cpu", torch.bfloat16):
        painted = sample(model, condition, strength=strength, steps=steps, random=random)
    for name, value in (("result", painted), ("composite", condition[:, 1:-4])):
        figures[name] = round(float(((value - clean).abs() * area).sum() / area.sum()), 4)
    return figures
