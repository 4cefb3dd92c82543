"""How alike the tokens of a frame are to each other, held to how alike they should be (FRESCO).

The spatial loss is the mean of ``|cos(z_p, z_q) - T_pq|`` over tokens p and q of each frame, where
``T`` are the cosines of reference features. Its gradient has a closed form (6.1 of our notes): with
unit vectors u and signs ``S = sign(u u' - T)``, ``dL/du = 2 S u / count``, of which the part along
z is dropped. It is evaluated in blocks of rows, so no matrix of all pairs is ever kept; neither are
the targets, which are made again of the reference features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own name for it
from torch import Tensor

from mediators._difference import FLAT

BLOCK: Final = 512
"""Rows of a block."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Likeness:
    """Reference features of B frames, and whose likeness counts."""

    reference: Tensor
    """``(B, n, C)`` of any float type."""
    rows: Tensor
    """``(B, n)`` bool: tokens p that are compared ..."""
    columns: Tensor
    """``(B, n)`` bool: ... with these tokens q."""

    @property
    def count(self) -> int:
        """Number of pairs of tokens."""
        return int((self.rows.sum(1) * self.columns.sum(1)).sum())

    def loss(self, features: Tensor) -> tuple[float, Tensor]:
        """Mean difference of cosines of features ``(B, n, C)`` float32, and its gradient."""
        gradient = torch.zeros_like(features)
        total = features.new_zeros(())
        for at, own in enumerate(features):
            total += self._one(at, own, gradient[at])
        scale = 1 / max(self.count, 1)
        return float(total) * scale, gradient.mul_(scale)

    def _one(self, at: int, own: Tensor, gradient: Tensor) -> Tensor:
        """Sum of differences of one frame; its gradient is written into ``gradient``."""
        unit, wanted = F.normalize(own, dim=1), F.normalize(self.reference[at].float(), dim=1)
        rows, columns = (mask[at].nonzero()[:, 0] for mask in (self.rows, self.columns))
        seen, told = unit[columns], wanted[columns]
        same = torch.equal(rows, columns)
        onto_columns = torch.zeros_like(seen)
        total = own.new_zeros(())
        for block in torch.split(rows, BLOCK):
            differ = torch.addmm(wanted[block] @ told.T, unit[block], seen.T, beta=-1)
            differ = torch.where(differ.abs() < FLAT, 0.0, differ)
            total += differ.abs().sum()
            sign = differ.sign_()
            gradient[block] = sign @ seen * (2 if same else 1)
            if not same:
                onto_columns += sign.T @ unit[block]
        if not same:
            gradient.index_add_(0, columns, onto_columns)
        lengths = own.norm(dim=1, keepdim=True).clamp_min(1e-12)
        along = (gradient * unit).sum(1, keepdim=True)
        gradient.sub_(along * unit).div_(lengths)
        return total
