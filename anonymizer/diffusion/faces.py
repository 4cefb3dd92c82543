"""The built-in painter: a drawn head, made real by a guided inpainter.

Symbols: N new crops of S pixels; latents `(N, C, h, w)`; sigma as in `diffusion.schedule`.
Of a clip only `context`, `hidden`, `mask` and `landmarks` are read, never `pixels` (invariant P1),
unless it is told to start from the source, and then says so in `non_interference`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from numpy.typing import NDArray
from torch import Tensor

from anonymizer.diffusion import conditions
from anonymizer.diffusion.model import Condition
from anonymizer.diffusion.painter import Painter, source
from anonymizer.diffusion.schedule import descent
from anonymizer.head.guide import Guide, draw_guide
from anonymizer.head.model import HeadModel
from anonymizer.head.person import person_for
from anonymizer.head.pose import solve_pose
from anonymizer.settings import Init

if TYPE_CHECKING:
    import numpy as np

    from anonymizer.data import Clip
    from anonymizer.protocols import Mediation


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FaceReplacer:
    """The built-in painter: a drawn head in the film's tone, made real by a guided inpainter."""

    painter: Painter
    head: HeadModel
    start: float
    """Where sampling begins, as a share of the schedule."""
    steps: int
    detail: float = 0.0
    """Structure finer than this share of the crop's side comes from the drawing; 0 for none."""
    init: Init = "guide"

    @property
    def size(self) -> int:
        """Side S of the crops in pixels."""
        return self.painter.size

    @property
    def non_interference(self) -> bool:
        """Whether nothing inside a protected area reaches what is painted (P1)."""
        return self.init != "source"

    def sketch(self, clip: Clip, seed: int) -> FaceSketch:
        """The person of `seed` in the film's tone, drawn over the blanked areas.

        Raises:
            ValueError: if the crops have another size or landmarks are not finite.
        """
        clip = self.painter.checked(clip)
        guides = conditions.toned(clip, self.guides(clip, seed))
        composite = conditions.composite(replace(clip, lead=0), guides)
        moving = replace(clip, pixels=conditions.images(composite))
        return FaceSketch(self, clip, moving, composite[clip.lead :], guides[clip.lead :], seed)

    def guides(self, clip: Clip, seed: int) -> list[Guide]:
        """The person of `seed` in the pose of each of the T crops, in neutral light."""
        person = person_for(self.head, seed)
        landmarks = self.head.marked_landmarks(self.head.vertices(person.identity))
        poses = solve_pose(clip.landmarks, clip.size, landmarks)
        return [
            draw_guide(self.head, person, poses[at], size=clip.size) for at in range(len(poses))
        ]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FaceSketch:
    """A drawn head over each new crop, ready to be made real."""

    replacer: FaceReplacer
    clip: Clip
    moving: Clip
    """The clip with the drawing for pixels. It moves as the new face will, whatever the old one
    does; so not even the motion inside a protected area is taken from the original."""
    composite: Tensor
    """(N, 3, S, S) the drawings over the context, in [-1, 1]."""
    guides: list[Guide]
    """Of the N new crops."""
    seed: int

    @torch.no_grad()
    def paint(self, mediation: Mediation) -> NDArray[np.uint8]:
        """New crops (N, S, S, 3).

        Raises:
            FloatingPointError: if a result is not finite.
        """
        painter, replacer = self.replacer.painter, self.replacer
        drawn = painter.encoded(self.composite)
        factor = painter.autoencoder.factor
        cells = conditions.hidden_cells(self.clip, factor).to(painter.device)
        shape = conditions.structure(self.guides, factor).to(painter.device)
        condition = Condition(torch.cat([cells, drawn, shape], 1))
        sigmas = descent(painter.model.schedule, replacer.start, replacer.steps)
        noise = mediation.noise(tuple(drawn.shape), self.seed).to(painter.device)
        x = sigmas[0] * noise + self._origin(drawn)
        denoise = painter.agreed(painter.model.given(condition), mediation, sigmas)
        painted = painter.painted(denoise, x, sigmas, mediation)
        if not replacer.detail:
            return painted
        drawings = self.moving.pixels[self.clip.lead :]
        scale = replacer.detail * self.clip.size
        return conditions.detailed(painted, drawings, self.guides, scale)

    def _origin(self, drawn: Tensor) -> Tensor | float:
        """The clean latents that sampling starts around."""
        if self.replacer.init == "source":
            return self.replacer.painter.encoded(source(self.clip))
        return drawn if self.replacer.init == "guide" else 0.0
