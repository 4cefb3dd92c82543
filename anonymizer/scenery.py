"""Whether two films show the same section of the same picture, whatever became of the faces.

Faces are compared place by place, which says nothing of a film that was mirrored or zoomed: the
faces are elsewhere there. So what lies around them is compared, too: tile by tile, by correlation
of what is neither noise nor coarser than a tenth of a tile. docs/verification.md says where films
lie that a program has been over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer import geometry
from anonymizer.data import Frame
from anonymizer.likeness import FLAT, correlation
from anonymizer.plan import Plan
from anonymizer.report import Views

EVERY: Final = 12
"""Frames from one that is looked at to the next: a film is not mirrored in between."""
TILES: Final = 4
"""Tiles along each side of the picture."""
SIDE: Final = 32
"""Side of a tile in samples."""
NOISE: Final = 1.0
"""Sigma in samples of the blur that takes away a sensor's noise, which encoders write anew."""
COARSE: Final = 3.0
"""Sigma in samples of the blur that takes away what films of many things have in common."""
SAME: Final = 0.85
"""Correlation of the median tile from which two pictures are the same."""
AROUND: Final = 1.6
"""How much larger than a face's box what may look different is."""


@dataclass(slots=True)
class Scenery:
    """Looks at pairs of frames, one after another."""

    plan: Plan
    """Where the original's faces are, wanted or not."""
    frames: int = 0
    """In which there was something to compare."""
    elsewhere: int = 0
    """Of them, in which something else is to be seen."""
    longest: int = 0
    """Most of those, one after another."""
    _run: int = 0

    def look(self, original: Frame, output: Frame) -> None:
        """Compare two pictures, if it is their turn."""
        small = min(*original.image.shape[:2], *output.image.shape[:2]) < SIDE
        if original.index % EVERY or small:
            return
        alike = self._alike(original, output)
        if alike is not None:
            self.frames += 1
            self.elsewhere += alike < SAME
            self._run = self._run + 1 if alike < SAME else 0
            self.longest = max(self.longest, self._run)

    @property
    def views(self) -> Views:
        """What was seen so far."""
        return Views(self.frames, self.elsewhere, self.longest)

    def _alike(self, original: Frame, output: Frame) -> float | None:
        """Correlation of the median tile without a face; None if all of them are flat."""
        free = self._free(original)
        pairs = zip(_tiles(original.image)[free], _tiles(output.image)[free], strict=True)
        values = [correlation(a, b) for a, b in pairs if min(a.std(), b.std()) >= FLAT]
        return float(np.median(values)) if values else None

    def _free(self, frame: Frame) -> NDArray[np.bool_]:
        """(TILES²,) which tiles no face touches."""
        height, width = frame.image.shape[:2]
        free = np.ones((TILES, TILES), np.bool_)
        for track in self.plan.during(frame.index, frame.index + 1):
            box = geometry.expand(track.faces[frame.index - track.start].box, AROUND)
            scale = TILES / np.array([width, height, width, height])
            left, top, right, bottom = np.asarray(box) * scale
            rows = slice(max(0, int(top)), max(0, int(np.ceil(bottom))))
            free[rows, max(0, int(left)) : max(0, int(np.ceil(right)))] = False
        return free.reshape(-1)


def _tiles(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(TILES², SIDE²) fine structure of the luma of a picture (H, W, 3), row by row."""
    side = TILES * SIDE
    small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)
    luma = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    fine = cv2.GaussianBlur(luma, (0, 0), NOISE) - cv2.GaussianBlur(luma, (0, 0), COARSE)
    tiles = fine.reshape(TILES, SIDE, TILES, SIDE).transpose(0, 2, 1, 3)
    return np.asarray(tiles.reshape(TILES**2, SIDE**2), np.float32)
