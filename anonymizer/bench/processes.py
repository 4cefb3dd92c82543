"""Whole runs in processes of their own: what they cost, and the memory they take."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Final, NamedTuple

from anonymizer.bench.figures import Figure, figure, quotients
from anonymizer.bench.films import Film
from anonymizer.settings import Settings

TIMES: Final = (1, 2, 4, 10)
"""How often the film is repeated."""


class Spent(NamedTuple):
    """What one run took."""

    cpu_s: float
    peak_mib: float


@dataclass(frozen=True, slots=True)
class Length:
    """How cost and memory grow with the length of the film."""

    frames: dict[str, int]
    """By how often the film is repeated."""
    cpu_s: dict[str, Figure | None]
    peak_mib: dict[str, Figure | None]
    cost_growth: Figure | None
    """Processor time of a frame added from 2 to 4 times the film over that from 1 to 2 times: 1
    where cost is linear."""
    memory_growth: Figure | None
    """Peak memory at the largest length over that at the smallest."""


def measure(film: Film, settings: Settings, rounds: int, folder: Path) -> Length:
    """Anonymize the film once and repeated, each time in a process of its own."""
    paths = {times: film.repeated(times, folder) for times in TIMES}
    spent = {
        times: [run(settings, path, folder / "out.mp4") for _ in range(rounds)]
        for times, path in paths.items()
    }
    cpu = {times: [each.cpu_s for each in runs] for times, runs in spent.items()}
    peak = {times: [each.peak_mib for each in runs] for times, runs in spent.items()}
    low, middle, high, _ = TIMES
    late = [(b - a) / (high - middle) for a, b in zip(cpu[middle], cpu[high], strict=True)]
    early = [(b - a) / (middle - low) for a, b in zip(cpu[low], cpu[middle], strict=True)]
    return Length(
        {f"{times}x": times * len(film.frames) for times in TIMES},
        {f"{times}x": figure(values) for times, values in cpu.items()},
        {f"{times}x": figure(values) for times, values in peak.items()},
        figure(quotients(late, early)),
        figure(quotients(peak[TIMES[-1]], peak[low])),
    )


def run(settings: Settings, source: Path, target: Path) -> Spent:
    """What it takes to anonymize a film, start of the process included."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_run, settings, source, target).result()


def _run(settings: Settings, source: Path, target: Path) -> Spent:
    from anonymizer.jobs import Anonymizer

    Anonymizer(settings).file(source, target, overwrite=True)
    return Spent(time.process_time(), peak_mib())


def peak_mib() -> float:
    """Peak resident size of this process.

    Linux's own count for `getrusage` goes on from the process that started this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def command(words: Sequence[str]) -> tuple[float, float]:
    """Seconds, and seconds of processor, that a program takes.

    Raises:
        subprocess.CalledProcessError: if it fails.
    """
    start, before = time.perf_counter(), os.times()
    subprocess.run(words, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    after = os.times()
    cpu = after.children_user - before.children_user + after.children_system
    return time.perf_counter() - start, cpu - before.children_system
