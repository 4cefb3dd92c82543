"""How much features differ along flow, as a sparse matrix (FRESCO, the temporal loss).

Each row is one token less what flow says it was in the neighbouring frame, blended of up to four
tokens. Rows are left out where that is hidden, so what no row mentions has a gradient of exactly
zero, and whole steps of flow are read exactly.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mediators._links import Grid, Links, View

FLAT: Final = 1e-4
"""Differences below this count as none: their sign would be that of rounding."""

_Entries = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Differences:
    """Of N frames with n tokens each; a stack of tokens is ``(N n, C)``, frame after frame."""

    matrix: Tensor
    """Sparse ``(rows, N n)``."""
    adjoint: Tensor
    """Sparse ``(N n, rows)``."""
    pairs: int
    """Of frames; rows that were left out count in means as differences of 0."""
    tokens: int
    """n."""

    @classmethod
    def of(cls, links: Links, grid: Grid) -> Differences | None:
        """Both ways between the frames of every pair; None if no token is seen twice."""
        tokens = grid[0] * grid[1]
        parts: list[_Entries] = []
        used = 0
        for pair in links.pairs:
            ways = ((pair.back, pair.second, pair.first), (pair.ahead, pair.first, pair.second))
            for view, own, other in ways:
                entries, rows = _rows(view, grid, own * tokens, other * tokens, used)
                parts += entries
                used += rows
        if used == 0:
            return None
        matrix = _sparse(parts, (used, links.count * tokens))
        return cls(matrix, matrix.t().coalesce(), len(links.pairs), tokens)

    def to(self, device: torch.device) -> Differences:
        """The same on a device."""
        matrix, adjoint = self.matrix.to(device), self.adjoint.to(device)
        return Differences(matrix, adjoint, self.pairs, self.tokens)

    def loss(self, stack: Tensor) -> tuple[float, Tensor]:
        """Mean absolute difference of a stack ``(N n, C)`` float32, and its gradient.

        Both directions of a pair are added, as the notes' L_t without its weight does.
        """
        scale = 1 / max(self.pairs * self.tokens * stack.shape[1], 1)
        rest = torch.sparse.mm(self.matrix, stack)
        sign = torch.where(rest.abs() < FLAT, 0.0, rest.sign())
        gradient = torch.sparse.mm(self.adjoint, sign) * scale
        return float(rest.abs().sum()) * scale, gradient


def _rows(view: View, grid: Grid, own: int, other: int, first: int) -> tuple[list[_Entries], int]:
    """Entries (row, column, value) of all tokens that a view shows, and their number."""
    height, width = grid
    shown = np.flatnonzero(~view.touched(grid))
    x, y = (view.flow_at(grid).reshape(-1, 2)[shown].T + _positions(grid)[shown].T).astype(float)
    row = np.arange(first, first + len(shown))
    entries: list[_Entries] = [(row, own + shown, np.ones(len(shown), np.float32))]
    left, top = np.floor(x), np.floor(y)
    for down in (0, 1):
        for right in (0, 1):
            column, line = left + right, top + down
            weight = (1 - abs(x - column)) * (1 - abs(y - line))
            used = (weight > 0) & (column >= 0) & (column < width) & (line >= 0) & (line < height)
            at = (other + line * width + column)[used].astype(np.int64)
            entries.append((row[used], at, -weight[used].astype(np.float32)))
    return entries, len(shown)


def _positions(grid: Grid) -> NDArray[np.int64]:
    """``(n, 2)`` (x, y) of every token."""
    row, column = np.indices(grid)
    return np.stack([column.ravel(), row.ravel()], -1)


def _sparse(parts: Iterable[_Entries], shape: tuple[int, int]) -> Tensor:
    rows, columns, values = (np.concatenate(part) for part in zip(*parts, strict=True))
    indices = torch.from_numpy(np.stack([rows, columns]))
    return torch.sparse_coo_tensor(
        indices, torch.from_numpy(values), shape, check_invariants=True
    ).coalesce()
