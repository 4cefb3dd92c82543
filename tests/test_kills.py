"""Whenever a run is killed: no unfinished film at the destination, no litter after the next run.

To come to the interesting moments sooner, the program runs in forks of a process that has loaded
its libraries; the slow test starts it as people do.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from tests.anonymizer.test_jobs import film

ROOT: Final = Path(__file__).resolve().parents[1]
SIGNALS: Final = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)

LOADED = """
import json, os, signal, sys
import cli, anonymizer.commands.film, anonymizer.jobs, anonymizer.reportfile
import detectors.centerface, mediators.medm

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_RDWR), 1)
        os.dup2(1, 2)
        sys.argv = ["anonymize", *json.loads(line)]
        try:
            cli.main()
        except SystemExit as end:
            os._exit(int(end.code or 0))
    print(child, flush=True)
    sys.stdin.readline()
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Forks:
    """Runs of the program, in forks of one that is loaded."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-c", LOADED],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, words: list[str], number: int = 0, wait: Callable[[], object] = list) -> int:
        """One run, perhaps with a signal after some waiting; its exit code."""
        self._say(json.dumps(words))
        child = int(self._answer())
        wait()
        os.kill(child, number)  # it is there, if only as a zombie: nobody waited yet
        self._say("")
        return int(self._answer())

    def _say(self, line: str) -> None:
        assert self._server.stdin is not None
        self._server.stdin.write(line + "\n")
        self._server.stdin.flush()

    def _answer(self) -> str:
        assert self._server.stdout is not None
        return self._server.stdout.readline()

    def close(self) -> None:
        """End the server."""
        self._server.communicate()


class Processes:
    """Runs of the program as people start it."""

    def run(self, words: list[str], number: int = 0, wait: Callable[[], object] = list) -> int:
        """One run, perhaps with a signal after some waiting; its exit code."""
        process = subprocess.Popen(
            [sys.executable, "-m", "anonymizer", *words],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait()
        process.send_signal(number)
        return process.wait()


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    loaded = Forks()
    yield loaded
    loaded.close()


def begun(folder: Path, seconds: float = 0) -> float:
    """Wait until there is an unfinished file, and then some time; when that was."""
    deadline = time.monotonic() + 60
    while not list(folder.glob(".*")) and time.monotonic() < deadline:
        time.sleep(0.002)
    now = time.monotonic()
    time.sleep(seconds)
    return now


def torture(runner: Forks | Processes, folder: Path, kills: int, seed: int) -> set[int]:
    """Kill runs at random moments and look each time; the exit codes."""
    source = film(folder / "in.mp4", frames=12, draw=None)
    output, report = folder / "in_anonymized.mp4", folder / "in_anonymized.report.json"
    words = ["run", str(source), "--replace", "cover", "--seed", "3", "--quiet"]
    start, writing = time.monotonic(), []
    assert runner.run(words, 0, lambda: writing.append(begun(folder))) == 0
    whole_s, writing_s = time.monotonic() - start, time.monotonic() - writing[0]
    right = hashlib.sha256(output.read_bytes()).hexdigest()
    codes: set[int] = set()
    rng = np.random.default_rng(seed)
    for turn in range(kills):
        for result in folder.glob("in_anonymized*"):
            result.unlink()
        number = SIGNALS[turn % len(SIGNALS)]
        share = float(rng.uniform()) if turn >= len(SIGNALS) else 0
        wait: Callable[[], object] = partial(time.sleep, share * whole_s)
        if turn // len(SIGNALS) % 2 == 0:  # while there is an unfinished file
            wait = partial(begun, folder, share * writing_s)
        code = runner.run(words, number, wait)
        codes.add(code)
        litter = [path.name for path in folder.iterdir() if path.name.startswith(".")]
        if number != signal.SIGKILL:
            assert litter == [], f"{number} left litter"
        if output.exists():
            assert hashlib.sha256(output.read_bytes()).hexdigest() == right
        else:
            assert code != 0
        if report.exists():
            assert json.loads(report.read_text())["output_sha256"] == right
        if litter:
            assert runner.run([*words, "--overwrite"]) == 0
            left = sorted(path.name for path in folder.iterdir())
            assert left == ["in.mp4", output.name, "in_anonymized.report.html", report.name]
    return codes


def test_a_run_that_is_killed_at_any_moment_leaves_no_half_film(forks, tmp_path):
    codes = torture(forks, tmp_path, kills=10, seed=1)
    assert -signal.SIGKILL in codes
    assert 130 in codes


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_fifty_runs_that_are_killed_at_any_moment_leave_no_half_film(tmp_path):
    assert -signal.SIGKILL in torture(Processes(), tmp_path, kills=50, seed=2)
