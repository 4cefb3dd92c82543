"""Speed of every stage on one film, and what mediation adds."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from unittest.mock import patch

from anonymizer import crops, pipeline
from anonymizer.bench.figures import Figure, figure, quotients
from anonymizer.bench.films import Film
from anonymizer.data import Frame
from anonymizer.diffusion.autoencoder import Autoencoder
from anonymizer.diffusion.model import LatentModel
from anonymizer.errors import JobError
from anonymizer.plan import Plan
from anonymizer.protocols import Continuing, Detector, Mediator
from anonymizer.studio import Brush, Studio
from anonymizer.video.media import open_sink, open_source
from mediators._repository import Repository

BARE: Final = "paint, not mediated"
MEDIATED: Final = "paint, mediated"
NAMES: Final[tuple[str, ...]] = (
    "decode",
    "find",
    BARE,
    MEDIATED,
    "of which: cut",
    "of which: draw",
    "of which: flow and coding",
    "of which: denoise",
    "of which: to and from latents",
    "of which: harmonize",
    "of which: paste",
    "encode",
)
"""Of the stages, in the order in which they are shown."""
_PARTS: Final = (
    (crops, "cut_clip", "of which: cut"),
    (LatentModel, "__call__", "of which: denoise"),
    (Autoencoder, "encode", "of which: to and from latents"),
    (Autoencoder, "decode", "of which: to and from latents"),
    (Repository, "harmonize", "of which: harmonize"),
    (crops, "paste", "of which: paste"),
)
"""What is timed inside painting: owner, name, and what it is called."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage over all rounds."""

    frames_per_s: Figure | None
    cpu_s_per_frame: Figure | None


@dataclass(frozen=True, slots=True)
class Stages:
    """All of them."""

    stages: dict[str, Stage]
    mediated_over_bare: Figure | None
    """Wall time of painting, within each round."""
    mediated_over_bare_cpu: Figure | None
    """Seconds of processor."""
    harmonize_share: Figure | None
    """Of the processor time of mediated painting."""


class Watch:
    """Adds up the time spent in calls."""

    def __init__(self) -> None:
        self.wall: dict[str, float] = defaultdict(float)
        self.cpu: dict[str, float] = defaultdict(float)

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same call, timed."""

        def timed(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any call
            start = time.perf_counter(), time.process_time()
            try:
                return call(*args, **kwargs)
            finally:
                self.wall[name] += time.perf_counter() - start[0]
                self.cpu[name] += time.process_time() - start[1]

        return timed


def measure(film: Film, detector: Detector, studio: Studio, plain: Mediator, rounds: int) -> Stages:
    """Run every stage over the film in every round.

    Args:
        film: What to work on.
        detector: Finds.
        studio: Paints, mediated.
        plain: The mediator that does nothing.
        rounds: Number of rounds.

    Raises:
        JobError: if the film shows no face.
    """
    bare = changed(studio, lambda brush: replace(brush, mediator=plain))
    _settled(film, detector, studio)
    watches = [_round(film, detector, bare, studio, swapped=bool(at % 2)) for at in range(rounds)]
    count = len(film.frames)

    def column(kind: str, name: str) -> list[float]:
        return [getattr(watch, kind)[name] for watch in watches]

    stages = {
        name: Stage(
            figure(count / seconds for seconds in column("wall", name)),
            figure(seconds / count for seconds in column("cpu", name)),
        )
        for name in NAMES
        if name in watches[0].wall
    }
    inside = column("cpu", "of which: harmonize")
    return Stages(
        stages,
        figure(quotients(column("wall", MEDIATED), column("wall", BARE))),
        figure(quotients(column("cpu", MEDIATED), column("cpu", BARE))),
        figure(quotients(inside, column("cpu", MEDIATED))),
    )


def changed(studio: Studio, change: Callable[[Brush], Brush]) -> Studio:
    """The studio with other brushes for faces that are not small."""
    large = change(studio.large) if studio.large else None
    return replace(studio, face=change(studio.face), large=large)


def painted(frames: list[Frame], plan: Plan, studio: Studio) -> list[Frame]:
    """The film with other faces."""
    return list(pipeline.render(frames, plan, studio, lambda track: track, ahead=frames))


def _settled(film: Film, detector: Detector, studio: Studio) -> None:
    """Let every part work once before it is timed; there must be something to do."""
    plan = pipeline.analyse(film.frames, detector)
    if not plan.tracks:
        reason = f"shows no face in its first {len(film.frames)} frames; give another with --clip"
        raise JobError(film.source, reason)
    painted(film.frames, plan, studio)


def _round(film: Film, detector: Detector, bare: Studio, studio: Studio, *, swapped: bool) -> Watch:
    """All stages once; which of the two paintings comes first is ``swapped`` in every other."""
    watch, inside = Watch(), Watch()
    frames = watch.around("decode", film.read)()
    plan = watch.around("find", pipeline.analyse)(frames, detector)
    done: list[Frame] = []
    for name in (MEDIATED, BARE) if swapped else (BARE, MEDIATED):
        if name == BARE:
            watch.around(BARE, painted)(frames, plan, bare)
            continue
        with _taken_apart(studio, inside):
            done = watch.around(MEDIATED, painted)(frames, plan, studio)
    with TemporaryDirectory() as folder:
        watch.around("encode", _encode)(film.source, Path(folder), done)
    for whole, part in ((watch.wall, inside.wall), (watch.cpu, inside.cpu)):
        whole.update(part)
    return watch


@contextmanager
def _taken_apart(studio: Studio, watch: Watch) -> Iterator[None]:
    """Time what goes on inside painting."""
    brushes = (studio.face, studio.large or studio.face)
    own: set[tuple[Any, str, str]] = set()
    for brush in brushes:
        drawing = "continued" if isinstance(brush.replacer, Continuing) else "sketch"
        own.add((type(brush.replacer), drawing, "of which: draw"))
        own.add((type(brush.mediator), "prepare", "of which: flow and coding"))
    with ExitStack() as stack:
        for owner, method, name in (*_PARTS, *own):
            call = watch.around(name, getattr(owner, method))
            stack.enter_context(patch.object(owner, method, call))
        yield


def _encode(source: Path, folder: Path, frames: list[Frame]) -> None:
    with open_sink(folder / f"out{source.suffix}", source, open_source(source).info) as sink:
        for frame in frames:
            sink.write(frame)
