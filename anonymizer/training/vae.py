"""The autoencoder: diffusers' `AutoencoderKL` on pixel-unshuffled pictures, factor eight.

The network sees 2x2 pixels as 12 channels in the order of `torch.nn.functional.pixel_unshuffle`;
values are in [-1, 1]. Its config carries the mean and spread of the latents, with which they are
brought to unit scale.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812
from diffusers import AutoencoderKL
from torch import Tensor

from anonymizer.training.checkpoint import Run, begin, cosine_rate, generator, update
from anonymizer.training.recipe import VaeRecipe

UNSHUFFLE = 2


def build_vae(recipe: VaeRecipe) -> AutoencoderKL:
    """An untrained autoencoder of factor 4, thus 8 with the unshuffling."""
    levels = len(recipe.channels)
    model: AutoencoderKL = AutoencoderKL(
        in_channels=3 * UNSHUFFLE**2,
        out_channels=3 * UNSHUFFLE**2,
        latent_channels=recipe.latent_channels,
        block_out_channels=recipe.channels,
        layers_per_block=1,
        norm_num_groups=8,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        mid_block_add_attention=False,
        sample_size=64,
        scaling_factor=1.0,
    )
    return model.to(memory_format=torch.channels_last)


def begin_vae(recipe: VaeRecipe) -> Run:
    """A fresh run, seeded."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        return begin(build_vae(recipe), recipe.rate, 1e-4)


def patches(
    images: Tensor, landmarks: Tensor, recipe: VaeRecipe, random: torch.Generator
) -> Tensor:
    """Random patches (B, 3, P, P) in [-1, 1], six in ten near a landmark, some with a grey shape.

    Args:
        images: (N, S, S, 3) uint8.
        landmarks: (N, 5, 2) pixels.
        recipe: patch size and shares.
        random: source of all choices.
    """
    side, patch, count = images.shape[1], recipe.patch, recipe.batch
    chosen = torch.randint(len(images), (count,), generator=random)
    near = landmarks[chosen, torch.randint(5, (count,), generator=random)] - patch / 2
    near = near + 12 * torch.randn(count, 2, generator=random)
    anywhere = torch.rand(count, 2, generator=random) * (side - patch)
    use_near = torch.rand(count, 1, generator=random) < 0.6
    corner = torch.where(use_near, near, anywhere).clamp(0, side - patch).long()
    flips = torch.rand(count, generator=random) < 0.5
    cut = []
    for k, (x, y), flip in zip(chosen.tolist(), corner.tolist(), flips.tolist(), strict=True):
        piece = images[k, y : y + patch, x : x + patch]
        cut.append(piece.flip(1) if flip else piece)
    batch = torch.stack(cut).permute(0, 3, 1, 2).float() / 127.5 - 1
    return _grey_shapes(batch, recipe.grey, random)


def _grey_shapes(batch: Tensor, share: float, random: torch.Generator) -> Tensor:
    """Paint a flat grey rectangle or ellipse into a share of the batch."""
    count, _, side, _ = batch.shape
    centre = torch.rand(count, 2, 1, 1, generator=random) * side
    radius = (0.1 + 0.4 * torch.rand(count, 2, 1, 1, generator=random)) * side
    axis = torch.arange(side)
    across = ((axis[None, None] - centre[:, 0]) / radius[:, 0]).abs().expand(-1, side, -1)
    down = ((axis[None, :, None] - centre[:, 1]) / radius[:, 1]).abs().expand(-1, -1, side)
    round_ = torch.rand(count, 1, 1, generator=random) < 0.5
    inside = torch.where(round_, across**2 + down**2 < 1, torch.maximum(across, down) < 1)
    inside &= torch.rand(count, 1, 1, generator=random) < share
    return batch.masked_fill(inside[:, None], 0.0)


def pyramid_loss(difference: Tensor) -> Tensor:
    """L1 of the difference, of its colour, and of its Laplacian pyramid, the finest band twice.

    Without the colour term hues were lost first: grey explains most of an L1 error.
    """
    colour = difference - difference.mean(1, keepdim=True)
    total = difference.abs().mean() + 2 * colour.abs().mean()
    rest = difference
    for level in range(3):
        low = F.avg_pool2d(rest, 2)
        band = rest - F.interpolate(low, scale_factor=2, mode="bilinear", align_corners=False)
        total = total + band.abs().mean() * (2 if level == 0 else 1)
        rest = low
    return total


def vae_loss(model: AutoencoderKL, batch: Tensor, kl: float, random: torch.Generator) -> Tensor:
    """Reconstruction and latent prior of a batch (B, 3, P, P)."""
    folded = F.pixel_unshuffle(batch, UNSHUFFLE).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        moments = model.encoder(folded)
        moments = model.quant_conv(moments)
    mean, spread = moments.float().chunk(2, 1)
    spread = spread.clamp(-12, 4)
    noise = torch.randn(mean.shape, generator=random)
    with torch.autocast("cpu", torch.bfloat16):
        decoded = model.decoder(model.post_quant_conv(mean + noise * (0.5 * spread).exp()))
    prior = 0.5 * (mean.square() + spread.exp() - 1 - spread).mean()
    rebuilt = F.pixel_shuffle(decoded.float(), UNSHUFFLE)
    loss: Tensor = pyramid_loss(rebuilt - batch) + kl * prior
    return loss


def train_vae(
    run: Run, images: Tensor, landmarks: Tensor, recipe: VaeRecipe, *, until: int,
    report: Callable[[int, float], None],
) -> None:  # fmt: skip
    """Train up to step `until`; `report` gets the step and the loss after each one."""
    run.model.train()
    while run.step < until:
        random = generator(recipe.seed, run.step)
        batch = patches(images, landmarks, recipe, random)
        loss = vae_loss(run.model, batch, recipe.kl, random)
        update(run, loss, cosine_rate(recipe.rate, run.step, recipe.steps), 0.99)
        report(run.step, float(loss.detach()))


@torch.no_grad()
def encode(model: AutoencoderKL, images: Tensor) -> Tensor:
    """Unit-scale latent means (N, C, S/8, S/8) of pictures (N, 3, S, S) in [-1, 1]."""
    folded = F.pixel_unshuffle(images, UNSHUFFLE).contiguous(memory_format=torch.channels_last)
    mean: Tensor = model.encode(folded).latent_dist.mean.float()
    return (mean - _offset(model)) / _spread(model)


@torch.no_grad()
def decode(model: AutoencoderKL, latents: Tensor) -> Tensor:
    """Pictures (N, 3, S, S) in [-1, 1] of unit-scale latents."""
    folded = model.decode(latents * _spread(model) + _offset(model)).sample
    return F.pixel_shuffle(folded.float(), UNSHUFFLE).clamp(-1, 1)


def _offset(model: AutoencoderKL) -> Tensor:
    return torch.tensor(model.config.latents_mean or [0.0]).view(1, -1, 1, 1)


def _spread(model: AutoencoderKL) -> Tensor:
    return torch.tensor(model.config.latents_std or [1.0]).view(1, -1, 1, 1)


def set_scale(model: AutoencoderKL, images: Tensor) -> None:
    """Measure the latents' mean and spread on pictures and keep them in the config."""
    model.register_to_config(latents_mean=None, latents_std=None)
    latents = encode(model, images)
    model.register_to_config(
        latents_mean=[round(float(v), 5) for v in latents.mean((0, 2, 3))],
        latents_std=[round(float(v), 5) for v in latents.std((0, 2, 3))],
    )
