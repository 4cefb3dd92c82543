"""How far what is painted moves from how it should: the flow of the result against exact flow.

    python -m tests.benchmarks.bench_flow [--frames 25] [--seeds 2] [--options TOML]

The first pictures of `samples/talking.mp4` come with the exact flow of a head that speaks and
turns. Each mediator paints them; dense flow is estimated between the results and compared, in the
core of the painted area and where the truth is known. Change is what is left between a picture and
the one before it moved along the exact flow, in levels of 255. A second scene is built here: a
drawn head and a pattern behind it that move, zoom or turn as one, so that the truth is known of
every pixel and nothing but the painter can cause an error.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import mediators
from anonymizer import build, pipeline
from anonymizer.data import Carry, Clip, Frame
from anonymizer.protocols import Mediator
from anonymizer.settings import Painting, Settings
from anonymizer.video.media import open_source
from mediators._flow import Dis, places
from tests import factories
from tests.benchmarks.bench_stages import changed
from tests.scenes import scene

SAMPLE = Path("samples/talking.mp4")
NAMES = ("alone", "none", "medm", "fresco", "medm+fresco")
SCENES = ("subpixel", "pan", "zoom", "rotation")
Options = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Apart:
    """No mediation, and noise of its own for every frame: what a painter of pictures does."""

    indices: tuple[int, ...]
    together: bool = False

    def noise(self, shape: tuple[int, ...], seed: int) -> Tensor:
        rows = [
            torch.randn(shape[1:], generator=torch.Generator().manual_seed(1000 * seed + index))
            for index in self.indices
        ]
        return torch.stack(rows)

    def __call__(self, x0: Tensor, sigma: float) -> Tensor:
        return x0

    def attach(self, model: Any, reference: Any = None) -> AbstractContextManager[None]:
        return nullcontext()

    def carry(self) -> Carry | None:
        return None


class Alone:
    def prepare(self, clip: Clip, carry: Carry | None) -> Apart:
        return Apart(clip.indices[clip.lead :])


def mediator_of(name: str, options: Options) -> Mediator:
    return Alone() if name == "alone" else mediators.united(name, options)


class Errors(NamedTuple):
    """Means over the known pixels of all pairs of pictures."""

    flow: float
    """End-point error in pixels."""
    change: float
    """Levels of 255."""


def errors(
    film: Sequence[NDArray[np.uint8]],
    truth: NDArray[np.float32],
    known: Sequence[NDArray[np.bool_]],
) -> Errors:
    """Errors of a film against the flow (T-1, H, W, 2) from each picture to the next."""
    flows, levels = [], []
    for at, flow in enumerate(truth):
        there, _ = Dis()(film[at], film[at + 1])
        inside = known[at] & np.isfinite(flow).all(-1)
        grid = np.where(inside[..., None], places(*inside.shape) + flow, 0).astype(np.float32)
        moved = cv2.remap(film[at + 1], grid, None, cv2.INTER_LINEAR)
        flows.append(np.linalg.norm(there - flow, axis=-1)[inside])
        levels.append(cv2.absdiff(moved, film[at]).mean(-1)[inside])
    return Errors(float(np.concatenate(flows).mean()), float(np.concatenate(levels).mean()))


def sample(count: int, settings: Settings) -> Callable[[Mediator, int], Errors]:
    """Paints the sample by a mediator under a seed and measures it."""
    frames = list(islice(open_source(SAMPLE), count))
    truth = np.load(SAMPLE.with_suffix(".flow.npz"))["flow"].astype(np.float32)[: count - 1]
    plan = pipeline.analyse(frames, build.attentive(settings, build.detector(settings)))
    studio = build.studio(settings)

    def measured(mediator: Mediator, seed: int) -> Errors:
        own = changed(studio, lambda brush: replace(brush, mediator=mediator))
        out: list[Frame] = list(pipeline.render(frames, plan, own, lambda track: seed + track))
        known = [eroded(frame.changed) for frame in out]
        return errors([frame.image for frame in out], truth, known)

    return measured


def eroded(area: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    """The painted area without its feathered edge."""
    assert area is not None
    return np.asarray(cv2.erode(area.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0)


def moving(name: str, count: int) -> tuple[Clip, NDArray[np.float32]]:
    """A clip of 128 pixels in which everything moves by one map, and its exact flow."""
    side = 128
    film = scene(name, count, (side, side))
    start = factories.clip(1, side)
    points = [start.landmarks[0]]
    masks = [start.mask[0]]
    for flow, back in zip(film.flow_forward, film.flow_backward, strict=True):
        points.append(points[-1] + sampled(flow, points[-1]))
        grid = (places(side) + back).astype(np.float32)
        masks.append(cv2.remap(masks[-1], grid, None, cv2.INTER_LINEAR))
    mask = np.stack(masks)
    hidden = mask > 0
    clip = Clip(
        track=0,
        indices=tuple(range(count)),
        pixels=film.images,
        context=np.where(hidden[..., None], np.uint8(128), film.images),
        hidden=hidden,
        mask=mask,
        frame_from_crop=np.repeat(np.eye(3)[None], count, 0),
        landmarks=np.stack(points),
    )
    return clip, film.flow_forward


def sampled(flow: NDArray[np.float32], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Flow (n, 2) at points (n, 2)."""
    at = points.astype(np.float32)[None]
    return np.asarray(cv2.remap(flow, at, None, cv2.INTER_LINEAR)[0], np.float64)


def synthetic(name: str, count: int, settings: Settings) -> Callable[[Mediator, int], Errors]:
    """Paints a scene by a mediator under a seed and measures it, chunk by chunk of 8."""
    clip, truth = moving(name, count)
    studio = build.studio(settings)
    known = [cv2.erode((mask >= 1).astype(np.uint8), np.ones((5, 5))) > 0 for mask in clip.mask]

    def measured(mediator: Mediator, seed: int) -> Errors:
        film: list[NDArray[np.uint8]] = []
        carry: Carry | None = None
        for start in range(0, count, 8):
            lead = min(start, 4)
            part = section(clip, start - lead, min(start + 8, count), lead)
            sketch = studio.face.replacer.sketch(part, seed)
            mediation = mediator.prepare(sketch.moving, carry)
            film += list(sketch.paint(mediation))
            carry = mediation.carry()
        return errors(film, truth, known)

    return measured


def section(clip: Clip, start: int, stop: int, lead: int) -> Clip:
    """Crops start to stop, of which the first ``lead`` are painted."""
    names = ("indices", "pixels", "context", "hidden", "mask", "frame_from_crop", "landmarks")
    rows: dict[str, Any] = {name: getattr(clip, name)[start:stop] for name in names}
    return replace(clip, lead=lead, **rows)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="flow of what is painted against exact flow")
    parser.add_argument("--frames", type=int, default=25)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--scenes", nargs="*", default=("talking", *SCENES))
    parser.add_argument("--options", default="", help="TOML: options of mediators by name")
    parser.add_argument("--init", default="guide", choices=("guide", "noise"))
    parser.add_argument("--steps", type=int)
    parser.add_argument("--mediators", nargs="*", default=NAMES)
    wanted = parser.parse_args(arguments)
    settings = Settings(painting=Painting(init=wanted.init, steps=wanted.steps))
    threads = torch.get_num_threads()
    print(f"{'scene':<12}{'mediator':<14}{'EPE (px)':>10}{'change':>10}")
    for name in wanted.scenes:
        if name == "talking":
            measured = sample(wanted.frames, settings)
        else:
            measured = synthetic(name, wanted.frames, settings)
        torch.set_num_threads(1)  # the studio took all cores
        for each in wanted.mediators:
            mediator = mediator_of(each, tomllib.loads(wanted.options))
            found = [measured(mediator, seed) for seed in range(wanted.seeds)]
            flow, change = (float(np.mean(column)) for column in zip(*found, strict=True))
            print(f"{name:<12}{each:<14}{flow:>10.4f}{change:>10.3f}", flush=True)
    torch.set_num_threads(threads)


if __name__ == "__main__":
    main()
