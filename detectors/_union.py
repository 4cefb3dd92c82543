"""Several detectors as one: a face is found when any of them finds it.

Boxes of one face are averaged by score; its landmarks are those of the detector that is surest. A
doubtful face is no longer doubtful when two detectors see it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from anonymizer import geometry
from anonymizer.data import Box, Face, Frame
from anonymizer.protocols import Detector, provider_of

SAME: Final = 0.35
"""Boxes of different detectors with a larger intersection over union show one face."""
INSIDE: Final = 0.8
"""So do boxes of which this much of the smaller one lies in the larger one, with middles near."""
NEAR: Final = 0.3
"""How near, in sides of the larger box."""


class Union:
    """Runs all of its detectors on every frame."""

    def __init__(self, detectors: Sequence[Detector]) -> None:
        self._detectors = tuple(detectors)

    @property
    def provider(self) -> str:
        """What they run on, each named once."""
        return " + ".join(dict.fromkeys(map(provider_of, self._detectors)))

    def detect(self, frames: Sequence[Frame]) -> list[list[Face]]:
        """Find faces; one list per frame, likeliest first."""
        answers = [detector.detect(frames) for detector in self._detectors]
        return [fused(found) for found in zip(*answers, strict=True)] if frames else []


def fused(found: Sequence[Sequence[Face]]) -> list[Face]:
    """The faces that several detectors found in one frame, each face once, likeliest first.

    Faces of one detector are never taken for the same.
    """
    ranked = [(face, source) for source, faces in enumerate(found) for face in faces]
    ranked.sort(key=lambda pair: -pair[0].score)
    groups: list[dict[int, Face]] = []
    for face, source in ranked:
        homes = [group for group in groups if source not in group and _fits(face, group)]
        if homes:
            homes[0][source] = face
        else:
            groups.append({source: face})
    return [_merged(list(group.values())) for group in groups]


def _fits(face: Face, group: dict[int, Face]) -> bool:
    return any(same(face.box, other.box) for other in group.values())


def same(a: Box, b: Box) -> bool:
    """Whether two boxes, of different detectors, show one face."""
    if geometry.iou(a, b)[0, 0] > SAME:
        return True
    small, large = sorted((geometry.area(a), geometry.area(b)))
    apart = np.hypot(*np.subtract(geometry.centre(a), geometry.centre(b)))
    shared = geometry.overlaps(a, b)[0, 0]
    return bool(shared > INSIDE * small and apart < NEAR * large**0.5)


def _merged(faces: Sequence[Face]) -> Face:
    """One face, from the likeliest to the least likely of what was found of it."""
    weights = [face.score + 1e-9 for face in faces]
    x0, y0, x1, y1 = np.average([face.box for face in faces], axis=0, weights=weights).tolist()
    known = [face.landmarks for face in faces if face.landmarks is not None]
    return replace(
        faces[0],
        box=(x0, y0, x1, y1),
        landmarks=known[0] if known else None,
        doubtful=len(faces) == 1 and faces[0].doubtful,
    )
