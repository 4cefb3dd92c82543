"""Write trained networks where the program finds them: diffusers folders in half precision."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

from diffusers import AutoencoderTiny, ModelMixin, UNet2DModel

from anonymizer.training.render import SIZE
from anonymizer.training.unet import build_scheduler

DETAIL = 1 / 16
"""Structure finer than this share of the crop is taken from the guide: the denoiser's is softer."""


def export(
    vae: AutoencoderTiny, unet: UNet2DModel, folder: Path, *, strength: float, steps: int,
    facts: dict[str, Any],
) -> None:  # fmt: skip
    """Write `vae/`, `unet/`, `scheduler/` and `model.json` into `folder`.

    Args:
        vae: the autoencoder, its latent scale in its config.
        unet: the denoiser (averaged weights).
        folder: usually `anonymizer/weights/builtin`.
        strength: noise level from which painting starts, as a share of the schedule.
        steps: DDIM steps from there.
        facts: what the model card wants to know, kept in `model.json`.
    """
    for name, model in (("vae", vae), ("unet", unet)):
        _write(model, folder / name)
    build_scheduler().save_pretrained(folder / "scheduler")
    card = {
        "format": "veilframe-model-1", "size": SIZE, "strength": strength, "steps": steps,
        "detail": DETAIL, "unshuffle": 2,
        "condition": ["mask", "composite latent", "normals", "coverage"], **facts,
    }  # fmt: skip
    (folder / "model.json").write_text(json.dumps(card, indent=2) + "\n")


def _write(model: ModelMixin, folder: Path) -> None:
    deepcopy(model).half().save_pretrained(folder, safe_serialization=True)
    config = folder / "config.json"
    table = json.loads(config.read_text())
    table.pop("block_out_channels" if "encoder_block_out_channels" in table else "", None)
    table.pop("_name_or_path", None)
    config.write_text(json.dumps(table, indent=2) + "\n")
    for file in folder.iterdir():
        file.chmod(0o644)
