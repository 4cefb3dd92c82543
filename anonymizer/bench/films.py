"""What is measured on: a film that was given, or one that is drawn on the spot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer import crops
from anonymizer.bench.scenes import scene
from anonymizer.data import Face, Frame, Origin, Track
from anonymizer.errors import JobError
from anonymizer.geometry import bounds, corners
from anonymizer.head.canonical import MEAN_LANDMARKS
from anonymizer.plan import Plan
from anonymizer.studio import Studio
from anonymizer.video.media import is_image, open_source
from anonymizer.video.reel import RATE, write_reel

DRAWN: Final = "drawn"
"""Name of the film that is drawn on the spot."""
_SIZE: Final = (288, 384)
"""Height and width of it."""
_LARGE: Final = 1.6
"""Its head, in pixels per pixel of a crop of 128: about as large as in the samples."""


@dataclass(frozen=True, slots=True, eq=False)
class Film:
    """The first frames of a film."""

    name: str
    frames: list[Frame]
    source: Path
    """Begins with these frames."""
    path: Path
    """Holds these frames, and no sound."""

    def read(self) -> list[Frame]:
        """The frames, decoded anew."""
        return list(islice(open_source(self.source), len(self.frames)))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        height, width, _ = self.frames[0].image.shape
        return width, height

    def repeated(self, times: int, folder: Path) -> Path:
        """A file with the frames several times over."""
        path = folder / f"times{times}.mp4"
        write_reel(path, (frame.image for _ in range(times) for frame in self.frames))
        return path


def given(path: Path, count: int, folder: Path) -> Film:
    """The first frames of a film.

    Args:
        path: The film.
        count: Frames at most.
        folder: Where a file of them may be made.

    Raises:
        UnreadableVideo: if it cannot be read.
        JobError: if it is a picture, or has a single frame.
    """
    if is_image(path):
        raise JobError(path, "is a picture; give a film with --clip")
    frames = list(islice(open_source(path), count))
    if len(frames) < 2:
        raise JobError(path, f"has {len(frames)} frame; give a film of at least 2 with --clip")
    own = folder / "film.mp4"
    write_reel(own, (frame.image for frame in frames))
    return Film(path.name, frames, path, own)


def drawn(studio: Studio, count: int, folder: Path) -> Film:
    """A film of a drawn head before a moving pattern; nobody in it exists.

    Args:
        studio: Draws the head as it draws those that it paints.
        count: Frames.
        folder: Where a file of it may be made.
    """
    moving = Moving.of("drift", count, _SIZE, _LARGE)
    replacer = studio.brush(moving.track.faces).replacer
    clip = crops.cut_clip(moving.frames, moving.track, [moving.track], size=replacer.size, lead=0)
    heads = replacer.sketch(clip, 0).moving
    pixels = [cv2.resize(head, (clip.size, clip.size)) for head in heads.pixels]
    places = zip(moving.frames, pixels, clip.mask, clip.frame_from_crop, strict=True)
    path = folder / "film.mp4"
    write_reel(path, (crops.paste(frame.image, head, *where)[0] for frame, head, *where in places))
    return Film(DRAWN, list(open_source(path)), path, path)


@dataclass(frozen=True, slots=True, eq=False)
class Moving:
    """Frames of a scene in which a face moves with all else, and where it is."""

    frames: list[Frame]
    track: Track
    flow: NDArray[np.float32]
    """``(T-1, H, W, 2)`` exact, from each frame to the next."""

    @classmethod
    def of(cls, name: str, count: int, size: tuple[int, int], scale: float) -> Moving:
        """A scene of (height, width) ``size``.

        Args:
            name: Of the scene.
            count: T.
            size: Of the frames.
            scale: Pixels of the first frame for a pixel of the canonical crop of 128.
        """
        made = scene(name, count, size)
        middle = (np.array(size[::-1]) - 1) / 2
        points = [(MEAN_LANDMARKS - 63.5) * scale + middle]
        outline = [corners(_around(points[0]))]
        for flow in made.flow_forward:
            points.append(points[-1] + _read(flow, points[-1]))
            outline.append(outline[-1] + _read(flow, outline[-1]))
        faces = tuple(
            Face(bounds(box), 1.0, each.astype(np.float32))
            for box, each in zip(outline, points, strict=True)
        )
        origins: list[Origin] = ["detected"] * count
        track = Track(id=0, shot=0, start=0, faces=faces, origins=tuple(origins))
        return cls(_frames(made.images), track, made.flow_forward)

    @property
    def plan(self) -> Plan:
        """Where the face is, as a plan to paint by."""
        return Plan(np.arange(len(self.frames)), (0,), (self.track,))


def _around(points: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """About the box that a detector gives a face with these landmarks."""
    x, y = points.mean(0)
    reach = np.ptp(points, axis=0).max() * 1.2
    return x - 0.8 * reach, y - 1.05 * reach, x + 0.8 * reach, y + reach


def _frames(images: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]) -> list[Frame]:
    return list(_numbered(images))


def _numbered(images: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]) -> Iterator[Frame]:
    for index, image in enumerate(images):
        yield Frame(index, index, Fraction(1, RATE), np.array(image))


def _read(flow: NDArray[np.float32], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Flow (n, 2) at points (n, 2)."""
    at = points.astype(np.float32)[None]
    return np.asarray(cv2.remap(flow, at, None, cv2.INTER_LINEAR)[0], np.float64)
