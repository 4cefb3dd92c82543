"""Reading networks from disk: safetensors only, nothing fetched, nothing left to chance."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    ControlNetModel,
    ModelMixin,
    UNet2DConditionModel,
    UNet2DModel,
)
from safetensors import SafetensorError

from anonymizer.diffusion.schedule import Schedule
from anonymizer.errors import MissingWeights

_Network = TypeVar("_Network", bound=ModelMixin)

_AUTOENCODERS: Final = {"AutoencoderKL": AutoencoderKL, "AutoencoderTiny": AutoencoderTiny}
_UNETS: Final = {"UNet2DModel": UNet2DModel, "UNet2DConditionModel": UNet2DConditionModel}
_CONTROLS: Final = {"ControlNetModel": ControlNetModel}
_FILE: Final = "diffusion_pytorch_model"


def builtin_folder() -> Path:
    """Where the packaged model lies."""
    return Path(str(files("anonymizer") / "weights" / "builtin"))


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what goes wrong while loading into one error that names the file."""
    try:
        yield
    except json.JSONDecodeError as error:
        raise MissingWeights(path, "damaged: not JSON; install or fetch it again") from error
    except FileNotFoundError as error:
        raise MissingWeights(path, "not there; install or fetch it again") from error
    except (SafetensorError, OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        reason = f"cannot be loaded ({type(error).__name__}); install or fetch it again"
        raise MissingWeights(path, reason) from error


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        MissingWeights: if it is absent or holds something else.
    """
    with reading(path):
        table = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(table, dict):
            raise TypeError(f"expected an object, got {type(table).__name__}")
        return table


def read_schedule(folder: Path) -> Schedule:
    """The noise schedule of a pipeline's folder."""
    path = folder / "scheduler" / "scheduler_config.json"
    config = read_json(path)
    with reading(path):
        return Schedule.from_config(config)


def read_autoencoder(
    folder: Path, *, dtype: torch.dtype, device: torch.device
) -> AutoencoderKL | AutoencoderTiny:
    """The autoencoder of a pipeline's folder, or of a folder of its own."""
    place = folder / "vae" if (folder / "vae").is_dir() else folder
    kind: type[AutoencoderKL | AutoencoderTiny] = _class(place, _AUTOENCODERS)
    network = _network(kind, place, dtype, device)
    network.to(memory_format=torch.channels_last)  # a quarter faster on a CPU
    return network


def overflows(folder: Path) -> bool:
    """Whether the autoencoder of a pipeline's folder is known to overflow in float16."""
    return bool(read_json(folder / "vae" / "config.json").get("force_upcast"))


def read_controlnet(folder: Path, *, dtype: torch.dtype, device: torch.device) -> ControlNetModel:
    """The ControlNet of a folder of its own."""
    return _network(_class(folder, _CONTROLS), folder, dtype, device)


def read_unet(
    folder: Path, *, dtype: torch.dtype, device: torch.device
) -> UNet2DModel | UNet2DConditionModel:
    """The denoiser of a pipeline's folder."""
    kind: type[UNet2DModel | UNet2DConditionModel] = _class(folder / "unet", _UNETS)
    return _network(kind, folder / "unet", dtype, device)


def _class(folder: Path, known: dict[str, Any]) -> Any:  # noqa: ANN401 - one of the classes in `known`
    name = read_json(folder / "config.json").get("_class_name")
    if name not in known:
        reason = f"class {name!r} is not one of {', '.join(known)}; choose another model"
        raise MissingWeights(folder / "config.json", reason)
    return known[name]


def _network(
    kind: type[_Network], folder: Path, dtype: torch.dtype, device: torch.device
) -> _Network:
    """A network with every weight from its file, frozen, ready to run."""
    variant = _variant(folder)
    path = folder / f"{_FILE}{f'.{variant}' if variant else ''}.safetensors"
    with reading(path):
        if not any(folder.glob(f"{_FILE}*.safetensors")):
            raise FileNotFoundError(path)
        network, found = kind.from_pretrained(
            folder,
            use_safetensors=True,
            local_files_only=True,
            variant=variant,
            torch_dtype=dtype,
            output_loading_info=True,
            low_cpu_mem_usage=False,  # which would need another package
        )
    if found["missing_keys"] or found["mismatched_keys"] or found["unexpected_keys"]:
        raise MissingWeights(path, "does not hold the weights its config.json describes")
    ready: _Network = (
        network.eval().requires_grad_(False).to(device=device, memory_format=torch.channels_last)
    )
    return ready


def _variant(folder: Path) -> Literal["fp16"] | None:
    """Half-precision files are taken when there are no others."""
    whole = list(folder.glob(f"{_FILE}*.safetensors"))
    return "fp16" if whole and all(".fp16" in path.name for path in whole) else None
