"""Seconds per frame and peak memory of whole models of known shapes, by mediator.

    python -m tests.benchmarks.bench_models --device cuda            # 16 frames, 512 px, 20 steps
    python -m tests.benchmarks.bench_models --divide 5 --side 128 --frames 8 --steps 4

Weights are random: what they cost does not depend on what they are. Each case runs in a process of
its own, so that peaks are its own; the first chunk warms up, the second is timed. On a CPU seconds
are those of the processor, on one thread.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

import mediators
from anonymizer.diffusion.autoencoder import Autoencoder
from anonymizer.diffusion.model import LatentModel
from anonymizer.diffusion.painter import Painter
from anonymizer.diffusion.prompts import PromptReplacer
from anonymizer.diffusion.schedule import Schedule
from anonymizer.diffusion.text import Words
from tests import factories

MEDIATORS = ("none", "medm", "fresco", "medm+fresco")
UNETS: dict[str, dict[str, Any]] = {
    "sd15": {
        "in_channels": 9,
        "block_out_channels": (320, 640, 1280, 1280),
        "attention_head_dim": 8,
        "cross_attention_dim": 768,
    },
    "sdxl": {
        "in_channels": 9,
        "block_out_channels": (320, 640, 1280),
        "attention_head_dim": (5, 10, 20),
        "cross_attention_dim": 2048,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": (1, 2, 10),
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 6 * 256 + 1280,
    },
}
"""Denoisers of the inpainting models, as their config.json has them."""
VAE: dict[str, Any] = {
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "latent_channels": 4,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
}


def divided(config: dict[str, Any], divide: int) -> dict[str, Any]:
    """The same shape with narrower layers."""
    widths = tuple(width // divide for width in config["block_out_channels"])
    groups = 32 if all(width % 32 == 0 for width in widths) else 4
    return config | {"block_out_channels": widths, "norm_num_groups": groups}


def replacer(args: argparse.Namespace) -> PromptReplacer:
    """The model of a case, with random weights, in bfloat16 on a GPU."""
    device = torch.device(args.device)
    dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
    torch.manual_seed(0)
    with device:
        unet = UNet2DConditionModel(
            sample_size=args.side // 8, **divided(UNETS[args.model], args.divide)
        ).to(dtype)
        vae = AutoencoderKL(**divided(VAE, 1 if args.divide == 1 else 4)).to(dtype)
    model = LatentModel(unet.eval().requires_grad_(False), Schedule.from_config({}), args.frames)
    coder = Autoencoder(vae.eval().requires_grad_(False), 4)
    wide = UNETS[args.model]["cross_attention_dim"]
    pooled = torch.randn(1, 1280, device=device) if args.model == "sdxl" else None
    wanted, unwanted = (Words(torch.randn(1, 77, wide, device=device), pooled) for _ in range(2))
    return PromptReplacer(Painter(model, coder, args.side), wanted, unwanted, args.steps)


def one(args: argparse.Namespace) -> dict[str, float]:
    """Seconds per frame, and gigabytes at the most, of one mediator."""
    if args.device == "cpu":
        torch.set_num_threads(1)
    clip = factories.clip(T=args.frames, S=args.side)
    painter, mediator = replacer(args), mediators.united(args.one, {})

    def chunk() -> None:
        sketch = painter.sketch(clip, 1)
        sketch.paint(mediator.prepare(sketch.moving, None))

    if args.device == "cpu":
        took = _timed(chunk, time.process_time)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    else:
        chunk()
        torch.cuda.reset_peak_memory_stats()
        took = _timed(chunk, _synchronised)
        peak = torch.cuda.max_memory_allocated() / 2**30
    return {"seconds": took / args.frames, "gigabytes": peak}


def _timed(call: Callable[[], None], clock: Callable[[], float]) -> float:
    start = clock()
    call()
    return clock() - start


def _synchronised() -> float:
    torch.cuda.synchronize()
    return time.perf_counter()


def main(words: list[str] | None = None) -> None:
    """Run every case and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--divide", type=int, default=1, help="narrower layers")
    parser.add_argument("--models", nargs="+", default=list(UNETS))
    parser.add_argument("--model", help=argparse.SUPPRESS)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args(words)
    if args.one:
        print(json.dumps(one(args)))
        return
    print(f"{args.frames} frames of {args.side} px, {args.steps} steps, on {args.device}")
    print("model  mediator     s/frame   ratio   peak GB")
    for model in args.models:
        alone = None
        for name in MEDIATORS:
            found = _apart(args, model, name)
            alone = alone or found["seconds"]
            ratio = found["seconds"] / alone
            print(
                f"{model:<7}{name:<12}{found['seconds']:>8.3f}{ratio:>8.2f}"
                f"{found['gigabytes']:>10.2f}",
                flush=True,
            )


def _apart(args: argparse.Namespace, model: str, mediator: str) -> dict[str, float]:
    """One case in a process of its own."""
    given = ("device", "side", "frames", "steps", "divide")
    words = [str(word) for name in given for word in (f"--{name}", getattr(args, name))]
    command = [sys.executable, "-m", "tests.benchmarks.bench_models", *words]
    done = subprocess.run(
        [*command, "--model", model, "--one", mediator], capture_output=True, text=True, check=True
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
