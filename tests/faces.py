"""Films with a marker where a face would be, and a detector that finds it by looking.

The marker is a magenta ellipse with a private pattern, so that tests know exactly where a face is
without a real one. The detector reads pixels and can be told to be blind in some frames.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

import mediators
from anonymizer import plain
from anonymizer.data import Box, Clip, Face, Frame
from anonymizer.protocols import Replacer
from anonymizer.studio import Brush, Studio
from tests.factories import TICK, five_points, picture

MAGENTA = (255, 0, 255)


def marked(
    index: int, box: Box, *, size: tuple[int, int] = (120, 160), seed: int = 0, secret: int = 0
) -> NDArray[np.uint8]:
    """A picture ``(H, W, 3)`` with a marker in ``box``; ``secret`` changes a pattern inside it."""
    image = (picture(size, seed=seed, shift=(index, index / 2)) // 2 + 40).astype(np.uint8)
    height, width = size
    x0, y0, x1, y1 = box
    y, x = np.mgrid[:height, :width] + 0.5
    radius = np.hypot((2 * x - x0 - x1) / (x1 - x0), (2 * y - y0 - y1) / (y1 - y0))
    image[radius < 1] = MAGENTA
    if secret:
        inner = radius < 0.7
        image[inner, 1] = np.random.default_rng(secret).integers(0, 60, int(inner.sum()))
    return image


def film(
    count: int,
    box_at: Callable[[int], Box | None],
    *,
    size: tuple[int, int] = (120, 160),
    cuts: Sequence[int] = (),
    secret: int = 0,
) -> list[Frame]:
    """A film whose marker is at ``box_at(index)``; the background changes at every cut."""
    frames = []
    for index in range(count):
        seed = sum(index >= cut for cut in cuts) * 7
        box = box_at(index)
        image = marked(index, box or (-9, -9, -8, -8), size=size, seed=seed, secret=secret)
        frames.append(Frame(index, index, TICK, image))
    return frames


def pair(count: int) -> list[Frame]:
    """A film of two markers that walk one above the other."""

    def upper(index: int) -> Box:
        return 30 + 3 * index, 10, 66 + 3 * index, 54

    def lower(index: int) -> Box:
        return 30 + 3 * index, 90, 66 + 3 * index, 134

    above, below = (film(count, box, size=(160, 140)) for box in (upper, lower))
    return [
        Frame(a.index, a.pts, a.time_base, np.concatenate([a.image[:72], b.image[72:]]))
        for a, b in zip(above, below, strict=True)
    ]


class MarkerDetector:
    """Finds magenta; blind in the frames it is told to be blind in."""

    def __init__(self, blind: Collection[int] = ()) -> None:
        self.blind = blind
        self.seen: list[int] = []

    def detect(self, frames: Sequence[Frame]) -> list[list[Face]]:
        self.seen += [frame.index for frame in frames]
        return [[] if frame.index in self.blind else find(frame.image) for frame in frames]


def find(image: NDArray[np.uint8]) -> list[Face]:
    """One face per magenta region of at least 3x3 pixels."""
    red, green, blue = (image[..., i].astype(int) for i in range(3))
    magenta = ((red > 200) & (blue > 200) & (green < 90)).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(magenta)
    faces = []
    for x, y, width, height, _ in stats[1:]:
        if width >= 3 and height >= 3:
            box = (float(x), float(y), float(x + width), float(y + height))
            faces.append(Face(box=box, score=0.9, landmarks=five_points(box)))
    return faces


def forgetting(frame: int, *, wrong: bool = False) -> Studio:
    """A studio whose brush leaves the original face in one frame."""

    class Leaky:
        size = 64

        def sketch(self, clip, seed):
            pixels = plain.Cover().sketch(clip, seed).pixels.copy()
            for at, index in enumerate(clip.indices[clip.lead :]):
                if index == frame:
                    pixels[at] = clip.pixels[clip.lead + at]
            return plain.Painted(clip, pixels)

    brush = Brush(Leaky(), mediators.load("none", {}))
    return Studio(brush, brush, min_face=0, cover=brush if wrong else None)


class Black:
    """Paints black and notes whom and with which seed."""

    size = 64

    def __init__(self) -> None:
        self.tracks: list[int] = []
        self.seeds: list[int] = []

    def sketch(self, clip: Clip, seed: int) -> plain.Painted:
        self.tracks.append(clip.track)
        self.seeds.append(seed)
        return plain.Painted(clip, np.zeros((len(clip.indices) - clip.lead, 64, 64, 3), np.uint8))


@dataclass(frozen=True)
class Counted(plain.Painted):
    """A sketch that its track goes on from."""

    memory: list[int]


class Counting(Black):
    """Remembers which frames of a track it has looked at or sketched."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[int, int, list[int]]] = []
        self.looks: list[Clip] = []
        self.known: list[int] = []

    def sketch(self, clip: Clip, seed: int) -> Counted:
        return self.continued(clip, seed, [])

    def acquainted(self, looks: Clip, seed: int) -> list[int]:
        self.looks.append(looks)
        self.known.append(seed)
        return list(looks.indices)

    def continued(self, clip: Clip, seed: int, memory: list[int]) -> Counted:
        done = super().sketch(clip, seed)
        self.told.append((clip.track, clip.indices[clip.lead], list(memory)))
        return Counted(clip, done.pixels, [*memory, *clip.indices[clip.lead :]])


def black(replacer: Replacer) -> Studio:
    """A studio of one painter."""
    brush = Brush(replacer, mediators.load("none", {}))
    return Studio(brush, brush, min_face=0)
