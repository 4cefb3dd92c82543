"""What is to be done with a dataset, and the folder where it is done, for one run at a time."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from filelock import FileLock, Timeout

from anonymizer import manifest, mirror
from anonymizer.errors import UsageError
from anonymizer.manifest import Journal
from anonymizer.settings import Settings

Engine = Literal["local", "ray"]
STATE: Final = ".veilframe"
"""Folder in the destination for what is known, and for unfinished files."""
JOURNAL: Final = "dataset.sqlite"
WORK: Final = "work"
"""Folder of unfinished files, below the set's own."""


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
    split_frames: int = 240
    """Films of more frames are done in pieces of about so many; 0 for none."""
    timeout_s: float = 1800.0
    """How long a worker may go without getting on before it is killed; 0 for ever."""

    def __post_init__(self) -> None:
        source, destination = self.source.resolve(), self.destination.resolve()
        if not source.is_dir():
            raise UsageError(f"{self.source}: is no folder; a dataset is a folder")
        if destination.exists() and not destination.is_dir():
            why = "cannot be written (it is a file); choose another folder"
            raise UsageError(f"{self.destination}: {why}")
        if source.is_relative_to(destination) or destination.is_relative_to(source):
            raise UsageError(f"{self.destination}: the folders must not lie in each other")
        if self.workers < 1:
            raise UsageError(f"workers must be at least 1, got {self.workers}")
        if self.split_frames < 0:
            raise UsageError(f"split-frames must not be negative, got {self.split_frames}")
        if not self.timeout_s >= 0:
            raise UsageError(f"timeout must not be negative, got {self.timeout_s}")
        if self.engine != "ray" and (self.address or self.gpus):
            raise UsageError("address and gpus are for the engine ray; add --engine ray")


@contextmanager
def alone(destination: Path) -> Iterator[tuple[Path, Journal]]:
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
