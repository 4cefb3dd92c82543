"""Read what faces do while they are found: a detector around a detector.

The numbers are geometry (invariant P1): nothing else of a face passes to the new one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from anonymizer.data import Face, Frame
from anonymizer.protocols import Detector, Reader, provider_of


@dataclass(frozen=True, slots=True)
class Reading:
    """Finds what its detector finds, and adds the motion of every face that has landmarks."""

    detector: Detector
    reader: Reader

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
            return replace(face, motion=self.reader.read(frame.image, face.landmarks))
        except ValueError:
            return face
