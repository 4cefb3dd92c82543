"""MeDM: frames agree through a repository of pixels (Chu et al., AAAI 2024, arXiv 2308.10079).

Optical flow between neighbouring crops says which pixels show the same surface point; those share
an id. Estimates of the clean crops are replaced by means over ids, noise starts where the surface
was, and the last frame of a chunk hands on its ids and what they were. Only geometry is taken from
the original pixels (invariant P1). How strongly means are blended in is the diffusion loop's
affair.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anonymizer.data import Carry, Clip
from anonymizer.protocols import Mediation, Reference
from mediators import _noise
from mediators._between import key_places, spread
from mediators._coding import Coded, Encoding, encode, key, resumed
from mediators._flow import FLOWS, Correspond, estimated
from mediators._repository import Anchor, Average, Repository
from mediators._seams import MedmCarry, Rule, boundary, handed_on, origins, shares


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class MedmMediation:
    """The plan of one clip of one chunk; N crops are new."""

    encoding: Encoding
    """Ids of the boundary frame, if there is one, and of the N new crops."""
    indices: NDArray[np.int64]
    """Frame index of every coded frame."""
    slots: tuple[int, ...]
    """Which of the coded frames are asked for: the new crops, or key frames among them."""
    repository: Repository
    """Of these crops only: pixels of the boundary frame count once, in ``past``."""
    past: MedmCarry | None
    share: NDArray[np.float32]
    """``(N, M)`` of the carried values."""
    window: int | None
    """Frames that a mean may span."""
    average: Average = "mean"
    agreed: dict[float, Tensor] = field(default_factory=dict)
    """Of each noise level asked for, the last crop (3, S, S) of the answer: what is handed on. The
    key frames, of which the last crop is one, share it with all crops."""

    @property
    def new(self) -> tuple[Coded, ...]:
        """The N crops that are asked for."""
        return tuple(self.encoding.frames[slot] for slot in self.slots)

    def noise(self, shape: tuple[int, ...], seed: int) -> Tensor:
        """Standard normal noise ``(N, C, h, w)``, moved along trajectories by the cell.

        A trajectory keeps its noise through all chunks. Cells outside the mask do not move.
        """
        count, channels, height, width = shape
        if count != len(self.new):
            raise ValueError(f"noise must be for {len(self.new)} crops, got {count}")
        names = [
            self._cells(coded, int(self.indices[slot]), height, width)
            for slot, coded in zip(self.slots, self.new, strict=True)
        ]
        return torch.from_numpy(_noise.normals(np.stack(names), channels, seed))

    def _cells(self, coded: Coded, index: int, height: int, width: int) -> NDArray[np.int64]:
        high, wide = coded.ids.shape
        factor = wide / width, high / height
        row, column = np.indices((height, width)).astype(np.float64)
        middles = np.stack([(column + 0.5) * factor[0], (row + 0.5) * factor[1]], -1) - 0.5
        nearest = np.rint(middles).astype(np.int64).clip(0, (wide - 1, high - 1))
        where, births = origins(coded, self.indices, self.past)
        x, y = nearest[..., 0], nearest[..., 1]
        places = (where[y, x] + (middles - nearest)).astype(np.float32)
        return _noise.cells(places, births[y, x], index, factor)

    def __call__(self, x0: Tensor, sigma: float) -> Tensor:
        """Means along trajectories of ``(N, 3, S, S)``, near the seam drawn to the last chunk's.

        The last crop is kept for `carry`; asking again at a level replaces it.
        """
        expected = (len(self.new), 3, *self.new[0].ids.shape)
        if x0.shape != expected:
            raise ValueError(f"crops must be {expected}, got {tuple(x0.shape)}")
        plan = self.repository.to(x0.device)
        anchor = self._anchor(sigma, x0.device)
        result = plan.harmonize(x0, window=self.window, anchor=anchor, average=self.average)
        self.agreed[sigma] = result[-1].clone()
        return result

    def _anchor(self, sigma: float, device: torch.device) -> Anchor | None:
        if self.past is None or sigma not in self.past.levels or not self.share.any():
            return None
        values = torch.from_numpy(self.past.values[self.past.levels.index(sigma)])
        return Anchor(values.to(device), torch.from_numpy(self.share).to(device))

    @property
    def together(self) -> bool:
        """Crops may be given to the model in any batches."""
        return False

    def attach(
        self,
        model: Any,  # noqa: ANN401 - any torch module
        reference: Reference | None = None,
    ) -> AbstractContextManager[None]:
        """Do nothing: MeDM works on pixels."""
        return nullcontext()

    def carry(self) -> Carry | None:
        """The last crop, as the loop saw it, for the boundary frame of the next chunk."""
        last = self.new[-1]
        counts = self.repository.counts.numpy().astype(np.float32)
        if self.past is not None:
            counts[: len(self.past.weights)] += self.past.weights
        where = origins(last, self.indices, self.past)
        return handed_on(last, int(self.indices[self.slots[-1]]), self.agreed, counts, where)

    def sparse(self, every: int | None) -> Sparse:
        """Key frames that are mediated by themselves, and the way from them to the others."""
        ids = np.stack([coded.ids for coded in self.new])
        places = key_places(ids, every)
        chosen = list(places)
        part = replace(
            self,
            slots=tuple(self.slots[at] for at in chosen),
            repository=Repository.of(ids[chosen], self.encoding.count),
            share=self.share[chosen],
        )
        return Sparse(places, part, ids)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Sparse:
    """Key frames among N new crops: an `anonymizer.protocols.Sparse`."""

    places: tuple[int, ...]
    mediation: MedmMediation
    ids: NDArray[np.int32]
    """``(N, S, S)`` of all new crops."""

    def spread(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `mediators._between.spread`."""
        return spread(self.ids, self.places, values)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Medm:
    """Finds correspondences and codes them."""

    correspond: Correspond
    rule: Rule
    window: int | None
    average: Average = "mean"

    def prepare(self, clip: Clip, carry: Carry | None) -> Mediation:
        """Flow and coding of the new crops, after the boundary crop where one was carried."""
        past = boundary(clip, carry)
        first = clip.lead - (past is not None)
        active = clip.mask > 0
        if past is None:
            start, count = key(active[first])
        else:
            start, count = resumed(past.ids, past.origin), len(past.weights)
        span = range(first + 1, len(clip.indices))
        matches = [self.correspond(clip, at, at - 1) for at in span]
        encoding = encode(start, count, matches, [active[at] for at in span])
        ids = np.stack([coded.ids for coded in encoding.frames[past is not None :]])
        repository = Repository.of(ids, encoding.count)
        weights = past.weights if past is not None else np.zeros(0, np.float32)
        counts = repository.counts.numpy()[: len(weights)]
        return MedmMediation(
            encoding=encoding,
            indices=np.array(clip.indices[first:]),
            slots=tuple(range(past is not None, len(encoding.frames))),
            repository=repository,
            past=past,
            share=shares(self.rule, len(ids), weights, counts),
            window=self.window,
            average=self.average,
        )


def build(
    *,
    flow: Literal["dis"] = "dis",
    rule: Rule = "ramp",
    window: int | None = None,
    average: Average = "mean",
    correspond: Correspond | None = None,
) -> Medm:
    """MeDM for face crops.

    Args:
        flow: estimator of optical flow.
        rule: how values cross from chunk to chunk.
        window: number of frames that a mean may span; None for the whole chunk.
        average: ``median`` takes the middle value along each trajectory, over the whole chunk.
        correspond: replaces flow and its tests.

    Raises:
        ValueError: for an unknown name, a window below 1, or a median with a window.
    """
    for value, legal in (
        (flow, tuple(FLOWS)),
        (rule, get_args(Rule)),
        (average, get_args(Average)),
    ):
        if value not in legal:
            raise ValueError(f"{value!r} is not one of {', '.join(legal)}")
    if window is not None and window < 1:
        raise ValueError(f"window must be at least 1 frame, got {window}")
    if window is not None and average == "median":
        raise ValueError("a median spans the whole chunk; leave window out")
    return Medm(correspond or estimated(flow), rule, window, average)
