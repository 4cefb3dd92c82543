"""Self-attention that looks at other frames (FRESCO, section 5 of our notes).

Symbols: G conditions, N frames, B = G N rows with all frames of one condition before those of the
next; n tokens, C channels, m heads of width d.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own name for it
from torch import Tensor

from mediators._levels import Level

Layer = Any
"""An attention layer of diffusers, of old blocks or of transformers."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Ways:
    """Which mechanisms are on in one call of one layer."""

    level: Level
    cross_frame: bool
    """Whether keys and values are those of all frames, each surface once."""
    temporal: bool
    """Whether tokens attend along their trajectories afterwards."""
    reference: Tensor | None = None
    """``(B, n, C)`` the layer's tokens of reference frames, whose likeness smooths queries."""
    closed: Tensor | None = None
    """``(N, n)`` bool: tokens that smoothing leaves out."""
    sharpness: float = 0.2
    """Factor of scores along trajectories and of likeness: the inverse of a temperature."""


def tokens_of(attention: Layer, hidden: Tensor) -> Tensor:
    """What a layer projects: ``(B, n, C)`` of its input ``(B, n, C)`` or ``(B, C, h, w)``."""
    tokens = hidden.flatten(2).transpose(1, 2) if hidden.ndim == 4 else hidden
    if attention.group_norm is not None:
        tokens = attention.group_norm(tokens.transpose(1, 2)).transpose(1, 2)
    return tokens


def attended(attention: Layer, hidden: Tensor, ways: Ways) -> Tensor:
    """What the layer makes of its input, in the ways given."""
    tokens = tokens_of(attention, hidden)
    query, key = _queries(attention, tokens), _keys(attention, tokens)
    value = _heads(attention, attention.to_v(tokens))
    asked = query
    if ways.reference is not None:
        asked = _smoothed(attention, query, ways.reference, ways)
    if ways.cross_frame:
        result = _over_frames(asked, key, value, ways.level)
    else:
        result = F.scaled_dot_product_attention(asked, key, value)
    if ways.temporal:
        result = _along(query, key, result, ways.level, ways.sharpness)
    return _finished(attention, result, hidden)


def _heads(attention: Layer, values: Tensor) -> Tensor:
    """``(B, n, C)`` as ``(B, m, n, d)``."""
    return values.reshape(*values.shape[:2], attention.heads, -1).transpose(1, 2)


def _queries(attention: Layer, tokens: Tensor) -> Tensor:
    query = _heads(attention, attention.to_q(tokens))
    normed: Tensor = query if attention.norm_q is None else attention.norm_q(query)
    return normed


def _keys(attention: Layer, tokens: Tensor) -> Tensor:
    key = _heads(attention, attention.to_k(tokens))
    normed: Tensor = key if attention.norm_k is None else attention.norm_k(key)
    return normed


def _finished(attention: Layer, result: Tensor, hidden: Tensor) -> Tensor:
    """The layer's output of ``(B, m, n, d)``, shaped like its input."""
    output = attention.to_out[1](attention.to_out[0](result.transpose(1, 2).flatten(2)))
    if hidden.ndim == 4:
        output = output.transpose(1, 2).reshape(hidden.shape)
    if attention.residual_connection:
        output = output + hidden
    finished: Tensor = output / attention.rescale_output_factor
    return finished


def _over_frames(query: Tensor, key: Tensor, value: Tensor, level: Level) -> Tensor:
    """Attention of all frames to the tokens that stand for every surface once.

    Keys and values are the same for all frames of a condition, so the frames are one long row of
    queries and nothing is repeated.
    """
    frames = len(level.tokens)
    asked, known, told = (_joined(part, frames) for part in (query, key, value))
    known, told = (part.index_select(2, level.keys) for part in (known, told))
    result = F.scaled_dot_product_attention(asked, known, told)
    heads, width = result.shape[1], result.shape[3]
    return result.reshape(-1, heads, frames, query.shape[2], width).transpose(1, 2).flatten(0, 1)


def _joined(values: Tensor, frames: int) -> Tensor:
    """``(G N, m, n, d)`` as ``(G, m, N n, d)``."""
    return values.reshape(-1, frames, *values.shape[1:]).transpose(1, 2).flatten(2, 3)


def _smoothed(attention: Layer, query: Tensor, reference: Tensor, ways: Ways) -> Tensor:
    """Queries averaged over tokens that look alike in the reference frame."""
    seen = reference.to(query.dtype)
    scale = ways.sharpness / math.sqrt(query.shape[-1])
    asked, known = _queries(attention, seen), _keys(attention, seen)
    if ways.closed is None:
        return F.scaled_dot_product_attention(asked, known, query, scale=scale)
    closed = ways.closed.repeat(len(query) // len(ways.closed), 1)
    none = closed.all(1, keepdim=True)
    visible = (~closed | none)[:, None, None]
    result = F.scaled_dot_product_attention(asked, known, query, attn_mask=visible, scale=scale)
    return torch.where((closed | none)[:, None, :, None], query, result)


def _along(query: Tensor, key: Tensor, value: Tensor, level: Level, sharpness: float) -> Tensor:
    """Values averaged along trajectories, by how well queries and keys agree there."""
    frames, tokens = level.tokens.shape
    asked, known, told = (_threaded(part, level) for part in (query, key, value))
    groups = len(query) // frames
    seen = level.together.repeat(groups, 1, 1, 1)
    scale = sharpness / math.sqrt(query.shape[-1])
    result = F.scaled_dot_product_attention(asked, known, told, attn_mask=seen, scale=scale)
    rows = result.reshape(groups, tokens, *result.shape[1:]).permute(3, 1, 0, 2, 4)
    whole = torch.empty_like(value).reshape(groups, frames, *value.shape[1:])
    whole[:, _each(level), :, level.tokens] = rows
    return whole.flatten(0, 1)


def _threaded(values: Tensor, level: Level) -> Tensor:
    """``(G N, m, n, d)`` as ``(G n, m, N, d)``: one row per trajectory."""
    grouped = values.reshape(-1, len(level.tokens), *values.shape[1:])
    picked = grouped[:, _each(level), :, level.tokens]
    return picked.permute(2, 1, 3, 0, 4).flatten(0, 1)


def _each(level: Level) -> Tensor:
    """``(N, 1)`` the number of every frame."""
    return torch.arange(len(level.tokens), device=level.tokens.device)[:, None]
