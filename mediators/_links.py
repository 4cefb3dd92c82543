"""Which tokens of which frames show the same surface (FRESCO, section 3 of our notes).

FRESCO works on grids of tokens, from a few cells a side to an eighth of the picture. All of them
look at one set of correspondences of whole pictures, so they never disagree on what is hidden.
Frames are in a ring: after the last comes the first, so that the ends of a chunk agree as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own name for it
from numpy.typing import NDArray

from anonymizer.data import Clip, Correspondence
from mediators._flow import Correspond, places
from mediators._paths import Paths, linked, paths

DISTANT: Final = 0.6
"""Share of hidden pixels above which nothing of a pair's flow is believed."""

Grid = tuple[int, int]
"""(height, width) of a grid of tokens."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class View:
    """Where the pixels of one frame are in another."""

    flow: NDArray[np.float32]
    """``(H, W, 2)``: point p of this frame is at p + flow in the other; finite everywhere."""
    hidden: NDArray[np.bool_]
    """``(H, W)`` True where it has no counterpart, or one outside the picture."""

    @classmethod
    def of(cls, match: Correspondence) -> View:
        """The view that a correspondence gives its target frame of its source frame."""
        height, width = match.valid.shape
        with np.errstate(invalid="ignore"):  # what is not finite is not inside
            inside = ((match.grid >= 0) & (match.grid <= (width - 1, height - 1))).all(-1)
        far = float(height + width)
        flow = np.nan_to_num(match.grid - places(height, width), posinf=far, neginf=-far)
        return cls(flow.clip(-far, far).astype(np.float32), ~(match.valid & inside))

    def blind(self) -> View:
        """The same, with nothing to be seen."""
        return View(np.zeros_like(self.flow), np.ones_like(self.hidden))

    def flow_at(self, grid: Grid) -> NDArray[np.float32]:
        """``(h, w, 2)`` in tokens: bilinear at the middle of each cell."""
        height, width = self.hidden.shape
        scale = np.array([grid[1] / width, grid[0] / height], np.float32)
        small = cv2.resize(self.flow, grid[::-1], interpolation=cv2.INTER_LINEAR)
        return np.asarray(small * scale, np.float32)

    def touched(self, grid: Grid) -> NDArray[np.bool_]:
        """``(h, w)`` cells with any hidden pixel: for losses."""
        return pooled(self.hidden, grid)

    def mostly(self, grid: Grid) -> NDArray[np.bool_]:
        """``(h, w)`` cells that are hidden at their middle: for tokens and their paths."""
        plane = self.hidden.astype(np.float32)
        small = cv2.resize(plane, grid[::-1], interpolation=cv2.INTER_LINEAR)
        return np.asarray(small > 0.5)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Pair:
    """Two frames that follow each other in the ring."""

    first: int
    second: int
    ahead: View
    """Of the second, from the first: the notes' F^f and O^f."""
    back: View
    """Of the first, from the second: F^b and O^b."""

    @property
    def distant(self) -> bool:
        """Whether the frames have too little in common for their flow to be believed."""
        return bool(max(self.ahead.hidden.mean(), self.back.hidden.mean()) > DISTANT)

    def believed(self) -> Pair:
        """The same pair, blind if it is distant."""
        if not self.distant:
            return self
        return Pair(self.first, self.second, self.ahead.blind(), self.back.blind())


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Links:
    """N frames of (H, W) and what is known of their correspondence."""

    pairs: tuple[Pair, ...]
    """N - 1 of neighbours and, from three frames on, the one that closes the ring, if believed."""
    colours: NDArray[np.uint8]
    """``(N, H, W, 3)`` pictures without what is protected (P1); they settle who follows whom."""
    inside: NDArray[np.bool_]
    """``(N, H, W)`` where something is painted."""
    unknown: NDArray[np.bool_]
    """``(N, H, W)`` where ``colours`` shows a blank."""
    _paths: dict[Grid, Paths] = field(default_factory=dict)

    @classmethod
    def of(cls, clip: Clip, correspond: Correspond) -> Links:
        """The ring of all T crops of a clip."""
        count = len(clip.indices)
        around = [(at, at + 1) for at in range(count - 1)]
        if count > 2:
            around.append((count - 1, 0))
        seen = [_pair(clip, correspond, *ends) for ends in around]
        pairs = [pair.believed() for pair in seen[: count - 1]]
        pairs += [pair for pair in seen[count - 1 :] if not pair.distant]
        return cls(tuple(pairs), clip.context, clip.mask > 0, clip.hidden)

    @property
    def count(self) -> int:
        """Number N of frames."""
        return len(self.colours)

    @property
    def chain(self) -> tuple[Pair, ...]:
        """The pairs of neighbours in time."""
        return self.pairs[: self.count - 1]

    def fresh(self, grid: Grid) -> NDArray[np.bool_]:
        """``(N, n)`` tokens that the frame before does not show; all of the first frame."""
        rows = [np.ones(grid[0] * grid[1], np.bool_)]
        rows += [pair.back.mostly(grid).ravel() for pair in self.chain]
        return np.stack(rows)

    def paths(self, grid: Grid) -> Paths:
        """The trajectories of tokens through all frames."""
        if grid not in self._paths:
            small = [
                cv2.resize(picture, grid[::-1], interpolation=cv2.INTER_LINEAR).astype(np.float32)
                for picture in self.colours
            ]
            steps = [
                linked(
                    pair.back.flow_at(grid),
                    pair.back.mostly(grid),
                    small[pair.first],
                    small[pair.second],
                )
                for pair in self.chain
            ]
            self._paths[grid] = paths(steps, grid[0] * grid[1])
        return self._paths[grid]

    def region(self, grid: Grid) -> NDArray[np.bool_]:
        """``(N, n)`` cells in which something is painted, and their neighbours."""
        return _cells(self.inside, grid, grow=True)

    def blank(self, grid: Grid) -> NDArray[np.bool_]:
        """``(N, n)`` cells in which a picture shows any blank."""
        return _cells(self.unknown, grid, grow=False)


def _pair(clip: Clip, correspond: Correspond, first: int, second: int) -> Pair:
    ahead = View.of(correspond(clip, first, second))
    return Pair(first, second, ahead, View.of(correspond(clip, second, first)))


def pooled(plane: NDArray[np.bool_], grid: Grid) -> NDArray[np.bool_]:
    """``(h, w)`` cells in which anything of a plane ``(H, W)`` is True."""
    values = torch.from_numpy(plane.astype(np.float32))[None]
    return np.asarray(F.adaptive_max_pool2d(values, grid)[0].numpy() > 0)


def _cells(planes: NDArray[np.bool_], grid: Grid, *, grow: bool) -> NDArray[np.bool_]:
    small: Sequence[NDArray[np.bool_]] = [pooled(plane, grid) for plane in planes]
    if grow:
        kernel = np.ones((3, 3), np.uint8)
        small = [cv2.dilate(cells.astype(np.uint8), kernel) > 0 for cells in small]
    return np.stack([cells.ravel() for cells in small])
