"""Trajectories of tokens: bijections from each frame to the next (FRESCO, 3.5 of our notes)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Step:
    """From the n tokens of a frame to those of the next."""

    onto: NDArray[np.int64]
    """``(n,)`` a permutation: the token of the next frame that follows each token."""
    linked: NDArray[np.bool_]
    """``(n,)`` whether both show the same; if not, the next one begins anew."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Paths:
    """n trajectories through N frames; each token of each frame is on exactly one."""

    tokens: NDArray[np.int64]
    """``(N, n)`` the token of frame i on trajectory j."""
    segments: NDArray[np.int64]
    """``(N, n)`` counts up where trajectory j changes what it shows."""


def linked(
    flow: NDArray[np.float32],
    hidden: NDArray[np.bool_],
    before: NDArray[np.float32],
    after: NDArray[np.float32],
) -> Step:
    """Who follows whom.

    Each token votes for the one it was; of several that vote for the same the most alike in colour
    wins, of equals the first. Whoever is left follows in order.

    Args:
        flow: ``(h, w, 2)`` in tokens, from the later frame to the earlier.
        hidden: ``(h, w)`` tokens of the later frame that the earlier does not show.
        before: ``(h, w, 3)`` colours of the earlier frame.
        after: ``(h, w, 3)`` colours of the later frame.
    """
    height, width = hidden.shape
    count = height * width
    row, column = np.indices((height, width))
    x = np.rint(column + flow[..., 0]).astype(np.int64).ravel()
    y = np.rint(row + flow[..., 1]).astype(np.int64).ravel()
    votes = (x >= 0) & (x < width) & (y >= 0) & (y < height) & ~hidden.ravel()
    voters = np.flatnonzero(votes)
    chosen = y[voters] * width + x[voters]
    differ = after.reshape(count, 3)[voters] - before.reshape(count, 3)[chosen]
    order = np.lexsort((voters, (differ**2).sum(1), chosen))
    winners, first = np.unique(chosen[order], return_index=True)
    onto = np.full(count, -1)
    onto[winners] = voters[order][first]
    found = onto >= 0
    onto[~found] = np.setdiff1d(np.arange(count), onto[found])
    return Step(onto, found)


def paths(steps: Sequence[Step], count: int) -> Paths:
    """The steps from frame to frame, chained; ``count`` tokens a frame."""
    tokens, segments = [np.arange(count)], [np.zeros(count, np.int64)]
    for step in steps:
        here = tokens[-1]
        segments.append(segments[-1] + ~step.linked[here])
        tokens.append(step.onto[here])
    return Paths(np.stack(tokens), np.stack(segments))
