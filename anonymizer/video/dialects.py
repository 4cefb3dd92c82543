"""What groups of pictures are asked for, whatever codec they are in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from anonymizer.video.h264 import Look

Wish = tuple[str, int | str]
"""A parameter of an encoder and its value."""


class Dialect(Protocol):
    """A codec as a film speaks it, to tell its groups and to join what we encode to them.

    All methods raise `Unusual` where something cannot be told or joined.
    """

    @property
    def codec(self) -> str:
        """FFmpeg's name."""
        ...

    @property
    def encoder(self) -> str:
        """The encoder whose pictures can be joined to the film's."""
        ...

    @property
    def parameters(self) -> str:
        """Name of the encoder's option that holds wishes."""
        ...

    def noted(self, units: Sequence[bytes]) -> tuple[bool, bool]:
        """Of a packet: whether it begins a group, and whether it holds nothing but pictures."""
        ...

    def reorder(self, pts: NDArray[np.int64]) -> int:
        """Pictures decoded before, and shown after another, from ``(N,)`` times of packets."""
        ...

    def wishes(self, reorder: int) -> list[Wish]:
        """What to ask of the encoder."""
        ...

    def insist(self, ours: bytes, reorder: int) -> None:
        """Insist that what the encoder says of its pictures lets them be joined to the film's."""
        ...

    def said(self, ours: bytes | None) -> bytes:
        """What a file must say for both to be decoded; None: for the film's alone."""
        ...

    def fitted(self, unit: bytes) -> bytes:
        """A unit of the encoder's as it must be beside the film's."""
        ...


def alike(ours: Look, theirs: Look) -> bool:
    """Whether pictures can be joined; pixels are square where nothing is said."""
    return _normal(ours) == _normal(theirs)


def _normal(look: Look) -> Look:
    return replace(look, aspect=(1, 1) if 0 in look.aspect else look.aspect)
