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
from anonymizer.workers import Crew, Processes, Pulse, Trade, shared_out


class Clerk:
    """Does what a task says."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        (folder / name).touch()

    def __call__(self, task: str) -> str:
        word, _, rest = task.partition(" ")
        doing = {"die": _die, "once": _die_once, "stuck": _stick, "slow": _dawdle, "hang": _hang}
        if word == "refuse":
            raise MissingWeights("w", "absent")
        if word in doing:
            doing[word](self.folder / rest)
        return f"{task} {os.getpid()}"


def _die(_: Path) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _die_once(mark: Path) -> None:
    if not mark.exists():
        mark.touch()
        _die(mark)


def _stick(mark: Path) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])  # as in a decoder
    mark.write_text(str(os.getpid()))
    time.sleep(60)


def _dawdle(folder: Path) -> None:
    for turn in range(8):
        (folder / "sign").write_text(f"{turn}")
        time.sleep(0.1)


def _hang(mark: Path) -> None:
    try:
        mark.touch()
        time.sleep(60)
    finally:
        mark.unlink()


def trade(folder: Path, limit_s: float = float("inf")) -> Trade[str, str]:
    """Clerks who leave a file of their name, to be removed when they are gone."""

    def sign(name: str) -> object:
        mark = folder / "sign"
        if not (folder / name).exists():
            return None
        return mark.read_text() if mark.exists() else "nothing"

    return Trade(
        make=partial(Clerk, folder),
        sign=sign,
        bury=lambda name: (folder / name).unlink(missing_ok=True),
        limit_s=lambda _: limit_s,
    )


@contextmanager
def crew(folder: Path, size: int, limit_s: float = float("inf")) -> Iterator[Processes[str, str]]:
    made: Processes[str, str] = Processes(trade(folder, limit_s), size)
    try:
        yield made
    finally:
        made.close()


def lost(task: str, late: bool) -> str:
    return f"{task} {'late' if late else 'lost'}"


def done_by(crew: Crew[str, str], tasks: Iterator[str]) -> list[str]:
    return [result for _, result in shared_out(crew, tasks, lost)]


def test_every_task_is_done_once_by_some_worker(tmp_path):
    with crew(tmp_path, 2) as made:
        results = done_by(made, iter("abcdef"))
    assert sorted(result.split()[0] for result in results) == list("abcdef")
    assert len({result.split()[1] for result in results}) == 2


def test_a_worker_that_dies_is_replaced_and_its_task_tried_once_more(tmp_path):
    tasks = ["a", "once x", "b", "die y", "c"]
    with crew(tmp_path, 1) as made:
        results = done_by(made, iter(tasks))
    done = [result.rpartition(" ")[0] for result in results]
    assert sorted(done) == ["a", "b", "c", "die y", "once x"]
    assert "die y lost" in results


def test_a_worker_that_is_stuck_is_killed_and_its_task_not_tried_again(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "TICK_S", 0.05)
    with crew(tmp_path, 1, limit_s=0.3) as made:
        results = done_by(made, iter(["stuck x", "a"]))
        assert not _alive(Path("/proc") / (tmp_path / "x").read_text())
    assert results[0] == "stuck x late"
    assert results[1].startswith("a ")
    assert len(results) == 2


def test_a_worker_that_gets_on_has_all_the_time_it_needs(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "TICK_S", 0.05)
    with crew(tmp_path, 1, limit_s=0.4) as made:
        (result,) = done_by(made, iter(["slow"]))
    assert result.startswith("slow ")


def test_time_in_which_nobody_looked_is_not_held_against_a_worker(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    pulse = Pulse(10)
    assert not pulse.late(1)
    now[0] += 7200  # all were stopped
    assert not pulse.late(1)
    for _ in range(8):
        now[0] += 1
        assert not pulse.late(1)
    now[0] += 1
    assert pulse.late(1)
    assert not pulse.late(2)
    absent = Pulse(1)
    for _ in range(5):
        now[0] += 1
        assert not absent.late(None)


def test_what_a_worker_leaves_is_cleared_up_when_it_is_gone(tmp_path):
    def names() -> list[str]:
        return sorted(path.name for path in tmp_path.glob("worker-*"))

    with crew(tmp_path, 1) as made:
        results = done_by(made, iter(["die y", "a"]))
        assert names() == ["worker-2"]
    assert results[0] == "die y lost"
    assert names() == []


def test_an_idle_worker_that_dies_costs_nothing(tmp_path):
    with crew(tmp_path, 1) as made:
        (first,) = done_by(made, iter(["a"]))
        os.kill(int(first.split()[1]), signal.SIGKILL)
        while os.path.exists(f"/proc/{first.split()[1]}/fd/0"):  # noqa: PTH110 - until it is gone
            time.sleep(0.01)
        (second,) = done_by(made, iter(["b"]))
    assert second.startswith("b ")
    assert second.split()[1] != first.split()[1]


def test_an_error_that_concerns_all_work_is_raised(tmp_path):
    with crew(tmp_path, 1) as made, pytest.raises(MissingWeights, match="absent"):
        done_by(made, iter(["refuse"]))


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
    made: Processes[str, str] = Processes(trade(folder), 1)
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
    workers._serve(far, partial(Clerk, tmp_path), "me")  # type: ignore[arg-type]  # as sent
    thread.join()
    assert replies[0] == f"a {os.getpid()}"
    assert isinstance(replies[1], MissingWeights)


def test_a_worker_that_is_told_to_stop_leaves():
    with pytest.raises(SystemExit):
        workers._leave(signal.SIGTERM, None)
