"""Blurring by other programs that are installed here, beside our own, whole processes in turn."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

from anonymizer.bench.figures import Figure, figure, quotients
from anonymizer.bench.films import Film
from anonymizer.bench.processes import command

_LAUNCH: Final = (
    "import sys\n"
    "from importlib.metadata import entry_points\n"
    "(found,) = entry_points(group='console_scripts', name=sys.argv[1])\n"
    "sys.argv = sys.argv[1:]\n"
    "sys.exit(found.load()())\n"
)
"""Runs an installed program, wherever its script is."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Another program on the same film; figures are None where it did not run."""

    version: str | None
    skipped: str | None
    """Why it did not run."""
    frames_per_s: Figure | None = None
    ours_frames_per_s: Figure | None = None
    """Of ``anonymize run --replace blur``, its second look included."""
    wall_ratio: Figure | None = None
    """Their time over ours, within each round."""
    cpu_ratio: Figure | None = None
    """The same in seconds of processor."""


def measure(film: Film, rounds: int, folder: Path) -> dict[str, Peer]:
    """Blur the film by every program in turn."""
    own = [sys.executable, "-P", "-m", "anonymizer", "run", str(film.path), "--replace", "blur"]
    own += ["--quiet", "--overwrite", "-o", str(folder / "own.mp4")]
    return {
        name: measure_one(name, words(film.path, folder), own, len(film.frames), rounds)
        for name, words in _PEERS.items()
    }


def measure_one(name: str, words: list[str], own: list[str], count: int, rounds: int) -> Peer:
    """Blur ``count`` frames by one program, and by ours, in turn."""
    found = list(metadata.entry_points(group="console_scripts", name=name))
    if not found:
        return Peer(None, "not installed")
    version = found[0].dist.version if found[0].dist else None
    theirs = [sys.executable, "-P", "-c", _LAUNCH, name, *words]
    if reason := _READY.get(name, lambda: None)():
        return Peer(version, reason)
    try:
        pairs = [(command(theirs), command(own)) for _ in range(rounds)]
    except subprocess.CalledProcessError as error:
        failed = "anonymize run" if error.cmd == own else "it"
        return Peer(version, f"{failed} failed with exit code {error.returncode}")
    wall, cpu = zip(*(their for their, _ in pairs), strict=True)
    our_wall, our_cpu = zip(*(our for _, our in pairs), strict=True)
    return Peer(
        version,
        None,
        figure(count / seconds for seconds in wall),
        figure(count / seconds for seconds in our_wall),
        figure(quotients(wall, our_wall)),
        figure(quotients(cpu, our_cpu)),
    )


def _without_weights() -> str | None:
    """Why PrivateFrame cannot run here; asking it fetches nothing."""
    words = [sys.executable, "-P", "-c", _LAUNCH, "insightface-privateframe", "doctor"]
    said = subprocess.run(words, check=False, capture_output=True, text=True)
    try:
        ready = json.loads(said.stdout)["ready"]
    except (ValueError, KeyError):
        return "its doctor gives no answer"
    return None if ready else "not ready: its models are not here"


_PEERS: Final[dict[str, Callable[[Path, Path], list[str]]]] = {
    "deface": lambda film, folder: [str(film), "-o", str(folder / "deface.mp4")],
    "insightface-privateframe": lambda film, folder: [
        *("process", "--input", str(film), "--output-dir", str(folder / "private")),
        *("--progress", "none", "--overwrite"),
    ],
}
"""Words for each program, by its name."""
_READY: Final[dict[str, Callable[[], str | None]]] = {"insightface-privateframe": _without_weights}
"""Says why a program cannot run."""
