"""Get to know tracks before they are painted, by a reading of the film that runs ahead.

Hair that the first frames do not show, or skin that lies in the light later on, would be guessed at
first, and change when it comes into sight. So each track is looked at a few times, as far as that
is soon. Of these looks only what lies outside of protected areas is kept (invariant P1).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from anonymizer import crops
from anonymizer.data import Clip, Frame, Track
from anonymizer.identities import Identity
from anonymizer.plan import Plan
from anonymizer.protocols import Continuing
from anonymizer.studio import Studio

APART: Final = range(16, 24)
"""Frames from one look to the next: a short track has few looks, a long one has them far apart."""
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
        frames: Iterable[Frame],
        plan: Plan,
        studio: Studio,
        identity: Identity,
    ) -> None:
        """Read nothing yet.

        Args:
            frames: The film; read as far as the looks at those tracks go that are asked for.
            plan: Where faces are.
            studio: The parts that paint.
            identity: Who appears on which track.
        """
        self._frames, self._plan, self._identity = frames, plan, identity
        self._looks: dict[int, _Looks] = {}
        self._due: dict[int, list[Track]] = defaultdict(list)
        for track in plan.tracks:
            wanted = looks_at(track)
            if not wanted:
                continue
            faces = [face for index in wanted if (face := track.at(index))]
            replacer = studio.brush(faces, track.action).replacer
            if isinstance(replacer, Continuing):
                self._looks[track.id] = _Looks(replacer, wanted)
                for index in wanted:
                    self._due[index].append(track)
        self._reading: Iterator[Frame] | None = None

    def memory_of(self, track: Track) -> Any:  # noqa: ANN401 - only the replacer knows it
        """What the track's first sketch must know; None if there is no need to look ahead."""
        looks = self._looks.get(track.id)
        if looks is None:
            return None
        self._reading = self._reading or iter(self._frames)
        while len(looks.taken) < len(looks.wanted):
            if (frame := next(self._reading, None)) is None:
                break
            self._look(frame)
        del self._looks[track.id]
        if not self._looks:
            self._reading = None  # closes the film
        if not looks.taken:
            return None
        return looks.replacer.acquainted(joined(looks.taken), self._identity(track.id))

    def _look(self, frame: Frame) -> None:
        for track in self._due.pop(frame.index, ()):
            looks = self._looks[track.id]
            everyone = self._plan.during(frame.index, frame.index + 1)
            clip = crops.cut_clip([frame], track, everyone, size=looks.replacer.size, lead=0)
            looks.taken.append(clip)


def looks_at(track: Track) -> range:
    """Indices of the frames to look at; none if the first chunk tells as much."""
    count = len(track.faces)
    if count <= APART.start:
        return range(0)
    apart = min(max(-(-count // LOOKS), APART.start), APART.stop)
    return range(track.start, track.stop, apart)[:LOOKS]


def joined(looks: Sequence[Clip]) -> Clip:
    """Looks at one track as one clip, without what they show of protected areas."""
    one = looks[0]
    motions = [look.motion for look in looks if look.motion is not None]
    context = np.concatenate([look.context for look in looks])
    return Clip(
        track=one.track,
        indices=tuple(index for look in looks for index in look.indices),
        pixels=context,
        context=context,
        hidden=np.concatenate([look.hidden for look in looks]),
        mask=np.concatenate([look.mask for look in looks]),
        frame_from_crop=np.concatenate([look.frame_from_crop for look in looks]),
        landmarks=np.concatenate([look.landmarks for look in looks]),
        motion=np.concatenate(motions) if len(motions) == len(looks) else None,
        wording=one.wording,
    )
