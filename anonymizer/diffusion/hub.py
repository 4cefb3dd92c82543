"""Where a model lies: a folder, or a copy of one on the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

from anonymizer.errors import MissingWeights

_PARTS: Final = ("*.json", "*/*.txt", "*/*.model", "*/*.safetensors")
"""What is fetched of a pipeline: no pickle, and no single file of all weights at the top."""
_ALONE: Final = ("*.json", "*.safetensors")
"""What is fetched of one network."""
_UNUSED: Final = ("safety_checker/*", "*.non_ema.*", "*.onnx*", "*.msgpack")


def folder_of(name: str, *, alone: bool = False) -> Path:
    """The folder of a model, given as one or as a hub id (``OWNER/NAME``, ``OWNER/NAME@VERSION``).

    What is in the local cache is taken from there; other files are fetched, unless the environment
    says ``HF_HUB_OFFLINE=1``. The hub's client checks the SHA-256 of every weight file; a commit as
    ``VERSION`` fixes which they are.

    Args:
        name: folder or id.
        alone: whether it is one network, not a pipeline of several.

    Raises:
        MissingWeights: if it is neither, or cannot be fetched.
    """
    if Path(name).is_dir():
        return Path(name)
    if Path(name).is_file():
        reason = "is a file; give a folder of diffusers' format, as from_single_file(...)"
        raise MissingWeights(name, f"{reason}.save_pretrained(FOLDER) makes it of one")
    repository, _, version = name.partition("@")
    wanted: dict[str, Any] = {
        "revision": version or None,
        "allow_patterns": list(_ALONE if alone else _PARTS),
        "ignore_patterns": list(_UNUSED),
    }
    try:
        return Path(_cached(repository, wanted) or snapshot_download(repository, **wanted))
    except HFValidationError as error:
        raise MissingWeights(name, "neither a folder nor a hub id (OWNER/NAME)") from error
    except (HfHubHTTPError, OfflineModeIsEnabled, OSError) as error:
        reason = (
            f"neither a folder nor in the cache, and {_why()}; fetch it where there is a network: "
        )
        raise MissingWeights(name, f"{reason}hf download {repository}") from error


def _cached(repository: str, wanted: dict[str, Any]) -> str | None:
    try:
        return str(snapshot_download(repository, **wanted, local_files_only=True))
    except OSError:
        return None


def _why() -> str:
    if constants.is_offline_mode():
        return "HF_HUB_OFFLINE forbids to fetch it"
    return "the hub does not have it, asks for a login, or cannot be reached"
