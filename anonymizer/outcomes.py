"""What a report says of tracks, of the parts at work, what they run on and how long they took."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from importlib import metadata
from itertools import groupby

import anonymizer
from anonymizer.data import Track
from anonymizer.plan import Plan
from anonymizer.protocols import Detector, provider_of
from anonymizer.report import Span, TrackOutcome
from anonymizer.studio import Studio
from anonymizer.verify import Second
from anonymizer.wording import AS_SET


def tracks(plan: Plan, time_base: Fraction) -> tuple[TrackOutcome, ...]:
    """What became of every face of a plan.

    Args:
        plan: What was painted.
        time_base: Seconds per unit of its times.
    """
    times = _seconds(plan, time_base)
    return tuple(_outcome(plan, track, times) for track in plan.tracks)


@contextmanager
def timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Add the time that passes to a stage's seconds, unless an error ends it."""
    start = time.perf_counter()
    yield
    took = time.perf_counter() - start
    seconds[stage] = round(seconds.get(stage, 0) + took, 3)


def versions() -> dict[str, str]:
    """Versions of this program and of what decides its results."""
    names = ("torch", "diffusers", "av", "opencv-python", "numpy", "onnxruntime")
    return {"veilframe": anonymizer.__version__} | {name: metadata.version(name) for name in names}


def devices(detector: Detector, second: Second | None, studio: Studio) -> dict[str, str]:
    """What the parts that look and the part that paints run on, as they say themselves."""
    names = {"detector": provider_of(detector), "painter": provider_of(studio.face.replacer)}
    return names | ({"second_detector": provider_of(second.detector)} if second else {})


def _seconds(plan: Plan, time_base: Fraction) -> list[float]:
    """When every frame is shown, from the first on, and when the film ends.

    The last frame is taken to be shown as long as the one before it.
    """
    units = (plan.pts - plan.pts[0]).tolist()
    end = 2 * units[-1] - units[-2] if len(units) > 1 else units[-1]
    return [round(float(unit * time_base), 3) for unit in (*units, end)]


def _outcome(plan: Plan, track: Track, times: list[float]) -> TrackOutcome:
    count, action = Counter(track.origins), plan.action(track)
    asked = track.wording if action == "replace" else AS_SET
    return TrackOutcome(
        track=track.id,
        shot=track.shot,
        start=track.start,
        stop=track.stop,
        detected=count["detected"],
        interpolated=count["interpolated"],
        extended=count["extended"],
        repaired=count["repaired"],
        spans=tuple(_spans(track, times)),
        action=action,
        prompt=asked.prompt,
        negative_prompt=asked.negative_prompt,
    )


def _spans(track: Track, times: list[float]) -> Iterator[Span]:
    start = track.start
    for origin, run in groupby(track.origins):
        stop = start + sum(1 for _ in run)
        yield Span(origin, start, stop, times[start], times[stop])
        start = stop
