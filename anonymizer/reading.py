"""Read what faces do while they are found: a detector around a detector.

The numbers are geometry (invariant P1), as landmarks are: nothing else of a face passes to the new
one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from anonymizer.data import Face, Frame
from anonymizer.head.expression import parted
from anonymizer.protocols import Detector, Reader, provider_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from anonymizer.head.points import Marked


Seen = tuple[Frame, Face]
"""A face, and the frame that shows it."""


class Marker(Protocol):
    """Places landmarks more exactly."""

    def read(self, image: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> Marked:
        """New landmarks for those ``(5, 2)`` of a face in a picture.

        Raises:
            ValueError: if the landmarks give no direction or scale.
        """
        ...


@dataclass(frozen=True, slots=True)
class Reading:
    """Finds what its detector finds, and adds the motion of every face that has landmarks."""

    detector: Detector
    reader: Reader
    marker: Marker | None = None
    """Places landmarks more exactly before motion is read, and says how far lips part."""
    mapped: Callable[[Callable[[Seen], Face], list[Seen]], Iterable[Face]] = map
    """Reads many faces, in order; perhaps some at the same time."""

    @property
    def provider(self) -> str:
        """What the detector runs on."""
        return provider_of(self.detector)

    def detect(self, frames: Sequence[Frame]) -> list[list[Face]]:
        """One list per frame, in order."""
        found = self.detector.detect(frames)
        seen = [(frame, face) for frame, faces in zip(frames, found, strict=True) for face in faces]
        read = iter(self.mapped(self._read, seen))
        return [list(islice(read, len(faces))) for faces in found]

    def _read(self, seen: Seen) -> Face:
        """The face with its motion, or as it is where its landmarks make no sense."""
        frame, face = seen
        if face.landmarks is None:
            return face
        try:
            if self.marker is None:
                return replace(face, motion=self.reader.read(frame.image, face.landmarks))
            marked = self.marker.read(frame.image, face.landmarks)
            motion = self.reader.read(frame.image, marked.landmarks)
        except ValueError:
            return face
        motion = parted(motion, marked.gap, marked.trust)
        return replace(face, landmarks=marked.landmarks, motion=motion)
