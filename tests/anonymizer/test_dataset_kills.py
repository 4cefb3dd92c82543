"""Whoever is killed, whenever: the set is completed, nothing is half, and nothing is done twice.

A run that follows is started at once, while what the killed one left may still be dying.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from anonymizer import manifest
from anonymizer.orders import JOURNAL, STATE
from tests.anonymizer.test_dataset import ROOT, Bench, command
from tests.films import Film

RAY = ("--engine", "ray")


def below(pid: int) -> list[int]:
    """Processes that another one has started, and those that they have."""
    found: list[int] = []
    with suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for word in task.joinpath("children").read_text().split():
                found += [int(word), *below(int(word))]
    return found


def workers(pid: int, engine: tuple[str, ...]) -> list[int]:
    """Processes that work for a driver."""
    mark = b"ray::_Actor" if engine else b"spawn_main"
    found: list[int] = []
    for one in below(pid):
        with suppress(FileNotFoundError, ProcessLookupError):
            if mark in Path(f"/proc/{one}/cmdline").read_bytes():
                found.append(one)
    return found


class Torture:
    """A set, and what was seen of its results while runs were killed."""

    def __init__(self, bench: Bench, words: tuple[str, ...], engine: tuple[str, ...]) -> None:
        self.bench, self.engine = bench, engine
        self.words = ("--seed", "1", "--quiet", "--workers", "2", *engine, *words)
        self.began: set[int] = set()
        self.seen: set[bytes] = set()
        self.recorded: dict[str, int] = {}

    def start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(command(self.bench, *self.words), cwd=ROOT)

    def killed(self, rng: random.Random, *, driver: bool) -> None:
        """Kill a worker or the driver of a run; then, or at once, the driver."""
        process = self.start()
        if rng.random() < 0.7:
            self._await_work(process)
        time.sleep(rng.uniform(0, 3))
        found = workers(process.pid, self.engine)
        if found and not driver:
            with suppress(ProcessLookupError):
                os.kill(rng.choice(found), signal.SIGKILL)
            time.sleep(rng.uniform(0, 5))
        self.began |= set(below(process.pid))
        process.kill()
        process.wait()

    def _await_work(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until some worker has something in its folder."""
        work = self.bench.destination / STATE / "work"
        while process.poll() is None and not any(files for *_, files in os.walk(work)):
            time.sleep(0.02)

    def look(self) -> None:
        """What there is now must be whole, and what was recorded must not be made anew."""
        times: dict[str, int] = {}
        for file in self.bench.destination.rglob("*.mp4"):
            if STATE not in file.parts:
                self.seen.add(file.read_bytes())
                times[file.name] = file.stat().st_mtime_ns
        base = self.bench.destination / STATE / JOURNAL
        if not base.exists():
            return
        with manifest.journal(base, self.bench.root / "none") as known:
            rows = {row.path for row in known.rows()}
        assert set(self.recorded) <= rows, "a row was lost"
        assert self.recorded == {path: times[path] for path in self.recorded}, "made twice"
        self.recorded = {path: times[path] for path in rows}

    def ended(self) -> None:
        """A last run completes the set."""
        assert self.start().wait() == 0
        files = self.bench.files()
        assert sorted(files) == sorted(path.name for path in self.bench.source.iterdir())
        assert self.seen <= set(files.values()), "something half was seen"
        assert not (self.bench.destination / STATE / "work").exists()
        self.look()
        deadline = time.monotonic() + 60
        while (left := [pid for pid in self.began if _alive(pid)]) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert left == [], "processes were left"


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def torture(bench: Bench, kills: int, *engine: str) -> None:
    rng = random.Random(kills)
    film = Film(frames=3, size=(96, 64)).write(bench.root / "film.mp4").read_bytes()
    for number in range(4 * kills):
        (bench.source / f"{number}.mp4").write_bytes(film)
    long = Film(frames=48, size=(96, 64), cuts=(16, 32))
    long.write(bench.source / "0-long.mp4")
    runs = Torture(bench, ("--split-frames", "16"), engine)
    for attempt in range(kills):
        runs.killed(rng, driver=attempt % 2 == 0)
        runs.look()
    runs.ended()


@pytest.mark.timeout(300)
def test_killed_twice_the_set_is_completed_and_nothing_is_done_twice(bench):
    torture(bench, 2)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("engine", [(), RAY])
def test_killed_at_twenty_moments_the_set_is_completed_and_nothing_is_done_twice(bench, engine):
    torture(bench, 20, *engine)
