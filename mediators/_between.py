"""Key frames: which crops are painted, and what the others show of them (MeDM's repository).

Frames of a chunk share ids. What is painted at two key frames goes on to the frames between along
their trajectories, blended by distance in time, so only some frames need the model.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

LONGEST: Final = 5
"""Frames from one key to the next at most, where the spacing is left to the film."""
LEAST_SEEN: Final = 0.9
"""Share of a crop's active pixels that the keys around it show, or it becomes a key itself."""


def key_places(ids: NDArray[np.int32], every: int | None) -> tuple[int, ...]:
    """Places of the key frames among N crops: the first, the last, and as many between as it takes.

    Keys are ``every`` frames apart at most, evenly. Where the crops between two keys show too much
    that neither key shows, as in fast motion, the middle one becomes a key, and so on.

    Args:
        ids: (N, S, S) of the crops, negative where inactive.
        every: distance of neighbouring keys; None for `LONGEST`.
    """
    last = len(ids) - 1
    steps = -(-last // (every or LONGEST))
    first = [round(last * step / max(steps, 1)) for step in range(steps + 1)]
    found = {0, last}
    for start, stop in pairwise(first):
        found |= _divided(ids, start, stop)
    return tuple(sorted(found))


def _divided(ids: NDArray[np.int32], start: int, stop: int) -> set[int]:
    """The keys from ``start`` to ``stop``."""
    if stop - start > 1:
        known = np.union1d(ids[start], ids[stop])
        if not all(_enough(ids[at], known) for at in range(start + 1, stop)):
            middle = (start + stop) // 2
            return _divided(ids, start, middle) | _divided(ids, middle, stop)
    return {start, stop}


def _enough(ids: NDArray[np.int32], known: NDArray[np.int32]) -> bool:
    active = ids[ids >= 0]
    return bool(np.isin(active, known).sum() >= LEAST_SEEN * active.size)


def spread(
    ids: NDArray[np.int32], places: tuple[int, ...], values: NDArray[np.float32]
) -> NDArray[np.float32]:
    """What all crops show of values at the keys, (N, S, S, C).

    A pixel takes the mean that its id has in the key before and in the one after, blended by their
    distance in time, or that of the one that shows it. What neither shows, and what is inactive,
    takes the values at the same place of both: crops are aligned to the face.

    Args:
        ids: (N, S, S) of the crops, negative where inactive.
        places: of the keys, increasing, from 0 to N - 1.
        values: (K, S, S, C) at the keys; there they stay as they are.
    """
    count = int(ids.max(initial=-1)) + 1
    result = np.empty((*ids.shape, values.shape[-1]), np.float32)
    tables = [_means(ids[at], picture, count) for at, picture in zip(places, values, strict=True)]
    for number, (start, stop) in enumerate(pairwise(places)):
        for at in range(start + 1, stop):
            share = np.float32((at - start) / (stop - start))
            around = values[number] + share * (values[number + 1] - values[number])
            result[at] = _along(ids[at], tables[number : number + 2], share, around)
    result[list(places)] = values
    return result


def _means(
    ids: NDArray[np.int32], values: NDArray[np.float32], count: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Mean value (K, C) of every id in one crop, and which ids (K,) it shows."""
    active = ids >= 0
    shown = np.bincount(ids[active], minlength=count)
    sums = [np.bincount(ids[active], plane[active], count) for plane in np.moveaxis(values, -1, 0)]
    means = np.stack(sums, -1) / np.maximum(shown, 1)[:, None]
    return means.astype(np.float32), shown > 0


def _along(
    ids: NDArray[np.int32],
    tables: list[tuple[NDArray[np.float32], NDArray[np.bool_]]],
    share: np.float32,
    around: NDArray[np.float32],
) -> NDArray[np.float32]:
    """One crop by the tables of the keys before and after it, else ``around``."""
    (before, seen_before), (after, seen_after) = tables
    weight = np.where(seen_before, np.where(seen_after, share, np.float32(0)), np.float32(1))
    table = before + weight[:, None] * (after - before)
    known = np.append(seen_before | seen_after, [False])[ids]
    return np.where(known[..., None], np.take(table, ids, 0, mode="wrap"), around)
