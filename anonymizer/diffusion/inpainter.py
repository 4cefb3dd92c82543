"""From settings and weights to a replacer that paints faces by diffusion."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import torch
from diffusers import UNet2DConditionModel

from anonymizer.diffusion import weights
from anonymizer.diffusion.autoencoder import Autoencoder
from anonymizer.diffusion.faces import FaceReplacer
from anonymizer.diffusion.model import LatentModel
from anonymizer.diffusion.painter import Painter
from anonymizer.diffusion.prompts import PromptReplacer
from anonymizer.diffusion.text import embed
from anonymizer.errors import MissingWeights
from anonymizer.head.model import HeadModel
from anonymizer.settings import Painting

if TYPE_CHECKING:
    from anonymizer.protocols import Replacer

FORMAT: Final = "veilframe-model-1"
"""What `model.json` of a built-in model says of itself."""
STEPS: Final = 20
"""Sampling steps of models that do not say how many they want."""


def build(painting: Painting, device: torch.device) -> Replacer:
    """The replacer that the settings name, on a device.

    Raises:
        MissingWeights: if a file of the model is absent, damaged or of a kind that does not fit.
        UsageError: if transformers is needed and not installed.
    """
    if painting.model == "builtin":
        return builtin(painting, device, weights.builtin_folder())
    return prompted(painting, device, weights.pipeline_folder(painting.model))


def builtin(painting: Painting, device: torch.device, folder: Path) -> FaceReplacer:
    """The built-in model of a folder with `vae`, `unet`, `scheduler` and `model.json`."""
    path = folder / "model.json"
    table = weights.read_json(path)
    with weights.reading(path):
        if table["format"] != FORMAT:
            raise ValueError(f"format {table['format']!r} is not {FORMAT!r}")
        size, start, steps = int(table["size"]), float(table["strength"]), int(table["steps"])
        detail = float(table["detail"])
    if painting.init != "guide":
        start = painting.strength if painting.init == "source" else 1.0
    painter = _painter(folder, painting, device, size=size)
    _check_inputs(painter, folder, {2 * painter.autoencoder.channels + 5}, text=False)
    steps = painting.steps or steps
    return FaceReplacer(
        painter, HeadModel.load(), start, steps, detail, painting.init, match=painting.match
    )


def enlarged(replacer: Replacer) -> Replacer | None:
    """The same painter for crops of twice the size, where a drawing can fill the difference."""
    return replace(replacer, enlarged=2) if isinstance(replacer, FaceReplacer) else None


def prompted(painting: Painting, device: torch.device, folder: Path) -> PromptReplacer:
    """A Stable Diffusion pipeline of a folder, of 4 or 9 input channels or alike."""
    painter = _painter(folder, painting, device, size=None)
    channels = painter.autoencoder.channels
    _check_inputs(painter, folder, {channels, 2 * channels + 1}, text=True)
    prompt, negative = embed(folder, [painting.prompt, painting.negative_prompt], device=device)
    return PromptReplacer(
        painter,
        prompt[None],
        negative[None],
        painting.steps or STEPS,
        painting.guidance,
        "source" if painting.init == "source" else "noise",
        painting.strength,
    )


def _check_inputs(painter: Painter, folder: Path, counts: set[int], *, text: bool) -> None:
    """Refuse a denoiser that wants to be told other things than it will be."""
    network = painter.model.network
    taken, extra = network.config.in_channels, network.config.get("addition_embed_type")
    if taken in counts and extra is None and isinstance(network, UNet2DConditionModel) == text:
        return
    kind, wanted = type(network).__name__, " or ".join(map(str, sorted(counts)))
    reason = (
        f"{kind} of {taken} channels (extra: {extra}) does not fit here; want {wanted} channels"
    )
    raise MissingWeights(folder / "unet" / "config.json", reason)


def _painter(
    folder: Path, painting: Painting, device: torch.device, *, size: int | None
) -> Painter:
    """Networks of a folder; without a size the crops are what the denoiser was trained on."""
    dtype, batch = _precision(device), 16 if size else 4
    network = weights.read_unet(folder, dtype=dtype, device=device)
    coder = weights.read_autoencoder(folder, dtype=dtype, device=device)
    model = LatentModel(network, weights.read_schedule(folder), batch)
    autoencoder = Autoencoder(coder, batch)
    side = size or int(network.config.sample_size) * autoencoder.factor
    return Painter(model, autoencoder, side, painting.coherence, _round_trip(folder, autoencoder))


def _round_trip(folder: Path, autoencoder: Autoencoder) -> Autoencoder | None:
    """The autoencoder in bfloat16, where a CPU computes in it faster than in float32."""
    fast = autoencoder.network.device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()  # noqa: SLF001 - the only way to ask
    if not fast:
        return None
    network = weights.read_autoencoder(
        folder, dtype=torch.bfloat16, device=autoencoder.network.device
    )
    return Autoencoder(network, autoencoder.batch)


def _precision(device: torch.device) -> torch.dtype:
    """bfloat16 where the hardware has it, float32 elsewhere."""
    fast = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return torch.bfloat16 if fast else torch.float32
