"""Read what faces do while they are found: a detector around a detector.

The numbers are geometry (invariant P1), as landmarks are: nothing else of a face passes to the new
one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from anonymizer.data import Face, Frame
from anonymizer.head.expression import parted
from anonymizer.protocols import Detector, Reader, provider_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from anonymizer.head.points import Marked


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

    @property
    def provider(self) -> str:
        """What the detector runs on."""
        return provider_of(self.detector)

    def detect(self, frames: Sequence[Frame]) -> list[list[Face]]:
        """One list per frame, in order."""
        found = self.detector.detect(frames)
        return [
            [self._read(frame, face) for face in faces]
            for frame, faces in zip(frames, found, strict=True)
        ]

    def _read(self, frame: Frame, face: Face) -> Face:
        """The face with its motion, or as it is where its landmarks make no sense."""
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
