"""Where faces are: looked for range by range, then linked over the whole film."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, pairwise
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from anonymizer import gaps, linking, shots, tracking
from anonymizer.data import Face, Frame, Track
from anonymizer.linking import Piece
from anonymizer.plan import Plan
from anonymizer.protocols import Detector

BATCH: Final = 8
"""Frames given to a detector at once. Ranges that begin at multiples of it are searched in the very
batches in which the whole film is."""

Told = Callable[[Literal["find"], int, int], None]
"""Called with the stage, the number of frames done in it and the number of faces in them."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What was seen in consecutive frames: all that a plan is made of. It holds no picture."""

    start: int
    """Index of the first frame in the film."""
    size: tuple[int, int]
    """(width, height) in pixels."""
    pts: NDArray[np.int64]
    """``(N,)``"""
    signatures: NDArray[np.float32]
    """``(N, 240)``: what `shots.signature` says of every picture."""
    faces: tuple[tuple[Face, ...], ...]
    """Of every frame."""


def find(frames: Iterable[Frame], detector: Detector, *, progress: Told | None = None) -> Found:
    """Look for faces in consecutive frames, from any of a film on."""
    pts: list[int] = []
    signatures: list[NDArray[np.float32]] = []
    found: list[tuple[Face, ...]] = []
    start, size = 0, (0, 0)
    for batch in _batches(frames, BATCH):
        if not pts:
            start = batch[0].index
        pts += [frame.pts for frame in batch]
        signatures += [shots.signature(frame.image) for frame in batch]
        found += map(tuple, detector.detect(batch))
        size = batch[0].image.shape[1], batch[0].image.shape[0]
        if progress:
            progress("find", len(pts), sum(map(len, found[-len(batch) :])))
    held = np.array(signatures, np.float32)
    return Found(start, size, np.array(pts, np.int64), held, tuple(found))


def planned(frames: Iterable[Frame], ranges: Sequence[Found], *, gap: int) -> Plan:
    """The plan of a film, whoever has looked at which part of it.

    Args:
        frames: The film; read where sightings leave gaps.
        ranges: What was found, in the order of the film, from its first frame to its last.
        gap: Longest run of frames without a sighting that a track may bridge.

    Raises:
        ValueError: if ranges do not follow one another.
    """
    ends = [found.start + len(found.pts) for found in ranges]
    if [found.start for found in ranges] != [0, *ends[:-1]]:
        raise ValueError(f"ranges of a film must join; got starts {[f.start for f in ranges]}")
    pts = np.concatenate([found.pts for found in ranges])
    faces = list(chain.from_iterable(found.faces for found in ranges))
    signatures = chain.from_iterable(found.signatures for found in ranges)
    starts = (0, *shots.find_cuts(signatures)) if len(pts) else ()
    tracks, unconfirmed = _linked(frames, faces, starts, ranges[-1].size, gap)
    return Plan(pts, starts, tracks, unconfirmed=unconfirmed)


def _linked(
    frames: Iterable[Frame],
    found: Sequence[Sequence[Face]],
    starts: Sequence[int],
    size: tuple[int, int],
    gap: int,
) -> tuple[tuple[Track, ...], int]:
    """The tracks of all shots, and the number of sightings that are in none."""
    spans = list(pairwise((*starts, len(found))))
    pieces = [linking.pieces(found[start:stop], gap) for start, stop in spans]
    sure = [[piece for piece in here if piece.confirmed] for here in pieces]
    whole = _closed(frames, sure, starts)
    tracks: list[Track] = []
    for shot, (start, stop) in enumerate(spans):
        tracks += tracking.completed(
            whole[shot],
            frames=stop - start,
            shot=shot,
            start=start,
            first_id=len(tracks),
            frame_size=size,
        )
    lost = [piece for here in pieces for piece in here if not piece.confirmed]
    return tuple(tracks), sum(len(piece.frames) for piece in lost)


def _closed(
    frames: Iterable[Frame], shots_pieces: Sequence[Sequence[Piece]], starts: Sequence[int]
) -> list[list[Piece]]:
    """The pieces of every shot with their gaps followed; reads the film again if there are any."""
    holes = {
        piece: gaps.gaps(piece, start)
        for start, here in zip(starts, shots_pieces, strict=True)
        for piece in here
    }
    followed = gaps.follow(frames, list(chain.from_iterable(holes.values())))
    return [
        [gaps.closed(piece, start, holes[piece], followed) for piece in here]
        for start, here in zip(starts, shots_pieces, strict=True)
    ]


def _batches(frames: Iterable[Frame], size: int) -> Iterator[list[Frame]]:
    source = iter(frames)
    while batch := list(islice(source, size)):
        yield batch
