"""A whole dataset: every input of a folder once, on one machine or many.

The only module that knows the distributed engine. The driver alone writes the journal; workers get
one input at a time, with what is known of it, and give back its row. What is published is noted
after it is there, so a kill at any moment loses at most the inputs that are in work.
"""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from filelock import FileLock, Timeout

from anonymizer import fingerprint, manifest, mirror, vault
from anonymizer.errors import UsageError, VeilframeError
from anonymizer.manifest import Journal, Row
from anonymizer.mirror import Entry
from anonymizer.settings import Settings
from anonymizer.totals import Run, Summary, summary_of
from anonymizer.units import WORK, Outcome, Unit, Worker
from anonymizer.video.encoding import output_suffix
from anonymizer.workers import Crew, Processes, Reply, shared_out

if TYPE_CHECKING:
    from ray import ObjectRef

Engine = Literal["local", "ray"]
STATE: Final = ".veilframe"
"""Folder in the destination for what is known, and for unfinished files."""
JOURNAL: Final = "dataset.sqlite"
Make = Callable[[], Callable[[Unit], Outcome]]
Tell = Callable[[Row, bool], None]


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done."""

    source: Path
    destination: Path
    settings: Settings
    engine: Engine = "local"
    workers: int = 1
    address: str | None = None
    """Of a Ray cluster; None starts one on this machine."""
    gpus: float = 0.0
    """Share of a GPU that each Ray worker takes."""
    only_media: bool = False
    """Leave out what is no film, picture or shard."""
    fail_fast: bool = False
    """Stop at the first failure."""
    retry_failed: bool = False
    """Try again what failed before."""

    def __post_init__(self) -> None:
        source, destination = self.source.resolve(), self.destination.resolve()
        if not source.is_dir():
            raise UsageError(f"{self.source}: is no folder; a dataset is a folder")
        if source.is_relative_to(destination) or destination.is_relative_to(source):
            raise UsageError(f"{self.destination}: the folders must not lie in each other")
        if self.workers < 1:
            raise UsageError(f"workers must be at least 1, got {self.workers}")
        if self.engine != "ray" and (self.address or self.gpus):
            raise UsageError("address and gpus are for the engine ray; add --engine ray")


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
    with _alone(order.destination) as (state, known):
        settings = vault.with_secret(order.settings, state, known)
        which = fingerprint.of_settings(settings)
        make = partial(Worker, settings, which, order.destination.absolute(), state.absolute())
        if total is not None:
            total(sum(1 for _ in _entries(order, state)))
        try:
            ended = _all(order, known, make, _entries(order, state), run, tell)
            if ended:
                run.gone = known.forget_unseen()
        finally:
            shutil.rmtree(state / WORK, ignore_errors=True)
            manifest.write(known.rows(), order.destination / mirror.MANIFEST)
        summary = summary_of(known.rows(), run, ended=ended)
        if summary.complete:
            vault.forget(state)
        return summary


def _all(
    order: Order, known: Journal, make: Make, entries: Iterator[Entry], run: Run, tell: Tell
) -> bool:
    """Work through all inputs; False if a failure stopped it."""
    crew = _crew(order, make)
    units = _units(entries, known, again=order.retry_failed)
    try:
        for outcome in shared_out(crew, units, _lost):
            row = outcome.row
            if outcome.fresh:
                known.end(row)
            run.count(row, fresh=outcome.fresh)
            tell(row, outcome.fresh)
            if order.fail_fast and outcome.fresh and not row.good:
                return False
    finally:
        crew.close()
    return True


def _units(entries: Iterator[Entry], known: Journal, *, again: bool) -> Iterator[Unit]:
    for entry in entries:
        begun, row = known.get(entry.path)
        known.begin(entry.path)
        yield Unit(entry, row, begun, again)


def _lost(unit: Unit) -> Outcome:
    why = "two workers died of it: out of memory, killed, or a fault of a decoder"
    row = Row(
        path=unit.entry.path,
        kind=unit.entry.kind,
        verdict="failed",
        output=unit.entry.output,
        failure="WorkerDied",
        error=why,
    )
    return Outcome(row, fresh=True)


def _entries(order: Order, state: Path) -> Iterator[Entry]:
    folds = (state / "LOCK").exists()  # the lock is called "lock"
    source = order.source.absolute()  # a worker may be in another folder
    return mirror.entries(source, output_suffix, only_media=order.only_media, fold=folds)


@contextmanager
def _alone(destination: Path) -> Iterator[tuple[Path, Journal]]:
    """The set's own folder and its journal, for one run at a time; what a killed run left is gone.

    Raises:
        UsageError: if another run has it, or the folder cannot be written.
    """
    state = destination / STATE
    with ExitStack() as stack:
        try:
            destination.mkdir(parents=True, exist_ok=True)
            state.mkdir(mode=0o700, exist_ok=True)
            stack.enter_context(FileLock(state / "lock").acquire(timeout=0))
            shutil.rmtree(state / WORK, ignore_errors=True)
            known = manifest.journal(state / JOURNAL, destination / mirror.MANIFEST)
            opened = stack.enter_context(known)
        except Timeout as error:
            raise UsageError(f"{destination}: another run has it; wait for that one") from error
        except OSError as error:
            why = f"cannot be written ({error.strerror}); choose another folder"
            raise UsageError(f"{destination}: {why}") from error
        except sqlite3.Error as error:
            why = f"{error}; remove it, the manifest remembers what was done"
            raise UsageError(f"{state / JOURNAL}: {why}") from error
        yield state, opened


def _crew(order: Order, make: Make) -> Crew[Unit, Outcome]:
    if order.engine == "local":
        return Processes(make, order.workers)
    return Actors(make, order.workers, address=order.address, gpus=order.gpus)


class _Actor:
    """What sits in a Ray worker."""

    def __init__(self, make: Make) -> None:
        self._work = make()

    def do(self, unit: Unit) -> Outcome | VeilframeError:
        """Do a unit; what no worker can do is given back as its error."""
        try:
            return self._work(unit)
        except VeilframeError as error:
            return error


class Actors:
    """Workers on the machines of a Ray cluster; see `workers.Crew`."""

    def __init__(self, make: Make, count: int, *, address: str | None, gpus: float) -> None:
        """Join the cluster at ``address``, or start one here, and start ``count`` workers.

        Raises:
            UsageError: if Ray is not installed, or the cluster is not there.
        """
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody is told of what is done
        try:
            import ray
        except ImportError as error:
            raise UsageError("Ray is not installed; pip install 'veilframe[ray]'") from error
        self._ray, self._make, self._gpus = ray, make, gpus
        try:
            if address:
                ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
            else:
                ray.init(
                    "local",
                    num_cpus=count,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                )
        except (ConnectionError, ValueError) as error:
            raise UsageError(f"no Ray cluster at {address}: {error}") from error
        self._free: list[Any] = [self._started() for _ in range(count)]
        self._busy: dict[ObjectRef[Any], tuple[Any, Unit]] = {}

    def _started(self) -> Any:  # noqa: ANN401 - Ray's handles have no type
        kind = self._ray.remote(num_cpus=1, num_gpus=self._gpus)(_Actor)
        return kind.remote(self._make)

    @property
    def idle(self) -> int:
        """Workers that have nothing to do."""
        return len(self._free)

    def hand(self, task: Unit) -> None:
        """Give a unit to an idle worker."""
        actor = self._free.pop()
        self._busy[actor.do.remote(task)] = actor, task

    def wait(self) -> list[Reply[Unit, Outcome]]:
        """Wait for a reply; a worker that died is replaced."""
        (ready, *_), _ = self._ray.wait(list(self._busy), num_returns=1)
        actor, task = self._busy.pop(ready)
        try:
            result = self._ray.get(ready)
        except self._ray.exceptions.RayError:
            self._ray.kill(actor)
            self._free.append(self._started())
            return [Reply(task, None)]
        if isinstance(result, VeilframeError):
            raise result
        self._free.append(actor)
        return [Reply(task, result)]

    def close(self) -> None:
        """Stop all workers, and leave the cluster."""
        for actor in [*self._free, *(actor for actor, _ in self._busy.values())]:
            self._ray.kill(actor)
        self._ray.shutdown()
