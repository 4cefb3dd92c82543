"""What the pipeline asks of its parts: structural types, so a part need not import them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from anonymizer.data import Box, Carry, Clip, Face, Frame, StreamInfo

if TYPE_CHECKING:
    import torch

    Denoiser = Callable[[torch.Tensor, float], torch.Tensor]
    """``(x, sigma) -> x0``: noisy frames ``x0 + sigma * noise`` to an estimate of clean ones."""


class Source(Protocol):
    """A film that can be read from its start."""

    @property
    def info(self) -> StreamInfo:
        """What the header says."""
        ...

    def __iter__(self) -> Iterator[Frame]: ...


class Sink(Protocol):
    """A film being written."""

    def write(self, frame: Frame) -> None:
        """Append one frame; pts must increase."""
        ...


class Detector(Protocol):
    """Finds faces."""

    def detect(self, frames: Sequence[Frame]) -> list[list[Face]]:
        """One list per frame, in order; boxes clipped to nothing, scores in [0, 1]."""
        ...


def provider_of(part: object) -> str:
    """What a part computes on, as its attribute ``provider`` says; ``unknown`` without one."""
    return str(getattr(part, "provider", "unknown"))


class Embedder(Protocol):
    """Tells whether two pictures show one person."""

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    @property
    def threshold(self) -> float:
        """Distance below which two faces are one person's."""
        ...

    @property
    def false_match_rate(self) -> float:
        """Upper limit of the share of pairs of different people below the threshold."""
        ...

    def distance(
        self, before: NDArray[np.uint8], after: NDArray[np.uint8], box: Box
    ) -> float | None:
        """Distance of what two pictures ``(H, W, 3)`` show in a box; None if it cannot tell."""
        ...


class Reader(Protocol):
    """Reads what a face does."""

    def read(self, image: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
        """Numbers ``(K,)`` of the face with these landmarks ``(5, 2)`` in a picture.

        Raises:
            ValueError: if the landmarks give no direction or scale.
        """
        ...


class FlowEstimator(Protocol):
    """Finds where each pixel of one picture was in another."""

    def __call__(
        self, target: NDArray[np.uint8], source: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Flows target->source and source->target of two ``(S, S, 3)`` pictures.

        Each is ``(S, S, 2)`` in (dx, dy), pixels.
        """
        ...


class Reference(Protocol):
    """The model before pictures that it may see: what mediators of its features hold on to.

    The pictures are the N new crops without anything that is inside a protected area (P1).
    """

    @property
    def levels(self) -> NDArray[np.float64]:
        """``(T,)`` noise level sigma of every integer timestep of the model, increasing."""
        ...

    @property
    def drawn(self) -> bool:
        """Whether the pictures show a drawn face where crops are hidden, rather than nothing."""
        ...

    def look(self) -> None:
        """Let the model see the pictures, almost without noise, by the calls of one step."""
        ...


class Mediation(Protocol):
    """A prepared plan for one clip of one chunk; N = T - lead crops are new.

    Answers do not depend on earlier calls, but `carry` may: it hands on what the loop was told.
    """

    @property
    def together(self) -> bool:
        """Whether each call of the model must hold all N crops, once or once per condition.

        Where several conditions share a call, all crops under one come before those under the next.
        """
        ...

    def noise(self, shape: tuple[int, ...], seed: int) -> torch.Tensor:
        """Standard normal noise ``(N, C, h, w)`` float32, shared along trajectories."""
        ...

    def __call__(self, x0: torch.Tensor, sigma: float) -> torch.Tensor:
        """Harmonize an estimate ``(N, 3, S, S)`` of the clean crops, about [-1, 1], unclamped."""
        ...

    def attach(
        self,
        model: Any,  # noqa: ANN401 - any torch module
        reference: Reference | None = None,
    ) -> AbstractContextManager[None]:
        """Guide the model's features while open; a no-op for pixel-level mediators."""
        ...

    def carry(self) -> Carry | None:
        """What the next chunk must know, after the loop."""
        ...


class Sparse(Protocol):
    """Key frames among the N new crops of a clip, and the way from them to the others."""

    @property
    def places(self) -> tuple[int, ...]:
        """Of the K key frames, increasing, from 0 to N - 1."""
        ...

    @property
    def mediation(self) -> Mediation:
        """Of the key frames alone; what it is told is carried on by that of all crops."""
        ...

    def spread(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """What all crops ``(N, S, S, C)`` show of values ``(K, S, S, C)`` at the key frames."""
        ...


@runtime_checkable
class Keyed(Mediation, Protocol):
    """A mediation that knows the way from some frames to all others."""

    def sparse(self, every: int | None) -> Sparse:
        """Key frames no more than ``every`` frames apart; None for as few as the film allows."""
        ...


class Mediator(Protocol):
    """Makes frames agree."""

    def prepare(self, clip: Clip, carry: Carry | None) -> Mediation:
        """The costly part, once per chunk: flow and coding."""
        ...


class Sketch(Protocol):
    """What is about to be painted on one clip: prepared, immutable."""

    @property
    def moving(self) -> Clip:
        """The clip with ``pixels`` that move as the painting will: what flow is estimated on."""
        ...

    def paint(self, mediation: Mediation) -> NDArray[np.uint8]:
        """New crops ``(N, S, S, 3)`` for the clip's last N = T - lead frames.

        Raises rather than return an original.
        """
        ...


class Replacer(Protocol):
    """Paints new faces."""

    @property
    def size(self) -> int:
        """Side S of the crops it wants, in pixels."""
        ...

    def sketch(self, clip: Clip, seed: int) -> Sketch:
        """Decide what to paint; the seed decides who appears."""
        ...


@runtime_checkable
class Lasting(Sketch, Protocol):
    """A sketch whose track goes on from it."""

    @property
    def memory(self) -> Any:  # noqa: ANN401 - only the replacer knows it
        """What the track's next sketch must know; it is kept as long as the track lasts."""
        ...


@runtime_checkable
class Continuing(Replacer, Protocol):
    """A replacer whose sketches of one track go on from each other; it must have both methods."""

    def acquainted(self, looks: Clip, seed: int) -> Any:  # noqa: ANN401
        """The memory with which a track begins, by T crops some frames apart, the last first."""
        ...

    def continued(self, clip: Clip, seed: int, memory: Any) -> Sketch:  # noqa: ANN401
        """The sketch of a chunk, after that of the chunk before: its ``Lasting.memory``."""
        ...


__all__ = [
    "Carry",
    "Clip",
    "Continuing",
    "Detector",
    "FlowEstimator",
    "Keyed",
    "Lasting",
    "Mediation",
    "Mediator",
    "Reader",
    "Reference",
    "Replacer",
    "Sink",
    "Sketch",
    "Source",
    "Sparse",
    "provider_of",
]
