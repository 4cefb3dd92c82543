"""What a second detector saw in a film, so that it need not look again while a result is checked.

A glance is bound to the picture: it counts only for a frame whose time and signature are those of
the frame it was taken of. For all others the detector itself looks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from anonymizer import shots
from anonymizer.data import Face, Frame
from anonymizer.protocols import Detector, provider_of
from anonymizer.video.native import Native


@dataclass(frozen=True, slots=True, eq=False)
class Glance:
    """What was seen in one frame. It holds no picture."""

    index: int
    pts: int
    picture: bytes
    """Digest of the signature."""
    faces: tuple[Face, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Noting:
    """Finds what its detector finds, and notes what another one would."""

    detector: Detector
    second: Detector
    seen: list[Glance] = field(default_factory=list)

    @property
    def provider(self) -> str:
        """What the detector runs on."""
        return provider_of(self.detector)

    def detect(self, frames: Sequence[Frame]) -> list[list[Face]]:
        """One list per frame, in order."""
        for frame, faces in zip(frames, self.second.detect(frames), strict=True):
            self.seen.append(Glance(frame.index, frame.pts, _digest(frame), tuple(faces)))
        return self.detector.detect(frames)


class Recalling:
    """Finds what was seen before, and looks where that is not known."""

    def __init__(self, detector: Detector, seen: Iterable[Glance]) -> None:
        self._detector = detector
        self._seen = {glance.index: glance for glance in seen}

    @property
    def provider(self) -> str:
        """What the detector runs on."""
        return provider_of(self._detector)

    def detect(self, frames: Sequence[Frame]) -> list[list[Face]]:
        """One list per frame, in order."""
        known = [self._known(frame) for frame in frames]
        faces = [list(glance.faces) for glance in known if glance is not None]
        return faces if len(faces) == len(frames) else self._detector.detect(frames)

    def _known(self, frame: Frame) -> Glance | None:
        glance = self._seen.get(frame.index)
        if glance is None or glance.pts != frame.pts or glance.picture != _digest(frame):
            return None
        return glance


def _digest(frame: Frame) -> bytes:
    """Of decoded samples, where they are known: colours are made of them in two ways."""
    if isinstance(frame.native, Native):
        whole = hashlib.sha256()
        for plane in frame.native.planes:
            whole.update(plane.tobytes())
        return whole.digest()
    return hashlib.sha256(shots.signature(frame.image).tobytes()).digest()
