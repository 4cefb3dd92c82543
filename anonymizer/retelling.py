"""A film told anew, chunk by chunk: every frame by diffusion, or key frames and what lies between.

Frames are worked on at the size of the network, and come back at their own. This is no
anonymization.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer import shots
from anonymizer.data import Carry, Chunk, Clip, Frame
from anonymizer.errors import UsageError
from anonymizer.protocols import Mediation, Mediator, Sketch

if TYPE_CHECKING:
    from anonymizer.pipeline import Progress

Pictures = NDArray[np.uint8]
"""``(N, H, W, 3)``."""


class Restyler(Protocol):
    """Tells frames anew."""

    def shape(self, size: tuple[int, int], shorter: int | None) -> tuple[int, int]:
        """(height, width) at which frames of (height, width) ``size`` are worked on."""
        ...

    def sketch(self, clip: Clip, seed: int, given: Pictures | None = None) -> Sketch:
        """The clip's new frames; ``given`` (N, H, W, 3) is what its ControlNet is to be shown."""
        ...

    def patch(
        self,
        clip: Clip,
        seed: int,
        known: Pictures,
        holes: NDArray[np.bool_],
        given: Pictures | None,
    ) -> Sketch:
        """The clip's new frames, of which all is known (N, H, W, 3) but the holes (N, H, W)."""
        ...


Fill = Callable[[Mediation, NDArray[np.uint8], NDArray[np.uint8], int], Any]
"""``diffusion.inbetween.filled``."""
Patched = Callable[[Pictures, Pictures, NDArray[np.bool_]], Pictures]
"""``diffusion.inbetween.patched``."""


@dataclass(frozen=True, slots=True)
class Troupe:
    """Who tells a film anew."""

    restyler: Restyler
    mediator: Mediator
    """Makes diffused frames agree."""
    repository: Mediator
    """Says along which trajectories key frames reach the frames between."""
    alone: Mediator
    """Does nothing."""
    fill: Fill
    patched: Patched


@dataclass(frozen=True, slots=True)
class Manner:
    """How a film is told anew."""

    seed: int
    chunk: int = 16
    overlap: int = 4
    keyframes: int = 1
    """Every so many frames are diffused."""
    size: int | None = None
    """Shorter side at which the network works."""


def retell(
    frames: Iterable[Frame],
    starts: Sequence[int],
    troupe: Troupe,
    manner: Manner,
    *,
    given: Iterator[NDArray[np.uint8]] | None = None,
    progress: Progress | None = None,
) -> Iterator[Frame]:
    """Tell a film anew, lazily and in order.

    Args:
        frames: the film.
        starts: indices of the frames that begin a shot.
        troupe: who does it.
        manner: how.
        given: pictures (H, W, 3) for the ControlNet, one for each frame; None: there are none.
        progress: told after every chunk.

    Raises:
        UsageError: if ``given`` ends before the film.
    """
    every = manner.keyframes
    rounds = max(2, -(-manner.chunk // every))
    length, overlap = (manner.chunk, manner.overlap) if every == 1 else (rounds * every, 1)
    carry: Carry | None = None
    past: NDArray[np.uint8] | None = None
    for part in shots.chunks(frames, starts, length=length, overlap=overlap):
        scene = _scene(part, troupe, manner, given)
        if every == 1:
            told, carry = _diffused(
                scene, range(len(part.frames)), part.lead, troupe, manner, carry
            )
        else:
            told, carry = _keyed(scene, part, troupe, manner, carry, past)
        past = told[-1]
        yield from map(_with, part.body, told)
        if progress:
            progress("paint", part.frames[-1].index + 1, 0)


@dataclass(frozen=True, slots=True, eq=False)
class _Scene:
    """A chunk at the size of the network."""

    clip: Clip
    """All frames, none of them leading."""
    given: Pictures | None
    """Of all frames; of leading ones anything."""

    def of(self, which: Sequence[int], lead: int = 0) -> Clip:
        """Some of the frames, of which the first ``lead`` are told already."""
        clip, at = self.clip, list(which)
        return replace(
            clip,
            indices=tuple(clip.indices[place] for place in at),
            pixels=clip.pixels[at],
            context=clip.context[at],
            hidden=clip.hidden[at],
            mask=clip.mask[at],
            frame_from_crop=clip.frame_from_crop[at],
            landmarks=clip.landmarks[at],
            lead=lead,
        )

    def shown(self, which: Sequence[int]) -> Pictures | None:
        """What a ControlNet is to be shown of some of the frames."""
        return None if self.given is None else self.given[list(which)]


def _scene(
    part: Chunk, troupe: Troupe, manner: Manner, given: Iterator[NDArray[np.uint8]] | None
) -> _Scene:
    height, width, _ = part.frames[0].image.shape
    shape = troupe.restyler.shape((height, width), manner.size)
    pixels = np.stack([_sized(frame.image, shape) for frame in part.frames])
    count = len(pixels)
    ratio = width / shape[1], height / shape[0]
    matrix = np.diag([*ratio, 1.0])
    matrix[:2, 2] = (np.array(ratio) - 1) / 2
    clip = Clip(
        track=0,
        indices=tuple(frame.index for frame in part.frames),
        pixels=pixels,
        context=pixels,
        hidden=np.zeros((count, *shape), np.bool_),
        mask=np.ones((count, *shape), np.float32),
        frame_from_crop=np.repeat(matrix[None], count, 0),
        landmarks=np.zeros((count, 5, 2)),
    )
    if given is None:
        return _Scene(clip, None)
    fresh = [_sized(picture, shape) for picture in islice(given, len(part.body))]
    if len(fresh) < len(part.body):
        raise UsageError(
            f"control-files end before frame {part.frames[-1].index}; give one for every frame"
        )
    return _Scene(clip, np.stack([fresh[0]] * part.lead + fresh))


def _diffused(
    scene: _Scene,
    which: Sequence[int],
    lead: int,
    troupe: Troupe,
    manner: Manner,
    carry: Carry | None,
) -> tuple[Pictures, Carry | None]:
    """Frames of a scene by diffusion, but the first ``lead``; and what the next chunk must know."""
    clip = scene.of(which, lead)
    sketch = troupe.restyler.sketch(clip, manner.seed, scene.shown(which[lead:]))
    mediation = troupe.mediator.prepare(sketch.moving, carry if lead else None)
    return sketch.paint(mediation), mediation.carry()


def _keyed(
    scene: _Scene,
    part: Chunk,
    troupe: Troupe,
    manner: Manner,
    carry: Carry | None,
    past: NDArray[np.uint8] | None,
) -> tuple[Pictures, Carry | None]:
    """The body of a chunk: key frames by diffusion, what lies between from both neighbours.

    The first frame is a key frame, told by the chunk before if it leads, and so is the last.
    """
    last = len(part.frames) - 1
    keys = sorted({*range(0, last, manner.keyframes), last})
    told, carry = _diffused(scene, keys, part.lead, troupe, manner, carry)
    made = np.zeros_like(scene.clip.pixels)
    if part.lead and past is not None:
        made[0] = past
    made[keys[part.lead :]] = told
    holes = np.zeros(made.shape[:3], np.bool_)
    for start, stop in pairwise(keys):
        if stop - start > 1:
            plan = troupe.repository.prepare(scene.of(range(start, stop + 1)), None)
            between = slice(start + 1, stop)
            made[between], holes[between] = troupe.fill(
                plan, made[start], made[stop], stop - start + 1
            )
    return _patched(scene, made, holes, troupe, manner)[part.lead :], carry


def _patched(
    scene: _Scene, made: Pictures, holes: NDArray[np.bool_], troupe: Troupe, manner: Manner
) -> Pictures:
    """The frames of a scene with what neither key frame shows painted in a second pass."""
    torn = np.flatnonzero(holes.any((1, 2))).tolist()
    if not torn:
        return made
    clip, open_ = scene.of(torn), holes[torn]
    sketch = troupe.restyler.patch(clip, manner.seed, made[torn], open_, scene.shown(torn))
    painted = sketch.paint(troupe.alone.prepare(clip, None))
    result = made.copy()
    result[torn] = troupe.patched(made[torn], painted, open_)
    return result


def _sized(image: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """A picture (H, W, 3) at another (height, width)."""
    if image.shape[:2] == shape:
        return image
    shrinks = shape[0] < image.shape[0]
    resized: NDArray[np.uint8] = cv2.resize(
        image, shape[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    )
    return resized


def _with(frame: Frame, picture: NDArray[np.uint8]) -> Frame:
    """The frame with another picture, all of it painted."""
    height, width, _ = frame.image.shape
    image = _sized(picture, (height, width))
    return replace(frame, image=image, changed=np.ones((height, width), np.bool_))
