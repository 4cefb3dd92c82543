"""The built-in painter: a drawn head, made real by a guided inpainter.

Symbols: N new crops of S pixels; latents `(N, C, h, w)`; sigma as in `diffusion.schedule`.
Of a clip only `context`, `hidden`, `mask`, `landmarks` and `motion` are read, never `pixels`
(invariant P1), unless it is told to start from the source, and then says so in
`non_interference`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anonymizer.diffusion import conditions
from anonymizer.diffusion.artist import Cast
from anonymizer.diffusion.model import Condition
from anonymizer.diffusion.painter import Painter, source
from anonymizer.diffusion.scaling import smaller_clip, smaller_guide
from anonymizer.diffusion.schedule import descent
from anonymizer.head.focus import Focus, softened
from anonymizer.head.guide import Guide, linear_from_srgb, srgb_from_linear
from anonymizer.head.hair import ENOUGH, Hair, grown
from anonymizer.head.model import HeadModel
from anonymizer.head.person import person_for
from anonymizer.head.surroundings import Surroundings
from anonymizer.head.tone import Complexion, Evidence, Tone
from anonymizer.protocols import Keyed
from anonymizer.settings import Init, Match

if TYPE_CHECKING:
    from anonymizer.data import Clip
    from anonymizer.protocols import Mediation, Sparse


SOFT: Final = 2.0
"""Spread, in pixels of what is painted, of changes that are filled in: trajectories are not exact,
and a fine change a pixel beside its place would show."""


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """What a track's next sketch must know of those before it, or of looks at the track."""

    tone: Tone = field(default_factory=Tone)
    hair: Hair | None = None
    """None if nobody has looked."""
    skin: Complexion | None = None
    """None if it is to be decided yet, and where the film does not decide it."""
    focus: Focus = field(default_factory=Focus)
    begun: bool = False
    """Whether something has been sketched: then what is seen changes it little by little."""


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
    match: Match = "tone"
    """Whether the film decides the tone of the skin, or the seed."""
    every: int | None = 1
    """Frames from one that is diffused to the next at most; None for as many as the film needs."""
    enlarged: int = 1
    """Crops have this many times the side of what is painted; the drawing fills the difference."""

    @property
    def provider(self) -> str:
        """Where the networks are."""
        return str(self.painter.device)

    @property
    def size(self) -> int:
        """Side S of the crops in pixels."""
        return self.painter.size * self.enlarged

    @property
    def non_interference(self) -> bool:
        """Whether nothing inside a protected area reaches what is painted (P1)."""
        return self.init != "source"

    def sketch(self, clip: Clip, seed: int) -> FaceSketch:
        """The person of `seed` in the film's tone, drawn over the blanked areas.

        Raises:
            ValueError: if the crops have another size or landmarks are not finite.
        """
        return self.continued(clip, seed, Memory())

    def continued(self, clip: Clip, seed: int, memory: Memory, apart: int = 1) -> FaceSketch:
        """The same in the tone and with the hair that the track has had so far."""
        film = self.painter.checked(smaller_clip(clip, self.enlarged))
        small, light = conditions.lightened(film)
        told, skin = conditions.evidence(film, light), memory.skin
        if skin is None and self.match == "tone":
            skin = self._complexion(clip, told, seed, light)
        drawn = self.guides(clip, seed, skin)
        plain = [smaller_guide(guide, self.enlarged) for guide in drawn]
        gains, tone = conditions.tones(
            small, plain, told, memory.tone, skin.usual if skin else None, apart
        )
        if self.match == "none":
            gains = np.ones_like(gains)
        guides = conditions.toned(plain, gains)
        composite = conditions.composite(replace(small, lead=0), guides)
        new = slice(clip.lead, None)
        fine = conditions.toned(drawn[new], gains[new]) if self.enlarged > 1 else guides[new]
        around = [
            Surroundings.of(*each)
            for each in zip(clip.context[new], clip.hidden[new], fine, strict=True)
        ]
        before = memory.hair or self._hair(seed, skin, float(light[0]))
        hair = grown(before, [each.own for each in around], slowly=memory.begun)
        focus = _focused(memory, clip)
        return FaceSketch(
            replacer=self,
            clip=small,
            moving=replace(small, pixels=conditions.images(composite)),
            composite=composite[new],
            guides=guides[new],
            fine=fine,
            around=around,
            hair=hair,
            softness=[each.softness for each in focus],
            light=light[new],
            seed=seed,
            memory=Memory(tone, hair[-1], skin, focus[-1], begun=True),
        )

    def acquainted(self, looks: Clip, seed: int) -> Memory:
        """What crops of a track tell before its first sketch, the last one first.

        So they are gone through backwards in time as others are forwards: the nearest count most.
        What they do not tell is left to the first sketch.
        """
        last, *others = looks.indices
        apart = last - others[0] if others else 1
        seen = self.continued(looks, seed, Memory(), apart).memory
        if not seen.tone.known:
            return replace(seen, tone=Tone(), skin=None, begun=False)
        return replace(seen, tone=replace(seen.tone, gains={}, gain=seen.tone.mean), begun=False)

    def guides(self, clip: Clip, seed: int, skin: Complexion | None = None) -> list[Guide]:
        """The person of `seed` as each of the T crops poses and moves, in neutral light."""
        cast = Cast.of(self.head, clip, seed, *_matched(skin))
        return [cast.guide(at, clip.size) for at in range(len(clip.indices))]

    def _hair(self, seed: int, skin: Complexion | None, light: float) -> Hair:
        """That of the person of `seed`, in a film of which it is known in `light` times its own."""
        colour = np.asarray(person_for(self.head, seed, *_matched(skin)).appearance.hair)
        lit = colour * ((skin.light if skin else 1.0) / light)
        return Hair.guessed(srgb_from_linear(lit) * 2 - 1)

    def _complexion(
        self, clip: Clip, told: Sequence[Evidence], seed: int, light: NDArray[np.float32]
    ) -> Complexion:
        """That of the person of `seed` in the film, by crops that tell most of skin and hair.

        Lighter skin than theirs is less pigment, not more light: in that, brows would be pale and
        eyes would glow. Darker skin may as well be less light. Crops have `light` (T,) added.
        """
        at = max(range(len(told)), key=lambda each: told[each].trust)
        cast = Cast.of(self.head, clip, seed)
        guide = smaller_guide(cast.guide(at, clip.size), self.enlarged)
        skin = told[at].complexion(guide, cast.person.appearance.melanin)
        last = len(told) - 1
        looks = {  # a few of the crops tell enough of hair
            each: Surroundings.of(
                clip.context[each], clip.hidden[each], cast.guide(each, clip.size)
            ).own
            for each in sorted({0, last // 3, last - last // 3, last})
        }
        shown = max(looks, key=lambda each: looks[each].weight)
        if looks[shown].weight < ENOUGH:
            return skin
        reflected = linear_from_srgb((looks[shown].colour + 1) / 2).mean() * light[shown]
        return replace(skin, hair=float(reflected) / skin.light)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FaceSketch:
    """A drawn head over each new crop, ready to be made real."""

    replacer: FaceReplacer
    clip: Clip
    """At the size of what is painted, as all that follows but `fine`."""
    moving: Clip
    """The clip with the drawing for pixels. It moves as the new face will, whatever the old one
    does; so not even the motion inside a protected area is taken from the original."""
    composite: Tensor
    """(N, 3, S, S) the drawings over the context, in [-1, 1]."""
    guides: list[Guide]
    """Of the N new crops."""
    fine: list[Guide]
    """The same at the size of the result."""
    around: list[Surroundings]
    """The film around them at that size, in its own light."""
    hair: list[Hair]
    """Of the track at each of them."""
    softness: list[float]
    """How far out of focus each of them is, see `head.focus`."""
    light: NDArray[np.float32]
    """(N,) how much more light the clip was given than the film has."""
    seed: int
    memory: Memory
    """Of the track, up to the last of these crops."""

    @torch.no_grad()
    def paint(self, mediation: Mediation) -> NDArray[np.uint8]:
        """New crops (N, S, S, 3).

        Raises:
            FloatingPointError: if a result is not finite.
        """
        replacer = self.replacer
        if replacer.every != 1 and isinstance(mediation, Keyed):
            painted = self._filled(mediation.sparse(replacer.every))
        else:
            painted = self._diffused(mediation, range(len(self.composite)))
        drawings = self.moving.pixels[self.clip.lead :]
        if replacer.non_interference:
            painted = conditions.levelled(painted, drawings, self.guides)
        if replacer.detail:
            scale = replacer.detail * self.clip.size
            painted = conditions.detailed(painted, drawings, self.guides, scale)
        blended = conditions.blended(painted, self.clip)
        finished = conditions.enlarged(blended, self.guides, self.fine)
        dimmed = conditions.dimmed(finished, self.light)
        framed = zip(self.around, dimmed, self.hair, self.softness, strict=True)
        return np.stack(
            [
                softened(around.with_face(crop, hair), around.hidden, around.guide.head, softness)
                for around, crop, hair, softness in framed
            ]
        )

    def _filled(self, sparse: Sparse) -> NDArray[np.uint8]:
        """Crops (N, S, S, 3): what painting changes of drawings is diffused at key frames only.

        The drawings hold what moves, and all that is fine; what is painted over them goes on along
        trajectories.
        """
        drawings = self.moving.pixels[self.clip.lead :].astype(np.float32)
        keys = list(sparse.places)
        changes = self._diffused(sparse.mediation, sparse.places) - drawings[keys]
        changes = np.stack([cv2.GaussianBlur(each, (0, 0), SOFT) for each in changes])
        filled = (drawings + sparse.spread(changes)).round().clip(0, 255)
        return np.asarray(filled, np.uint8)

    def _diffused(self, mediation: Mediation, places: Sequence[int]) -> NDArray[np.uint8]:
        """The crops (K, S, S, 3) at some places, made real by the model."""
        replacer, which = self.replacer, list(places)
        painter = replacer.painter.serving(mediation, len(which))
        drawn = painter.encoded(self.composite[which])
        factor = painter.autoencoder.factor
        cells = conditions.hidden_cells(self.clip, factor)[which].to(painter.device)
        guides = [self.guides[at] for at in which]
        shape = conditions.structures(guides, factor).to(painter.device)
        condition = Condition(torch.cat([cells, drawn, shape], 1))
        sigmas = descent(painter.model.schedule, replacer.start, replacer.steps)
        noise = mediation.noise(tuple(drawn.shape), self.seed).to(painter.device)
        x = sigmas[0] * noise + self._origin(drawn, which)
        alone = painter.model.given(condition)
        reference = painter.reference(alone, drawn, noise, drawn=True)
        denoise = painter.agreed(alone, mediation, sigmas)
        return painter.painted(denoise, x, sigmas, mediation, reference)

    def _origin(self, drawn: Tensor, which: list[int]) -> Tensor | float:
        """The clean latents that sampling starts around."""
        if self.replacer.init == "source":
            return self.replacer.painter.encoded(source(self.clip)[which])
        return drawn if self.replacer.init == "guide" else 0.0


def _matched(skin: Complexion | None) -> tuple[float | None, float | None]:
    """What a film decides on a person: pigment, and what their hair reflects."""
    return (skin.melanin, skin.hair) if skin else (None, None)


def _focused(memory: Memory, clip: Clip) -> list[Focus]:
    """That of a track at each of the N new crops, and at its start the same at all of them."""
    new, found = slice(clip.lead, None), [memory.focus]
    for context, hidden in zip(clip.context[new], clip.hidden[new], strict=True):
        found.append(found[-1].after(Focus.of(context, hidden)))
    return found[1:] if memory.begun else found[-1:] * (len(found) - 1)
