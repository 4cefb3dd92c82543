"""The parts that paint faces, and which of them paints which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from anonymizer.data import Action, Face
from anonymizer.protocols import Mediator, Replacer


@dataclass(frozen=True, slots=True)
class Brush:
    """A replacer and the mediator that keeps its frames together."""

    replacer: Replacer
    mediator: Mediator


@dataclass(frozen=True, slots=True)
class Studio:
    """The parts that paint."""

    face: Brush
    """Paints faces that are large enough."""
    small: Brush
    """Paints the others."""
    min_face: int
    """Longer side in pixels from which a face counts as large enough."""
    large: Brush | None = None
    """Paints faces that fill more pixels than ``face`` has, where there is such a brush."""
    large_face: int = 112
    """Longer side in pixels from which ``large`` is for them."""
    cover: Brush | None = None
    """Paints what a plan wants covered; without it such a plan is refused."""

    def brush(self, faces: Sequence[Face], action: Action = "replace") -> Brush:
        """Which brush paints a track through a chunk: its largest face decides for all.

        Raises:
            ValueError: if it is to be covered and nothing here can do that.
        """
        if action == "cover":
            if self.cover is None:
                raise ValueError("a track is to be covered, and this studio has no cover")
            return self.cover
        size = max(face.size for face in faces)
        if self.large is not None and size >= max(self.large_face, self.min_face):
            return self.large
        return self.face if size >= self.min_face else self.small
