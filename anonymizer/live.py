"""A film that can be read only once: plan and paint with a bounded look-ahead.

Each step looks ``horizon`` frames beyond the chunk it paints, links what was seen from as far
before to there, and gives tracks that were there before their old ids. Pictures are held for the
chunk, its overlap and the horizon, whatever the length.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anonymizer import geometry, shots, tracking
from anonymizer.data import Carry, Chunk, Face, Frame, Track
from anonymizer.identities import Identity
from anonymizer.pipeline import paint
from anonymizer.protocols import Detector
from anonymizer.studio import Studio

SAME_FACE = 0.5
"""IoU in the last painted frame from which two tracks are one."""


@dataclass(slots=True)
class _Window:
    """What has been read and is still needed; index i of each list is frame ``base + i``."""

    base: int = 0
    frames: dict[int, Frame] = field(default_factory=dict)
    """Pictures by frame index."""
    faces: list[list[Face]] = field(default_factory=list)
    signatures: list[NDArray[np.float32]] = field(default_factory=list)

    @property
    def stop(self) -> int:
        return self.base + len(self.faces)

    def extend(self, frames: Sequence[Frame], detector: Detector) -> None:
        self.frames |= {frame.index: frame for frame in frames}
        self.faces += detector.detect(frames)
        self.signatures += [shots.signature(frame.image) for frame in frames]

    def forget(self, painted: int, overlap: int, horizon: int) -> None:
        gone = max(0, painted - horizon - self.base)
        del self.faces[:gone], self.signatures[:gone]
        self.base += gone
        for index in [index for index in self.frames if index < painted - overlap]:
            del self.frames[index]


def _of_one_size(frames: Iterable[Frame]) -> Iterator[Frame]:
    """The frames, if they can be one film."""
    size: tuple[int, ...] | None = None
    for frame in frames:
        height, width = frame.image.shape[:2]
        size = size or (width, height)
        if not height * width or (width, height) != size:
            wanted = f"expected {size[0]}x{size[1]}" if all(size) else "expected some pixels"
            raise ValueError(f"picture {frame.index} is {width}x{height}, {wanted}")
        yield frame


def stream(
    frames: Iterable[Frame],
    detector: Detector,
    studio: Studio,
    identity: Identity,
    *,
    chunk: int = 16,
    overlap: int = 4,
    horizon: int = 32,
) -> Iterator[Frame]:
    """Paint over every face of a film that is read once.

    Args:
        frames: The film in order, indices from 0.
        detector: Finds faces in single frames.
        studio: The parts that paint.
        identity: Who appears on which track.
        chunk: Frames painted together.
        overlap: Painted frames shown to the next chunk.
        horizon: Frames looked ahead, and back, to bridge gaps and to find tracks before they start.

    Raises:
        ValueError: at a picture without pixels, or of another size than the first.
    """
    source, window, fresh = _of_one_size(frames), _Window(), count()
    carries: Mapping[int, Carry] = {}
    memories: dict[int, Any] = {}
    known: list[Track] = []
    at = start = shot = 0
    while True:
        wanted = at + chunk + horizon - window.stop
        if wanted > 0:
            window.extend(list(islice(source, wanted)), detector)
        if at == window.stop:
            return
        stop = _shot_end(window, start)
        tracks = _tracks(window, max(start, window.base), stop, shot, horizon)
        known = _named(tracks, known, at - 1, fresh)
        lead = min(overlap, at - max(start, window.base))
        body_stop = min(at + chunk, stop)
        shown = [window.frames[index] for index in range(at - lead, body_stop)]
        here = [t for t in known if t.start < body_stop and at - lead < t.stop]
        part = Chunk(shot=shot, frames=tuple(shown), lead=lead)
        painted, carries = paint(part, here, carries, studio, identity, memories)
        yield from painted
        at = body_stop
        if at == stop and stop < window.stop:
            start, shot, known, carries = stop, shot + 1, [], {}
            memories.clear()
        window.forget(at, overlap, horizon)


def _shot_end(window: _Window, start: int) -> int:
    """Index of the next cut after ``start``, or the end of what was read."""
    cuts = (window.base + cut for cut in shots.find_cuts(window.signatures))
    return min((cut for cut in cuts if cut > start), default=window.stop)


def _tracks(window: _Window, start: int, stop: int, shot: int, gap: int) -> list[Track]:
    height, width, _ = next(iter(window.frames.values())).image.shape
    return tracking.link(
        window.faces[start - window.base : stop - window.base],
        shot=shot,
        start=start,
        first_id=0,
        frame_size=(width, height),
        gap=gap,
    )


def _named(
    tracks: Sequence[Track], known: Sequence[Track], index: int, fresh: Iterator[int]
) -> list[Track]:
    """Give tracks the ids of those that were at the same place in frame ``index``."""
    free = {old.id: face.box for old in known if (face := old.at(index)) is not None}
    named = []
    for track in sorted(tracks, key=lambda track: track.start):
        face, ids = track.at(index), list(free)
        shares = geometry.iou([face.box], list(free.values()))[0] if face and free else np.zeros(1)
        best = int(shares.argmax())
        if shares[best] >= SAME_FACE:
            del free[ids[best]]
            named.append(replace(track, id=ids[best]))
        else:
            named.append(replace(track, id=next(fresh)))
    return named
