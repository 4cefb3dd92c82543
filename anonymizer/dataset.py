"""A whole dataset: every input of a folder once, on one machine or many.

The only module that knows the distributed engine. The driver alone writes the journal; workers get
one input at a time, with what is known of it, and give back its row. What is published is noted
after it is there, so a kill at any moment loses at most the inputs that are in work.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from anonymizer import fingerprint, formats, manifest, mirror, rows, vault
from anonymizer.agenda import Agenda
from anonymizer.clusters import insist_on_head, insist_on_room
from anonymizer.errors import UsageError, VeilframeError
from anonymizer.manifest import Journal, Row
from anonymizer.mirror import Entry
from anonymizer.orders import STATE, WORK, Order, alone
from anonymizer.settings import Settings
from anonymizer.tasks import Outcome, Result, Task, Unit, unit_of
from anonymizer.totals import Run, Summary, summary_of
from anonymizer.units import Worker
from anonymizer.video.containers import output_suffix
from anonymizer.workers import TICK_S, Crew, Processes, Pulse, Reply, Trade, shared_out

if TYPE_CHECKING:
    from ray import ObjectRef

PACE: Final = 10e6
"""Bytes per second that are surely read and written where nothing else shows that work goes on."""
Tell = Callable[[Row, bool], None]


def anonymize(
    order: Order,
    *,
    tell: Tell,
    total: Callable[[int], None] | None = None,
) -> Summary:
    """Do what is left to do of a set, and write its manifest.

    Args:
        order: What is to be done.
        tell: Gets every row when it is known, and whether it is new.
        total: Gets the number of inputs, if that is worth a second look at the folder.

    Raises:
        UsageError: if another run has the destination, or the settings name what is not there.
        UnwritableOutput: if the manifest cannot be written.
    """
    run, ended = Run(), False
    with alone(order.destination) as (state, known):
        settings = vault.with_secret(order.settings, state, known)
        own = state.absolute() / WORK / secrets.token_hex(4)  # those of a killed run may live on
        trade = _trade(order, settings, own)
        if total is not None:
            total(sum(1 for _ in entries(order)))
        try:
            units = _units(entries(order), known, again=order.retry_failed)
            crew = _crew(order, trade)
            ended = _all(crew, Agenda(units, own), known, run, tell, fail_fast=order.fail_fast)
            if ended:
                run.gone = known.forget_unseen()
        finally:
            shutil.rmtree(state / WORK, ignore_errors=True)
            manifest.write(known.rows(), order.destination / mirror.MANIFEST)
        summary = summary_of(known.rows(), run, ended=ended)
        summary = replace(summary, notices=formats.notices(order.source, order.destination))
        if summary.complete:
            vault.forget(state)
        return summary


def _all(
    crew: Crew[Task, Result],
    agenda: Agenda,
    known: Journal,
    run: Run,
    tell: Tell,
    *,
    fail_fast: bool,
) -> bool:
    """Work through all inputs; False if a failure stopped it."""
    try:
        for task, result in shared_out(crew, agenda, _lost):
            outcome = agenda.after(task, result)
            if outcome is None:
                continue
            row = outcome.row
            if outcome.fresh:
                known.end(row)
            run.count(row, fresh=outcome.fresh)
            tell(row, outcome.fresh)
            if fail_fast and outcome.fresh and not row.good:
                return False
    finally:
        crew.close()
    return True


def _units(entries: Iterator[Entry], known: Journal, *, again: bool) -> Iterator[Unit]:
    for entry in entries:
        begun, row = known.get(entry.path)
        known.begin(entry.path)
        yield Unit(entry, row, begun, again)


def _lost(task: Task, late: bool) -> Outcome:
    why = "two workers died of it: out of memory, killed, or a fault of a decoder"
    if late:
        why = "its worker did not get on and was killed; a fault of a decoder, or a short --timeout"
    row = rows.blank(unit_of(task).entry)
    failure = "TimedOut" if late else "WorkerDied"
    return Outcome(replace(row, failure=failure, error=why), fresh=True)


def entries(order: Order) -> Iterator[Entry]:
    """All inputs of a set, and what is to be made of them."""
    folds = (order.destination / STATE / "LOCK").exists()  # the lock is called "lock"
    source = order.source.absolute()  # a worker may be in another folder
    return mirror.entries(source, output_suffix, only_media=order.only_media, fold=folds)


def _trade(order: Order, settings: Settings, own: Path) -> Trade[Task, Result]:
    """What workers do, each in a folder of its own below ``own``, and when one is given up."""
    which = fingerprint.of_settings(settings, split_frames=order.split_frames)
    make = partial(_worker, settings, which, order.destination.absolute(), own, order.split_frames)
    return Trade(
        make=make,
        sign=partial(_sign, own),
        bury=lambda name: shutil.rmtree(own / name, ignore_errors=True),
        limit_s=partial(_limit_s, order.timeout_s or float("inf")),
    )


def _worker(
    settings: Settings, which: str, root: Path, own: Path, split_frames: int, name: str
) -> Worker:
    return Worker(settings, which, root, own / name, split_frames=split_frames)


def _sign(own: Path, name: str) -> int | None:
    """When a worker last showed that it gets on; clocks of machines are not compared."""
    try:
        return (own / name).stat().st_mtime_ns
    except OSError:  # there is no room for it in the cluster yet
        return None


def _limit_s(timeout_s: float, task: Task) -> float:
    """How long a task may show nothing: large files are read as a whole first."""
    try:
        return timeout_s + unit_of(task).entry.source.stat().st_size / PACE
    except OSError:  # gone: the worker will say so
        return timeout_s


def _crew(order: Order, trade: Trade[Task, Result]) -> Crew[Task, Result]:
    if order.engine == "local":
        return Processes(trade, order.workers)
    return Actors(trade, order.workers, address=order.address, gpus=order.gpus)


class _Actor:
    """What sits in a Ray worker."""

    def __init__(self, make: Callable[[str], Callable[[Task], Result]], name: str) -> None:
        self._work = make(name)

    def do(self, task: Task) -> Result | VeilframeError:
        """Do a task; what no worker can do is given back as its error."""
        try:
            return self._work(task)
        except VeilframeError as error:
            return error


class _Seated(NamedTuple):
    """A worker of a cluster."""

    actor: Any
    """Ray's handle, which has no type."""
    name: str


class Actors:
    """Workers on the machines of a Ray cluster; see `workers.Crew`."""

    def __init__(
        self, trade: Trade[Task, Result], size: int, *, address: str | None, gpus: float
    ) -> None:
        """Join the cluster at ``address``, or start one here, and start ``size`` workers.

        Raises:
            UsageError: if Ray is not installed, or the cluster is not there or too small.
        """
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody is told of what is done
        try:
            import ray
        except ImportError as error:
            raise UsageError("Ray is not installed; pip install 'veilframe[ray]'") from error
        self._ray, self._trade, self._gpus = ray, trade, gpus
        self._names = (f"worker-{number}" for number in count())
        quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
        try:
            if address:
                insist_on_head(address)
                ray.init(address, **quiet)
            else:
                ray.init("local", num_cpus=size, include_dashboard=False, **quiet)
        except (ConnectionError, ValueError) as error:
            raise UsageError(f"no Ray cluster at {address}: {error}") from error
        try:
            insist_on_room(ray.nodes, size, gpus)
        except ValueError as error:
            ray.shutdown()
            raise UsageError(f"Ray: {error}") from error
        self._free = [self._started() for _ in range(size)]
        self._busy: dict[ObjectRef[Any], tuple[_Seated, Task, Pulse]] = {}

    def _started(self) -> _Seated:
        name = next(self._names)
        kind = self._ray.remote(num_cpus=1, num_gpus=self._gpus)(_Actor)
        return _Seated(kind.remote(self._trade.make, name), name)

    @property
    def idle(self) -> int:
        """Workers that have nothing to do."""
        return len(self._free)

    def hand(self, task: Task) -> None:
        """Give a unit to an idle worker."""
        seated = self._free.pop()
        pulse = Pulse(self._trade.limit_s(task))
        self._busy[seated.actor.do.remote(task)] = seated, task, pulse

    def wait(self) -> list[Reply[Task, Result]]:
        """Wait for a reply; a worker that died or does not get on is replaced."""
        while True:
            ready, waiting = self._ray.wait(list(self._busy), num_returns=1, timeout=TICK_S)
            if ready:
                return [self._reply(ready[0])]
            if late := [at for at in waiting if self._late(at)]:
                return [self._replaced(at, late=True) for at in late]

    def _late(self, at: ObjectRef[Any]) -> bool:
        seated, _, pulse = self._busy[at]
        return pulse.late(self._trade.sign(seated.name))

    def _reply(self, at: ObjectRef[Any]) -> Reply[Task, Result]:
        try:
            result = self._ray.get(at)
        except self._ray.exceptions.RayError:
            return self._replaced(at, late=False)
        if isinstance(result, VeilframeError):
            raise result
        seated, task, _ = self._busy.pop(at)
        self._free.append(seated)
        return Reply(task, result)

    def _replaced(self, at: ObjectRef[Any], *, late: bool) -> Reply[Task, Result]:
        seated, task, _ = self._busy.pop(at)
        self._ray.kill(seated.actor)
        self._trade.bury(seated.name)
        self._free.append(self._started())
        return Reply(task, None, late)

    def close(self) -> None:
        """Stop all workers, and leave the cluster."""
        for seated in [*self._free, *(seated for seated, _, _ in self._busy.values())]:
            self._ray.kill(seated.actor)
        self._ray.shutdown()
