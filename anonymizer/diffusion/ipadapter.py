"""A picture beside the prompt (IP-Adapter, Ye et al. 2023, arXiv 2308.06721).

What the picture shows goes over into what is painted. It is a file that the user names, of nobody
in the film; nothing of the film is ever read here (invariant P1).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from PIL import Image, ImageOps
from safetensors import safe_open
from torch import Tensor

from anonymizer.diffusion.clip import quietly, read_encoder
from anonymizer.diffusion.weights import reading
from anonymizer.errors import MissingWeights, UsageError

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel

    from anonymizer.networks import Networks

MEAN: Final = (0.48145466, 0.4578275, 0.40821073)
SPREAD: Final = (0.26862954, 0.26130258, 0.27577711)
"""Of the pictures that CLIP was trained on, by colour."""
ENCODER: Final = "image_encoder"
"""Name of the folder of an image encoder, beside an adapter or in a model's folder."""
_FOR: Final = "take an adapter that was made for this model"


def file_of(given: str) -> Path:
    """The one file of safetensors that is given by its path or its folder.

    Raises:
        MissingWeights: if there is none, or a choice.
    """
    path = Path(given)
    if path.is_dir():
        found = sorted(path.glob("*.safetensors"))
        if len(found) != 1:
            names = ", ".join(each.name for each in found) or "none"
            reason = f"holds {len(found)} .safetensors files ({names}); name the ip-adapter's"
            raise MissingWeights(path, reason)
        path = found[0]
    if path.suffix != ".safetensors":
        raise MissingWeights(path, "an IP-Adapter must be a .safetensors file; convert it first")
    return path


def encoder_of(networks: Networks, model: Path) -> Path:
    """The folder of the image encoder: the one that is named, or that lies where it usually does.

    Raises:
        MissingWeights: if there is none.
    """
    if networks.ip_adapter_encoder is not None:
        return Path(networks.ip_adapter_encoder)
    path = file_of(networks.ip_adapter or "")
    for place in (path.parent / ENCODER, model / ENCODER):
        if place.is_dir():
            return place
    reason = f"has no {ENCODER} beside it; name its folder by --ip-adapter-encoder"
    raise MissingWeights(path, reason)


def join(network: UNet2DConditionModel, path: Path, scale: float) -> None:
    """Let a denoiser look at a picture, too, through the loader of diffusers.

    Args:
        network: gets further layers, and must be told a picture from now on.
        path: of the adapter.
        scale: strength of the picture; 0 leaves the prompt alone.

    Raises:
        MissingWeights: if the file is absent, damaged, or for another kind of model.
        UsageError: if transformers is not installed.
    """
    with quietly():
        from diffusers.loaders.ip_adapter import IPAdapterMixin  # not without transformers

    class Host(IPAdapterMixin):  # type: ignore[misc]  # of a library without types
        """As much of a pipeline as the loader needs."""

        unet_name, unet = "unet", network

    _check(network, path)
    with reading(path):
        Host().load_ip_adapter(
            str(path.parent),
            subfolder="",
            weight_name=path.name,
            local_files_only=True,
            low_cpu_mem_usage=False,  # which would need another package
        )
    Host().set_ip_adapter_scale(scale)
    network.eval().requires_grad_(False)


def _check(network: UNet2DConditionModel, path: Path) -> None:
    """Refuse what is no IP-Adapter, or not for this model, before diffusers stumbles over it."""
    with reading(path):
        if not path.is_file():
            raise FileNotFoundError(path)
        with safe_open(path, framework="pt") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - no mapping
    names = {name.partition(".")[2] for name in shapes if name.startswith("image_proj.")}
    keys = [shapes[name] for name in shapes if name.endswith(".to_k_ip.weight")]
    if not names or not keys:
        raise MissingWeights(path, f"holds no IP-Adapter; {_FOR}")
    whose = {"proj.weight", "proj.3.weight", "latents"}
    if not names & whose:
        raise MissingWeights(path, "is told who a face is, not shown a picture; such are not read")
    layers = sum(name.endswith("attn2.processor") for name in network.attn_processors)
    width = network.config.cross_attention_dim
    if len(keys) != layers or {shape[1] for shape in keys} != {width}:
        reason = f"{len(keys)} layers of {keys[0][1]} channels do not fit {layers} of {width}"
        raise MissingWeights(path, f"{reason}; {_FOR}")


def embed(
    network: UNet2DConditionModel, picture: Path, encoder: Path, device: torch.device
) -> tuple[Tensor, Tensor]:
    """What a joined denoiser is told of a picture, and where it is told of none.

    Returns:
        Both (1, 1, D), or (1, 1, L, D) for adapters that look at all parts of it, float32.

    Raises:
        UsageError: if the picture cannot be read, or transformers is not installed.
        MissingWeights: if the encoder is absent, damaged, or another one than the adapter's.
    """
    from diffusers.models.embeddings import ImageProjection

    clip = read_encoder(encoder, "CLIPVisionModelWithProjection").to(device)
    seen = pixels_of(picture, int(clip.config.image_size)).to(device)
    (projection,) = network.encoder_hid_proj.image_projection_layers
    with torch.no_grad():
        if isinstance(projection, ImageProjection):
            shown = clip(seen).image_embeds
            nothing = torch.zeros_like(shown)
        else:
            shown, nothing = (_parts(clip, each) for each in (seen, torch.zeros_like(seen)))
        _check_width(network, shown, encoder)
    return shown[None].float(), nothing[None].float()


def _parts(clip: Any, seen: Tensor) -> Tensor:  # noqa: ANN401 - of a library without types
    states: Tensor = clip(seen, output_hidden_states=True).hidden_states[-2]
    return states


def _check_width(network: UNet2DConditionModel, shown: Tensor, encoder: Path) -> None:
    try:
        network.encoder_hid_proj([shown[None].to(network.dtype)])
    except RuntimeError as error:
        reason = f"{shown.shape[-1]} numbers do not fit the IP-Adapter; name its encoder by"
        raise MissingWeights(encoder, f"{reason} --ip-adapter-encoder") from error


def pixels_of(path: Path, side: int) -> Tensor:
    """A picture as CLIP wants it, (1, 3, side, side): the square in its middle, normalised.

    Raises:
        UsageError: if it cannot be read.
    """
    try:
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = f"cannot be read as a picture ({type(error).__name__}); give a PNG or JPEG file"
        raise UsageError(f"ip-adapter-image {path}: {reason}") from error
    width, height = (int(side * each / min(image.size)) for each in image.size)
    small = image.resize((width, height), Image.Resampling.BICUBIC)
    left, top = (width - side) // 2, (height - side) // 2
    square = small.crop((left, top, left + side, top + side))
    levels = torch.frombuffer(bytearray(square.tobytes()), dtype=torch.uint8).view(side, side, 3)
    normal = (levels / 255 - torch.tensor(MEAN)) / torch.tensor(SPREAD)
    return normal.permute(2, 0, 1)[None]
