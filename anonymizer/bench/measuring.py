"""All measurements on one film, as one value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal, get_args

from anonymizer import build, outcomes
from anonymizer.bench import films, flow, peers, processes, seams, stages
from anonymizer.legal import choose
from anonymizer.settings import Settings

Part = Literal["stages", "length", "seams", "flow", "peers"]
"""What can be measured; docs/benchmarks.md explains each."""
PARTS: Final[tuple[str, ...]] = get_args(Part)


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be measured."""

    parts: tuple[str, ...]
    """Of `PARTS`."""
    clip: Path | None
    """None for a film that is drawn on the spot."""
    frames: int
    """Frames of the film, from its first on."""
    rounds: int

    def __post_init__(self) -> None:
        for part in self.parts:
            choose("part", part, Part)


@dataclass(frozen=True, slots=True)
class Machine:
    """Where it was measured."""

    cores: int
    devices: dict[str, str]
    versions: dict[str, str]


@dataclass(frozen=True, slots=True)
class Clip:
    """What it was measured on."""

    name: str
    frames: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Bench:
    """What was measured; None for parts that were not asked for."""

    machine: Machine
    clip: Clip
    rounds: int
    stages: stages.Stages | None = None
    length: processes.Length | None = None
    seams: dict[str, seams.Seams] | None = None
    flow: flow.Flow | None = None
    peers: dict[str, peers.Peer] | None = None

    def table(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def measure(order: Order, settings: Settings, tell: Callable[[str], None]) -> Bench:
    """Measure, one part after the other.

    Args:
        order: What.
        settings: Of the runs that are measured.
        tell: Told of every part before it starts.

    Raises:
        JobError: if the clip cannot be read, or shows no face.
    """
    with TemporaryDirectory(prefix="veilframe-bench-") as name:
        folder = Path(name)
        studio = build.studio(settings)
        detector = build.attentive(settings, build.detector(settings))
        if order.clip is None:
            film = films.drawn(studio, order.frames, folder)
        else:
            film = films.given(order.clip, order.frames, folder)
        plain = build.mediator("none", settings)
        painters = {
            flow.ALONE: flow.Alone(),
            "none": plain,
            settings.painting.mediator: studio.face.mediator,
        }
        parts: dict[str, Callable[[], Any]] = {
            "stages": lambda: stages.measure(film, detector, studio, plain, order.rounds),
            "length": lambda: processes.measure(film, settings, order.rounds, folder),
            "seams": lambda: seams.measure(
                film,
                detector,
                studio,
                order.rounds,
                chunk=settings.chunk,
                overlap=settings.overlap,
            ),
            "flow": lambda: flow.measure(studio, painters, order.rounds),
            "peers": lambda: peers.measure(film, order.rounds, folder),
        }
        found = {part: _told(part, parts[part], tell) for part in PARTS if part in order.parts}
    width, height = film.size
    return Bench(
        Machine(build.cores(), outcomes.devices(detector, None, studio), outcomes.versions()),
        Clip(film.name, len(film.frames), width, height),
        order.rounds,
        **found,
    )


def _told(part: str, work: Callable[[], Any], tell: Callable[[str], None]) -> Any:  # noqa: ANN401
    tell(part)
    return work()
