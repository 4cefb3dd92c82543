"""How large networks fit into the memory there is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from diffusers import ModelMixin

    from anonymizer.networks import Networks, Precision


Item = TypeVar("Item")
Answer = TypeVar("Answer")
CHUNK: Final = 16
"""Frames that are painted together by default."""
SIDE_BY_SIDE: Final = 4
"""Frames to a part where parts are computed at the same time: enough to fill the processor's units,
few enough for its caches, and as many on every machine, for the same sums everywhere."""


class Batches:
    """How many frames go through a network at once: halved for good when memory runs out."""

    def __init__(self, size: int, least: int = 1, *, side_by_side: bool = False) -> None:
        self.size, self._least, self._side_by_side = size, least, side_by_side

    def run(self, function: Callable[[slice], Tensor], count: int) -> Tensor:
        """The answers of ``function`` for all parts of ``count`` frames.

        Parts follow one another, or are computed at the same time by the threads that PyTorch may
        use; that is quicker than threads within a part, which wait for each other in every layer.

        Raises:
            torch.OutOfMemoryError: if not even the fewest frames have room.
        """
        if self._side_by_side and count > self.size:
            starts = range(0, count, self.size)
            slices = [slice(at, at + self.size) for at in starts]
            each = max(1, torch.get_num_threads() // len(slices))
            return torch.cat(at_once(function, slices, each=each))
        parts: list[Tensor] = []
        at = 0
        while at < count:
            try:
                parts.append(function(slice(at, at + self.size)))
            except torch.OutOfMemoryError:
                if self.size <= self._least:
                    raise
                self.size = max(self.size // 2, self._least)
                torch.cuda.empty_cache()
                continue
            at += self.size
        return torch.cat(parts)


def at_once(
    function: Callable[[Item], Answer], items: Sequence[Item], *, each: int = 1
) -> list[Answer]:
    """The answers for all items, in order, as many at a time as PyTorch has threads for.

    Threads within a small network wait for each other in every layer; on two cores they are slower
    than one.

    Args:
        function: may be called from several threads.
        items: what it is asked for.
        each: threads that one answer is computed by.
    """
    threads, gradients = torch.get_num_threads(), torch.is_grad_enabled()

    def answer(item: Item) -> Answer:
        with torch.set_grad_enabled(gradients):  # each thread has its own say
            return function(item)

    torch.set_num_threads(each)  # threads begin with what is set here
    try:
        with ThreadPoolExecutor(max(1, min(threads // each, len(items))), "network") as workers:
            return list(workers.map(answer, items))
    finally:
        torch.set_num_threads(threads)


def first_batch(networks: Networks, device: torch.device) -> int:
    """Frames to try at once: those asked for, or a chunk on a GPU.

    Elsewhere few: memory that runs out there cannot be caught, the program is killed.
    """
    return networks.batch or (CHUNK if device.type == "cuda" else 4)


def precision(asked: Precision, device: torch.device) -> torch.dtype:
    """Numbers to compute in; of its own accord bfloat16 where the hardware has it."""
    named = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
    if asked != "auto":
        return named[asked]
    fast = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return torch.bfloat16 if fast else torch.float32


def saved(network: ModelMixin, networks: Networks, device: torch.device) -> ModelMixin:
    """The network, made as sparing as the settings ask.

    Args:
        network: in main memory if ``networks.offload``, else on the device.
        networks: what is asked for.
        device: where it computes.
    """
    if networks.attention_slicing and hasattr(network, "set_attention_slice"):
        network.set_attention_slice("auto")
    if networks.vae_tiling and hasattr(network, "enable_tiling"):
        network.enable_tiling()
    if networks.offload:
        lend(network, device)
    return network


def lend(network: nn.Module, device: torch.device) -> None:
    """Let weights visit a device while their own layer computes, and no longer.

    They never change, so what was in main memory is simply taken again afterwards. The device then
    holds one layer's weights and the activations.
    """
    for layer in network.modules():
        own = list(layer.parameters(recurse=False))
        if own:
            at_home = [weight.data for weight in own]
            layer.register_forward_pre_hook(_Visit(own, at_home, device))
            layer.register_forward_hook(_Visit(own, at_home, None), always_call=True)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class _Visit:
    """Where the weights of a layer are from now on: on a device, or at home."""

    weights: list[nn.Parameter]
    at_home: list[Tensor]
    device: torch.device | None

    def __call__(self, *_: object) -> None:
        for weight, data in zip(self.weights, self.at_home, strict=True):
            weight.data = data if self.device is None else data.to(self.device, copy=True)


def place(networks: Networks, device: torch.device) -> torch.device:
    """Where weights are read to."""
    return torch.device("cpu") if networks.offload else device
