"""Processes that work: each makes its worker once, takes one task at a time, and may die of it."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from multiprocessing import connection, get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Final, Generic, Protocol, TypeVar

from anonymizer.errors import VeilframeError

Task = TypeVar("Task", bound=Hashable)
Result = TypeVar("Result")
PATIENCE_S: Final = 10.0
"""How long a worker that is told to stop may take to clean up."""


@dataclass(frozen=True, slots=True)
class Reply(Generic[Task, Result]):
    """What came back for a task."""

    task: Task
    result: Result | None
    """None if the worker died of it."""


class Crew(Protocol[Task, Result]):
    """Workers of any kind."""

    @property
    def idle(self) -> int:
        """Workers that have nothing to do."""
        ...

    def hand(self, task: Task) -> None:
        """Give a task to an idle worker."""
        ...

    def wait(self) -> list[Reply[Task, Result]]:
        """Wait until some tasks are done, or have killed their workers, who are replaced.

        Raises:
            VeilframeError: that a worker raised: it cannot work at all.
        """
        ...

    def close(self) -> None:
        """Stop all workers; they roll back what they are at."""
        ...


def shared_out(
    crew: Crew[Task, Result], tasks: Iterator[Task], lost: Callable[[Task], Result]
) -> Iterator[Result]:
    """Keep all workers of a crew busy.

    Args:
        crew: Works.
        tasks: What is to be done; not looked at before a worker is idle.
        lost: Result of a task that killed two workers.

    Yields:
        The results as they come.
    """
    again: deque[Task] = deque()
    died: set[Task] = set()
    at_work = 0
    while True:
        while crew.idle and (more := list(islice(chain(_popped(again), tasks), 1))):
            crew.hand(more[0])
            at_work += 1
        if not at_work:
            return
        for reply in crew.wait():
            at_work -= 1
            if reply.result is not None:
                yield reply.result
            elif reply.task in died:
                yield lost(reply.task)
            else:
                died.add(reply.task)
                again.append(reply.task)


def _popped(waiting: deque[Task]) -> Iterator[Task]:
    while waiting:
        yield waiting.popleft()


class _Seat(Generic[Task, Result]):
    """The place of a worker: who sits there may change."""

    def __init__(self, make: Callable[[], Callable[[Task], Result]]) -> None:
        self._make = make
        self.task: Task | None = None
        self._start()

    def _start(self) -> None:
        spawn = get_context("spawn")
        self.pipe, far = spawn.Pipe()
        self.process: BaseProcess = spawn.Process(
            target=_serve, args=(far, self._make), daemon=True
        )
        self.process.start()
        far.close()

    def hand(self, task: Task) -> None:
        self.task = task
        try:
            self.pipe.send(task)
        except BrokenPipeError:  # it died since; waiting will tell
            return

    def reply(self) -> Reply[Task, Result] | None:
        """What it has to say; a worker that died is replaced."""
        task, self.task = self.task, None
        try:
            result = self.pipe.recv()
        except (EOFError, OSError):  # also in the middle of a reply
            self.close()
            self._start()
            return None if task is None else Reply(task, None)
        if isinstance(result, VeilframeError):
            raise result
        return None if task is None else Reply(task, result)

    def close(self) -> None:
        self.pipe.close()
        self.process.join(0.1)
        self.process.terminate()
        self.process.join(PATIENCE_S)
        self.process.kill()
        self.process.join()


class Processes(Generic[Task, Result]):
    """Workers in processes of this machine."""

    def __init__(self, make: Callable[[], Callable[[Task], Result]], count: int) -> None:
        """Start ``count`` workers; each calls ``make`` once to have what does its tasks."""
        self._seats: list[_Seat[Task, Result]] = []
        try:
            for _ in range(count):
                self._seats.append(_Seat(make))
        except BaseException:
            self.close()
            raise

    @property
    def idle(self) -> int:
        """Workers that have nothing to do."""
        return sum(seat.task is None for seat in self._seats)

    def hand(self, task: Task) -> None:
        """Give a task to an idle worker."""
        next(seat for seat in self._seats if seat.task is None).hand(task)

    def wait(self) -> list[Reply[Task, Result]]:
        """Wait for some replies; see `Crew`."""
        busy = {seat.pipe: seat for seat in self._seats if seat.task is not None}
        ready = connection.wait(list(busy))
        replies = [busy[pipe].reply() for pipe in busy if pipe in ready]
        return [reply for reply in replies if reply is not None]

    def close(self) -> None:
        """Stop all workers, and wait until they are gone."""
        for seat in self._seats:
            seat.process.terminate()
        for seat in self._seats:
            seat.close()


def _serve(pipe: Connection, make: Callable[[], Callable[[object], object]]) -> None:
    """Life of a worker: until the pipe ends, it is told to stop, or its parent dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    try:
        _work(pipe, make())
    finally:  # told again while it ends, it would end with a traceback
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _work(pipe: Connection, work: Callable[[object], object]) -> None:
    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        try:
            result = work(task)
        except VeilframeError as error:
            result = error
        pipe.send(result)


def _leave(*_: object) -> None:
    raise SystemExit(0)


def _die_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
