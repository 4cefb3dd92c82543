"""Weights of the small readers: safetensors in the package, checked before use."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import as_file, files
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import nn

from anonymizer.errors import MissingWeights


def restored(
    net: nn.Module, path: Path | None, *, name: str, part: str, facts: Mapping[str, str]
) -> None:
    """Load weights into a network.

    Args:
        net: what they belong to.
        path: the file, or None for the one in the package.
        name: what it is called in the package.
        part: what it is called in messages.
        facts: what the file's metadata must say; `format` among it.

    Raises:
        MissingWeights: if the file is absent, damaged, or says something else.
    """
    if path is not None:
        return _load(net, path, part, facts)
    with as_file(files("anonymizer") / "weights" / name) as packaged:
        return _load(net, packaged, part, facts)


def _load(net: nn.Module, path: Path, part: str, facts: Mapping[str, str]) -> None:
    if not path.is_file():
        raise MissingWeights(path, f"{part} is absent; reinstall the package")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError) as error:
        raise MissingWeights(path, f"{part} is damaged; reinstall the package") from error
    if any(metadata.get(key) != value for key, value in facts.items()):
        raise MissingWeights(path, f"is not of format {facts['format']!r}; reinstall the package")
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        raise MissingWeights(
            path, "tensors are absent or misshapen; reinstall the package"
        ) from error
