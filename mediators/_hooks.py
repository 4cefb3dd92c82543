"""Putting a guide into a UNet of diffusers, and taking it out again without a trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final

from torch import Tensor, nn

from mediators._guide import Guide

FINEST: Final = 2
"""Decoder blocks whose self-attention is guided: the finest that have any."""


@contextmanager
def installed(model: Any, guide: Guide) -> Iterator[None]:  # noqa: ANN401 - any torch module
    """Guide a model while open.

    Raises:
        ValueError: if it is no UNet with decoder blocks, as diffusers names them.
    """
    blocks = getattr(model, "up_blocks", None)
    if blocks is None:
        raise ValueError(
            f"{type(model).__name__} has no up_blocks: fresco guides the decoders of UNets only; "
            "use the mediator medm"
        )
    with ExitStack() as undo:
        if guide.switches.attends or guide.switches.optimises:
            _hook(model, guide, blocks, undo)
            for name, block, layer in layers(blocks):
                undo.callback(layer.set_processor, layer.processor)
                layer.set_processor(Guided(guide, name, block, layer.processor))
        yield


def _hook(model: nn.Module, guide: Guide, blocks: nn.ModuleList, undo: ExitStack) -> None:
    def entering(_: nn.Module, positional: Any, named: Any) -> Any:  # noqa: ANN401 - as torch has it
        return guide.enter((positional, named))

    def leaving(_: nn.Module, __: Any, output: Any) -> Any:  # noqa: ANN401 - as torch has it
        return guide.leave(output)

    undo.callback(model.register_forward_pre_hook(entering, with_kwargs=True).remove)
    undo.callback(model.register_forward_hook(leaving).remove)
    for at, block in enumerate(blocks):
        hook = _features(guide, at)
        undo.callback(block.register_forward_pre_hook(hook, with_kwargs=True).remove)


def _features(guide: Guide, block: int) -> Callable[..., Any]:
    def hook(_: nn.Module, positional: Any, named: Any) -> Any:  # noqa: ANN401 - as torch has it
        if positional:
            return (guide.features(block, positional[0]), *positional[1:]), named
        changed = guide.features(block, named["hidden_states"])
        return positional, {**named, "hidden_states": changed}

    return hook


def layers(blocks: nn.ModuleList) -> list[tuple[str, int, Any]]:
    """(name, number of the block, layer) of the self-attention in the finest blocks."""
    found = [
        (f"{at}.{name}", at, part)
        for at, block in enumerate(blocks)
        for name, part in block.named_modules()
        if _attends_itself(part)
    ]
    finest = sorted({at for _, at, _ in found})[-FINEST:]
    return [each for each in found if each[1] in finest]


def _attends_itself(part: Any) -> bool:  # noqa: ANN401 - any torch module
    """Whether a module is a layer of self-attention of the usual kind."""
    usual = hasattr(part, "set_processor") and hasattr(part, "to_q")
    return usual and not (
        part.is_cross_attention
        or part.spatial_norm is not None
        or part.added_kv_proj_dim is not None
    )


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Guided:
    """Takes the place of a layer's processor and leaves to it what needs no guidance."""

    guide: Guide
    name: str
    block: int
    own: Any
    """The layer's processor."""

    def __call__(
        self,
        attn: Any,  # noqa: ANN401 - a layer of diffusers
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        *args: Any,  # noqa: ANN401 - for the layer's processor
        **kwargs: Any,  # noqa: ANN401 - for the layer's processor
    ) -> Tensor:
        """The layer's output; the names are those that diffusers looks for."""
        alone = encoder_hidden_states is None and attention_mask is None
        if alone and self.guide.attends():
            result = self.guide.attend(self.name, self.block, attn, hidden_states)
            if result is not None:
                return result
        output: Tensor = self.own(
            attn, hidden_states, encoder_hidden_states, attention_mask, temb, *args, **kwargs
        )
        return output
