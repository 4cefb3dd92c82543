"""A folder whose films and pictures are anonymized as they arrive.

A file is taken when its size and time have been still for a while. Its result goes to the same
place in the outbox; then the file itself is moved to ``done`` in the inbox, or to ``failed`` with
the reason in a text file beside it. What was done is on the disk before the file is moved, so that
a watcher that is killed at any moment neither forgets nor repeats anything.

Hidden files, links, folders of links, unfinished downloads and what is no film or picture are left
alone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from filelock import FileLock, Timeout

from anonymizer.errors import (
    JobError,
    SourceChanged,
    UnreadableVideo,
    UnwritableOutput,
    UsageError,
    VeilframeError,
)
from anonymizer.inputs import IMAGES, MARK, VIDEOS
from anonymizer.ledger import Ledger, Stamp, ledger

STATE: Final = ".veilframe"
"""Folder in the inbox for what the watcher knows."""
DONE, FAILED = "done", "failed"
TRIES: Final = 4
"""Attempts at a file whose failure may pass."""
PAUSE_S: Final = 10.0
"""Before the second attempt; five times as long before each one after."""
PASSING: Final = (UnreadableVideo, SourceChanged, UnwritableOutput, OSError)
"""Failures that may pass: a copy that went on, a disk that was full, a share that was away."""

Kind = Literal["started", "done", "failed", "retry", "kept"]
Work = Callable[[Path, Path, bool], object]
"""Anonymizes (source, destination); the flag says that an unfinished result may be replaced."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a file."""

    kind: Kind
    path: str
    """Relative to the inbox."""
    output: str | None = None
    """Relative to the outbox."""
    reason: str | None = None
    seconds: float | None = None
    """How long the work took, or until the next attempt."""


@dataclass(frozen=True, slots=True)
class Folders:
    """Where files come from, and where results go."""

    inbox: Path
    outbox: Path

    def __post_init__(self) -> None:
        inbox, outbox = self.inbox.resolve(), self.outbox.resolve()
        if not inbox.is_dir():
            raise UsageError(f"{self.inbox}: is no folder; make it first")
        if outbox.exists() and not outbox.is_dir():
            raise UsageError(f"{self.outbox}: is a file; results need a folder")
        if inbox.is_relative_to(outbox) or outbox.is_relative_to(inbox):
            raise UsageError(f"{self.outbox}: inbox and outbox must not lie in each other")

    def free(self, path: Path, taken: Collection[Path] = ()) -> Path:
        """Where the result of a file of the inbox goes: a name that no other one has."""
        from anonymizer.video.containers import output_suffix

        film = path.suffix.lower() not in IMAGES
        suffix = output_suffix(path.suffix) if film else path.suffix
        return _free(self.outbox / path.with_name(f"{path.stem}{MARK}{suffix}"), taken)


@dataclass(slots=True)
class Settling:
    """Tells when a file has been still for long enough."""

    settle_s: float
    moving: bool = False
    """Whether, at the last look, a file had not."""
    _seen: dict[str, tuple[Stamp, float]] = field(default_factory=dict)

    def still(self, stamps: Iterable[Stamp], now: float) -> list[Stamp]:
        """Files that have not changed for ``settle_s``; ``now`` is in seconds, of any clock."""
        before, self._seen = self._seen, {}
        for stamp in stamps:
            known = before.get(stamp.path)
            self._seen[stamp.path] = known if known and known[0] == stamp else (stamp, now)
        still = [stamp for stamp, since in self._seen.values() if now - since >= self.settle_s]
        self.moving = len(still) < len(self._seen)
        return still


def candidates(inbox: Path) -> Iterator[Stamp]:
    """Films and pictures of an inbox, however deep, as they are now."""
    for folder, folders, files in os.walk(inbox):
        here = Path(folder)
        folders[:] = sorted(name for name in folders if not _left_alone(here / name, inbox))
        for name in sorted(files):
            file = here / name
            if file.suffix.lower() in VIDEOS | IMAGES and not _left_alone(file, inbox):
                try:
                    yield Stamp.of(file, inbox)
                except OSError:  # gone meanwhile
                    continue


def _left_alone(path: Path, inbox: Path) -> bool:
    own = path.parent == inbox and path.name in (DONE, FAILED)
    return own or path.name.startswith((".", "~")) or path.is_symlink()


@contextmanager
def alone(inbox: Path) -> Iterator[Ledger]:
    """What is known of an inbox, for one watcher at a time.

    Raises:
        UsageError: if another one has it, or the folder cannot be written.
    """
    state = inbox / STATE
    try:
        state.mkdir(exist_ok=True)
        lock = FileLock(state / "lock")
        with lock.acquire(timeout=0), ledger(state / "files.sqlite") as known:
            yield known
    except Timeout as error:
        raise UsageError(f"{inbox}: another watcher has it; stop that one first") from error
    except PermissionError as error:
        raise UsageError(f"{inbox}: cannot be written; results are moved there") from error


@dataclass(slots=True)
class Watcher:
    """Works on the files of one inbox; what is left to do is in the ledger, not here."""

    folders: Folders
    known: Ledger
    work: Work
    tell: Callable[[Event], None]
    settling: Settling
    failures: int = 0
    """Files that failed for good since the start."""
    clock: Callable[[], float] = time.time

    def resume(self) -> None:
        """Move what was done when the watcher was killed, but not moved yet."""
        for entry in self.known.unmoved():
            self._put_away(entry.stamp, DONE if entry.status == "done" else FAILED, entry.reason)

    def look(self) -> bool:
        """Work on every file that is ready.

        Returns:
            Whether there are files that have not been still for long enough.
        """
        while ready := self._ready():
            for stamp in ready:
                if _unchanged(stamp, self.folders.inbox):
                    self._do(stamp)
        return self.settling.moving

    @property
    def waiting(self) -> int:
        """Files, as they are now in the inbox, that are to be tried again."""
        entries = map(self.known.get, candidates(self.folders.inbox))
        return sum(entry is not None and entry.status == "waiting" for entry in entries)

    def _ready(self) -> list[Stamp]:
        now = self.clock()
        still = self.settling.still(candidates(self.folders.inbox), now)
        entries = [(stamp, self.known.get(stamp)) for stamp in still]
        return [
            stamp
            for stamp, entry in sorted(entries, key=lambda item: item[0].changed)
            if entry is None or (entry.status in ("waiting", "working") and entry.due <= now)
        ]

    def _do(self, stamp: Stamp) -> None:
        """Work on one file, and note what became of it."""
        entry = self.known.get(stamp)
        source = self.folders.inbox / stamp.path
        killed = entry is not None and entry.status == "working"  # a result may be there, of ours
        output = entry.output if killed and entry and entry.output else self._named(stamp)
        self.known.begin(stamp, output)
        self.tell(Event("started", stamp.path, output))
        start = time.monotonic()
        try:
            destination = self._inside(output)
            self.work(source, destination, killed)
        except PASSING as error:
            self._again(stamp, str(error), entry.tries + 1 if entry else 1)
        except VeilframeError as error:
            self._fail(stamp, str(error))
        except Exception as error:  # noqa: BLE001 - one bad file must not stop the others
            said = (str(error).splitlines() or [""])[0]
            self._fail(stamp, f"{source}: unexpected {type(error).__name__}: {said}")
        else:
            self.known.end(stamp, "done", None)
            took = round(time.monotonic() - start, 3)
            self.tell(Event("done", stamp.path, output, seconds=took))
            self._put_away(stamp, DONE, None)

    def _inside(self, output: str) -> Path:
        """The destination, which no link in the outbox may lead out of it."""
        destination = self.folders.outbox / output
        outbox = self.folders.outbox.resolve()
        if not destination.parent.resolve().is_relative_to(outbox):
            raise JobError(destination, "leads out of the outbox by a link; remove the link")
        return destination

    def _named(self, stamp: Stamp) -> str:
        return self.folders.free(Path(stamp.path)).relative_to(self.folders.outbox).as_posix()

    def _again(self, stamp: Stamp, reason: str, tries: int) -> None:
        if tries >= TRIES:
            self._fail(stamp, reason)
            return
        pause = PAUSE_S * 5 ** (tries - 1)
        self.known.retry(stamp, reason, self.clock() + pause)
        self.tell(Event("retry", stamp.path, reason=reason, seconds=pause))

    def _fail(self, stamp: Stamp, reason: str) -> None:
        self.failures += 1
        self.known.end(stamp, "failed", reason)
        self.tell(Event("failed", stamp.path, reason=reason))
        self._put_away(stamp, FAILED, reason)

    def _put_away(self, stamp: Stamp, folder: str, reason: str | None) -> None:
        """Move a file out of the way, unless another one has come in its place."""
        inbox = self.folders.inbox
        try:
            if _unchanged(stamp, inbox):
                target = _free(inbox / folder / stamp.path)
                target.parent.mkdir(parents=True, exist_ok=True)
                if reason is not None:
                    said = target.with_name(f"{target.name}.txt")
                    said.write_text(f"{reason}\n", encoding="utf-8")
                (inbox / stamp.path).rename(target)
        except OSError as error:
            why = f"cannot be moved to {folder} ({error.strerror}); it is not worked on again"
            self.tell(Event("kept", stamp.path, reason=why))
        else:
            self.known.note_moved(stamp)


def _unchanged(stamp: Stamp, inbox: Path) -> bool:
    try:
        return Stamp.of(inbox / stamp.path, inbox) == stamp
    except OSError:
        return False


def _free(path: Path, taken: Collection[Path] = ()) -> Path:
    """The path, or the first of ``NAME-2.EXT``, ``NAME-3.EXT`` that nothing has."""
    number, free = 1, path
    while os.path.lexists(free) or free in taken:
        number += 1
        free = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return free


def watch(watcher: Watcher, *, once: bool, poll_s: float = 1.0) -> None:
    """Work on what is there and on what comes, until interrupted.

    Args:
        watcher: Does the work.
        once: Return when every file has been still and was tried once.
        poll_s: Longest time between two looks.
    """
    watcher.resume()
    for _ in _looks(watcher.folders.inbox, poll_s):
        moving = watcher.look()
        if once and not moving:
            return


def _looks(inbox: Path, poll_s: float) -> Iterator[None]:
    """Yield at once, then at every change and every ``poll_s``: some shares report no changes."""
    import watchfiles

    yield
    for _ in watchfiles.watch(
        inbox, watch_filter=None, rust_timeout=round(poll_s * 1000), yield_on_timeout=True
    ):
        yield
