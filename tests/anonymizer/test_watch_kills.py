"""A watcher that is killed again and again while files arrive in every way that files do.

Written slowly, written under a hidden name and renamed, renamed in the open, and under a name
that was there before. In the end everything is done, and nothing twice.
"""

from __future__ import annotations

import hashlib
import json
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from anonymizer.video.media import open_source
from tests.anonymizer.test_watch import ROOT, Bench, command
from tests.films import Film


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Feeder(threading.Thread):
    """Puts films into an inbox until all are there."""

    def __init__(self, bench: Bench, films: list[bytes], rng: random.Random, pause_s: float):
        super().__init__()
        self.inbox, self.films, self.rng, self.pause_s = bench.inbox, films, rng, pause_s
        self.delivered: list[str] = []
        """Name that each film had in the end."""

    def run(self) -> None:
        ways = [self._slowly, self._hidden, self._renamed, self._again]
        for number, film in enumerate(self.films):
            folder = self.inbox / f"{number % 3}"
            folder.mkdir(exist_ok=True)
            name = ways[number % len(ways)](folder, number, film)
            self.delivered.append(name.relative_to(self.inbox).as_posix())
            time.sleep(self.rng.uniform(0, self.pause_s))

    def _slowly(self, folder: Path, number: int, film: bytes) -> Path:
        """In pieces, with pauses in which a hasty watcher may take it for whole."""
        target = folder / f"{number}.mp4"
        step = len(film) // 4 + 1
        with target.open("wb", buffering=0) as file:
            for start in range(0, len(film), step):
                file.write(film[start : start + step])
                time.sleep(self.rng.uniform(0, 0.6))
        return target

    def _hidden(self, folder: Path, number: int, film: bytes) -> Path:
        hidden = folder / f".{number}.mp4"
        hidden.write_bytes(film)
        time.sleep(0.3)
        return hidden.rename(folder / f"{number}.mp4")

    def _renamed(self, folder: Path, number: int, film: bytes) -> Path:
        first = folder / f"{number}.mp4.part"
        first.write_bytes(film)
        time.sleep(0.3)
        return first.rename(folder / f"{number}.mp4").rename(folder / f"r{number}.mp4")

    def _again(self, folder: Path, number: int, film: bytes) -> Path:
        """Under the name of another one, as soon as that is done."""
        target = folder / "again.mp4"
        deadline = time.monotonic() + 60
        while target.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        if target.exists():
            target = folder / f"again-{number}.mp4"
        target.write_bytes(film)
        return target


def films(folder: Path, count: int) -> list[bytes]:
    """Films that differ."""
    made = []
    for number in range(count):
        noise = np.random.default_rng(number).integers(0, 255, (64, 96, 3), np.uint8)
        film = Film(frames=3, size=(96, 64), draw=lambda _, image=noise: image)  # type: ignore[misc]
        made.append(film.write(folder / "film.mp4").read_bytes())
    return made


def run(bench: Bench, *words: str, seconds: float | None = None) -> list[dict[str, str]]:
    """One watcher, killed after some time or left to end; its events."""
    process = subprocess.Popen(
        command(bench.inbox, bench.outbox, *words), cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    if seconds is not None:
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
    text, _ = process.communicate(timeout=300)
    assert process.returncode == (0 if seconds is None else -signal.SIGKILL)
    return [json.loads(line) for line in text.splitlines() if line.endswith("}")]


def waiting(inbox: Path) -> list[Path]:
    """Films that are still to be done."""
    return [
        path
        for path in inbox.rglob("*.mp4")
        if path.relative_to(inbox).parts[0] not in ("done", "failed")
    ]


def torture(bench: Bench, kills: int) -> None:
    rng = random.Random(kills)
    given = films(bench.root, 3 * kills)
    feeder = Feeder(bench, given, random.Random(kills + 1), pause_s=3.0)
    feeder.start()
    events: list[dict[str, str]] = []
    for _ in range(kills):
        events += run(bench, seconds=rng.uniform(3, 9))
        for path in bench.outbox.rglob("*.mp4"):
            if not path.name.startswith("."):
                assert sum(1 for _ in open_source(path)) == 3, "half a film was seen"
    while feeder.is_alive() or waiting(bench.inbox):
        events += run(bench, "--once")
        time.sleep(0.5)  # what was taken half is due again after ten seconds
    feeder.join()
    done = [digest(path) for path in (bench.inbox / "done").rglob("*.mp4")]
    assert Counter(done) == Counter(hashlib.sha256(film).hexdigest() for film in given)
    assert not (bench.inbox / "failed").exists()
    results = [path for path in bench.outbox.rglob("*") if path.is_file()]
    assert not [path for path in results if path.name.startswith(".")]
    stems = Counter(name.replace("/", " ")[:-4] for name in feeder.delivered)
    for name, count in stems.items():
        place, stem = name.split(" ")
        made = list((bench.outbox / place).glob(f"{stem}_anonymized*.mp4"))
        assert len(made) >= count, f"a result of {name} is missing"
    told = Counter(event["path"] for event in events if event["kind"] == "done")
    assert told <= Counter(feeder.delivered) + _seen_early(feeder.delivered)


def _seen_early(delivered: list[str]) -> Counter[str]:
    """Names under which a watcher may have done a film that got its last name a moment later."""
    return Counter(
        name.replace("/r", "/") for name in delivered if name.partition("/")[2].startswith("r")
    )


@pytest.mark.timeout(300)
def test_killed_while_files_arrive_everything_is_done_once(bench):
    torture(bench, 2)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_twenty_times_while_files_arrive_everything_is_done_once(bench):
    torture(bench, 20)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)
