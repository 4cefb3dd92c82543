"""Frames of earlier chunks that a model is shown again, step by step (FRESCO, section 9).

An anchor is what the model was given for one frame at one call: its row of every tensor of the
arguments, noisy latents and conditions alike. So it stays on the path it was painted on, and no
loop needs to know of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

Key = tuple[float | None, int]
"""(timestep, number of the call at it); None for the look at sanitised pictures."""
Call = Any
"""Arguments of a call, or the rows of one frame in them: tensors in tuples, lists and mappings."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Shown:
    """What a model was given for one frame, at every call."""

    rows: dict[Key, Call] = field(default_factory=dict)

    def at(self, key: Key) -> Call:
        """At one call.

        Raises:
            ValueError: if the frame was painted in other steps.
        """
        if key not in self.rows:
            raise ValueError(
                f"the chunk before was not painted at timestep {key[0]}; use the same steps"
            )
        return self.rows[key]


def row(call: Call, count: int, frames: int, at: int) -> Call:
    """One frame's rows of every tensor with ``count`` rows: ``(G, ...)``, copied.

    Args:
        call: arguments of a call.
        count: its rows, G conditions of N frames.
        frames: N.
        at: number of the frame.
    """

    def picked(value: Tensor) -> Tensor:
        return _grouped(value.detach(), frames)[:, at].clone()

    return _mapped(call, count, picked)


def joined(call: Call, count: int, frames: int, anchors: list[Call]) -> Call:
    """The arguments with the rows of anchors before those of each condition's frames."""
    if not anchors:
        return call

    def whole(value: Tensor, *rows: Tensor) -> Tensor:
        own = _grouped(value, frames)
        before = torch.stack([part.to(value.dtype) for part in rows], 1)
        return torch.cat([before, own], 1).flatten(0, 1)

    return _mapped(call, count, whole, *anchors)


def without(output: Any, frames: int, anchors: int) -> Any:  # noqa: ANN401 - what models return
    """A model's output, a tensor, tuple or mapping, for the frames alone."""
    if not anchors:
        return output
    whole = frames + anchors

    def kept(value: Tensor) -> Tensor:
        return _grouped(value, whole)[:, anchors:].flatten(0, 1)

    if isinstance(output, Tensor):
        return kept(output)
    if isinstance(output, tuple):
        return (kept(output[0]), *output[1:])
    return type(output)(sample=kept(output.sample))


def _grouped(value: Tensor, frames: int) -> Tensor:
    """``(G N, ...)`` as ``(G, N, ...)``."""
    return value.reshape(-1, frames, *value.shape[1:])


def _mapped(call: Call, count: int, change: Callable[..., Tensor], *others: Call) -> Call:
    """The same structure with every tensor of ``count`` rows changed."""
    if isinstance(call, Tensor):
        return change(call, *others) if call.ndim and len(call) == count else call
    if isinstance(call, Mapping):
        return {
            name: _mapped(part, count, change, *(other[name] for other in others))
            for name, part in call.items()
        }
    if isinstance(call, tuple | list):
        parts = zip(call, *others, strict=True)
        return type(call)(_mapped(part, count, change, *rest) for part, *rest in parts)
    return call
