"""What goes on around a drawn face inside the blanked area, as sharp as the film is there.

A small painter returns hair, wall and collar as haze. Here they come from the film around the
blank, which is mirrored over its edge and, farther inside, goes on smoothly. Where that would be
the wall behind although the drawn head is there, its skull takes the colours of hair and skin that
are seen on and around it. Of the film only what is not hidden is read (invariant P1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.head import ears
from anonymizer.head.composite import belongs, continued, farther, nearness
from anonymizer.head.guide import Guide
from anonymizer.head.hair import Hair, grain_of, strands
from anonymizer.head.locks import FAINT, HAIRY, LIT, UNLIKE, coloured, hanging, inner, unlike
from anonymizer.head.reflection import Reflection, rise
from anonymizer.head.silhouette import (
    SOLID,
    above_chin,
    above_middle,
    black,
    silhouette,
    smooth,
    turn,
)

Array = NDArray[np.float32]

WALL: Final = (0.3, 0.7)
"""How little of what is mirrored may belong to a head to be the wall, and how much to be none."""
STRANGE: Final = (0.95, 1.15)
"""The same where it is known what the wall looks like: of some walls it is known wrongly."""
WALLED: Final = 0.02
"""Share of the upper half of a crop that must be behind the head to tell hair from a wall."""
ASIDE: Final = 1 / 8
"""How far, as a share of S, hair that is seen above a head goes on to the sides."""
TRUSTED: Final = 1 / 20
"""Depth, as a share of S, up to which there is less skull: what is hidden reaches past a head."""
MOSTLY: Final = (0.3, 0.6)
"""Shares of hair that looks like the track's from which some does, and all should."""
RAGGED: Final = 1 / 64
"""The same where hair is sure: edges of blanks are ragged."""
FRINGE: Final = 1 / 16
"""Width, as a share of S, of gaps between strands of hair."""
DENSE: Final = (0.0, 0.04)
"""Depths in the blank, as shares of S, from which such gaps close, and at which none is left."""
EVEN: Final = 1 / 24
"""How far, as a share of S, what is beside hair is taken for hair, too."""
HALF: Final = np.s_[::2, ::2]
"""What is smooth is made up at half the size."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Surroundings:
    """What is seen around the blank of a crop of S pixels. Most of it is at half the size, s."""

    context: NDArray[np.uint8]
    """(S, S, 3) the film; nothing is read where it is hidden."""
    hidden: NDArray[np.bool_]
    """(S, S) where the film may not be read."""
    guide: Guide
    """The drawn head at this size."""
    solid: NDArray[np.bool_]
    """(S, S) where a painting shows nothing but the drawn face."""
    head: NDArray[np.bool_]
    """(s, s) where the head is drawn, without notches."""
    rows: Array
    """(s, 1) how far above the chin."""
    seen: Array
    """(s, s, 3) the film in [-1, 1], 0 where it is hidden."""
    near: Array
    """(s, s) weights of what is close to the blank."""
    hair: Array
    """(s, s) how much of what is seen belongs to the head."""
    turned: float
    """How far, in [-1, 1], the face is turned aside."""
    upper: Array
    """(s, s) how far above the middle of the face."""
    dark: Array
    """(s, s) weights of what says how hair looks inside."""
    above: Array
    """(s, s) how much hair there is above each place."""
    wall: float
    """How sure it is, in [0, 1], what is behind the upper half of the head."""

    @classmethod
    def of(
        cls, context: NDArray[np.uint8], hidden: NDArray[np.bool_], guide: Guide
    ) -> Surroundings:
        """Around what is `hidden` (S, S) of the film `context` (S, S, 3)."""
        solid = cv2.erode((guide.coverage > SOLID).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        seen, known = _seen(context[HALF], hidden[HALF]), ~hidden[HALF]
        near, head = nearness(known), smooth(guide.head[HALF])
        turned = turn(solid[HALF], guide.normals[HALF])
        rows = above_chin(guide.framed[HALF])
        dark_hair = black(seen, head) * (rows > 0)
        hair = np.maximum(belongs(seen, known, head), known * dark_hair)
        upper = above_middle(solid[HALF] & ~known, turned)
        wall = min(1.0, float(farther(known, head)[: len(known) // 2].mean()) / WALLED)
        hair *= 1 - (1 - wall) * upper * (1 - np.maximum(head, dark_hair))
        dark = inner(seen, np.where(hair > FAINT, near * hair, 0), upper)
        return cls(
            context=context,
            hidden=hidden,
            guide=guide,
            solid=solid,
            head=head,
            rows=rows,
            seen=seen,
            near=near,
            hair=hair,
            turned=turned,
            upper=upper,
            dark=dark,
            above=_above(hair),
            wall=wall,
        )

    @property
    def own(self) -> Hair:
        """What is seen here of the hair above the face."""
        weights = self.dark * self.upper
        weight = float(weights.sum())
        colour = np.einsum("hwc,hw->c", self.seen, weights) / max(weight, 1e-6)
        columns = np.flatnonzero(self.solid[HALF].any(0))
        top = self.solid[HALF].argmax(0)[columns]
        told = len(columns) and weight > 0  # of hair that is too far away nothing else is known
        crown = rise(self.above[top, columns], HAIRY).mean() if told else 0.0
        grain = grain_of(self.seen, self.hair > FAINT, weights)
        share = self.wall * weight / len(weights)
        return Hair(self.wall * float(crown), colour, grain, share, self._free)

    @property
    def _free(self) -> Array:
        """How likely (2,) no hair is over each ear by this crop, NaN where nobody can tell."""
        drawn, hidden = self.guide.ears, self.hidden[HALF]
        sides = [] if drawn is None else ears.sides(drawn[HALF], self.solid[HALF])
        covers = [cover * hidden for cover in sides]
        hair = continued(self.hair[..., None], self.near)[..., 0]
        return ears.free(covers, hair, self.wall)

    def with_face(self, painted: NDArray[np.uint8], track: Hair) -> NDArray[np.uint8]:
        """A painting (S, S, 3) cut out along the drawn face, and the film gone on around it.

        Towards the face's edge a painting shows some of what it was laid over before; there its
        colours of farther inside go on instead. Where there is hair beside it, or was in the track,
        that frames a face seen from the front; of one that is turned aside temple and cheek are
        seen. The painting is kept as it is where nothing is hidden.
        """
        hidden, solid, guide = self.hidden, self.solid, self.guide
        own = painted.astype(np.float32) / 127.5 - 1
        skin = continued(own[HALF], solid[HALF])
        around, beside = self._film(skin, track)
        even = _larger(skin, len(hidden))
        around = self._eared(around, even, track)
        wide = above_chin(guide.framed) * (guide.coverage - guide.framed).clip(0, None)
        edge = guide.framed + (1 - beside) * wide
        face = np.where(solid[..., None], own, even)
        laid = around + edge[..., None] * (face - around)
        levels = ((laid + 1) * 127.5).round().clip(0, 255).astype(np.uint8)
        return np.where(hidden[..., None], levels, painted)

    def _eared(self, around: Array, skin: Array, track: Hair) -> Array:
        """What is around a face (S, S, 3) with ears over it, as far as the track shows them."""
        drawn = self.guide.ears
        if drawn is None or not (track.ears > ears.SHOWN[0]).any():
            return around
        shares = ears.opacity(ears.sides(drawn, self.solid), self.hidden, track.ears)
        return ears.with_ears(around, skin, drawn, shares)

    def _likely(self, track: Hair) -> Array:
        """How likely (s, s) what is taken for hair is some, by that of the track.

        Of use where it is not sure what the wall looks like; what is far from its colour never is.
        """
        other, strange = (unlike(self.seen, track.colour, each) for each in (UNLIKE, STRANGE))
        doubt = np.maximum((1 - self.wall) * other, strange)
        return np.asarray(1 - track.known * track.crown * doubt, np.float32)

    def _film(self, skin: Array, track: Hair) -> tuple[Array, Array]:
        """What is around a face of some `skin` (s, s, 3): (S, S, 3); and how far hair frames it."""
        hidden, seen, size = self.hidden, self.seen, len(self.hidden)
        known, upper = ~hidden[HALF], self.upper
        mirror = Reflection.over(hidden, _larger(upper, size))
        likely = self._likely(track)
        hair = self.hair * likely
        dark = self.dark * np.where(self.rows > 0, likely, 1)
        shares = continued(hair[..., None], self.near)[..., 0]
        hairy = np.maximum(rise(_even(shares), HAIRY), self._hanging(hair, track))
        crown = upper * np.maximum(rise(self.above, HAIRY), track.crown)
        if not (track.weight or (dark * upper).any()):
            crown = np.zeros_like(crown)  # nobody knows what it looks like
        shape = silhouette(self.head, self.rows, self.above * upper, hairy)
        sure = np.maximum(hairy, track.known * track.crown * upper * self.head)
        depth = np.asarray(mirror.depth[HALF] / size, np.float32)
        # a forehead says nothing of what is above it
        bare = self.solid[HALF] & ~known & (upper == 0)
        on_head = continued(np.where(bare[..., None], skin, seen), np.where(bare, 1, dark))
        lock = continued(seen, dark)
        if track.weight:
            above = coloured(seen, self.near * upper * hair, depth, track)
            lock += upper[..., None] * (above - lock)
        covered = np.maximum(hairy, crown)
        on_head += covered[..., None] * (lock - on_head)
        film = self._dense(mirror, hair, track)
        walled = _walled(mirror, shares, sure, unlike(film[HALF], on_head, LIT))
        alien = sure * self._alien(film[HALF], on_head, hair, track) * rise(depth, (0, RAGGED))
        skull = shape * np.maximum(walled, alien)
        around = _larger(continued(seen, self.near), size)
        around += mirror.trust[..., None] * (film - around)
        on_head = _larger(on_head, size)
        light = track.contrast * _larger(crown, size) * strands(size)
        on_head += light[..., None] * (on_head + 1)
        around += _larger(skull, size)[..., None] * (on_head - around)
        other = _even(unlike(around[HALF], track.colour, UNLIKE))
        beside = np.maximum(hairy * (1 - track.known * other), upper * track.crown)
        return around, (1 - abs(self.turned)) * _larger(beside, size)

    def _alien(self, film: Array, on_head: Array, hair: Array, track: Hair) -> Array:
        """Where (s, s) what passes for hair is none: the track's looks otherwise, and most of this.

        A lock before the wall, or something behind it, would be a patch in the hair `on_head`
        (s, s, 3). Is most of the hair that is seen unlike the track's, there is light on it.
        """
        own = self.near * self.upper * hair
        like = float((own * (1 - unlike(self.seen, track.colour, UNLIKE))).sum())
        share = np.array(like / max(float(own.sum()), 1e-6), np.float32)
        return rise(share, MOSTLY) * unlike(film, on_head, UNLIKE)

    def _hanging(self, hair: Array, track: Hair) -> Array:
        """Where `hair` (s, s) that is seen above the chin goes on around a face, (s, s)."""
        solid = np.argwhere(self.solid[HALF])
        if not len(solid) or not track.known:
            return np.zeros_like(hair)
        row, column = solid.mean(0).tolist()
        own = hair * self.rows * (1 - unlike(self.seen, track.colour, UNLIKE))
        return track.known * (1 - abs(self.turned)) * hanging(own, self.near, (row, column))

    def _dense(self, mirror: Reflection, hair: Array, track: Hair) -> Array:
        """The film in the mirror (S, S, 3); towards a head no wall is seen between its strands."""
        film = mirror.picture(_seen(self.context, self.hidden))
        if not track.known:
            return film
        size = len(film)
        near = hair * (1 - unlike(self.seen, track.colour, UNLIKE))
        side = 2 * round(FRINGE * len(near) / 2) + 1
        closed = cv2.morphologyEx(near, cv2.MORPH_CLOSE, np.ones((side, side), np.uint8))
        within = (
            track.known * _larger(mirror.picture(closed), size) * rise(mirror.depth / size, DENSE)
        )
        between = within * unlike(film, track.colour, LIT)
        return np.asarray(film + between[..., None] * (track.colour - film), np.float32)


def _seen(context: NDArray[np.uint8], hidden: NDArray[np.bool_]) -> Array:
    """A film (h, w, 3) in [-1, 1], 0 where it is hidden."""
    return np.where(hidden[..., None], 0, context.astype(np.float32) / 127.5 - 1)


def _above(hair: Array) -> Array:
    """How much hair there is (s, s) above each place, or a little beside that."""
    side = np.ones((1, 2 * round(ASIDE * len(hair)) + 1), np.uint8)
    return _even(np.maximum.accumulate(cv2.dilate(hair, side), axis=0))


def _even(shares: Array) -> Array:
    return np.asarray(cv2.GaussianBlur(shares, (0, 0), EVEN * len(shares)), np.float32)


def _walled(mirror: Reflection, shares: Array, sure: Array, other: Array) -> Array:
    """Where the mirror shows the wall, (s, s) at half the size, but not close to its edge.

    `shares` (s, s) is how much of what is near belongs to the head. A few places alone say so only
    where they look `other` (s, s) than hair and skin: else there would be rays of a dark skull in
    lighter hair. Where hair is `sure` the edge does not count.
    """
    depth, trust = mirror.depth[HALF], mirror.trust[HALF]
    belonging, square = mirror.picture(shares), np.ones((3, 3), np.uint8)
    around = _even(trust * belonging) / np.maximum(_even(trust), 1e-3)
    least = cv2.erode(belonging, square)
    all_in_all, alone = (1 - rise(trust * each, WALL) for each in (around, least))
    wall = np.maximum(all_in_all, alone * cv2.dilate(other, square))
    share = depth / len(mirror.depth)
    near = np.maximum(rise(share, (0, TRUSTED)), sure * rise(share, (0, RAGGED)))
    return np.asarray(wall * near, np.float32)


def _larger(picture: Array, size: int) -> Array:
    """A picture of half the size, (S, S) or (S, S, 3)."""
    whole = cv2.resize(picture, (size, size), interpolation=cv2.INTER_LINEAR)
    return np.asarray(whole, np.float32)
