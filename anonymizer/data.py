"""The frozen values that flow between stages.

Conventions, said once:

* Pictures are RGB, 8 bit, ``(H, W, 3)``; time is always the first axis.
* Points are ``(x, y)`` in pixels; integers are pixel centres.
* Boxes ``(x0, y0, x1, y1)`` and ranges are half-open: pixel ``x`` is inside when ``x0 <= x < x1``.
* ``b_from_a`` is the 3x3 matrix that maps homogeneous column vectors ``(x, y, 1)`` of frame of
  reference a to b.
* Landmarks are eye, eye, nose tip, mouth corner, mouth corner; smaller ``x`` of a pair first.
* Time is ``pts * time_base``, a ``Fraction``; seconds appear only at the user's edge.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from anonymizer.picture import Shown, check_marks, shape_of
from anonymizer.wording import AS_SET, Wording

Box = tuple[float, float, float, float]
"""``(x0, y0, x1, y1)`` in pixels, half-open."""

Origin = Literal["detected", "interpolated", "extended", "repaired"]
"""How a face came to be placed: seen, between sightings, past a track's ends, or found again."""

Action = Literal["replace", "cover", "keep"]
"""What becomes of a track: a new face, a solid cover, or nothing because a person said so."""


def _frozen(*arrays: NDArray[np.generic] | None) -> None:
    for array in arrays:
        if array is not None:
            array.flags.writeable = False


@dataclass(frozen=True, slots=True)
class Colour:
    """Colour description of a stream as the ITU-T H.273 code points that containers carry."""

    primaries: int | None = None
    transfer: int | None = None
    matrix: int | None = None
    full_range: bool | None = None
    """None when the stream does not say."""
    signals: object | None = None
    """What else a stream tells of its colours, for the room ``video``."""


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What is known of a video stream before decoding it. Unknown is None, never a guess."""

    width: int
    """Displayed width in pixels, after rotation."""
    height: int
    """Displayed height in pixels, after rotation."""
    time_base: Fraction
    """Seconds per pts unit, exact."""
    average_rate: Fraction | None = None
    """Frames per second from the header: an estimate, never used for timing."""
    frames: int | None = None
    """Number of frames from the header: an estimate."""
    duration: Fraction | None = None
    """Seconds, from the header."""
    rotation: int = 0
    """Clockwise display rotation in degrees (0, 90, 180, 270), already applied to the frames."""
    mirrored: bool = False
    """Whether players also mirror the picture, already applied to the frames."""
    colour: Colour = field(default_factory=Colour)
    sample_aspect_ratio: Fraction | None = None
    """Width over height of one pixel, of the displayed picture."""
    codec: str = ""
    """Name of the source's codec, as FFmpeg calls it."""
    pixel_format: str = ""
    """Name of the source's pixel format, as FFmpeg calls it."""
    has_audio: bool = False

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(f"size must be positive, got {self.width}x{self.height}")
        if self.time_base <= 0:
            raise ValueError(f"time base must be positive, got {self.time_base}")
        if self.rotation not in (0, 90, 180, 270):
            raise ValueError(f"rotation must be 0, 90, 180 or 270, got {self.rotation}")


@dataclass(frozen=True, eq=False, repr=False)
class Frame:
    """One decoded picture and its exact time."""

    index: int
    """Position in the film, from 0, damaged frames not counted."""
    pts: int
    time_base: Fraction
    image: Shown = Shown()  # noqa: RUF009 - a descriptor, which the class shares
    """``(H, W, 3)`` RGB, read-only; a frame may be given its `Negative` instead."""
    native: object | None = None
    """What ``image`` was decoded from, for the room ``video``; whoever paints passes it on."""
    changed: NDArray[np.bool_] | None = None
    """``(H, W)`` True where the picture was painted, even if the values stayed by chance. None: not
    known, so no sample of ``native`` is used unless ``image`` is the very array decoded from it."""

    def __post_init__(self) -> None:
        if self.changed is not None:
            check_marks(self.changed, self.shape)

    def __repr__(self) -> str:
        height, width = self.shape
        return f"Frame(index={self.index}, pts={self.pts}, {width}x{height})"

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of the picture in pixels."""
        return shape_of(self)

    @property
    def time(self) -> Fraction:
        """Presentation time in seconds, exact."""
        return self.pts * self.time_base


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Face:
    """One face in one frame. Its ``repr`` shows neither landmarks nor motion."""

    box: Box
    """Half-open, finite, not empty; may reach past the frame."""
    score: float
    """Detector's confidence in [0, 1]."""
    landmarks: NDArray[np.float32] | None = None
    """``(5, 2)`` in frame pixels, or None when the detector gives none."""
    motion: NDArray[np.float32] | None = None
    """``(K,)`` what the face does, as ``anonymizer.head.expression`` numbers it; None: not read."""
    doubtful: bool = False
    """Whether the detector is not sure by its own measure: a track must confirm it."""

    def __post_init__(self) -> None:
        x0, y0, x1, y1 = self.box
        if not np.isfinite(self.box).all() or x1 <= x0 or y1 <= y0:
            raise ValueError("box must be finite with x0 < x1 and y0 < y1")
        if not 0 <= self.score <= 1:
            raise ValueError(f"score must be in [0, 1], got {self.score}")
        points, motion = self.landmarks, self.motion
        if points is not None and (points.shape != (5, 2) or not np.isfinite(points).all()):
            raise ValueError(f"landmarks must be finite (5, 2), got {points.shape}")
        if motion is not None and (motion.ndim != 1 or not np.isfinite(motion).all()):
            raise ValueError(f"motion must be finite (K,), got {motion.shape}")
        _frozen(points, motion)

    def __repr__(self) -> str:
        return f"Face(score={self.score:.2f}, landmarks={self.landmarks is not None})"

    @property
    def size(self) -> float:
        """Longer side of the box in pixels."""
        x0, y0, x1, y1 = self.box
        return max(x1 - x0, y1 - y0)


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Consecutive frames of one shot. The first ``lead`` are context that was already written."""

    shot: int
    """Number of the shot in the film, from 0."""
    frames: tuple[Frame, ...]
    lead: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.lead < len(self.frames):
            raise ValueError(f"lead {self.lead} must leave one of {len(self.frames)} frames")
        first = self.frames[0].index
        if [frame.index for frame in self.frames] != list(range(first, first + len(self.frames))):
            raise ValueError("frames of a chunk must be consecutive")

    @property
    def body(self) -> tuple[Frame, ...]:
        """The frames that this chunk has to write."""
        return self.frames[self.lead :]


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One face through one shot: one for every frame from first to last, gaps filled and marked."""

    id: int
    """Unique in the film."""
    shot: int
    start: int
    """Frame index of the first face."""
    faces: tuple[Face, ...]
    """One per consecutive frame; all with landmarks or none, all with motion or none."""
    origins: tuple[Origin, ...]
    action: Action = "replace"
    wording: Wording = AS_SET

    def __post_init__(self) -> None:
        faces, origins = len(self.faces), len(self.origins)
        if not faces or faces != origins:
            raise ValueError(f"{faces} faces, {origins} origins; want equal, not 0")

    @property
    def stop(self) -> int:
        """Frame index one past the last face."""
        return self.start + len(self.faces)

    def at(self, index: int) -> Face | None:
        """The face in frame ``index``, or None where the track does not reach."""
        return self.faces[index - self.start] if self.start <= index < self.stop else None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Clip:
    """One track through one chunk, as aligned square crops of side S.

    Whole frames that are translated are clips too; theirs are (H, W) where S, S is written here.
    The first ``lead`` of the T crops were painted by the chunk before. Anything that generates must
    read ``context``, never ``pixels`` (invariant P1).
    """

    track: int
    indices: tuple[int, ...]
    """Frame indices, consecutive; looks at a track go back in time, some frames apart."""
    pixels: NDArray[np.uint8]
    """``(T, S, S, 3)`` what flow is estimated on: original crops, or what a replacer sketched.
    For nothing else."""
    context: NDArray[np.uint8]
    """``(T, S, S, 3)`` crops of frames whose protected areas, of all faces, are grey 128."""
    hidden: NDArray[np.bool_]
    """``(T, S, S)`` True where ``context`` shows or mixes in a blanked or missing pixel."""
    mask: NDArray[np.float32]
    """``(T, S, S)`` in [0, 1], opacity of the paste: 1 on the core, > 0 on the protected area."""
    frame_from_crop: NDArray[np.float64]
    """``(T, 3, 3)``."""
    landmarks: NDArray[np.float64]
    """``(T, 5, 2)`` in crop pixels."""
    lead: int = 0
    motion: NDArray[np.float32] | None = None
    """``(T, K)`` what the face does; None where it was not read: a face at rest."""
    wording: Wording = AS_SET

    def __post_init__(self) -> None:
        count, sides = len(self.indices), self.shape
        expected: dict[str, tuple[int, ...]] = dict.fromkeys(("hidden", "mask"), (count, *sides))
        expected |= dict.fromkeys(("pixels", "context"), (count, *sides, 3))
        expected |= {"frame_from_crop": (count, 3, 3), "landmarks": (count, 5, 2)}
        for name, shape in expected.items():
            array = getattr(self, name)
            if array.shape != shape:
                raise ValueError(f"{name} must be {shape}, got {array.shape}")
            _frozen(array)
        motion = self.motion
        if motion is not None and (motion.ndim != 2 or len(motion) != count):
            raise ValueError(f"motion must be ({count}, K), got {motion.shape}")
        _frozen(motion)
        if not 0 <= self.lead < count:
            raise ValueError(f"lead {self.lead} must leave at least one of {count} crops")

    def __repr__(self) -> str:
        count = len(self.indices)
        return f"Clip(track={self.track}, frames={count}, side={self.size}, lead={self.lead})"

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of the crops in pixels."""
        return int(self.pixels.shape[1]), int(self.pixels.shape[2])

    @property
    def size(self) -> int:
        """Side S of square crops in pixels; the longer one of others."""
        return max(self.shape)


@dataclass(frozen=True, slots=True, eq=False)
class Correspondence:
    """Where each pixel of frame ``target`` was in frame ``source``."""

    source: int
    target: int
    grid: NDArray[np.float32]
    """``(S, S, 2)``: ``grid[y, x]`` is the point (x, y) of the source that the target shows."""
    valid: NDArray[np.bool_]
    """``(S, S)`` False where there is no counterpart: occluded, outside, or not trusted."""

    def __post_init__(self) -> None:
        if self.grid.shape != (*self.valid.shape, 2):
            raise ValueError(f"grid {self.grid.shape} does not fit valid {self.valid.shape}")
        _frozen(self.grid, self.valid)


class Carry:
    """What a mediator hands to the next chunk; mediators subclass it. Bounded by one crop."""

    __slots__ = ()
