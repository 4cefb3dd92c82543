"""What one chunk hands to the next, and how strongly the next holds on to it (medm.md 9.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from anonymizer.data import Carry, Clip
from mediators._coding import Coded
from mediators._flow import places
from mediators._noise import FIXED

Rule = Literal["ramp", "independent", "pinned", "running", "capped"]
"""How values cross a seam; see `shares`."""

CAP: Final = 16
"""Largest weight of the past, in pixels, under the rule ``capped``."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class MedmCarry(Carry):
    """The boundary frame: its ids, what was agreed on there, and where its noise came from.

    Like is drawn to like: at each noise level the next chunk holds on to what this one agreed on at
    that level. Final pixels will not do. They have what the last step and the replacer add, and it
    would be added once more in every chunk, then fade (medm.md 9.2).
    """

    index: int
    """Index of the boundary frame."""
    ids: NDArray[np.int32]
    """``(S, S)`` ids 0 to M - 1, negative where inactive."""
    levels: tuple[float, ...]
    """L noise levels at which the loop asked."""
    values: NDArray[np.float32]
    """``(L, M, 3)`` in about [-1, 1], what each id was at each level, not limited."""
    weights: NDArray[np.float32]
    """``(M,)`` pixels that each id has had."""
    origin: NDArray[np.float32]
    """``(S, S, 2)`` where each pixel's surface point was, to a fraction of a pixel, ..."""
    births: NDArray[np.int64]
    """``(S, S)`` ... in the frame with this index."""


def origins(
    coded: Coded, indices: NDArray[np.int64], past: MedmCarry | None
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Where every pixel of a coded frame comes from, over all chunks.

    Birth positions in the boundary frame are traced on through what was carried: a position lies
    ``there - near - residual`` beside the surface point that pixel ``near`` stands for.

    Args:
        coded: any frame of the chunk.
        indices: frame index of every slot.
        past: what slot 0 was resumed from.

    Returns:
        Positions ``(S, S, 2)`` and the frames ``(S, S)`` that they are in. Inactive pixels are
        where they are, in the frame `FIXED`.
    """
    base, slots = places(*coded.ids.shape), coded.slots
    there, births = base + coded.displacement, np.where(slots < 0, FIXED, indices[slots.clip(0)])
    if past is None:
        return there, births
    near = np.rint(there).astype(np.int64)
    x, y = (near[..., axis].clip(0, base.shape[1 - axis] - 1) for axis in (0, 1))
    near = np.stack([x, y], -1)
    older = past.origin[y, x]
    traced = np.rint(older) + (there - near)
    first = slots == 0
    return (
        np.where(first[..., None], traced, there).astype(np.float32),
        np.where(first, past.births[y, x], births),
    )


def shares(
    rule: Rule, frames: int, weights: NDArray[np.float32], counts: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Share of the carried value in the value of each carried id in each new frame, ``(N, M)``.

    ``ramp`` falls from the seam to the end of the chunk; ``pinned`` never lets go; ``running`` is
    the mean over all pixels an id has had, ``capped`` the same with a bounded memory;
    ``independent`` forgets.

    Args:
        rule: one of the above.
        frames: N.
        weights: ``(M,)`` pixels that each id had before.
        counts: ``(M,)`` pixels it has in the new frames.
    """
    if rule in ("running", "capped"):
        before = np.minimum(weights, CAP) if rule == "capped" else weights
        share = before / np.maximum(before + counts, 1)
        return np.repeat(share[None], frames, axis=0).astype(np.float32)
    ramp = 1 - np.arange(1, frames + 1) / (frames + 1)
    levels = {"independent": np.zeros(frames), "pinned": np.ones(frames), "ramp": ramp}[rule]
    return np.repeat(levels[:, None], len(weights), axis=1).astype(np.float32)


def handed_on(
    coded: Coded,
    index: int,
    agreed: Mapping[float, Tensor],
    counts: NDArray[np.float32],
    where: tuple[NDArray[np.float32], NDArray[np.int64]],
) -> MedmCarry:
    """The last frame of a chunk as the boundary frame of the next; other ids are retired.

    Args:
        coded: the frame.
        index: its frame index.
        agreed: ``(3, S, S)`` its harmonized crop at every noise level.
        counts: ``(K,)`` pixels that every id of the chunk has had so far.
        where: its pixels' `origins`.
    """
    active = coded.ids >= 0
    live = np.zeros(len(counts), np.bool_)
    live[coded.ids[active]] = True
    renamed = np.cumsum(live, dtype=np.int32) - 1
    ids = coded.ids.copy()
    ids[active] = renamed[ids[active]]
    values = np.zeros((len(agreed), int(live.sum()), 3), np.float32)
    for level, crop in zip(values, agreed.values(), strict=True):
        level[ids[active]] = crop.float().cpu().numpy()[:, active].T
    return MedmCarry(index, ids, tuple(agreed), values, counts[live], *where)


def boundary(clip: Clip, carry: Carry | None) -> MedmCarry | None:
    """What was carried to this clip, if anything was.

    Raises:
        ValueError: if it belongs to another mediator, another frame or another size of crops.
    """
    if carry is None or clip.lead == 0:
        return None
    if not isinstance(carry, MedmCarry):
        raise ValueError(f"carry must come from medm, got {type(carry).__name__}")
    index = clip.indices[clip.lead - 1]
    if carry.index != index or carry.ids.shape != clip.shape:
        raise ValueError(
            f"carry is of frame {carry.index} and size {carry.ids.shape}, "
            f"the clip continues frame {index} at size {clip.shape}"
        )
    return carry
