"""Networks of the real classes, small enough to make in a moment, and mediations of a few lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    DDIMScheduler,
    UNet2DConditionModel,
    UNet2DModel,
)
from torch import Tensor

from anonymizer.data import Carry

SIZE = 32


def _vae(latent: int, levels: int, colours: int) -> AutoencoderKL:
    return AutoencoderKL(
        in_channels=colours,
        out_channels=colours,
        latent_channels=latent,
        block_out_channels=(8,) * levels,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        norm_num_groups=4,
        sample_size=SIZE,
        mid_block_add_attention=False,
    )


def folded_vae(seed: int = 0) -> AutoencoderKL:
    """With 12 channels in, 8 latent channels, and a scale per channel in its config."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = _vae(8, 3, 12)
    network.register_to_config(
        scaling_factor=1.0,
        latents_mean=[0.1 * k for k in range(8)],
        latents_std=[0.5 + 0.1 * k for k in range(8)],
    )
    return network.eval()


def folded_tiny(seed: int = 0) -> AutoencoderTiny:
    """The class of the built-in autoencoder: 12 channels in, 8 latent channels, factor 8."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = AutoencoderTiny(
            in_channels=12,
            out_channels=12,
            latent_channels=8,
            encoder_block_out_channels=(8, 8, 8),
            decoder_block_out_channels=(8, 8, 8),
            num_encoder_blocks=(1, 1, 1),
            num_decoder_blocks=(1, 1, 1),
        )
    encoder, decoder = network.encoder.layers, network.decoder.layers
    encoder[-1].weight.data *= 128  # untrained, it would hardly tell one picture from another
    decoder[-1].weight.data *= 4
    decoder[-1].bias.data += 0.5  # middle brightness: black would hide every difference
    return network.eval()


def guided_unet(seed: int = 0) -> UNet2DModel:
    """Like the built-in one: 21 channels in."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return UNet2DModel(
            sample_size=SIZE // 8,
            in_channels=21,
            out_channels=8,
            block_out_channels=(16, 16),
            layers_per_block=1,
            down_block_types=("DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D"),
            attention_head_dim=8,
            norm_num_groups=8,
            resnet_time_scale_shift="scale_shift",
        ).eval()


def text_unet(channels: int, seed: int = 0, **options: Any) -> UNet2DConditionModel:
    """Like Stable Diffusion's, with `channels` input channels."""
    shape = {
        "sample_size": SIZE // 2,
        "in_channels": channels,
        "out_channels": 4,
        "block_out_channels": (8, 8),
        "layers_per_block": 1,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "cross_attention_dim": 16,
        "attention_head_dim": 4,
        "norm_num_groups": 4,
    }
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return UNet2DConditionModel(**(shape | options)).eval()


def write_builtin(folder: Path, **card: Any) -> Path:
    """A folder laid out as the built-in model's; entries of `card` change its `model.json`."""
    folded_tiny().half().save_pretrained(folder / "vae")
    guided_unet().half().save_pretrained(folder / "unet")
    DDIMScheduler(
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        clip_sample=False,
        timestep_spacing="trailing",
    ).save_pretrained(folder / "scheduler")
    told = {"format": "veilframe-model-1", "size": SIZE, "strength": 0.7, "steps": 4, "detail": 0}
    table = told | card
    (folder / "model.json").write_text(json.dumps(table))
    return folder


def write_pipeline(folder: Path, channels: int = 9, **unet: Any) -> Path:
    """A folder laid out as a Stable Diffusion pipeline's, with its own tiny words."""
    text_unet(channels, **unet).save_pretrained(folder / "unet")
    with torch.random.fork_rng():
        torch.manual_seed(1)
        _vae(4, 2, 3).save_pretrained(folder / "vae")
        _write_text_encoder(folder)
    DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
    ).save_pretrained(folder / "scheduler")
    (folder / "model_index.json").write_text('{"_class_name": "StableDiffusionInpaintPipeline"}')
    return folder


def tokenizer(folder: Path) -> Any:
    """CLIP's, for words of single letters; its own files go to ``folder/words``."""
    from transformers import CLIPTokenizer

    letters = "abcdefghijklmnopqrstuvwxyz,"
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(c + "</w>" for c in letters)]
    (folder / "words").mkdir(parents=True, exist_ok=True)
    vocabulary, merges = folder / "words" / "vocab.json", folder / "words" / "merges.txt"
    vocabulary.write_text(json.dumps({word: at for at, word in enumerate(words)}))
    merges.write_text("#version: 0.2\n")
    return CLIPTokenizer(str(vocabulary), str(merges), model_max_length=12)


def _write_text_encoder(folder: Path) -> None:
    from transformers import CLIPTextConfig, CLIPTextModel

    tokenizer(folder).save_pretrained(folder / "tokenizer")
    shape = CLIPTextConfig(
        vocab_size=56,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=12,
        bos_token_id=0,
        eos_token_id=1,
    )
    CLIPTextModel(shape).save_pretrained(folder / "text_encoder")


@dataclass
class Plan:
    """A mediation that applies a function and remembers how it was used."""

    function: Callable[[Tensor], Tensor] = lambda x0: x0
    sigmas: list[float] = field(default_factory=list)
    attached: list[Any] = field(default_factory=list)
    inside: bool = False
    together: bool = False
    reference: Any = None

    def noise(self, shape: tuple[int, ...], seed: int) -> Tensor:
        one = torch.randn((1, *shape[1:]), generator=torch.Generator().manual_seed(seed))
        return one.expand(shape)

    def __call__(self, x0: Tensor, sigma: float) -> Tensor:
        assert self.inside
        self.sigmas.append(sigma)
        return self.function(x0)

    @contextmanager
    def attach(self, model: Any, reference: Any = None) -> Iterator[None]:
        self.attached.append(model)
        self.reference = reference
        self.inside = True
        yield
        self.inside = False

    def carry(self) -> Carry | None:
        return None


def mean_of_frames(x0: Tensor) -> Tensor:
    """The temporal mean, for every frame."""
    return x0.mean(0, keepdim=True).expand_as(x0)
