"""What of FRESCO is on, how strongly, and until when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from mediators._optimise import Descent


@dataclass(frozen=True, slots=True)
class Switches:
    """The options of `mediators.fresco`; windows end at a ratio of signal to noise."""

    cross_frame: bool = True
    """Attend to the tokens of all frames, each surface once; in all steps."""
    temporal_attention: bool = True
    """Attend along trajectories."""
    spatial_attention: bool = True
    """Average queries by the likeness of reference tokens, in the first step."""
    temporal_loss: bool = True
    """Optimise features to agree along flow."""
    spatial_loss: bool = True
    """Optimise features to keep the reference's likeness of tokens."""
    anchors: bool = True
    """Show the model two frames of earlier chunks beside the new ones."""
    sharpness: float = 0.2
    """Factor of attention scores along trajectories and of likeness."""
    attention_until: float = 1.05
    """Ratio of signal to noise up to which attention follows trajectories: t >= 350 of Stable
    Diffusion."""
    optimise_until: float = 2.1
    """The same for the optimisation of features: t >= 250."""
    iterations: int = 20
    rate: float = 0.2
    temporal_weight: float = 2.0
    spatial_weight: float = 100.0
    finest: int = 64 * 64
    """Tokens of the finest grid on which features are optimised ..."""
    finest_temporal: int = 64 * 64
    """... and on which they are made to agree along flow."""
    keys: float | None = None
    """Most tokens to attend to, in frames; None for no limit."""

    @classmethod
    def checked(cls, options: dict[str, Any]) -> Self:
        """From keywords.

        Raises:
            TypeError: for an unknown one, or a value of another type.
            ValueError: for a number that makes no sense.
        """
        switches = cls(**options)
        for name, default in ((name, getattr(cls(), name)) for name in options):
            value = options[name]
            if isinstance(default, bool) != isinstance(value, bool):
                raise TypeError(f"{name} must be true or false, got {value!r}")
            least = 1 if name in ("iterations", "finest", "finest_temporal", "keys") else 0
            if not isinstance(value, bool) and value is not None and not value >= least:
                raise ValueError(f"{name} must be at least {least}, got {value!r}")
        return switches

    @property
    def attends(self) -> bool:
        """Whether any attention is changed."""
        return self.cross_frame or self.temporal_attention or self.spatial_attention

    @property
    def optimises(self) -> bool:
        """Whether features are."""
        return self.temporal_loss or self.spatial_loss

    @property
    def recalls(self) -> bool:
        """Whether the look at sanitised pictures is needed."""
        return self.spatial_attention or self.spatial_loss

    @property
    def descent(self) -> Descent:
        """Steps and weights of the optimisation."""
        return Descent(self.iterations, self.rate, self.temporal_weight, self.spatial_weight)
