"""What a person asks of a painter for one face."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Wording:
    """Prompts of one track; None leaves it to the settings, an empty one asks for nothing."""

    prompt: str | None = None
    """What is wanted."""
    negative_prompt: str | None = None
    """What is not."""

    def __post_init__(self) -> None:
        for name in ("prompt", "negative_prompt"):
            words = getattr(self, name)
            if words is not None and not isinstance(words, str):
                raise ValueError(f"{name} must be text, got {words!r}")

    def __bool__(self) -> bool:
        """Whether anything is asked for."""
        return self != AS_SET


AS_SET: Final = Wording()
"""Of a track that has no prompts of its own."""
