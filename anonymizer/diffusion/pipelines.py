"""From a folder of a diffusers pipeline to its networks, ready to be sampled from.

Networks are read one by one by the classes of diffusers; what a pipeline's own ``__call__`` would
do with them is done by `sampling`, `guidance` and the replacers here.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from anonymizer.diffusion import ipadapter, memory, weights
from anonymizer.diffusion.autoencoder import Autoencoder
from anonymizer.diffusion.hub import folder_of
from anonymizer.diffusion.lora import read_all
from anonymizer.diffusion.model import Control, LatentModel
from anonymizer.diffusion.painter import Painter
from anonymizer.diffusion.text import Lexicon, Words
from anonymizer.errors import MissingWeights, UsageError

if TYPE_CHECKING:
    from diffusers import ModelMixin

    from anonymizer.diffusion.lora import Adapter
    from anonymizer.networks import Networks
    from anonymizer.settings import Painting

INDEX: Final = "model_index.json"
"""What says which parts a pipeline has."""
STEPS: Final = 20
"""Sampling steps of models that do not say how many they want."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Pipeline:
    """The networks of a pipeline, and what its prompts mean to them."""

    painter: Painter
    prompt: Words
    negative: Words
    lexicon: Lexicon
    """Tells what other prompts mean."""


def load(
    folder: Path,
    painting: Painting,
    networks: Networks,
    device: torch.device,
    *,
    told: Collection[int],
) -> Pipeline:
    """The pipeline that the settings name, on a device.

    Args:
        folder: of the pipeline.
        painting: the prompts.
        networks: what joins it, and how it fits into memory.
        device: where it computes.
        told: how many times C channels, and mask channels besides, the denoiser may be told beyond
            the C of the noisy latents: 0 for none, 1 for a picture, 2 for a picture and a mask.

    Raises:
        MissingWeights: if a file is absent, damaged or of a kind that does not fit.
        UsageError: if transformers is needed and not installed.
    """
    _check_parts(folder)
    adapters = read_all(networks.lora, weights.read_json(folder / "unet" / "config.json"))
    painter = read_painter(folder, painting, networks, device, adapters)
    _check_inputs(painter, folder, told)
    lexicon = Lexicon(folder, device, adapters)
    prompt, negative = lexicon.of(painting.prompt, painting.negative_prompt)
    _check_widths(painter.model.network, folder, prompt)
    shown, blank = _pictured(painter, folder, networks, device)
    prompt, negative = replace(prompt, picture=shown), replace(negative, picture=blank)
    return Pipeline(painter, prompt, negative, lexicon)


def _pictured(
    painter: Painter, folder: Path, networks: Networks, device: torch.device
) -> tuple[Tensor, Tensor] | tuple[None, None]:
    """What the denoiser is told of the user's picture, and of none; None without an IP-Adapter."""
    if networks.ip_adapter is None or networks.ip_adapter_image is None:
        return None, None
    encoder = ipadapter.encoder_of(networks, folder)
    picture = Path(networks.ip_adapter_image)
    return ipadapter.embed(painter.model.network, picture, encoder, device)


def read_painter(
    folder: Path,
    painting: Painting,
    networks: Networks,
    device: torch.device,
    adapters: list[Adapter],
) -> Painter:
    """The networks of a folder; crops are of the size the denoiser was trained on."""
    dtype, batch = (
        memory.precision(networks.precision, device),
        memory.first_batch(networks, device),
    )
    where = memory.place(networks, device)
    unet = weights.read_unet(folder, dtype=dtype, device=where)
    for change in adapters:
        change.merge(unet, "unet")
    if networks.ip_adapter is not None:
        path = ipadapter.file_of(networks.ip_adapter)
        ipadapter.join(unet, path, networks.ip_adapter_scale)
    memory.saved(unet, networks, device)
    if networks.compile:
        unet.compile()
    control = _control(folder, networks, device, unet)
    schedule = weights.read_schedule(folder)
    model = LatentModel(unet, schedule, batch, control=control, works_on=device)
    autoencoder = _autoencoder(folder, networks, device)
    side = int(unet.config.sample_size) * autoencoder.factor
    quick = _mediating(folder, networks, device, autoencoder)
    return Painter(model, autoencoder, side, painting.coherence, quick, painting.mediate_every or 1)


def _control(
    folder: Path, networks: Networks, device: torch.device, unet: ModelMixin
) -> Control | None:
    """The ControlNet that is named, or the one that came with the pipeline."""
    dtype, where = memory.precision(networks.precision, device), memory.place(networks, device)
    if networks.controlnet is not None:
        place = folder_of(networks.controlnet, alone=True)
    elif (folder / "controlnet").is_dir():
        place = folder / "controlnet"
    else:
        return None
    network = weights.read_controlnet(place, dtype=dtype, device=where)
    _check_control(network, unet, place)
    return Control(memory.saved(network, networks, device), networks.control_scale)


def _check_control(network: ModelMixin, unet: ModelMixin, folder: Path) -> None:
    """Refuse a ControlNet of another kind of denoiser."""
    for name in ("block_out_channels", "cross_attention_dim", "addition_embed_type"):
        own, wanted = (each.config.get(name) for each in (network, unet))
        if own != wanted:
            reason = f"{name} {own} does not fit {wanted} of the model"
            raise MissingWeights(folder / "config.json", f"{reason}; take a ControlNet made for it")


def _autoencoder(folder: Path, networks: Networks, device: torch.device) -> Autoencoder:
    dtype = memory.precision(networks.precision, device)
    if dtype == torch.float16 and weights.overflows(folder):
        dtype = torch.float32
    where = memory.place(networks, device)
    network = weights.read_autoencoder(folder, dtype=dtype, device=where)
    return Autoencoder(
        memory.saved(network, networks, device), memory.first_batch(networks, device)
    )


def _mediating(
    folder: Path, networks: Networks, device: torch.device, whole: Autoencoder
) -> Autoencoder | None:
    """What mediated steps go through: the autoencoder that is named, or one that is quicker here.

    Raises:
        UsageError: if its latents are not those of the pipeline's own.
    """
    if networks.mediate_vae is None:
        return quicker(folder, whole) if networks.precision == "auto" else None
    place = folder_of(networks.mediate_vae, alone=True)
    dtype = memory.precision(networks.precision, device)
    network = weights.read_autoencoder(place, dtype=dtype, device=device)
    made = Autoencoder(network, whole.batch)
    if (made.factor, made.channels) != (whole.factor, whole.channels):
        raise UsageError(
            f"mediate-vae has {made.channels} channels of 1/{made.factor} size, the model "
            f"{whole.channels} of 1/{whole.factor}; take one made for this model"
        )
    return made


def quicker(folder: Path, autoencoder: Autoencoder) -> Autoencoder | None:
    """The autoencoder in bfloat16, where a CPU computes in it faster than in float32."""
    fast = autoencoder.network.device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()  # noqa: SLF001 - the only way to ask
    if not fast:
        return None
    network = weights.read_autoencoder(
        folder, dtype=torch.bfloat16, device=autoencoder.network.device
    )
    return Autoencoder(network, autoencoder.batch, autoencoder.side_by_side)


def _check_parts(folder: Path) -> None:
    """Refuse what is no pipeline, or one of another family, before its files are asked for."""
    if not (folder / INDEX).is_file():
        reason = f"holds no {INDEX}; give the folder of a whole pipeline, as save_pretrained writes"
        raise MissingWeights(folder, f"{reason} it")
    kind = weights.read_json(folder / INDEX).get("_class_name")
    number = "" if (folder / "text_encoder").is_dir() else "_2"
    wanted = ("unet", "vae", "scheduler", f"text_encoder{number}", f"tokenizer{number}")
    missing = [name for name in wanted if not (folder / name).is_dir()]
    if missing:
        reason = f"{kind} has no {', '.join(missing)}; want one of the Stable Diffusion family"
        raise MissingWeights(folder / INDEX, reason)


def _check_inputs(painter: Painter, folder: Path, told: Collection[int]) -> None:
    """Refuse a denoiser that wants to be told other things than it will be."""
    network, channels = painter.model.network, painter.autoencoder.channels
    counts = {0: channels, 1: 2 * channels, 2: 2 * channels + 1}
    legal = sorted(counts[each] for each in told)
    taken, extra = network.config.in_channels, network.config.get("addition_embed_type")
    expected = "text_time" if (folder / "text_encoder_2").is_dir() else None
    if taken in legal and extra == expected and isinstance(network, UNet2DConditionModel):
        return
    kind, wanted = type(network).__name__, " or ".join(map(str, legal))
    reason = (
        f"{kind} of {taken} channels (extra: {extra}) does not fit here; want {wanted} channels"
    )
    raise MissingWeights(folder / "unet" / "config.json", reason)


def _check_widths(network: UNet2DConditionModel, folder: Path, words: Words) -> None:
    config = network.config
    fits = words.states.shape[-1] == config.cross_attention_dim
    if words.pooled is not None:
        row = 6 * config.addition_time_embed_dim + words.pooled.shape[-1]
        fits = fits and row == config.projection_class_embeddings_input_dim
    if not fits:
        reason = "does not fit the text encoders beside it; the folder is of several models"
        raise MissingWeights(folder / "unet" / "config.json", reason)
