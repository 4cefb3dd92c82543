"""Change along trajectories across the seams of chunks against change inside chunks.

    python -m tests.benchmarks.bench_seams SOURCE [--output FILM] [--chunk 16] [--frames 160]

Trajectories are followed by the flow of the source; only pixels that changed between source and
output count. With an output film that one is measured, else the source is painted twice, with what
chunks hand on and without it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer import build, pipeline, shots
from anonymizer.data import Carry, Clip, Frame
from anonymizer.plan import Plan
from anonymizer.protocols import Mediation, Mediator
from anonymizer.settings import Settings
from anonymizer.video.media import open_source
from mediators._flow import Dis, alike, returns
from tests.benchmarks.bench_stages import changed

Pictures = Sequence[NDArray[np.uint8]]


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
    height, width = mask.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    grid = np.stack([x, y], -1) + there
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


@dataclass(frozen=True, slots=True)
class Forgetful:
    """A mediator that takes nothing over from the chunk before."""

    mediator: Mediator

    def prepare(self, clip: Clip, carry: Carry | None) -> Mediation:
        return self.mediator.prepare(clip, None)


def painted(
    frames: list[Frame], plan: Plan, chunk: int, *, carried: bool
) -> list[NDArray[np.uint8]]:
    """The film with the default settings, with or without what chunks hand on."""
    studio = build.studio(Settings())
    if not carried:
        studio = changed(studio, lambda brush: replace(brush, mediator=Forgetful(brush.mediator)))
    out = pipeline.render(frames, plan, studio, lambda track: track, chunk=chunk)
    return [frame.image for frame in out]


def report(name: str, out: Pictures, source: Pictures, boundaries: Sequence[int]) -> None:
    masks = [touched(a, b) for a, b in zip(out, source, strict=True)]
    inside, seams = seam_jump(out, source, boundaries, masks)
    print(f"{name:<16}{inside:>9.3f}{seams:>9.3f}{seams / inside:>8.2f}x", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="change across seams against change inside")
    parser.add_argument("source", type=Path)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--chunk", type=int, default=16)
    parser.add_argument("--frames", type=int, default=160)
    wanted = parser.parse_args(arguments)
    frames = list(islice(open_source(wanted.source), wanted.frames))
    source = [frame.image for frame in frames]
    starts = (0, *shots.find_cuts([shots.signature(image) for image in source]))
    parts = shots.chunks(frames, starts, length=wanted.chunk, overlap=4)
    boundaries = [part.body[0].index for part in parts if part.lead]
    print(f"{'mean change':<16}{'inside':>9}{'at seams':>9}{'ratio':>9}")
    if wanted.output:
        film = [frame.image for frame in islice(open_source(wanted.output), wanted.frames)]
        report("film", film, source, boundaries)
        return
    settings = Settings()
    plan = pipeline.analyse(frames, build.attentive(settings, build.detector(settings)))
    for name, carried in (("with carry", True), ("without carry", False)):
        out = painted(frames, plan, wanted.chunk, carried=carried)
        report(name, out, source, boundaries)


if __name__ == "__main__":
    main()
