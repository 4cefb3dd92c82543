from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from anonymizer.diffusion.autoencoder import Autoencoder
from anonymizer.diffusion.guidance import (
    LEAST_CHANGE,
    at_levels,
    classifier_free,
    every_so_many,
    keep_known,
    mediated,
)
from anonymizer.diffusion.sampling import sample_ddim
from tests.anonymizer.diffusion import tiny

SIGMAS = [6.0, 3.0, 1.5, 0.5, 0.0]
LAST = SIGMAS[-2]


@dataclass
class LossyCodec:
    """Pictures are latents twice as large; encoding loses a tenth and drifts."""

    encoded: list[int] = field(default_factory=list)

    def encode(self, images: Tensor) -> Tensor:
        self.encoded.append(len(images))
        return 0.45 * images + 0.2

    def decode(self, latents: Tensor) -> Tensor:
        return 2 * latents


class ExactCodec:
    """A codec that is exactly invertible in floats."""

    def encode(self, images: Tensor) -> Tensor:
        return images / 2

    def decode(self, latents: Tensor) -> Tensor:
        return 2 * latents


def noise(seed: int, frames: int = 3) -> Tensor:
    return torch.randn((frames, 3, 4, 5), generator=torch.Generator().manual_seed(seed))


def shrink(x: Tensor, sigma: float) -> Tensor:
    """A denoiser whose answer depends on everything it is given."""
    return x / (1 + sigma**2) + 0.1 * torch.sin(x)


def same(x0: Tensor, sigma: float) -> Tensor:
    return x0


def mean(x0: Tensor, sigma: float) -> Tensor:
    return tiny.mean_of_frames(x0)


def test_property_9_no_strength_is_the_identity() -> None:
    assert mediated(shrink, mean, 0, codec=LossyCodec(), last=LAST) is shrink


def test_property_17_identity_mediation_is_the_plain_sampler_bitwise() -> None:
    codec = LossyCodec()
    plain = sample_ddim(shrink, noise(0), SIGMAS)
    pulled = mediated(shrink, same, 1, codec=codec, last=LAST)
    assert torch.equal(sample_ddim(pulled, noise(0), SIGMAS), plain)
    assert codec.encoded == []


def test_property_17_holds_through_a_real_autoencoder() -> None:
    """A change just large enough to be encoded moves the result no further than it should."""
    codec = Autoencoder(tiny.folded_vae())
    x0 = torch.randn((2, 8, 4, 4), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        kept = mediated(lambda x, _s: x, same, 1, codec=codec, last=0.1)(x0, 1.0)
        lost = codec.encode(codec.decode(x0))
    assert torch.equal(kept, x0)
    assert (lost - x0).abs().max() > 0.1  # the round trip that cancels is no identity at all


def test_property_18_blending_noise_is_blending_x0() -> None:
    """Eq. 8-9 as printed, in variance-preserving coordinates, against our step (exact codec)."""
    strength, sigma, lower = 0.8, 3.0, 1.5
    signal, spread = 1 / (1 + sigma**2) ** 0.5, sigma / (1 + sigma**2) ** 0.5
    x = noise(0)
    z = signal * x
    x0 = shrink(x, sigma)
    eps = (z - signal * x0) / spread
    eps_harmonized = (z - signal * mean(x0, sigma)) / spread
    blended = eps + strength * (eps_harmonized - eps)
    x0_blended = (z - spread * blended) / signal
    expected = (x0_blended + lower * blended) / (1 + lower**2) ** 0.5
    pulled = mediated(shrink, mean, strength, codec=ExactCodec(), last=LAST)
    ours = sample_ddim(pulled, x, [sigma, lower]) / (1 + lower**2) ** 0.5
    assert torch.allclose(ours, expected, atol=1e-6)


def test_mediation_blends_the_change_that_survives_encoding() -> None:
    pulled = mediated(shrink, mean, 0.5, codec=LossyCodec(), last=LAST)
    x0 = shrink(noise(0), 3.0)
    expected = x0 + 0.5 * 0.9 * (tiny.mean_of_frames(x0) - x0)
    assert torch.allclose(pulled(noise(0), 3.0), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("every", "levels"), [(1, {6.0, 3.0, 1.5}), (2, {6.0, 1.5}), (3, {1.5}), (9, {1.5})]
)
def test_levels_are_counted_back_from_the_last_but_one(every: int, levels: set[float]) -> None:
    assert every_so_many(SIGMAS, every) == levels


def test_a_single_step_has_nothing_to_mediate() -> None:
    assert every_so_many([2.0, 0.0], 1) == frozenset()


def test_elsewhere_the_other_denoiser_is_asked() -> None:
    chosen = at_levels({3.0}, lambda x, s: x + s, lambda x, s: x - s)
    zero = torch.zeros(1)
    assert chosen(zero, 3.0) == 3.0
    assert chosen(zero, 1.5) == -1.5


def test_the_last_step_is_not_mediated() -> None:
    pulled = mediated(shrink, mean, 1, codec=LossyCodec(), last=LAST)
    assert torch.equal(pulled(noise(0), LAST), shrink(noise(0), LAST))
    assert not torch.equal(pulled(noise(0), SIGMAS[-3]), shrink(noise(0), SIGMAS[-3]))


def test_frames_that_hardly_change_are_not_encoded() -> None:
    def nudge(x0: Tensor, sigma: float) -> Tensor:
        moved = x0.clone()
        moved[0, 0, 1, 2] += 0.5 * LEAST_CHANGE
        moved[2, 0, 1, 2] += 8 * LEAST_CHANGE
        return moved

    codec = LossyCodec()
    x0 = shrink(noise(0), 3.0)
    result = mediated(shrink, nudge, 1, codec=codec, last=LAST)(noise(0), 3.0)
    assert codec.encoded == [2]  # the third frame before and after
    assert torch.equal(result[:2], x0[:2])
    assert not torch.equal(result[2], x0[2])


def test_a_mediation_that_is_not_finite_is_not_skipped() -> None:
    def spoil(x0: Tensor, sigma: float) -> Tensor:
        return torch.where(torch.arange(3).view(3, 1, 1, 1) == 1, torch.nan, x0)

    result = mediated(shrink, spoil, 1, codec=LossyCodec(), last=LAST)(noise(0), 3.0)
    assert result[1].isnan().all()
    assert result[0].isfinite().all()


def test_the_estimate_is_not_changed_in_place() -> None:
    estimate = noise(5)
    before = estimate.clone()
    mediated(lambda _x, _s: estimate, mean, 1, codec=LossyCodec(), last=LAST)(noise(0), 3.0)
    assert torch.equal(estimate, before)


def test_keep_known_keeps_the_known_bitwise_and_leaves_the_rest() -> None:
    known, x = noise(1), noise(0)
    mask = torch.zeros(3, 1, 4, 5)
    mask[:, :, 1:3, 2:] = 1
    result = keep_known(shrink, known, mask)(x, 2.0)
    inside = mask.bool().expand_as(result)
    assert torch.equal(result[~inside], known[~inside])
    assert torch.equal(result[inside], shrink(x, 2.0)[inside])


def test_sampling_ends_on_the_known() -> None:
    known, mask = noise(1), torch.zeros(3, 1, 4, 5)
    assert torch.equal(sample_ddim(keep_known(shrink, known, mask), noise(0), SIGMAS), known)


def test_classifier_free_guidance_on_x0_is_guidance_on_the_noise() -> None:
    def other(x: Tensor, sigma: float) -> Tensor:
        return 0.3 * x - 0.05

    x, sigma, scale = noise(0), 2.0, 7.5
    guided = classifier_free(shrink, other, scale)(x, sigma)
    eps, eps_other = (x - shrink(x, sigma)) / sigma, (x - other(x, sigma)) / sigma
    assert torch.allclose(guided, x - sigma * (eps_other + scale * (eps - eps_other)), atol=1e-5)
    assert classifier_free(shrink, other, 1) is shrink


@pytest.mark.parametrize("strength", [0.2, 0.5, 0.8, 1.0])
def test_frames_agree_the_more_the_stronger(strength: float) -> None:
    """A flat image prior lets frames differ; mediation draws them together, in proportion."""
    pulled = mediated(lambda x, _s: x, mean, strength, codec=ExactCodec(), last=0.1)
    spread = (pulled(noise(0), 1.0) - tiny.mean_of_frames(noise(0))).square().mean()
    alone = (noise(0) - tiny.mean_of_frames(noise(0))).square().mean()
    assert float(spread / alone) == pytest.approx((1 - strength) ** 2, abs=1e-6)
