"""No mediation: every frame is on its own. The baseline that mediators are measured against."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anonymizer.data import Carry, Clip
from anonymizer.protocols import Mediation, Mediator, Reference

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Alone:
    """Leaves every frame as it is. All frames start from one noise map, so flicker is fair."""

    frames: int
    """Number N of new crops."""

    def noise(self, shape: tuple[int, ...], seed: int) -> Tensor:
        """Standard normal noise ``(N, C, h, w)``: the same map in every frame and every chunk."""
        if shape[0] != self.frames:
            raise ValueError(f"noise must be for {self.frames} crops, got {shape[0]}")
        import torch  # only networks ask: who blurs or covers need not wait for it

        source = torch.Generator().manual_seed(seed % 2**63)
        return torch.randn((1, *shape[1:]), generator=source).repeat(shape[0], 1, 1, 1)

    def __call__(self, x0: Tensor, sigma: float) -> Tensor:
        """``x0`` itself."""
        return x0

    @property
    def together(self) -> bool:
        """Crops may be given to the model in any batches."""
        return False

    def attach(
        self,
        model: Any,  # noqa: ANN401 - any torch module
        reference: Reference | None = None,
    ) -> AbstractContextManager[None]:
        """Do nothing."""
        return nullcontext()

    def carry(self) -> Carry | None:
        """Nothing to hand on."""
        return None


@dataclass(frozen=True, slots=True)
class NoMediator:
    """Prepares nothing."""

    def prepare(self, clip: Clip, carry: Carry | None) -> Mediation:
        """A mediation that changes nothing."""
        return Alone(len(clip.indices) - clip.lead)


def build() -> Mediator:
    """The mediator that does not mediate."""
    return NoMediator()
