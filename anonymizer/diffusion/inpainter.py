"""From settings and weights to a replacer that paints faces by diffusion."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import torch
from diffusers import UNet2DModel

from anonymizer.diffusion import hub, memory, pipelines, weights
from anonymizer.diffusion.artist import Artist
from anonymizer.diffusion.autoencoder import Autoencoder
from anonymizer.diffusion.faces import FaceReplacer
from anonymizer.diffusion.model import LatentModel
from anonymizer.diffusion.painter import Painter
from anonymizer.diffusion.prompts import PromptReplacer
from anonymizer.errors import MissingWeights, UsageError
from anonymizer.head.model import HeadModel
from anonymizer.networks import Networks
from anonymizer.settings import Painting

if TYPE_CHECKING:
    from anonymizer.protocols import Replacer

FORMAT: Final = "veilframe-model-1"
"""What `model.json` of a built-in model says of itself."""
EVERY: Final = 2
"""Steps from one that is mediated to the next: starting from a drawing, frames hardly part."""


def build(painting: Painting, device: torch.device, networks: Networks | None = None) -> Replacer:
    """The replacer that the settings name, on a device.

    Raises:
        MissingWeights: if a file of the model is absent, damaged or of a kind that does not fit.
        UsageError: if transformers is needed and not installed, or if anything is to join the
            built-in model.
    """
    if painting.model == "builtin":
        if networks is not None and networks.joining:
            names = " and ".join(networks.joining)
            raise UsageError(f"{names}: not for the built-in model; name one by --model")
        return builtin(painting, device, weights.builtin_folder())
    return prompted(painting, device, hub.folder_of(painting.model), networks)


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
    _check_inputs(painter, folder)
    steps = painting.steps or steps
    return FaceReplacer(
        painter,
        HeadModel.load(),
        start,
        steps,
        detail,
        painting.init,
        painting.match,
        None if painting.keyframes == "auto" else painting.keyframes,
    )


def enlarged(replacer: Replacer) -> Replacer | None:
    """The same painter for crops of twice the size, where a drawing can fill the difference."""
    return replace(replacer, enlarged=2) if isinstance(replacer, FaceReplacer) else None


def prompted(
    painting: Painting, device: torch.device, folder: Path, networks: Networks | None = None
) -> PromptReplacer:
    """A Stable Diffusion pipeline, of 4 or 9 input channels or alike, perhaps with a ControlNet."""
    networks = networks or Networks()
    pipeline = pipelines.load(folder, painting, networks, device, told=(0, 2))
    artist = None
    if pipeline.painter.model.control is not None:
        artist = Artist(HeadModel.load(), networks.face_control)
    return PromptReplacer(
        pipeline.painter,
        pipeline.prompt,
        pipeline.negative,
        painting.steps or pipelines.STEPS,
        painting.guidance,
        "source" if painting.init == "source" else "noise",
        painting.strength,
        artist,
        pipeline.lexicon,
    )


def _painter(folder: Path, painting: Painting, device: torch.device, *, size: int) -> Painter:
    """The networks of the built-in model."""
    dtype = memory.precision("auto", device)
    network = weights.read_unet(folder, dtype=dtype, device=device)
    on_cpu = device.type == "cpu"
    batch = memory.SIDE_BY_SIDE if on_cpu else memory.CHUNK
    model = LatentModel(network, weights.read_schedule(folder), batch, side_by_side=on_cpu)
    coder = weights.read_autoencoder(folder, dtype=dtype, device=device)
    autoencoder = Autoencoder(coder, batch, side_by_side=on_cpu)
    quick = pipelines.quicker(folder, autoencoder)
    return Painter(
        model, autoencoder, size, painting.coherence, quick, painting.mediate_every or EVERY
    )


def _check_inputs(painter: Painter, folder: Path) -> None:
    """Refuse a denoiser that wants to be told other things than it will be."""
    network, wanted = painter.model.network, 2 * painter.autoencoder.channels + 5
    taken = network.config.in_channels
    if taken == wanted and isinstance(network, UNet2DModel):
        return
    reason = f"{type(network).__name__} of {taken} channels does not fit here; want {wanted}"
    raise MissingWeights(folder / "unet" / "config.json", reason)
