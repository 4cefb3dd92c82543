"""How far what is painted moves from how it should, by every mediator, scene by scene.

    python -m tests.benchmarks.bench_flow [--frames 12] [--seeds 2] [--options TOML]

`anonymize bench --part flow` with more to choose from. The scene ``talking`` is the beginning of
`samples/talking.mp4`, which comes with the exact flow of a head that speaks and turns; the others
are those of `anonymizer.bench`.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

import mediators
from anonymizer import build, pipeline
from anonymizer.bench import flow
from anonymizer.bench.films import Moving
from anonymizer.protocols import Mediator
from anonymizer.settings import Painting, Settings
from anonymizer.studio import Studio
from anonymizer.video.media import open_source

SAMPLE = Path("samples/talking.mp4")
NAMES = (flow.ALONE, "none", "medm", "fresco", "medm+fresco")
Options = dict[str, dict[str, Any]]


def mediator_of(name: str, options: Options) -> Mediator:
    return flow.Alone() if name == flow.ALONE else mediators.united(name, options)


def scene_of(name: str, count: int, settings: Settings) -> Callable[[Studio, int], flow.Errors]:
    """Paints a scene by a studio under a seed and measures it."""
    if name != "talking":
        made = Moving.of(name, count, flow.SIZE, 1.0)
        return lambda studio, seed: flow.in_scene(made.frames, made.plan, made.flow, studio, seed)
    frames = list(islice(open_source(SAMPLE), count))
    truth = np.load(SAMPLE.with_suffix(".flow.npz"))["flow"].astype(np.float32)[: count - 1]
    plan = pipeline.analyse(frames, build.attentive(settings, build.detector(settings)))
    return lambda studio, seed: flow.in_scene(frames, plan, truth, studio, seed)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="flow of what is painted against exact flow")
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--scenes", nargs="*", default=("talking", *flow.SCENES))
    parser.add_argument("--options", default="", help="TOML: options of mediators by name")
    parser.add_argument("--init", default="guide", choices=("guide", "noise"))
    parser.add_argument("--steps", type=int)
    parser.add_argument("--keyframes", default="auto")
    parser.add_argument("--mediate-every", type=int)
    parser.add_argument("--mediators", nargs="*", default=NAMES)
    wanted = parser.parse_args(arguments)
    painting = Painting(
        init=wanted.init,
        steps=wanted.steps,
        keyframes=wanted.keyframes,
        mediate_every=wanted.mediate_every,
    )
    settings = Settings(painting=painting)
    studio = build.studio(settings)
    options = tomllib.loads(wanted.options)
    print(f"{'scene':<12}{'mediator':<14}{'EPE (px)':>10}{'change':>10}")
    for name in wanted.scenes:
        measured = scene_of(name, wanted.frames, settings)
        for each in wanted.mediators:
            own = flow.mediated(studio, mediator_of(each, options))
            found = [measured(own, seed) for seed in range(wanted.seeds)]
            off, change = (float(np.mean(column)) for column in zip(*found, strict=True))
            print(f"{name:<12}{each:<14}{off:>10.4f}{change:>10.3f}", flush=True)


if __name__ == "__main__":
    main()
