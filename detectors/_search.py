"""Search frames with a network that finds faces in one upright picture of ordinary scale.

A quick search sees every frame at a bounded size, with a grey margin around it, so that a face cut
by the edge of the frame is still seen. Where it finds small faces every third frame is searched
again at a larger scale, tile by tile: what is seen there alone is a track of sightings with short
gaps. With recall ``high`` that is done in every frame, and the frame is also searched at half the
scale, for faces that fill it, and turned by 90, 180 and 270 degrees. All answers are merged.

A network that answers with NaN or infinity stops the job: nobody knows what it has not seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from itertools import groupby
from typing import Final, Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.data import Face, Frame
from anonymizer.errors import UsageError
from anonymizer.protocols import provider_of
from detectors._candidates import Candidates, distinct, joined, right_way_up

Recall = Literal["normal", "high"]

MULTIPLE: Final = 32
"""Sides of what a network is shown are multiples of this."""
MARGIN: Final = 32
"""Grey pixels added around what is searched, at the scale of the search, unless a scheme says."""
SMALL: Final = 40.0
"""Faces with a longer side below this many frame pixels call for the second search."""
TURNED: Final = 0.8
"""Scores in turned pictures count by this much: most faces are upright."""
_GREY: Final = (114, 114, 114)


class Network(Protocol):
    """What is searched with."""

    def look(self, pictures: NDArray[np.uint8], least: float) -> list[Candidates]:
        """Faces with a score above ``least`` in each picture, duplicates and all.

        Args:
            pictures: ``(B, h, w, 3)`` RGB; h and w are multiples of 32.
            least: Least score.
        """
        ...


@dataclass(frozen=True, slots=True)
class Scheme:
    """How a frame is searched."""

    threshold: float
    """Least score of a face, in (0, 1)."""
    recall: Recall = "normal"
    doubt: float | None = None
    """With recall ``high``: least score of a doubtful face; None is two thirds of the threshold."""
    _: KW_ONLY
    max_side: int = 640
    """Longer side of the picture in the quick search, pixels. Never enlarges."""
    second_side: int = 1280
    """Longer side in the second search, pixels; enlarges up to twice."""
    every: int = 3
    """The second search looks at every so many frames, unless recall is ``high``."""
    tile: int = 960
    """Longest side of one tile of the second search, before the margin."""
    margin: int = MARGIN
    """Grey pixels added around what is searched."""

    def __post_init__(self) -> None:
        for name, value in (("threshold", self.threshold), ("doubt", self.least)):
            if not 0 < value < 1:
                raise UsageError(f"{name} must be between 0 and 1, got {value}")
        if self.least > self.threshold:
            raise UsageError(f"doubt {self.doubt} must not exceed threshold {self.threshold}")
        if not (64 <= self.max_side <= 8192 and self.max_side <= self.second_side <= 8192):
            raise UsageError(
                f"max_side {self.max_side} and second_side {self.second_side} must grow from 64 "
                "to at most 8192"
            )
        if self.every < 1:
            raise UsageError(f"every must be at least 1 frame, got {self.every}")
        if not 64 <= self.tile <= 8192:
            raise UsageError(f"tile must be from 64 to 8192 pixels, got {self.tile}")
        if self.recall not in ("normal", "high"):
            raise UsageError(f"recall {self.recall!r} is not one of normal, high")

    @property
    def least(self) -> float:
        """Least score that a search answers with."""
        if not self.thorough:
            return self.threshold
        return self.threshold * 2 / 3 if self.doubt is None else self.doubt

    @property
    def thorough(self) -> bool:
        """Whether every frame is searched in every way."""
        return self.recall == "high"


class Search:
    """A detector: a network and the scheme it is used by. Boxes may reach past the frame."""

    def __init__(self, network: Network, scheme: Scheme) -> None:
        self._network = network
        self._scheme = scheme

    @property
    def provider(self) -> str:
        """What the network runs on."""
        return provider_of(self._network)

    def detect(self, frames: Sequence[Frame]) -> list[list[Face]]:
        """Find faces; one list per frame, likeliest first."""
        images = [frame.image for frame in frames]
        quick = [
            found
            for shape, group in groupby(images, key=np.shape)
            for found in self._searched(list(group), self._quick_scale(shape))
        ]
        every = (self._again(frame, found) for frame, found in zip(frames, quick, strict=True))
        return [self._faces(found) for found in every]

    def _quick_scale(self, shape: tuple[int, ...]) -> float:
        return min(1.0, self._scheme.max_side / max(shape[:2]))

    def _again(self, frame: Frame, found: Candidates) -> Candidates:
        """What was found, joined with what further searches find where they are called for."""
        image, scheme = frame.image, self._scheme
        quick = self._quick_scale(image.shape)
        parts = [found]
        again = max(quick, min(2.0, scheme.second_side / max(image.shape[:2])))
        small = np.ptp(found.boxes.reshape(-1, 2, 2), axis=1).max(1, initial=0) < SMALL
        due = frame.index % scheme.every == 0 and small.any()
        if again > 1.25 * quick and (scheme.thorough or due):
            parts += self._in_tiles(image, again)
        if scheme.thorough:
            parts += self._searched([image], quick / 2)
            parts += self._turned(image, quick)
            return right_way_up(joined(parts), scheme.threshold)
        return distinct(joined(parts)) if len(parts) > 1 else found

    def _in_tiles(self, image: NDArray[np.uint8], scale: float) -> Iterator[Candidates]:
        height, width = image.shape[:2]
        for x0, y0, x1, y1 in tiles(width, height, self._scheme.tile / scale):
            yield from self._searched([image[y0:y1, x0:x1]], scale, (x0, y0))

    def _turned(self, image: NDArray[np.uint8], scale: float) -> Iterator[Candidates]:
        height, width = image.shape[:2]
        for quarters in (1, 2, 3):
            (found,) = self._searched([np.rot90(image, quarters)], scale)
            fewer = found.likelier_than(self._scheme.least, weight=TURNED)
            yield fewer.turned_back(quarters, (width, height))

    def _searched(
        self, images: Sequence[NDArray[np.uint8]], scale: float, origin: tuple[int, int] = (0, 0)
    ) -> list[Candidates]:
        """Search pictures of one size at one scale; ``origin`` is their corner in the frame."""
        margin = self._scheme.margin
        shown = np.stack([padded(image, scale, margin) for image in images])
        height, width = images[0].shape[:2]
        inner = np.array(_scaled(width, height, scale))
        unit, corner = np.array([width, height]) / inner, np.array(origin, np.float64)
        found = self._network.look(shown, self._scheme.least)
        return [distinct(each).mapped(margin, unit, corner) for each in found]

    def _faces(self, found: Candidates) -> list[Face]:
        return [
            Face(
                box=(x0, y0, x1, y1),
                score=score,
                landmarks=points,
                doubtful=score <= self._scheme.threshold,
            )
            for (x0, y0, x1, y1), score, points in zip(
                found.boxes.tolist(), found.scores.tolist(), found.landmarks, strict=True
            )
        ]


def padded(image: NDArray[np.uint8], scale: float, margin: int) -> NDArray[np.uint8]:
    """A picture scaled, with a grey margin and sides that a network takes."""
    height, width = image.shape[:2]
    inner = image
    if scale != 1:
        shrink = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        inner = cv2.resize(image, _scaled(width, height, scale), interpolation=shrink)
    right, below = (-(side + 2 * margin) % MULTIPLE + margin for side in inner.shape[1::-1])
    framed: NDArray[np.uint8] = cv2.copyMakeBorder(
        inner, margin, below, margin, right, cv2.BORDER_CONSTANT, value=_GREY
    )
    return framed


def _scaled(width: int, height: int, scale: float) -> tuple[int, int]:
    return max(1, round(width * scale)), max(1, round(height * scale))


def tiles(width: int, height: int, side: float) -> Iterator[tuple[int, int, int, int]]:
    """Cover a picture by boxes of at most about ``side``, overlapping by an eighth of it."""
    for y0, y1 in spans(height, side):
        for x0, x1 in spans(width, side):
            yield x0, y0, x1, y1


def spans(length: int, side: float) -> list[tuple[int, int]]:
    """Cover a length by overlapping half-open ranges."""
    if length <= side:
        return [(0, length)]
    count = int(np.ceil((length - side / 8) / (side * 7 / 8)))
    starts = np.linspace(0, length - side, count).round().astype(int).tolist()
    return [(start, min(length, start + int(np.ceil(side)))) for start in starts]
