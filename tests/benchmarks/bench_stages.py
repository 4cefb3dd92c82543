"""Frames per second of every stage on one clip, and what mediation adds.

    python -m tests.benchmarks.bench_stages [CLIP] [--frames 96] [--rounds 3]

Each round runs every stage once over the same frames; medians of the rounds are printed with their
spread. The ratio of mediated to unmediated painting is taken within each round.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import mediators
from anonymizer import build, crops, pipeline
from anonymizer.data import Frame
from anonymizer.pipeline import Brush, Studio
from anonymizer.plan import Plan
from anonymizer.settings import Settings
from anonymizer.video.media import open_sink, open_source

ROOT = Path(__file__).resolve().parents[2]
Times = dict[str, list[float]]


class Watch:
    """Adds up the time spent in calls."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same call, timed."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            try:
                return call(*args, **kwargs)
            finally:
                self.seconds[name] += time.perf_counter() - start

        return timed


def painted(frames: list[Frame], plan: Plan, studio: Studio) -> list[Frame]:
    return list(pipeline.render(frames, plan, studio, lambda track: track))


def changed(studio: Studio, change: Callable[[Brush], Brush]) -> Studio:
    """The studio with other brushes for faces that are not small."""
    large = change(studio.large) if studio.large else None
    return replace(studio, face=change(studio.face), large=large)


def one_round(clip: Path, count: int, times: Times, parts: tuple[Any, Studio]) -> None:
    detector, studio = parts
    watch = Watch()
    source = open_source(clip)
    frames = watch.around("decode", lambda: list(islice(source, count)))()
    plan = watch.around("find", lambda: pipeline.analyse(frames, detector))()
    none = mediators.load("none", {})
    bare = changed(studio, lambda brush: replace(brush, mediator=none))
    watch.around("paint, not mediated", painted)(frames, plan, bare)
    inside = Watch()
    real = crops.cut_clip, crops.paste
    crops.cut_clip = inside.around("  cut crops", crops.cut_clip)
    crops.paste = inside.around("  paste", crops.paste)
    try:
        done = watch.around("paint, mediated", painted)(frames, plan, _timed(studio, inside))
    finally:
        crops.cut_clip, crops.paste = real
    with tempfile.TemporaryDirectory() as folder:
        watch.around("encode", _encode)(clip, Path(folder), done)
    for name, seconds in (watch.seconds | inside.seconds).items():
        times[name].append(seconds)


def _timed(studio: Studio, watch: Watch) -> Studio:
    class Timed:
        def __init__(self, part: Any, **names: str) -> None:
            self._part, self._names = part, names

        def __getattr__(self, name: str) -> Any:
            found = getattr(self._part, name)
            return watch.around(self._names[name], found) if name in self._names else found

    def timed(brush: Brush) -> Brush:
        return replace(
            brush,
            replacer=Timed(brush.replacer, sketch="  draw guides"),
            mediator=Timed(brush.mediator, prepare="  flow and coding"),
        )

    return changed(studio, timed)


def _encode(clip: Path, folder: Path, frames: list[Frame]) -> None:
    target = folder / f"out{clip.suffix}"
    with open_sink(target, clip, open_source(clip).info) as sink:
        for frame in frames:
            sink.write(frame)


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clip", type=Path, nargs="?", default=ROOT / "samples" / "talking.mp4")
    parser.add_argument("--frames", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args(words)
    settings = Settings(seed=1)
    finder = build.attentive(settings, build.detector(settings))
    parts = finder, build.studio(settings)
    times: Times = defaultdict(list)
    count = sum(1 for _ in islice(open_source(chosen.clip), chosen.frames))
    for _ in range(chosen.rounds):
        one_round(chosen.clip, count, times, parts)
    print(f"{chosen.clip.name}, {count} frames, {build.cores()} cores, {chosen.rounds} rounds")
    for name, seconds in times.items():
        spread = f"{count / max(seconds):.1f} to {count / min(seconds):.1f}"
        print(f"{name:32} {count / median(seconds):8.1f} frames/s  ({spread})")
    pairs = zip(times["paint, mediated"], times["paint, not mediated"], strict=True)
    ratios = [mediated / plain for mediated, plain in pairs]
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
    print(f"mediated / unmediated painting: {median(ratios):.2f} ({spread})")


if __name__ == "__main__":
    main()
