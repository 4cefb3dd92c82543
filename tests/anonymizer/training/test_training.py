"""The trainers, on tiny networks: they learn, resume exactly, and diffusers loads the result."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny, DDIMScheduler, UNet2DModel
from torch import Tensor

from anonymizer.head.guide import Guide
from anonymizer.training import checkpoint
from anonymizer.training.export import export
from anonymizer.training.latents import Pair, latent_arrays, make_pair
from anonymizer.training.masks import detail_weight, random_area, random_strip
from anonymizer.training.recipe import UnetRecipe, VaeRecipe, read_recipe
from anonymizer.training.unet import (
    begin_unet,
    beginnings,
    build_scheduler,
    draw_timesteps,
    measure,
    sample,
    signal_and_noise,
    train_unet,
    v_error,
)
from anonymizer.training.vae import begin_vae, coarse_colour, decode, encode, train_vae

VAE = VaeRecipe(
    width=12, encoder_blocks=(1, 1), decoder_blocks=(1, 1), steps=30, batch=4, patch=32, rate=4e-3
)
UNET = UnetRecipe(channels=(32, 32), layers=1, steps=40, batch=8, rate=3e-3, ema=0.9)
LANDMARKS = torch.tensor([[20.0, 24], [44, 24], [32, 36], [22, 46], [42, 46]])


def pictures(count: int) -> Tensor:
    """Smooth random pictures (count, 64, 64, 3) uint8 of reddish colours."""
    random = torch.Generator().manual_seed(1)
    coarse = (
        torch.rand(count, 3, 5, 5, generator=random) * 0.3
        + torch.tensor([0.5, 0.4, 0.3])[:, None, None]
    )
    fine = torch.nn.functional.interpolate(coarse, size=64, mode="bicubic").clamp(0, 1)
    return (fine * 255).byte().permute(0, 2, 3, 1).contiguous()


def latents(count: int = 8) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(2)
    clean = torch.randn(count, 12, 16, 16, generator=random)
    condition = torch.cat([torch.ones(count, 1, 16, 16), clean, torch.zeros(count, 4, 16, 16)], 1)
    return {"clean": clean, "condition": condition, "weight": torch.ones(count, 2, 16, 16)}


def train_pictures(
    until: int, run: checkpoint.Run | None = None
) -> tuple[checkpoint.Run, list[float]]:
    losses: list[float] = []
    run = run or begin_vae(VAE)
    images = pictures(6)
    train_vae(run, images, LANDMARKS.expand(6, 5, 2), VAE, until=until,
              report=lambda _, loss: losses.append(loss))  # fmt: skip
    return run, losses


def test_the_autoencoder_learns():
    _, losses = train_pictures(30)
    assert np.mean(losses[-5:]) < 0.85 * np.mean(losses[:5])


def test_the_denoiser_learns_to_copy_its_guide():
    run, losses = begin_unet(UNET), []
    train_unet(run, latents(), UNET, until=25, report=lambda _, loss: losses.append(loss))
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
    assert set(measure(run.average, latents(2))) >= {"result", "composite", "v at 0.6"}


def same(a: checkpoint.Run, b: checkpoint.Run) -> bool:
    pairs = zip(a.average.parameters(), b.average.parameters(), strict=True)
    return a.step == b.step and all(torch.equal(x, y) for x, y in pairs)


def test_a_resumed_run_ends_in_the_same_state(tmp_path: Path):
    whole, _ = train_pictures(8)
    half, _ = train_pictures(4)
    checkpoint.save(half, tmp_path / "run.pt")
    resumed = checkpoint.resume(begin_vae(VAE), tmp_path / "run.pt")
    assert resumed.step == 4
    resumed, _ = train_pictures(8, resumed)
    assert same(whole, resumed)
    assert not same(whole, half)


def test_encode_and_decode_fold_pixels_into_channels():
    run, _ = train_pictures(2)
    model: Any = run.average
    images = pictures(6).permute(0, 3, 1, 2) / 127.5 - 1
    folded = torch.nn.functional.pixel_unshuffle(images, 2)
    latents = encode(model, images)
    torch.testing.assert_close(latents, model.encode(folded).latents)
    expected = torch.nn.functional.pixel_shuffle(model.decode(latents).sample, 2).clamp(-1, 1)
    torch.testing.assert_close(decode(model, latents), expected)


def test_training_brings_latents_to_unit_scale():
    run, _ = train_pictures(30)
    images = pictures(6).permute(0, 3, 1, 2) / 127.5 - 1
    before = encode(begin_vae(VAE).model, images).std((0, 2, 3))
    after = encode(run.model, images).std((0, 2, 3))
    assert (after - 1).abs().mean() < 0.9 * (before - 1).abs().mean()


def test_the_schedule_is_the_one_that_is_exported():
    scheduler = build_scheduler()
    signal, noise = signal_and_noise(torch.tensor([0, 500, 999]))
    torch.testing.assert_close(signal.square() + noise.square(), torch.ones(3, 1, 1, 1))
    torch.testing.assert_close(signal[:, 0, 0, 0].square(), scheduler.alphas_cumprod[[0, 500, 999]])


def test_painting_follows_the_scheduler_of_diffusers():
    """Our few lines of DDIM against the independent implementation, on an untrained network."""
    model: Any = begin_unet(UNET).average
    torch.nn.init.normal_(model.conv_out.weight, std=0.05)
    condition = latents(2)["condition"]
    ours = sample(model, condition, strength=0.8, steps=4, random=torch.Generator().manual_seed(3))
    scheduler = build_scheduler()
    start, composite = torch.tensor([799]), condition[:, 1:13]
    noise = torch.randn(composite.shape, generator=torch.Generator().manual_seed(3))
    x = scheduler.add_noise(composite, noise, start)
    times = [799, 599, 400, 200]
    with torch.no_grad():
        for now, after in zip(times, [*times[1:], 0], strict=True):
            scheduler.num_inference_steps = 1
            v = model(torch.cat([x, condition], 1), now).sample
            kept, later = scheduler.alphas_cumprod[now], scheduler.alphas_cumprod[after]
            x0 = kept.sqrt() * x - (1 - kept).sqrt() * v
            epsilon = kept.sqrt() * v + (1 - kept).sqrt() * x
            x = x0 if after == 0 else later.sqrt() * x0 + (1 - later).sqrt() * epsilon
    torch.testing.assert_close(ours, x)


def test_timesteps_are_integers_in_range():
    times = draw_timesteps(500, 0.5, torch.Generator().manual_seed(4))
    assert times.dtype == torch.int64
    assert 0 <= int(times.min()) < 20
    assert 500 < int(times.max()) <= 999
    assert float((times < 500).float().mean()) > 0.9


def guide() -> Guide:
    coverage = np.zeros((64, 64), np.float32)
    coverage[10:60, 16:40] = 1
    normals = np.zeros((64, 64, 3), np.float32)
    normals[..., 0], normals[..., 2] = 0.6, 0.8
    return Guide(np.full((64, 64, 3), 0.75, np.float32), coverage, normals, coverage)


def test_strips_are_rare_and_at_a_border():
    rng = np.random.default_rng(0)
    strips = [random_strip(rng, 64) for _ in range(400)]
    shown = [strip for strip in strips if strip.any()]
    assert 25 < len(shown) < 90
    for strip in shown:
        assert any(np.rot90(strip, turn)[0].all() for turn in range(4))
        assert strip.mean() < 0.5


def shard() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    drawn = guide()
    picture = {"image": pictures(1).numpy(), "landmarks": LANDMARKS[None].numpy()}
    guides = {
        "colour": (drawn.colour[None] * 255).astype(np.uint8),
        "coverage": (drawn.coverage[None] * 255).astype(np.uint8),
        "normals": (drawn.normals[None] * 127).astype(np.int8),
    }
    return picture, guides


def test_mirrored_pairs_mirror_picture_landmarks_and_normals():
    picture, guides = shard()
    plain = make_pair(np.random.default_rng(0), picture, guides, 0, mirror=False)
    flipped = make_pair(np.random.default_rng(0), picture, guides, 0, mirror=True)
    np.testing.assert_array_equal(flipped.image, plain.image[:, ::-1])
    np.testing.assert_allclose(flipped.structure[..., 0], -plain.structure[:, ::-1, 0])
    np.testing.assert_allclose(flipped.structure[..., 2:], plain.structure[:, ::-1, 2:])
    assert flipped.landmarks[0, 0] < flipped.landmarks[1, 0]
    np.testing.assert_allclose(flipped.landmarks[2], [63 - 32, 36])


def test_latent_arrays_hold_what_the_denoiser_is_given():
    picture, guides = shard()
    pair = make_pair(np.random.default_rng(0), picture, guides, 0, mirror=False)
    image, composite, area, structure = (
        np.repeat(np.repeat(v, 2, 0), 2, 1)
        for v in (pair.image, pair.composite, pair.area, pair.structure)
    )
    wide = Pair(image, composite, area, area, structure, pair.landmarks * 2)
    arrays = latent_arrays(begin_vae(VaeRecipe(width=12)).average, [wide])
    assert arrays["clean"].shape == (1, 12, 16, 16)
    assert arrays["condition"].shape == (1, 17, 16, 16)
    assert arrays["condition"][0, 0].max() == 1
    assert arrays["weight"].shape == (1, 2, 16, 16)


def test_random_areas_cover_the_landmarks_and_differ():
    landmarks = LANDMARKS.numpy() * 2
    first = random_area(np.random.default_rng(1), landmarks, 128)
    second = random_area(np.random.default_rng(2), landmarks, 128)
    for x, y in landmarks.astype(int):
        assert first[y, x]
        assert second[y, x]
    assert (first != second).any()
    assert not first[0].any()
    aside = landmarks + np.array([38, 0])
    assert random_area(np.random.default_rng(1), aside, 128)[int(aside[1, 1]), int(aside[1, 0])]


def test_detail_weight_peaks_at_eyes_and_mouth():
    weight = detail_weight(LANDMARKS.numpy() * 2, 128, 16)
    assert weight[48 // 8, 40 // 8] > 0.7
    assert weight[0, 15] < 0.01


def test_exported_weights_load_through_diffusers(tmp_path: Path):
    run, _ = train_pictures(2)
    unet = begin_unet(UNET).average
    export(run.average, unet, tmp_path, strength=0.7, steps=5, facts={"samples": 3})
    vae = AutoencoderTiny.from_pretrained(tmp_path / "vae", use_safetensors=True)
    loaded = UNet2DModel.from_pretrained(tmp_path / "unet", use_safetensors=True)
    scheduler = DDIMScheduler.from_pretrained(tmp_path / "scheduler")
    images = pictures(2).permute(0, 3, 1, 2) / 127.5 - 1
    assert (encode(vae.float(), images) - encode(run.average, images)).abs().max() < 1e-2
    given = torch.randn(1, 29, 16, 16)
    with torch.no_grad():
        difference = loaded(given, 10).sample - unet(given, 10).sample
    assert difference.abs().max() < 2e-2
    assert scheduler.config.prediction_type == "v_prediction"
    card = json.loads((tmp_path / "model.json").read_text())
    assert card["size"] == 128
    assert card["steps"] == 5
    assert not list(tmp_path.rglob("*.bin"))


def test_the_recipe_in_the_package_reads_and_typing_errors_are_named(tmp_path: Path):
    import anonymizer.training as training

    packaged = Path(str(training.__file__)).parent / "v1.toml"
    assert read_recipe(packaged).unet.channels[0] % 16 == 0
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[unet]\nchanels = [32]\n")
    with pytest.raises(ValueError, match=r"chanels.*known:.*channels"):
        read_recipe(wrong)
    wrong.write_text("[uneet]\n")
    with pytest.raises(ValueError, match="uneet"):
        read_recipe(wrong)


def test_two_latent_channels_are_told_the_coarse_colour():
    colours = torch.tensor([[0.2, 0.2, 0.2], [0.5, -0.5, 0.1]])  # grey left, a purple right
    picture = colours.repeat_interleave(8, 0).T[None, :, None].expand(1, 3, 16, 16)
    told = coarse_colour(picture, 2)
    assert told.shape == (1, 2, 2, 2)
    torch.testing.assert_close(told[0, :, 0, 0], torch.zeros(2), atol=1e-6, rtol=0)
    torch.testing.assert_close(told[0, :, 1, 1], torch.tensor([0.4 / 0.25, -0.8 / 0.1]))


def test_beginnings_mix_in_the_composite_only_at_high_noise():
    clean, composite = torch.zeros(400, 1, 2, 2), torch.ones(400, 1, 2, 2)
    random = torch.Generator().manual_seed(6)
    low = beginnings(clean, composite, torch.full((400,), 249), random)
    high = beginnings(clean, composite, torch.full((400,), 250), random)
    assert low.abs().max() == 0
    assert 0.4 < float((high.amax((1, 2, 3)) > 0).float().mean()) < 0.6
    assert 0.2 < float((high.amin((1, 2, 3)) == 1).float().mean()) < 0.3


def test_v_of_a_mixed_start_leads_to_the_clean_latent():
    """With the wanted v, one step of the sampler's arithmetic gives the clean latent back."""
    data = latents(4)
    timesteps = torch.full((4,), 700)
    noise = torch.randn(4, 12, 16, 16, generator=torch.Generator().manual_seed(7))
    start = data["clean"] + 0.5
    signal, spread = signal_and_noise(timesteps)
    noisy = signal * start + spread * noise

    class Perfect(torch.nn.Module):
        def forward(self, given: Tensor, _: Tensor) -> SimpleNamespace:
            torch.testing.assert_close(given[:, :12], noisy)
            return SimpleNamespace(sample=(signal * noisy - data["clean"]) / spread)

    perfect: Any = Perfect()
    error = v_error(perfect, data["clean"], data["condition"], data["weight"], timesteps, noise,
                    start=start)  # fmt: skip
    assert float(error) < 1e-9
