"""The autoencoder: diffusers' `AutoencoderTiny` on pixel-unshuffled pictures, factor eight.

The network sees 2x2 pixels as 12 channels in the order of `torch.nn.functional.pixel_unshuffle`;
values are in [-1, 1]. It has no normalisation layers, so a change stays where it is made, which
temporal mediation needs; `AutoencoderKL` of the same size was as good and twice as slow. Latents
have about unit scale because the loss asks for it.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812
from diffusers import AutoencoderTiny
from torch import Tensor

from anonymizer.training.checkpoint import Run, begin, cosine_rate, generator, update
from anonymizer.training.recipe import VaeRecipe

UNSHUFFLE = 2


def build_vae(recipe: VaeRecipe) -> AutoencoderTiny:
    """An untrained autoencoder of factor 4 at three levels, thus 8 with the unshuffling."""
    levels = len(recipe.encoder_blocks)
    model: AutoencoderTiny = AutoencoderTiny(
        in_channels=3 * UNSHUFFLE**2,
        out_channels=3 * UNSHUFFLE**2,
        latent_channels=recipe.latent_channels,
        encoder_block_out_channels=(recipe.width,) * levels,
        decoder_block_out_channels=(recipe.width,) * levels,
        num_encoder_blocks=recipe.encoder_blocks,
        num_decoder_blocks=recipe.decoder_blocks,
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
    """L1 of the difference, of its colour, and of its Laplacian pyramid, the finest band twice."""
    colour = difference - difference.mean(1, keepdim=True)
    total = difference.abs().mean() + 2 * colour.abs().mean()
    rest = difference
    for level in range(3):
        low = F.avg_pool2d(rest, 2)
        band = rest - F.interpolate(low, scale_factor=2, mode="bilinear", align_corners=False)
        total = total + band.abs().mean() * (2 if level == 0 else 1)
        rest = low
    return total


def vae_loss(
    model: AutoencoderTiny, batch: Tensor, recipe: VaeRecipe, random: torch.Generator
) -> Tensor:
    """Reconstruction of a batch (B, 3, P, P) through noisy latents, and the latents' scale."""
    folded = F.pixel_unshuffle(batch, UNSHUFFLE).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        latents = model.encode(folded).latents.float()
        noise = recipe.noise * torch.randn(latents.shape, generator=random)
        decoded = model.decode(latents + noise).sample
    scale = latents.mean((0, 2, 3)).square().mean() + (latents.std((0, 2, 3)) - 1).square().mean()
    hues = (latents[:, -2:] - coarse_colour(batch, latents.shape[-1])).square().mean()
    rebuilt = F.pixel_shuffle(decoded.float(), UNSHUFFLE)
    loss: Tensor = pyramid_loss(rebuilt - batch) + recipe.unit * scale + recipe.hue * hues
    return loss


def coarse_colour(images: Tensor, cells: int) -> Tensor:
    """Blue-orange and purple-green of latent cells, (B, 2, cells, cells), about unit spread.

    The last two latent channels are asked to carry them. Left alone, neither this network nor
    `AutoencoderKL` ever encoded the second: every channel was taken by edges in grey first.
    """
    red, green, blue = F.adaptive_avg_pool2d(images, cells).unbind(1)
    return torch.stack([(red - blue) / 0.25, (green - (red + blue) / 2) / 0.1], 1)


def train_vae(
    run: Run, images: Tensor, landmarks: Tensor, recipe: VaeRecipe, *, until: int,
    report: Callable[[int, float], None],
) -> None:  # fmt: skip
    """Train up to step `until`; `report` gets the step and the loss after each one."""
    run.model.train()
    while run.step < until:
        random = generator(recipe.seed, run.step)
        batch = patches(images, landmarks, recipe, random)
        loss = vae_loss(run.model, batch, recipe, random)
        update(run, loss, cosine_rate(recipe.rate, run.step, recipe.steps), 0.99)
        report(run.step, float(loss.detach()))


def begin_decoder(trained: AutoencoderTiny, recipe: VaeRecipe) -> Run:
    """A run that goes on with the decoder alone, so that latents made before stay valid."""
    trained.encoder.requires_grad_(False)
    run = begin(trained, recipe.decoder_rate, 1e-4)
    run.model.decoder.requires_grad_(True)
    return run


@torch.no_grad()
def encode(model: AutoencoderTiny, images: Tensor) -> Tensor:
    """Latents (N, C, S/8, S/8) of pictures (N, 3, S, S) in [-1, 1]."""
    folded = F.pixel_unshuffle(images, UNSHUFFLE).contiguous(memory_format=torch.channels_last)
    latents: Tensor = model.encode(folded).latents.float()
    return latents


@torch.no_grad()
def decode(model: AutoencoderTiny, latents: Tensor) -> Tensor:
    """Pictures (N, 3, S, S) in [-1, 1] of latents."""
    return F.pixel_shuffle(model.decode(latents).sample.float(), UNSHUFFLE).clamp(-1, 1)
