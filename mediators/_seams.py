"""What one chunk hands to the next, and how strongly the next holds on to it (medm.md 9.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

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
    """The boundary frame: its ids, what was painted there, and where its noise came from."""

    index: int
    """Index of the boundary frame."""
    ids: NDArray[np.int32]
    """``(S, S)`` ids 0 to M - 1, negative where inactive."""
    values: NDArray[np.float32]
    """``(M, 3)`` in [-1, 1], mean of the painted pixels of each id."""
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
    base, slots = places(len(coded.ids)), coded.slots
    there, births = base + coded.displacement, np.where(slots < 0, FIXED, indices[slots.clip(0)])
    if past is None:
        return there, births
    near = np.rint(there).astype(np.int64).clip(0, len(base) - 1)
    x, y = near[..., 0], near[..., 1]
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


def trust(sigma: float) -> float:
    """Weight of carried values at a noise level, in (0, 1].

    Painted pixels are sharper than what a model expects at high noise: beyond sigma 1 their weight
    falls with the share of signal in the picture, alphabar = 1 / (1 + sigma^2).
    """
    return min(1.0, 2 / (1 + sigma * sigma))


def handed_on(
    coded: Coded,
    index: int,
    painted: NDArray[np.uint8],
    counts: NDArray[np.float32],
    where: tuple[NDArray[np.float32], NDArray[np.int64]],
) -> MedmCarry:
    """The last frame of a chunk as the boundary frame of the next; other ids are retired.

    Args:
        coded: the frame.
        index: its frame index.
        painted: ``(S, S, 3)`` its final crop.
        counts: ``(K,)`` pixels that every id of the chunk has had so far.
        where: its pixels' `origins`.
    """
    active = coded.ids >= 0
    live = np.zeros(len(counts), np.bool_)
    live[coded.ids[active]] = True
    renamed = np.cumsum(live, dtype=np.int32) - 1
    ids = coded.ids.copy()
    ids[active] = renamed[ids[active]]
    pixels = np.bincount(ids[active], minlength=int(live.sum()))
    sums = [np.bincount(ids[active], painted[active][:, c]) for c in range(3)]
    values = np.stack(sums, 1) / pixels[:, None] / 127.5 - 1
    return MedmCarry(index, ids, values.astype(np.float32), counts[live], *where)


def boundary(clip: Clip, carry: Carry | None) -> MedmCarry | None:
    """What was carried to this clip, if anything was.

    Raises:
        ValueError: if it belongs to another mediator, another frame or another size of crops.
    """
    if carry is None or clip.lead == 0:
        return None
    if not isinstance(carry, MedmCarry):
        raise ValueError(f"carry must come from medm, got {type(carry).__name__}")
    index, side = clip.indices[clip.lead - 1], clip.size
    if carry.index != index or len(carry.ids) != side:
        raise ValueError(
            f"carry is of frame {carry.index} and side {len(carry.ids)}, "
            f"the clip continues frame {index} at side {side}"
        )
    return carry
