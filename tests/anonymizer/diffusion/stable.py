"""Pipelines that people use, tiny and untrained, as the classes of diffusers save them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderTiny,
    ControlNetModel,
    DDIMScheduler,
    StableDiffusionControlNetInpaintPipeline,
    StableDiffusionControlNetPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionInstructPix2PixPipeline,
    StableDiffusionXLInpaintPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from tests.anonymizer.diffusion import tiny

WIDE = {"transformer_layers_per_block": 1, "cross_attention_dim": 32}
"""What SDXL's denoiser has beside Stable Diffusion's: two encoders side by side ..."""
TOLD = {
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 4,
    "projection_class_embeddings_input_dim": 6 * 4 + 16,
}
"""... and what it is told beside them."""


def ddim(**config: Any) -> DDIMScheduler:
    """Stable Diffusion's schedule, for the sampler that we have."""
    usual = {
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "steps_offset": 1,
        "clip_sample": False,
        "set_alpha_to_one": False,
    }
    return DDIMScheduler(**(usual | config))


def unet(channels: int, *, xl: bool = False, seed: int = 0) -> UNet2DConditionModel:
    """A denoiser; SDXL's kind takes more words."""
    return tiny.text_unet(channels, seed, **(WIDE | TOLD if xl else {}))


def controlnet(*, xl: bool = False, seed: int = 5) -> ControlNetModel:
    """A ControlNet that says something: untrained ones say nothing, by their zero layers."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = ControlNetModel.from_unet(
            unet(4, xl=xl), conditioning_embedding_out_channels=(8, 8), load_weights_from_unet=False
        )
        last = network.controlnet_cond_embedding.conv_out
        for layer in (*network.controlnet_down_blocks, network.controlnet_mid_block, last):
            torch.nn.init.normal_(layer.weight, std=0.3)
    return network.eval()


def _encoders(*, xl: bool) -> dict[str, Any]:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    def shape(activation: str) -> CLIPTextConfig:
        return CLIPTextConfig(
            vocab_size=56,
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=12,
            projection_dim=16,
            hidden_act=activation,
            bos_token_id=0,
            eos_token_id=1,
        )

    parts = {"text_encoder": CLIPTextModel(shape("quick_gelu")).eval()}
    if xl:
        parts["text_encoder_2"] = CLIPTextModelWithProjection(shape("gelu")).eval()
    return parts


def parts(folder: Path, channels: int, *, xl: bool = False, **schedule: Any) -> dict[str, Any]:
    """The parts of a pipeline by their names; words lie in the folder."""
    tokenizer = tiny.tokenizer(folder)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        found = {"vae": tiny._vae(4, 2, 3).eval(), **_encoders(xl=xl)}
    found |= {"unet": unet(channels, xl=xl), "scheduler": ddim(**schedule), "tokenizer": tokenizer}
    return found | ({"tokenizer_2": tokenizer} if xl else {})


_SAFETY: dict[str, Any] = {
    "safety_checker": None,
    "feature_extractor": None,
    "requires_safety_checker": False,
}


def inpainting(folder: Path, channels: int = 9, **schedule: Any) -> Any:
    """Stable Diffusion, for inpainting with nine channels, for all else with four."""
    return StableDiffusionInpaintPipeline(**parts(folder, channels, **schedule), **_SAFETY)


def xl_inpainting(folder: Path, channels: int = 9) -> Any:
    """SDXL for inpainting."""
    return StableDiffusionXLInpaintPipeline(**parts(folder, channels, xl=True))


def xl(folder: Path) -> Any:
    """SDXL."""
    return StableDiffusionXLPipeline(**parts(folder, 4, xl=True), add_watermarker=False)


def controlled(folder: Path) -> Any:
    """Stable Diffusion with a ControlNet in its folder."""
    return StableDiffusionControlNetPipeline(**parts(folder, 4), controlnet=controlnet(), **_SAFETY)


def controlled_inpainting(folder: Path) -> Any:
    """The same for inpainting, with nine channels."""
    return StableDiffusionControlNetInpaintPipeline(
        **parts(folder, 9), controlnet=controlnet(), **_SAFETY
    )


def instructed(folder: Path) -> Any:
    """InstructPix2Pix."""
    return StableDiffusionInstructPix2PixPipeline(**parts(folder, 8), **_SAFETY)


def saved(pipeline: Any, folder: Path) -> Path:
    """Save a pipeline as a user's model would lie on disk."""
    pipeline.save_pretrained(folder)
    return folder


def tiny_vae(folder: Path, *, levels: int = 2, latent: int = 4) -> Path:
    """A tiny autoencoder in a folder of its own."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        AutoencoderTiny(
            latent_channels=latent,
            encoder_block_out_channels=(8,) * levels,
            decoder_block_out_channels=(8,) * levels,
            num_encoder_blocks=(1,) * levels,
            num_decoder_blocks=(1,) * levels,
        ).save_pretrained(folder)
    return folder


ATTENTION = "down_blocks.0.attentions.0.transformer_blocks.0.attn1"


def factors(seed: int, out: int = 8, into: int = 8, rank: int = 2) -> tuple[Tensor, Tensor]:
    """(down, up) of one layer."""
    source = torch.Generator().manual_seed(seed)
    return (
        torch.randn(rank, into, generator=source),
        torch.randn(out, rank, generator=source),
    )


def kohya(path: Path, *, alpha: float = 1.0) -> Path:
    """A LoRA as kohya's trainer writes it: attention, a convolution, and a text encoder."""
    attention = f"lora_unet_{ATTENTION.replace('.', '_')}"
    named = {
        f"{attention}_to_q": factors(1),
        f"{attention}_to_out_0": factors(2),
        "lora_te_text_model_encoder_layers_0_self_attn_q_proj": factors(3, 16, 16),
        "lora_te_text_model_encoder_layers_1_mlp_fc1": factors(4, 16, 16),
    }
    down, up = factors(5, 8, 8 * 9)
    tensors = {
        "lora_unet_down_blocks_0_resnets_0_conv1.lora_down.weight": down.view(2, 8, 3, 3),
        "lora_unet_down_blocks_0_resnets_0_conv1.lora_up.weight": up.view(8, 2, 1, 1),
        "lora_unet_down_blocks_0_resnets_0_conv1.alpha": torch.tensor(alpha),
    }
    for name, (down, up) in named.items():
        tensors |= {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up}
        tensors[f"{name}.alpha"] = torch.tensor(alpha)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    return path


def peft(path: Path) -> Path:
    """A LoRA as diffusers writes it today."""
    tensors: dict[str, Tensor] = {}
    for seed, name in ((1, f"unet.{ATTENTION}.to_q"), (2, f"unet.{ATTENTION}.to_out.0")):
        down, up = factors(seed)
        tensors |= {f"{name}.lora_A.weight": down, f"{name}.lora_B.weight": up}
    down, up = factors(3, 16, 16)
    name = "text_encoder.text_model.encoder.layers.0.self_attn.q_proj"
    tensors |= {f"{name}.lora_A.weight": down, f"{name}.lora_B.weight": up}
    save_file(tensors, path)
    return path


def ip_adapter(folder: Path, *, xl: bool = False, plus: bool = False) -> Path:
    """An IP-Adapter as it is published: a file, and the folder of its image encoder beside it."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    shape = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=8,
        patch_size=4,
        projection_dim=6,
    )
    with torch.random.fork_rng():
        torch.manual_seed(7)
        CLIPVisionModelWithProjection(shape).save_pretrained(folder / "image_encoder")
        tensors = ip_weights(32 if xl else 16, plus=plus)
    save_file(tensors, folder / "ip-adapter.safetensors")
    return folder


def ip_weights(width: int, *, plus: bool = False) -> dict[str, Tensor]:
    """For a denoiser of four layers of 8 channels that attend to ``width``."""
    tensors = {
        f"ip_adapter.{number}.{name}.weight": torch.randn(8, width)
        for number in (1, 3, 5, 7)
        for name in ("to_k_ip", "to_v_ip")
    }
    if not plus:
        told: dict[str, tuple[int, ...]] = {"proj.weight": (4 * width, 6)}
        told |= {"proj.bias": (4 * width,)}
        told |= {"norm.weight": (width,), "norm.bias": (width,)}
    else:
        told = {"latents": (1, 3, 8), "proj_in.weight": (8, 16), "proj_in.bias": (8,)}
        told |= {"proj_out.weight": (width, 8), "proj_out.bias": (width,)}
        told |= {"norm_out.weight": (width,), "norm_out.bias": (width,)}
        for at in range(4):
            named: dict[str, tuple[int, ...]] = {"0.to_q.weight": (64, 8)}
            named |= {"0.to_kv.weight": (128, 8)}
            named |= {"0.to_out.weight": (8, 64), "1.1.weight": (32, 8), "1.3.weight": (8, 32)}
            norms = ("0.norm1", "0.norm2", "1.0")
            named |= {f"{norm}.{part}": (8,) for norm in norms for part in ("weight", "bias")}
            told |= {f"layers.{at}.{name}": size for name, size in named.items()}
    return tensors | {f"image_proj.{name}": torch.randn(size) for name, size in told.items()}


def portrait(path: Path, seed: int = 0) -> Path:
    """A picture that is higher than wide, of nobody."""
    levels = torch.randint(0, 256, (5, 3, 3), generator=torch.Generator().manual_seed(seed))
    picture = Image.fromarray(levels.to(torch.uint8).numpy())
    picture.resize((30, 50), Image.Resampling.BICUBIC).save(path)
    return path
