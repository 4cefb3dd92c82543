"""Change along trajectories across the seams of chunks against change inside chunks.

Trajectories are followed by the flow of the source; only pixels that changed between source and
output count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer import pipeline, shots
from anonymizer.bench.figures import Figure, figure, quotients
from anonymizer.bench.films import Film
from anonymizer.bench.stages import changed
from anonymizer.data import Carry, Clip, Frame
from anonymizer.plan import Plan
from anonymizer.protocols import Detector, Mediation, Mediator
from anonymizer.studio import Studio
from mediators._flow import Dis, alike, places, returns

Pictures = Sequence[NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class Seams:
    """Mean change in levels of 255; None where nothing could be followed, or no chunk ends."""

    inside: Figure | None
    at_seams: Figure | None
    ratio: Figure | None


def measure(
    film: Film, detector: Detector, studio: Studio, rounds: int, *, chunk: int, overlap: int
) -> dict[str, Seams]:
    """The film painted with and without what chunks hand on; every round has another person."""
    plan = pipeline.analyse(film.frames, detector)
    source = [frame.image for frame in film.frames]
    parts = shots.chunks(film.frames, plan.starts, length=chunk, overlap=overlap)
    boundaries = [part.body[0].index for part in parts if part.lead]
    found = {}
    for name, own in (("with carry", studio), ("without carry", forgetting(studio))):
        jumps = []
        for seed in range(rounds):
            out = painted(film.frames, plan, own, seed, chunk=chunk, overlap=overlap)
            masks = [touched(a, b) for a, b in zip(out, source, strict=True)]
            jumps.append(seam_jump(out, source, boundaries, masks))
        inside, across = ([jump[at] for jump in jumps] for at in (0, 1))
        ratio = figure(quotients(across, inside))
        found[name] = Seams(figure(inside), figure(across), ratio)
    return found


def painted(
    frames: list[Frame], plan: Plan, studio: Studio, seed: int, *, chunk: int, overlap: int
) -> list[NDArray[np.uint8]]:
    """The pictures of a film with other faces."""
    out = pipeline.render(
        frames, plan, studio, lambda track: seed + track, chunk=chunk, overlap=overlap, ahead=frames
    )
    return [frame.image for frame in out]


def forgetting(studio: Studio) -> Studio:
    """The studio without what chunks hand on."""
    return changed(studio, lambda brush: replace(brush, mediator=Forgetful(brush.mediator)))


@dataclass(frozen=True, slots=True)
class Forgetful:
    """A mediator that takes nothing over from the chunk before."""

    mediator: Mediator

    def prepare(self, clip: Clip, carry: Carry | None) -> Mediation:
        """The mediator's plan, as if there were no chunk before."""
        return self.mediator.prepare(clip, None)


def change(
    before: NDArray[np.uint8],
    after: NDArray[np.uint8],
    source: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    mask: NDArray[np.bool_],
) -> float:
    """Mean absolute change in [0, 255] of the output along the source's flow, inside the mask.

    NaN where no trajectory can be followed.
    """
    there, back = Dis()(source[1], source[0])
    grid = (places(*mask.shape) + there).astype(np.float32)
    moved = cv2.remap(before, grid, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    known = mask & returns(there, back, grid) & alike(source[1], source[0], grid)
    difference = cv2.absdiff(after, moved)[known]
    return float(difference.mean()) if len(difference) else float("nan")


def seam_jump(
    frames_out: Pictures,
    frames_src: Pictures,
    boundaries: Sequence[int],
    masks: Sequence[NDArray[np.bool_]],
) -> tuple[float, float]:
    """(mean change inside chunks, mean change across seams), in [0, 255].

    Args:
        frames_out: painted pictures (H, W, 3).
        frames_src: the originals.
        boundaries: indices of the first frame of every chunk but the first.
        masks: (H, W) of every frame: what was painted.
    """
    inside, seams = list[float](), list[float]()
    for at in range(1, len(frames_out)):
        step = change(
            frames_out[at - 1],
            frames_out[at],
            (frames_src[at - 1], frames_src[at]),
            masks[at] & masks[at - 1],
        )
        (seams if at in boundaries else inside).append(step)
    return _mean(inside), _mean(seams)


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def touched(out: NDArray[np.uint8], source: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where the output differs by more than what an encoder does, cleaned of specks."""
    differs = (cv2.absdiff(out, source).max(-1) > 12).astype(np.uint8)
    closed = cv2.morphologyEx(differs, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    return np.asarray(cv2.morphologyEx(closed, cv2.MORPH_OPEN, np.ones((9, 9), np.uint8)) > 0)
