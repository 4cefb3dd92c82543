"""Workers die and are replaced; a task is lost only after two of them."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from multiprocessing import get_context
from pathlib import Path

import pytest

from anonymizer import workers
from anonymizer.errors import MissingWeights
from anonymizer.workers import Processes, shared_out


class Clerk:
    """Does what a task says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, task: str) -> str:
        word, _, rest = task.partition(" ")
        if word == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if word == "once":
            mark = self.folder / rest
            if not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        if word == "refuse":
            raise MissingWeights("w", "absent")
        if word == "hang":
            try:
                (self.folder / rest).touch()
                time.sleep(60)
            finally:
                (self.folder / rest).unlink()
        return f"{task} {os.getpid()}"


@contextmanager
def crew(folder: Path, size: int) -> Iterator[Processes[str, str]]:
    made: Processes[str, str] = Processes(partial(Clerk, folder), size)
    try:
        yield made
    finally:
        made.close()


def lost(task: str) -> str:
    return f"{task} lost"


def test_every_task_is_done_once_by_some_worker(tmp_path):
    with crew(tmp_path, 2) as made:
        results = list(shared_out(made, iter("abcdef"), lost))
    assert sorted(result.split()[0] for result in results) == list("abcdef")
    assert len({result.split()[1] for result in results}) == 2


def test_a_worker_that_dies_is_replaced_and_its_task_tried_once_more(tmp_path):
    tasks = ["a", "once x", "b", "die y", "c"]
    with crew(tmp_path, 1) as made:
        results = list(shared_out(made, iter(tasks), lost))
    done = [result.rpartition(" ")[0] for result in results]
    assert sorted(done) == ["a", "b", "c", "die y", "once x"]
    assert "die y lost" in results


def test_an_idle_worker_that_dies_costs_nothing(tmp_path):
    with crew(tmp_path, 1) as made:
        (first,) = shared_out(made, iter(["a"]), lost)
        os.kill(int(first.split()[1]), signal.SIGKILL)
        while os.path.exists(f"/proc/{first.split()[1]}/fd/0"):  # noqa: PTH110 - until it is gone
            time.sleep(0.01)
        (second,) = shared_out(made, iter(["b"]), lost)
    assert second.startswith("b ")
    assert second.split()[1] != first.split()[1]


def test_an_error_that_concerns_all_work_is_raised(tmp_path):
    with crew(tmp_path, 1) as made, pytest.raises(MissingWeights, match="absent"):
        list(shared_out(made, iter(["refuse"]), lost))


def test_no_task_is_looked_at_before_a_worker_is_idle(tmp_path):
    numbers = count()
    with crew(tmp_path, 2) as made:
        next(shared_out(made, (str(number) for number in numbers), lost))
    assert next(numbers) <= 3


def test_workers_roll_back_when_they_are_told_to_stop(tmp_path):
    with crew(tmp_path, 1) as made:
        made.hand("hang x")
        while not (tmp_path / "x").exists():
            time.sleep(0.01)
        assert made.idle == 0
    assert not (tmp_path / "x").exists()


def orphan(folder: Path) -> None:
    """Start a worker, give it endless work, and die."""
    made: Processes[str, str] = Processes(partial(Clerk, folder), 1)
    made.hand("hang x")
    while not (folder / "x").exists():
        time.sleep(0.01)
    worker = made._seats[0].process.pid
    (folder / "pid").write_text(str(worker))
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_dies_with_its_parent(tmp_path):
    process = get_context("spawn").Process(target=orphan, args=(tmp_path,))
    process.start()
    process.join(60)
    worker = Path("/proc") / (tmp_path / "pid").read_text()
    deadline = time.monotonic() + 30
    while _alive(worker) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _alive(worker)


def _alive(process: Path) -> bool:
    try:
        return process.joinpath("stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def _signals() -> Iterator[None]:
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("_signals")
def test_a_worker_serves_until_the_pipe_ends(tmp_path):
    near, far = get_context("spawn").Pipe()
    replies: list[object] = []

    def driver() -> None:
        with near:
            for task in ("a", "refuse"):
                near.send(task)
                replies.append(near.recv())

    thread = threading.Thread(target=driver)
    thread.start()
    workers._serve(far, partial(Clerk, tmp_path))  # type: ignore[arg-type]  # as sent
    thread.join()
    assert replies[0] == f"a {os.getpid()}"
    assert isinstance(replies[1], MissingWeights)


def test_a_worker_that_is_told_to_stop_leaves():
    with pytest.raises(SystemExit):
        workers._leave(signal.SIGTERM, None)
