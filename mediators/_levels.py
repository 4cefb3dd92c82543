"""What one grid of tokens needs to know of all frames, as tensors on a device."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mediators._difference import Differences
from mediators._links import Grid, Links


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Level:
    """N frames of n tokens."""

    keys: Tensor
    """``(T,)`` indices into the N n tokens: those that all frames may attend to."""
    tokens: Tensor
    """``(N, n)`` token of each frame on each trajectory."""
    together: Tensor
    """``(n, 1, N, N)`` bool: which frames show the same on a trajectory."""
    region: Tensor
    """``(N, n)`` bool: tokens near what is painted."""
    blank: Tensor
    """``(N, n)`` bool: tokens of which sanitised pictures show nothing."""
    differences: Differences | None
    """Along flow; None if no token is seen twice, or none are wanted."""

    @classmethod
    def of(
        cls,
        links: Links,
        grid: Grid,
        device: torch.device,
        *,
        keys: float | None,
        differences: bool,
    ) -> Level:
        """The level of a grid; ``keys`` bounds T, in frames, and ``differences`` asks for those."""
        paths = links.paths(grid)
        segments = paths.segments.T
        found = Differences.of(links, grid) if differences else None

        def placed(array: NDArray[np.generic]) -> Tensor:
            return torch.from_numpy(array).to(device)

        return cls(
            keys=placed(unique(links.fresh(grid), keys)),
            tokens=placed(paths.tokens),
            together=placed(segments[:, None, :, None] == segments[:, None, None, :]),
            region=placed(links.region(grid)),
            blank=placed(links.blank(grid)),
            differences=found.to(device) if found else None,
        )


def unique(fresh: NDArray[np.bool_], keys: float | None) -> NDArray[np.int64]:
    """Indices of fresh tokens ``(N, n)`` in the flat list of all.

    With more than ``keys`` times n of them, all of the first frame stay and the rest is thinned
    evenly.
    """
    found = np.flatnonzero(fresh)
    tokens = fresh.shape[1]
    room = len(found) if keys is None else max(int(keys * tokens), tokens)
    if len(found) <= room:
        return found
    later = found[tokens:]
    kept = np.linspace(0, len(later), room - tokens, endpoint=False).astype(np.int64)
    return np.concatenate([found[:tokens], later[kept]])
