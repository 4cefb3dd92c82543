"""FRESCO: frames agree inside the model (Yang et al., CVPR 2024, arXiv 2403.12962).

Optical flow says which tokens of a UNet's decoder show the same surface. Self-attention looks at
the tokens of all frames, each surface once, and along trajectories; features are optimised to agree
along flow and to keep, within a frame, the likeness that the model sees in sanitised pictures. Two
frames of earlier chunks are shown beside the new ones. Pixels are not touched: MeDM does that, and
``medm+fresco`` does both. Of a clip's ``pixels`` only flow is taken; colours come from ``context``
(invariant P1).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

import numpy as np
import torch
from torch import Tensor

from anonymizer.data import Carry, Clip
from anonymizer.protocols import Mediation, Reference
from mediators._anchors import Shown
from mediators._flow import Correspond, Remembered, estimated
from mediators._guide import Guide
from mediators._hooks import installed
from mediators._links import Links
from mediators._switches import Switches

_BOTH: Final = 2
"""Anchors where a track has been through more than one crop."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FrescoCarry(Carry):
    """Two frames that the next chunk is shown: the track's first, and the last."""

    index: int
    """Index of the last frame."""
    first: Clip
    """The first as a clip of one crop; flow is estimated on it."""
    shown: tuple[Shown, Shown]
    """What the model was given for both."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FrescoMediation:
    """The plan of one clip of one chunk; N crops are new."""

    clip: Clip
    """Anchors, and then the N new crops."""
    links: Links
    switches: Switches
    anchors: tuple[Shown, ...]
    kept: tuple[Shown, Shown] = field(default_factory=lambda: (Shown(), Shown()))
    """What the model is given for the first and the last new crop."""

    @property
    def together(self) -> bool:
        """All crops are needed in each call."""
        return True

    def noise(self, shape: tuple[int, ...], seed: int) -> Tensor:
        """Standard normal noise ``(N, C, h, w)``: the same map in every frame and every chunk.

        A crop is aligned to its face, so what is fixed to the crop moves with the face.
        """
        count = len(self.clip.indices) - len(self.anchors)
        if shape[0] != count:
            raise ValueError(f"noise must be for {count} crops, got {shape[0]}")
        source = torch.Generator().manual_seed(seed % 2**63)
        return torch.randn((1, *shape[1:]), generator=source).repeat(count, 1, 1, 1)

    def __call__(self, x0: Tensor, sigma: float) -> Tensor:
        """``x0`` itself: FRESCO works on features."""
        return x0

    @contextmanager
    def attach(
        self,
        model: Any,  # noqa: ANN401 - any torch module
        reference: Reference | None = None,
    ) -> Iterator[None]:
        """Guide the decoder of a UNet while open; what is installed is gone afterwards.

        Without a reference, likeness is left alone and windows do not end.

        Raises:
            ValueError: if the model is no UNet with decoder blocks.
        """
        guide = Guide(self.links, self.switches, anchors=self.anchors, kept=self.kept)
        if reference is not None:
            guide.levels, guide.drawn = reference.levels, reference.drawn
        with installed(model, guide):
            if reference is not None and self.switches.recalls:
                with guide.look():
                    reference.look()
            yield

    def carry(self) -> Carry | None:
        """The anchors of the next chunk, if the model was attached."""
        if not (self.switches.anchors and self.kept[1].rows):
            return None
        first, last = self.kept
        place = len(self.anchors)
        if self.anchors and not self._strange:
            first, place = self.anchors[0], 0
        return FrescoCarry(self.clip.indices[-1], _one(self.clip, place), (first, last))

    @property
    def _strange(self) -> bool:
        """Whether the track's first crop has too little in common with the last chunk's last."""
        return len(self.anchors) == _BOTH and bool(self.links.chain[0].back.hidden.all())


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Fresco:
    """Finds correspondences and makes the plan."""

    correspond: Correspond
    switches: Switches

    def prepare(self, clip: Clip, carry: Carry | None) -> Mediation:
        """Flow among the new crops and the anchors, if any were carried."""
        past, find = _boundary(clip, carry), Remembered(self.correspond)
        new = _part(clip, clip.lead, len(clip.indices), 0)
        if past is None:
            return FrescoMediation(new, Links.of(new, find), self.switches, ())
        whole = _part(clip, clip.lead - 1, len(clip.indices), 1)
        anchors: tuple[Shown, ...] = past.shown[1:]
        if past.first.indices[0] != past.index:
            whole, anchors = _after(past.first, whole), past.shown
        return FrescoMediation(whole, Links.of(whole, find), self.switches, anchors)


def _boundary(clip: Clip, carry: Carry | None) -> FrescoCarry | None:
    """What was carried to this clip, if anything was.

    Raises:
        ValueError: if it belongs to another mediator, another frame or another size of crops.
    """
    if carry is None or clip.lead == 0:
        return None
    if not isinstance(carry, FrescoCarry):
        raise ValueError(f"carry must come from fresco, got {type(carry).__name__}")
    index = clip.indices[clip.lead - 1]
    if carry.index != index or carry.first.shape != clip.shape:
        raise ValueError(
            f"carry is of frame {carry.index} and size {carry.first.shape}, "
            f"the clip continues frame {index} at size {clip.shape}"
        )
    return carry


_ROWS = ("pixels", "context", "hidden", "mask", "frame_from_crop", "landmarks")


def _part(clip: Clip, start: int, stop: int, lead: int) -> Clip:
    """Some crops of a clip, of which the first ``lead`` are not new."""
    rows: dict[str, Any] = {name: getattr(clip, name)[start:stop] for name in _ROWS}
    motion = None if clip.motion is None else clip.motion[start:stop]
    return replace(clip, indices=clip.indices[start:stop], lead=lead, motion=motion, **rows)


def _one(clip: Clip, at: int) -> Clip:
    """One crop, in memory of its own."""
    part = _part(clip, at, at + 1, 0)
    return replace(part, **{name: getattr(part, name).copy() for name in _ROWS})


def _after(first: Clip, clip: Clip) -> Clip:
    """A clip after one crop of long ago; what moved in it does not matter here."""
    rows: dict[str, Any] = {
        name: np.concatenate([getattr(first, name), getattr(clip, name)]) for name in _ROWS
    }
    indices = first.indices + clip.indices
    return replace(clip, indices=indices, lead=clip.lead + 1, motion=None, **rows)


def build(
    *,
    flow: Literal["dis"] = "dis",
    correspond: Correspond | None = None,
    **switches: Any,  # noqa: ANN401 - of many types, checked
) -> Fresco:
    """FRESCO for face crops.

    Args:
        flow: estimator of optical flow.
        correspond: replaces flow and its tests.
        **switches: fields of `mediators._switches.Switches`.

    Raises:
        TypeError: for an unknown switch, or a value of another type.
        ValueError: for an unknown name, or a number that makes no sense.
    """
    return Fresco(correspond or estimated(flow), Switches.checked(switches))
