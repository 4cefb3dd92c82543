"""Join the stages: read once to plan where faces are, read again to paint over them.

The first reading keeps boxes, landmarks and one small signature per frame, so tracks may look as
far ahead as they like. The second holds the pictures of one chunk at a time; where another reading
runs ahead of it, that takes a few crops of every track.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from math import ceil, floor
from statistics import fmean
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from anonymizer import crops, finding, shots
from anonymizer.data import Carry, Chunk, Clip, Frame, Track
from anonymizer.identities import Identity
from anonymizer.plan import Plan, Zone
from anonymizer.protocols import Continuing, Detector, Lasting, Mediator, Replacer, Sketch
from anonymizer.scouting import Scout
from anonymizer.studio import Studio
from anonymizer.video.prefetch import prefetch

Stage = Literal["find", "paint", "check"]
Progress = Callable[[Stage, int, int], None]
"""Called with the stage, the number of frames done in it and the number of faces in them."""


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One face of a chunk, about to be painted."""

    chunk: Chunk
    tracks: Sequence[Track]
    """All with a face in the chunk."""
    face: tuple[Mediator, Clip, Sketch] | None
    """Who keeps its frames together, its clip, and what to paint; None if there is no face."""
    last: bool
    """Whether the chunk is done after this one."""


class PlanMismatch(Exception):
    """The second reading shows other frames than the first."""


def _unknown(_: int) -> None:
    """What there is to know of a track that nobody has looked at."""


def analyse(
    frames: Iterable[Frame], detector: Detector, *, gap: int = 60, progress: Progress | None = None
) -> Plan:
    """Find the shots and the faces of a film.

    Args:
        frames: The whole film in order. Where sightings leave gaps it is read once more; what can
            be read only once keeps straight lines there.
        detector: Finds faces in single frames.
        gap: Longest run of frames without a sighting that a track may bridge.
        progress: Told after every batch.
    """
    return finding.planned(frames, [finding.find(frames, detector, progress=progress)], gap=gap)


def render(
    frames: Iterable[Frame],
    plan: Plan,
    studio: Studio,
    identity: Identity,
    *,
    chunk: int = 16,
    overlap: int = 4,
    within: Sequence[range] | None = None,
    ahead: Iterable[Frame] | None = None,
    progress: Progress | None = None,
) -> Iterator[Frame]:
    """Paint over every face of the plan, lazily and in order.

    Args:
        frames: The film, or the frames of ``within``.
        plan: Where faces are.
        studio: The parts that paint.
        identity: Who appears on which track.
        chunk: Frames painted together.
        overlap: Painted frames shown to the next chunk.
        within: Indices of the frames to paint, in order, if not all of them. Each face looks as it
            does in the whole film if no track and no shot goes on beyond a range.
        ahead: The same frames once more, if they can be read twice at a time: then tracks are
            known before they are painted. They are read as far as need be, some seconds ahead.
        progress: Told after every chunk.

    Raises:
        PlanMismatch: if the frames are not those that were planned; discard what was yielded.
    """
    shown = [range(len(plan.pts))] if within is None else within
    same = _checked(frames, plan, shown)
    decided = [replace(track, action=plan.action(track)) for track in plan.tracks]
    plan = replace(plan, tracks=tuple(track for track in decided if track.action != "keep"))
    parts = shots.chunks(same, plan.starts, length=chunk, overlap=overlap)
    memories: dict[int, Any] = {}
    known: Callable[[int], Any] = _unknown
    if ahead is not None:
        again = _checked(ahead, plan, shown)
        known = Scout(again, plan, shown, studio, identity).memory_of
    steps = chain.from_iterable(
        _steps(part, _through(plan, part), studio, identity, memories, known) for part in parts
    )
    for tracks, painted, _ in _painted(prefetch(steps, 1), {}):
        yield from (covered(frame, plan.zones) for frame in painted)
        if progress:
            faces = sum(track.at(frame.index) is not None for track in tracks for frame in painted)
            progress("paint", painted[-1].index + 1, faces)


def paint(
    chunk: Chunk,
    tracks: Sequence[Track],
    carries: Mapping[int, Carry],
    studio: Studio,
    identity: Identity,
    memories: dict[int, Any],
) -> tuple[list[Frame], dict[int, Carry]]:
    """Paint one chunk: its body with new faces, and what the next chunk of the shot must know.

    ``memories`` are of the tracks' sketches, empty at first; they are renewed.
    """
    ((_, done, left),) = _painted(_steps(chunk, tracks, studio, identity, memories), carries)
    return done, left


def _steps(
    chunk: Chunk,
    tracks: Sequence[Track],
    studio: Studio,
    identity: Identity,
    memories: dict[int, Any],
    known: Callable[[int], Any] = _unknown,
) -> Iterator[Step]:
    """The faces of a chunk, cut and sketched, or one step for a chunk without any.

    What is done here needs nothing of what is painted before it, so it can be done meanwhile. Of
    the sketches of each track ``memories`` holds what the next one must know; for its first one
    that is ``known``.
    """
    start = chunk.body[0].index
    new = [
        track
        for track in _far_first(tracks, chunk)
        if max(track.start, start) < min(track.stop, chunk.body[-1].index + 1)
    ]
    for gone in set(memories) - {track.id for track in new}:
        del memories[gone]
    if not new:
        yield Step(chunk, tracks, None, last=True)
    for track in new:
        there = [frame for frame in chunk.frames if track.at(frame.index) is not None]
        lead = sum(frame.index < start for frame in there)
        faces = [face for frame in there if (face := track.at(frame.index))]
        brush = studio.brush(faces, track.action)
        clip = crops.cut_clip(there, track, tracks, size=brush.replacer.size, lead=lead)
        sketch = _sketch(brush.replacer, clip, identity(track.id), memories, known)
        yield Step(chunk, tracks, (brush.mediator, clip, sketch), last=track is new[-1])


def _far_first(tracks: Sequence[Track], chunk: Chunk) -> list[Track]:
    """The order in which tracks are pasted: of two the larger is nearer, covers lie over all."""

    def height(track: Track) -> tuple[bool, float]:
        faces = [face for frame in chunk.frames if (face := track.at(frame.index))]
        return track.action == "cover", fmean(face.size for face in faces) if faces else 0.0

    return sorted(tracks, key=height)


def _sketch(
    replacer: Replacer,
    clip: Clip,
    seed: int,
    memories: dict[int, Any],
    known: Callable[[int], Any],
) -> Sketch:
    """The sketch of a clip, after what there is in the memory of its track, which is renewed."""
    if not isinstance(replacer, Continuing):
        return replacer.sketch(clip, seed)
    before = memories.pop(clip.track) if clip.track in memories else known(clip.track)
    if before is None:
        sketch = replacer.sketch(clip, seed)
    else:
        sketch = replacer.continued(clip, seed, before)
    if isinstance(sketch, Lasting):
        memories[clip.track] = sketch.memory
    return sketch


def _through(plan: Plan, chunk: Chunk) -> list[Track]:
    """The tracks that have a face in a chunk."""
    return plan.during(chunk.frames[0].index, chunk.frames[-1].index + 1)


def _painted(
    steps: Iterable[Step], carries: Mapping[int, Carry]
) -> Iterator[tuple[Sequence[Track], list[Frame], dict[int, Carry]]]:
    """The tracks of each chunk, its painted body, and what the next chunk must know."""
    done: dict[int, Frame] = {}
    left: dict[int, Carry] = {}
    for step in steps:
        done = done or {frame.index: frame for frame in step.chunk.body}
        if step.face is not None:
            mediator, clip, sketch = step.face
            mediation = mediator.prepare(
                sketch.moving, carries.get(clip.track) if clip.lead else None
            )
            _lay(done, clip, sketch.paint(mediation))
            if (after := mediation.carry()) is not None:
                left[clip.track] = after
        if step.last:
            yield step.tracks, list(done.values()), left
            done, left, carries = {}, {}, left


def _lay(done: dict[int, Frame], clip: Clip, pixels: NDArray[np.uint8]) -> None:
    """Paste the new crops of a clip into the frames."""
    for at, index in enumerate(clip.indices[clip.lead :]):
        place = clip.lead + at
        where = clip.mask[place], clip.frame_from_crop[place]
        done[index] = _with(done[index], *crops.paste(done[index].image, pixels[at], *where))


def covered(frame: Frame, zones: Sequence[Zone]) -> Frame:
    """The frame with zones that are always covered in one flat grey."""
    here = [zone for zone in zones if zone.action == "always" and zone.start <= frame.index]
    here = [zone for zone in here if frame.index < zone.stop]
    if not here:
        return frame
    image = frame.image.copy()
    height, width = image.shape[:2]
    changed = np.zeros((height, width), np.bool_)
    for x0, y0, x1, y1 in (zone.box for zone in here):
        top, bottom = max(0, floor(y0)), min(height, ceil(y1))
        left, right = max(0, floor(x0)), min(width, ceil(x1))
        inside = np.s_[top : max(top, bottom), left : max(left, right)]
        image[inside], changed[inside] = crops.GREY, True
    return _with(frame, image, changed)


def _with(frame: Frame, image: NDArray[np.uint8], changed: NDArray[np.bool_]) -> Frame:
    """The frame with another picture that was painted where ``changed``, besides what was before.

    Every painted pixel is marked, not every one that looks different: which of them do would
    depend on the original (P1).
    """
    if frame.changed is not None:
        changed = changed | frame.changed
    return replace(frame, image=image, changed=changed)


def _checked(frames: Iterable[Frame], plan: Plan, within: Sequence[range]) -> Generator[Frame]:
    """Let frames pass that are those of the plan, and insist on all of some ranges."""
    wanted = chain.from_iterable(within)
    count = 0
    for frame in frames:
        index = next(wanted, None)
        if index is None or frame.index != index or frame.pts != plan.pts[index]:
            raise PlanMismatch(f"frame {frame.index} at pts {frame.pts} is not in the plan")
        yield frame
        count += 1
    if missing := sum(1 for _ in wanted):
        raise PlanMismatch(f"{count} frames instead of {count + missing}")
