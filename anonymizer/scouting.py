"""Get to know tracks before they are painted, by a reading of the film that runs ahead.

Hair that the first frames do not show, or skin that lies in the light later on, would be guessed at
first, and change when it comes into sight. So each track is looked at a few times, as far as that
is soon. Of these looks only what lies outside of protected areas is kept (invariant P1).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from anonymizer import crops
from anonymizer.data import Clip, Frame, Track
from anonymizer.identities import Identity
from anonymizer.plan import Plan
from anonymizer.protocols import Continuing
from anonymizer.studio import Studio

APART: Final = range(16, 24)
"""Frames from one look to the next: few looks at a short track, and far apart at a long one. There
are none at a track that is over by then: its first chunk tells about as much."""
LOOKS: Final = 6
"""Looks at a track at most."""


@dataclass(frozen=True, slots=True, eq=False)
class _Looks:
    """At one track."""

    replacer: Continuing
    wanted: range
    """Indices of the frames."""
    taken: list[Clip] = field(default_factory=list)


class Scout:
    """Looks at the tracks of a plan before they are painted; for one rendering."""

    def __init__(
        self,
        frames: Generator[Frame],
        plan: Plan,
        within: Sequence[range],
        studio: Studio,
        identity: Identity,
    ) -> None:
        """Read nothing yet.

        Args:
            frames: The film, or the frames of ``within``, not begun; closed after the last look.
            plan: Where faces are.
            within: Indices of these frames; tracks that reach beyond them are not looked at.
            studio: The parts that paint.
            identity: Who appears on which track.
        """
        self._frames, self._plan, self._identity = frames, plan, identity
        self._looks: dict[int, _Looks] = {}
        self._due: dict[int, list[Track]] = defaultdict(list)
        for track in plan.tracks:
            if not any(track.start >= part.start and track.stop <= part.stop for part in within):
                continue
            wanted = looks_at(track, studio.min_face)
            faces = [face for index in wanted if (face := track.at(index))]
            replacer = studio.brush(faces, track.action).replacer if faces else None
            if isinstance(replacer, Continuing):
                self._looks[track.id] = _Looks(replacer, wanted)
                for index in wanted:
                    self._due[index].append(track)

    def memory_of(self, track: int) -> Any:  # noqa: ANN401 - only the replacer knows it
        """What the first sketch of a track must know, by its id; None if it is not looked at."""
        looks = self._looks.get(track)
        if looks is None:
            return None
        while len(looks.taken) < len(looks.wanted):
            self._look(next(self._frames))
        del self._looks[track]
        if not self._looks:
            self._frames.close()
        return looks.replacer.acquainted(joined(looks.taken), self._identity(track))

    def _look(self, frame: Frame) -> None:
        for track in self._due.pop(frame.index, ()):
            looks = self._looks[track.id]
            everyone = self._plan.during(frame.index, frame.index + 1)
            clip = crops.cut_clip([frame], track, everyone, size=looks.replacer.size, lead=0)
            looks.taken.append(replace(clip, pixels=clip.context))


def looks_at(track: Track, least: int = 0) -> range:
    """Indices of the frames to look at, from the first on whose face has ``least`` pixels."""
    sizes = enumerate(face.size for face in track.faces)
    begin = next((track.start + at for at, size in sizes if size >= least), track.stop)
    count = track.stop - begin
    if count <= APART.start:
        return range(0)
    apart = min(max(-(-count // LOOKS), APART.start), APART.stop)
    return range(begin, track.stop, apart)[:LOOKS]


def joined(looks: Sequence[Clip]) -> Clip:
    """Looks at one track as one clip, the last one first: what is nearest is told at last."""
    back = looks[::-1]
    motions = [look.motion for look in back if look.motion is not None]
    return replace(
        back[0],
        indices=tuple(index for look in back for index in look.indices),
        pixels=np.concatenate([look.pixels for look in back]),
        context=np.concatenate([look.context for look in back]),
        hidden=np.concatenate([look.hidden for look in back]),
        mask=np.concatenate([look.mask for look in back]),
        frame_from_crop=np.concatenate([look.frame_from_crop for look in back]),
        landmarks=np.concatenate([look.landmarks for look in back]),
        motion=np.concatenate(motions) if len(motions) == len(back) else None,
    )
