from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from diffusers import AutoencoderKL
from torch import Tensor

from anonymizer.diffusion.autoencoder import Autoencoder
from tests.anonymizer.diffusion import tiny


def pictures(count: int = 2, height: int = 16, width: int = 24) -> Tensor:
    return torch.rand((count, 3, height, width), generator=torch.Generator().manual_seed(0)) * 2 - 1


def plain_vae() -> AutoencoderKL:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return tiny._vae(4, 2, 3).eval()


@torch.no_grad()
def test_folded_pictures_and_scaled_latents() -> None:
    network = tiny.folded_vae()
    coder = Autoencoder(network)
    assert (coder.unshuffle, coder.factor, coder.channels) == (2, 8, 8)
    latents = coder.encode(pictures())
    assert latents.shape == (2, 8, 2, 3)
    raw = network.encode(F.pixel_unshuffle(pictures(), 2)).latent_dist.mode()
    assert torch.allclose(latents[:, 3], (raw[:, 3] - 0.3) / 0.8, atol=1e-6)
    decoded = F.pixel_shuffle(network.decode(raw).sample, 2)
    assert torch.allclose(coder.decode(latents), decoded, atol=1e-5)


@torch.no_grad()
def test_one_scaling_factor_as_in_stable_diffusion() -> None:
    network = plain_vae()
    coder = Autoencoder(network)
    assert (coder.unshuffle, coder.factor, coder.channels) == (1, 2, 4)
    raw = network.encode(pictures()).latent_dist.mode()
    assert torch.allclose(coder.encode(pictures()), raw * 0.18215, atol=1e-6)
    assert torch.allclose(coder.decode(raw * 0.18215), network.decode(raw).sample, atol=1e-5)


@torch.no_grad()
def test_encoding_has_no_chance_in_it() -> None:
    coder = Autoencoder(tiny.folded_vae())
    assert torch.equal(coder.encode(pictures()), coder.encode(pictures()))


@torch.no_grad()
def test_the_tiny_class_fits_too() -> None:
    network = tiny.folded_tiny()
    coder = Autoencoder(network)
    assert (coder.unshuffle, coder.factor, coder.channels) == (2, 8, 8)
    latents = coder.encode(pictures())
    assert latents.shape == (2, 8, 2, 3)
    folded = F.pixel_unshuffle(pictures(), 2)
    assert torch.allclose(latents, network.encode(folded).latents, atol=1e-6)
    assert coder.decode(latents).shape == (2, 3, 16, 24)


@torch.no_grad()
@pytest.mark.parametrize("batch", [1, 2, 5])
def test_batches_do_not_change_the_answer(batch: int) -> None:
    network = tiny.folded_vae()
    whole = Autoencoder(network).encode(pictures(5))
    assert torch.allclose(Autoencoder(network, batch).encode(pictures(5)), whole, atol=1e-5)


@torch.no_grad()
def test_half_precision_gives_floats() -> None:
    coder = Autoencoder(tiny.folded_vae().to(torch.bfloat16))
    latents = coder.encode(pictures())
    assert latents.dtype == torch.float32
    assert coder.decode(latents).dtype == torch.float32
