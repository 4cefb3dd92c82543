"""Broken films are refused in a line or come out as what they still are; nothing hangs."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest

from tests import fuzz
from tests.films import make_video, truncate

ROOT: Final = Path(__file__).resolve().parents[1]
HANGS_S: Final = 30
STARTS_S: Final = 100
PART: Final = 30

Result = tuple[int, str, str, str]
"""Seed, suffix, what was done to the file, what happened."""


class Trials:
    """Results by seed, worked out in order by a process that may die or hang."""

    def __init__(self, command: Sequence[str], stop: int, *, patience_s: float = HANGS_S) -> None:
        self._command, self._stop, self._patience_s = command, stop, patience_s
        self.results: list[Result] = []
        self._start(0)

    def _start(self, seed: int) -> None:
        arguments = [*self._command, str(seed), str(self._stop)]
        self._process = subprocess.Popen(
            arguments, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._fresh = True
        self._reader = threading.Thread(target=self._read, args=(self._process, self._lines))
        self._reader.start()

    @staticmethod
    def _read(process: subprocess.Popen[str], lines: queue.SimpleQueue[str]) -> None:
        assert process.stdout is not None
        with process.stdout as said:
            for line in said:
                lines.put(line)
        lines.put("")

    def upto(self, seed: int) -> list[Result]:
        """All results before this seed."""
        while len(self.results) < seed:
            self.results.append(self._next())
        return self.results[:seed]

    def _next(self) -> Result:
        try:
            patience_s = max(STARTS_S * self._fresh, self._patience_s)
            line = self._lines.get(timeout=patience_s)
        except queue.Empty:
            return self._lost(f"BAD hung for {patience_s} s")
        self._fresh = False
        if not line:
            return self._lost(f"BAD died with {self._process.wait()}")
        seed, suffix, name, said = json.loads(line)
        assert seed == len(self.results)
        return seed, suffix, name, said

    def _lost(self, said: str) -> Result:
        self.close()
        self._start(len(self.results) + 1)
        return len(self.results), "", "", said

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        self._reader.join()


@pytest.fixture(scope="module")
def trials() -> Iterator[Trials]:
    running = Trials([sys.executable, "-m", "tests.fuzz"], 300)
    yield running
    running.close()


@pytest.mark.parametrize("stop", range(PART, 301, PART))
def test_a_broken_film_is_refused_or_comes_out_as_what_it_still_is(trials, stop):
    results = trials.upto(stop)[stop - PART :]
    assert [result for result in results if not result[3].startswith("good")] == []


def test_every_container_was_both_refused_and_published(trials):
    """Or the damage would be too little, or too much, to test anything."""
    outcomes = {(suffix, said.split()[1] == "refused:") for _, suffix, _, said in trials.upto(300)}
    assert outcomes == {(suffix, way) for suffix in fuzz.FILMS for way in (False, True)}


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_three_thousand_broken_films():
    running = Trials([sys.executable, "-m", "tests.fuzz"], 3000)
    try:
        results = running.upto(3000)
    finally:
        running.close()
    assert [result for result in results if not result[3].startswith("good")] == []


HANGING = (
    'import json, sys, time\nprint(json.dumps([0, "", "", "good"]), flush=True)\ntime.sleep(99)'
)
DYING = 'import os, sys\nif sys.argv[1] == \'0\': os.abort()\nprint(\'[1, "", "", "good"]\')'


def test_a_process_that_hangs_or_dies_is_noticed():
    for code, expected in (
        (HANGING, ["good", "BAD hung for 0.5 s"]),
        (DYING, ["BAD died with -6", "good"]),
    ):
        running = Trials([sys.executable, "-c", code], 2, patience_s=0.5)
        said = [result[3] for result in running.upto(2)]
        running.close()
        assert said == expected


def test_the_same_seed_does_the_same_damage(tmp_path):
    whole = fuzz.whole_film(tmp_path, ".mp4").read_bytes()
    first, again = ([fuzz.damaged(whole, seed) for seed in range(60)] for _ in range(2))
    assert first == again
    assert {name for name, _ in first} == set(fuzz.DAMAGES)
    assert all(content != whole for _, content in first)


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({}, "the face is seen in frames"),
        ({"frames": 29}, "29 frames, the source decodes to 30"),
        ({"pts": [*range(29), 31]}, "frame 29 is at another time"),
    ],
)
def test_the_judge_sees_what_is_wrong(tmp_path, change, wrong):
    source = fuzz.whole_film(tmp_path, ".mp4")
    usual = {"frames": 30, "rate": fuzz.RATE, "size": fuzz.SIZE, "draw": fuzz.draw}
    target = make_video(tmp_path / "out.mp4", **usual | change)
    assert wrong in fuzz.verdict(source, target, said=False)


def test_the_judge_wants_to_be_told_of_a_missing_end(tmp_path):
    source = truncate(fuzz.whole_film(tmp_path, ".mkv"), 0.6)
    usual = {"rate": fuzz.RATE, "size": fuzz.SIZE, "draw": lambda _: fuzz.draw(0) * 0}
    target = make_video(tmp_path / "out.mkv", frames=len(fuzz.raw(source).images), **usual)
    assert "nobody was told" in fuzz.verdict(source, target, said=False)
    assert fuzz.verdict(source, target, said=True) == ""
