"""Low-rank changes of weights (LoRA, Hu et al. 2021): added once, so that sampling pays nothing.

Files of diffusers, PEFT and kohya's trainers are read by diffusers' own converters; the arithmetic
``W + weight * alpha / rank * up @ down`` is done here, which needs no further package.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import torch
from torch import Tensor, nn

from anonymizer.diffusion.weights import reading
from anonymizer.errors import MissingWeights, UsageError
from anonymizer.networks import adapter

_NAME: Final = re.compile(
    r"^(?:(?P<network>unet|text_encoder(?:_2)?)\.)?(?P<layer>.+?)"
    r"[._]lora(?:_linear_layer)?[._](?P<side>A|B|down|up)(?:\.default)?\.weight$"
)
"""Names of the two factors, as any of the formats writes them."""
_OLD: Final = {"to_q": "q_proj", "to_k": "k_proj", "to_v": "v_proj", "to_out": "out_proj"}
"""Projections of text encoders under diffusers' old names."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Change:
    """What one file adds to one layer."""

    down: Tensor
    """(r, in, ...)."""
    up: Tensor
    """(out, r, ...)."""
    scale: float

    def matrix(self, shape: torch.Size) -> Tensor:
        """The sum to add to a weight of this shape, float32."""
        rows, inner = self.up.shape[0], self.down.shape[0]
        product = self.up.float().reshape(rows, inner) @ self.down.float().reshape(inner, -1)
        return self.scale * product.reshape(shape)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Adapter:
    """One file: changes by network and layer."""

    path: Path
    layers: Mapping[str, Mapping[str, Change]]

    @classmethod
    def read(cls, given: str, config: Mapping[str, Any]) -> Self:
        """Read ``PATH[:WEIGHT]`` for a UNet of this configuration.

        Raises:
            MissingWeights: if it is absent, damaged, no safetensors, or holds what is not known.
        """
        from diffusers.loaders import StableDiffusionXLLoraLoaderMixin  # not without transformers

        name, weight = adapter(given)
        path = Path(name)
        if path.suffix != ".safetensors":
            raise MissingWeights(path, "a LoRA must be a .safetensors file; convert it first")
        with reading(path):
            if not path.is_file():
                raise FileNotFoundError(path)
            tensors, alphas, about = StableDiffusionXLLoraLoaderMixin.lora_state_dict(
                str(path.parent),
                weight_name=path.name,
                use_safetensors=True,
                local_files_only=True,
                unet_config=_Config(config),
                return_lora_metadata=True,
            )
        return cls(path, _changes(path, tensors, alphas or {}, about or {}, weight))

    def merge(self, network: nn.Module, name: str) -> None:
        """Add the changes of the network called ``name`` (``unet``, ``text_encoder`` ...) to it.

        Raises:
            MissingWeights: if it has no such layer, or one of another shape.
        """
        layers = dict(network.named_modules())
        for layer, change in self.layers.get(name, {}).items():
            found = layers.get(layer) or layers.get(layer.removeprefix("text_model."))
            weight = getattr(found, "weight", None)
            fits = weight is not None and weight.shape[:2] == (
                len(change.up),
                change.down.shape[1],
            )
            if not fits:
                raise MissingWeights(
                    self.path, f"does not fit {name}.{layer}; it is for another kind of model"
                )
            assert isinstance(weight, Tensor)
            with torch.no_grad():
                weight += change.matrix(weight.shape).to(weight.device, weight.dtype)


class _Config(dict[str, Any]):
    """A configuration whose entries are attributes too, as diffusers' converter wants them."""

    __getattr__ = dict.__getitem__


def read_all(given: Iterable[str], config: Mapping[str, Any]) -> list[Adapter]:
    """The adapters of all ``--lora``."""
    return [Adapter.read(each, config) for each in given]


def _changes(
    path: Path,
    tensors: Mapping[str, Tensor],
    alphas: Mapping[str, float],
    about: Mapping[str, Any],
    weight: float,
) -> dict[str, dict[str, Change]]:
    """Pairs of factors by network and layer.

    Raises:
        MissingWeights: if a name is not understood or a factor is alone.
    """
    halves: dict[tuple[str, str], dict[bool, Tensor]] = {}
    for name, tensor in tensors.items():
        found = _NAME.match(name)
        if found is None:
            raise MissingWeights(path, f"holds {name!r}, which is no part of a LoRA known here")
        halves.setdefault(_place(name), {})[found["side"] in ("B", "up")] = tensor
    scales = {_place(name.removesuffix(".alpha")): value for name, value in alphas.items()}
    result: dict[str, dict[str, Change]] = {}
    for (network, layer), pair in halves.items():
        if len(pair) != 2:
            raise MissingWeights(
                path, f"holds half of a change of {network}.{layer}; fetch it again"
            )
        rank = len(pair[False])
        alpha = scales.get((network, layer)) or about.get(f"{network}.lora_alpha", rank)
        change = Change(pair[False], pair[True], weight * float(alpha) / rank)
        result.setdefault(network, {})[layer] = change
    if not result:
        raise UsageError(f"{path}: holds no LoRA; give another --lora")
    return result


def _place(name: str) -> tuple[str, str]:
    """Network and layer that a name of any format means, the layer as PyTorch calls it."""
    found = _NAME.match(name)
    if found is None:  # an alpha's name
        network, _, layer = name.partition(".")
    else:
        network, layer = found["network"] or "unet", found["layer"]
    layer = layer.replace(".processor.", ".")
    head, _, last = layer.rpartition(".")
    if network == "unet":
        return network, f"{head}.to_out.0" if last == "to_out" else layer
    return network, f"{head}.{_OLD[last]}" if last in _OLD else layer
