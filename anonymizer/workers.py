"""Processes that work: each makes its worker once, takes one task at a time, and may die of it.

A worker that shows no sign of life for too long is killed: a decoder may loop for ever.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from itertools import chain, count, islice
from multiprocessing import connection, get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Final, Generic, Protocol, TypeVar

from anonymizer.errors import VeilframeError

Task = TypeVar("Task", bound=Hashable)
Result = TypeVar("Result")
PATIENCE_S: Final = 10.0
"""How long a worker that is told to stop may take to clean up."""
TICK_S: Final = 1.0
"""Between two looks whether workers that are busy get on."""


@dataclass(frozen=True, slots=True)
class Reply(Generic[Task, Result]):
    """What came back for a task."""

    task: Task
    result: Result | None
    """None if the worker died of it."""
    late: bool = False
    """Whether it was killed because it did not get on."""


@dataclass(frozen=True, slots=True)
class Trade(Generic[Task, Result]):
    """What the workers of a crew do, and how they are looked after."""

    make: Callable[[str], Callable[[Task], Result]]
    """Makes the worker of a name, where it is going to work; no two workers share a name."""
    sign: Callable[[str], object] = lambda _: None
    """Something that changes while the worker of that name gets on; None before it is there."""
    bury: Callable[[str], object] = lambda _: None
    """Clears up after the worker of that name, which is no more."""
    limit_s: Callable[[Task], float] = lambda _: float("inf")
    """How long a worker with this task may go without a sign."""


@dataclass(slots=True)
class Pulse:
    """How long a worker has gone without a sign."""

    limit_s: float
    still_s: float = 0.0
    _sign: object = None
    _at: float = field(default_factory=time.monotonic)

    def late(self, sign: object) -> bool:
        """Whether it is too long, with this as the newest sign.

        A time in which nobody looked counts little: all of us may have been stopped together.
        """
        now = time.monotonic()
        since, self._at = min(now - self._at, 2 * TICK_S), now
        same = sign is not None and sign == self._sign
        self.still_s = self.still_s + since if same else 0.0
        self._sign = sign
        return self.still_s > self.limit_s


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
        """Wait until some tasks are done, or have killed or held up their workers.

        Those are replaced.

        Raises:
            VeilframeError: that a worker raised: it cannot work at all.
        """
        ...

    def close(self) -> None:
        """Stop all workers; they roll back what they are at."""
        ...


def shared_out(
    crew: Crew[Task, Result], tasks: Iterator[Task], lost: Callable[[Task, bool], Result]
) -> Iterator[tuple[Task, Result]]:
    """Keep all workers of a crew busy.

    Args:
        crew: Works.
        tasks: What is to be done; not looked at before a worker is idle. An iterator that has
            ended may go on after a result.
        lost: Result of a task that killed two workers or, if the flag says so, held one up.

    Yields:
        Tasks and their results, as they come.
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
                yield reply.task, reply.result
            elif reply.late or reply.task in died:
                yield reply.task, lost(reply.task, reply.late)
            else:
                died.add(reply.task)
                again.append(reply.task)


def _popped(waiting: deque[Task]) -> Iterator[Task]:
    while waiting:
        yield waiting.popleft()


class _Seat(Generic[Task, Result]):
    """The place of a worker: who sits there may change."""

    def __init__(self, trade: Trade[Task, Result], names: Iterator[str]) -> None:
        self._trade, self._names = trade, names
        self.task: Task | None = None
        self._pulse = Pulse(0)
        self._start()

    def _start(self) -> None:
        spawn = get_context("spawn")
        self._name = next(self._names)
        self.pipe, far = spawn.Pipe()
        self.process: BaseProcess = spawn.Process(
            target=_serve, args=(far, self._trade.make, self._name), daemon=True
        )
        self.process.start()
        far.close()

    def hand(self, task: Task) -> None:
        self.task = task
        self._pulse = Pulse(self._trade.limit_s(task))
        try:
            self.pipe.send(task)
        except BrokenPipeError:  # it died since; waiting will tell
            return

    def late(self) -> bool:
        """Whether it has not got on with its task for too long."""
        return self._pulse.late(self._trade.sign(self._name))

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

    def replace(self) -> Reply[Task, Result]:
        """Kill it in the middle of its task, and take another one."""
        assert self.task is not None
        task, self.task = self.task, None
        self.process.kill()
        self.close()
        self._start()
        return Reply(task, None, late=True)

    def close(self) -> None:
        self.pipe.close()
        self.process.join(0.1)
        self.process.terminate()
        self.process.join(PATIENCE_S)
        self.process.kill()
        self.process.join()
        self._trade.bury(self._name)


class Processes(Generic[Task, Result]):
    """Workers in processes of this machine."""

    def __init__(self, trade: Trade[Task, Result], size: int) -> None:
        """Start as many workers as ``size`` says."""
        self._seats: list[_Seat[Task, Result]] = []
        names = (f"worker-{number}" for number in count())
        try:
            for _ in range(size):
                self._seats.append(_Seat(trade, names))
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
        while not (ready := connection.wait(list(busy), TICK_S)):
            if late := [seat for seat in busy.values() if seat.late()]:
                return [seat.replace() for seat in late]
        replies = [busy[pipe].reply() for pipe in busy if pipe in ready]
        return [reply for reply in replies if reply is not None]

    def close(self) -> None:
        """Stop all workers, and wait until they are gone."""
        for seat in self._seats:
            seat.process.terminate()
        for seat in self._seats:
            seat.close()


def _serve(pipe: Connection, make: Callable[[str], Callable[[object], object]], name: str) -> None:
    """Life of a worker: until the pipe ends, it is told to stop, or its parent dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    try:
        _work(pipe, make(name))
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
