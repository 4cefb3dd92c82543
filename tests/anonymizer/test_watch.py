"""A watched folder: what arrives is done once, and nothing is lost whatever happens."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from anonymizer import watch
from anonymizer.errors import UnknownPart, UnreadableVideo, UsageError
from anonymizer.ledger import Ledger, Stamp
from anonymizer.watch import Event, Folders, Settling, Watcher, alone, candidates
from tests.films import Film

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Bench:
    """An inbox, an outbox, a clock that is set by hand, and work that copies."""

    root: Path
    now: float = 1000.0
    settle: float = 0.0
    events: list[Event] = field(default_factory=list)
    worked: list[str] = field(default_factory=list)
    errors: dict[str, list[BaseException]] = field(default_factory=dict)
    """Raised by the work on a file of that name, one after the other."""

    def __post_init__(self) -> None:
        for folder in (self.inbox, self.outbox):
            folder.mkdir(exist_ok=True)

    @property
    def inbox(self) -> Path:
        return self.root / "in"

    @property
    def outbox(self) -> Path:
        return self.root / "out"

    def put(self, name: str, text: str = "film") -> Path:
        path = self.inbox / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def work(self, source: Path, destination: Path, again: bool) -> None:
        self.worked.append(source.name)
        for error in self.errors.get(source.name, [])[:1]:
            del self.errors[source.name][0]
            raise error
        assert again or not destination.exists()
        destination.parent.mkdir(parents=True, exist_ok=True)
        destination.write_text(source.read_text().upper())

    @contextmanager
    def watcher(self) -> Iterator[Watcher]:
        with alone(self.inbox) as known:
            folders, settling = Folders(self.inbox, self.outbox), Settling(self.settle)
            yield Watcher(
                folders, known, self.work, self.events.append, settling, clock=lambda: self.now
            )

    def look(self) -> bool:
        """One look of a watcher that has just been started."""
        with self.watcher() as watcher:
            watcher.resume()
            return watcher.look()

    def files(self, folder: str) -> dict[str, str]:
        root = self.root / folder
        return {
            path.relative_to(root).as_posix(): path.read_text()
            for path in sorted(root.rglob("*"))
            if path.is_file() and watch.STATE not in path.parts
        }

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_film_goes_in_and_another_comes_out(bench):
    bench.put("a.mp4", "one")
    bench.put("day/2/b.png", "two")
    assert not bench.look()
    assert bench.files("out") == {"a_anonymized.mp4": "ONE", "day/2/b_anonymized.png": "TWO"}
    assert bench.files("in") == {"done/a.mp4": "one", "done/day/2/b.png": "two"}
    assert bench.kinds() == ["started", "done"] * 2
    bench.look()
    assert len(bench.worked) == 2


def test_what_cannot_be_written_becomes_matroska(bench):
    bench.put("a.avi")
    bench.look()
    assert list(bench.files("out")) == ["a_anonymized.mkv"]


@pytest.mark.parametrize("name", [".a.mp4", "a.mp4.part", "a.txt", "~a.mp4", ".git/a.mp4", "a"])
def test_hidden_unfinished_and_other_files_are_left_alone(bench, name):
    bench.put(name)
    assert not bench.look()
    assert bench.worked == []
    assert list(bench.files("in")) == [name]


def test_links_are_left_alone(bench, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.mp4").write_text("secret")
    (bench.inbox / "link.mp4").symlink_to(tmp_path / "elsewhere" / "a.mp4")
    (bench.inbox / "folder").symlink_to(tmp_path / "elsewhere")
    (bench.inbox / "loop").symlink_to(bench.inbox)
    assert list(candidates(bench.inbox)) == []


def test_a_link_in_the_outbox_does_not_lead_out(bench, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (bench.outbox / "day").symlink_to(tmp_path / "elsewhere")
    bench.put("day/a.mp4")
    bench.look()
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert "leads out of the outbox" in bench.files("in")["failed/day/a.mp4.txt"]


def test_a_file_must_be_still(bench):
    bench.settle = 5
    path = bench.put("a.mp4", "half")
    with bench.watcher() as watcher:
        for wait, text in ((0, None), (4, None), (0, "half and more"), (4, None), (4.9, None)):
            bench.now += wait if wait != 4.9 else 0.9
            if text:
                path.write_text(text)
            assert watcher.look()
            assert bench.worked == []
        bench.now += 0.2
        assert not watcher.look()
    assert bench.files("out") == {"a_anonymized.mp4": "HALF AND MORE"}


def test_the_same_name_again_is_another_file(bench):
    for text in ("one", "two", "two"):
        bench.put("a.mp4", text)
        bench.look()
    assert bench.files("out") == {
        "a_anonymized-2.mp4": "TWO",
        "a_anonymized-3.mp4": "TWO",
        "a_anonymized.mp4": "ONE",
    }
    assert bench.files("in") == {"done/a-2.mp4": "two", "done/a-3.mp4": "two", "done/a.mp4": "one"}


def test_a_result_of_others_is_not_replaced(bench):
    (bench.outbox / "a_anonymized.mp4").write_text("theirs")
    bench.put("a.mp4", "one")
    bench.look()
    assert bench.files("out") == {"a_anonymized-2.mp4": "ONE", "a_anonymized.mp4": "theirs"}


def test_a_failure_is_put_away_with_its_reason_and_the_others_go_on(bench):
    bench.errors = {"a.mp4": [UnknownPart("no such part")], "b.mp4": [ZeroDivisionError("by 0\n!")]}
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        bench.put(name)
    with bench.watcher() as watcher:
        watcher.look()
        assert watcher.failures == 2
        assert watcher.known.counts() == {"done": 1, "failed": 2}
    files = bench.files("in")
    assert files["failed/a.mp4.txt"] == "no such part\n"
    assert files["failed/b.mp4.txt"].endswith("b.mp4: unexpected ZeroDivisionError: by 0\n")
    assert {"failed/a.mp4", "failed/b.mp4", "done/c.mp4"} <= set(files)


def test_what_may_pass_is_tried_again_later_and_later(bench):
    bench.errors = {"a.mp4": [UnreadableVideo("a.mp4", "not yet")] * 9}
    bench.put("a.mp4")
    waits: list[float | None] = []
    for _ in range(watch.TRIES):
        bench.look()
        assert len(bench.worked) == len(waits) + 1
        bench.look()
        assert len(bench.worked) == len(waits) + 1  # not before its time
        waits.append(bench.events[-1].seconds)
        bench.now += (waits[-1] or 0) + 0.1
    assert waits == [10, 50, 250, None]
    assert bench.kinds()[-1] == "failed"
    assert bench.files("in")["failed/a.mp4.txt"] == "a.mp4: not yet\n"


def test_what_passes_is_done(bench):
    bench.errors = {"a.mp4": [OSError(28, "No space left on device")]}
    bench.put("a.mp4", "one")
    bench.look()
    bench.now += 11
    bench.look()
    assert bench.kinds() == ["started", "retry", "started", "done"]
    assert bench.files("out") == {"a_anonymized.mp4": "ONE"}


def test_a_second_attempt_does_not_replace_what_others_put_there_meanwhile(bench):
    bench.errors = {"a.mp4": [OSError("away")]}
    bench.put("a.mp4", "one")
    bench.look()
    (bench.outbox / "a_anonymized.mp4").write_text("theirs")
    bench.now += 11
    bench.look()
    assert bench.files("out") == {"a_anonymized-2.mp4": "ONE", "a_anonymized.mp4": "theirs"}


def test_a_file_that_grows_while_it_is_worked_on_is_done_again_as_it_is_then(bench):
    path = bench.put("a.mp4", "half")

    class Growing(Bench):
        def work(self, source, destination, again):
            first = not self.worked
            super().work(source, destination, again)
            if first:
                path.write_text("half and more")

    growing = Growing(bench.root)
    growing.look()
    assert growing.files("out")["a_anonymized-2.mp4"] == "HALF AND MORE"
    assert growing.files("in") == {"done/a.mp4": "half and more"}


def test_interrupted_work_is_done_at_the_next_start(bench):
    bench.errors = {"a.mp4": [KeyboardInterrupt()]}
    bench.put("a.mp4", "one")
    with pytest.raises(KeyboardInterrupt):
        bench.look()
    bench.look()
    assert bench.files("out") == {"a_anonymized.mp4": "ONE"}


class Killed(BaseException):
    """Ends the process in a test."""


@pytest.mark.parametrize("moment", ["begin", "end", "note_moved", "rename"])
def test_killed_at_any_step_nothing_is_lost_and_nothing_done_twice(bench, monkeypatch, moment):
    bench.put("a.mp4", "one")
    owner = Path if moment == "rename" else Ledger
    original = getattr(owner, moment)

    def dies(*args, **kwargs):
        if moment == "end":
            original(*args, **kwargs)
        raise Killed

    monkeypatch.setattr(owner, moment, dies)
    with pytest.raises(Killed):
        bench.look()
    monkeypatch.undo()
    bench.look()
    assert bench.files("out") == {"a_anonymized.mp4": "ONE"}
    assert bench.files("in") == {"done/a.mp4": "one"}
    assert bench.worked == ["a.mp4"]


def test_killed_between_the_result_and_the_note_it_is_made_again(bench, monkeypatch):
    bench.put("a.mp4", "one")

    def dies(*args):
        raise Killed

    monkeypatch.setattr(Ledger, "end", dies)
    with pytest.raises(Killed):
        bench.look()
    monkeypatch.undo()
    assert bench.files("out") == {"a_anonymized.mp4": "ONE"}
    bench.look()
    assert bench.files("out") == {"a_anonymized.mp4": "ONE"}
    assert bench.files("in") == {"done/a.mp4": "one"}
    assert bench.worked == ["a.mp4", "a.mp4"]


def test_two_watchers_never_share_an_inbox(bench):
    with (
        bench.watcher(),
        pytest.raises(UsageError, match="another watcher has it"),
        bench.watcher(),
    ):
        pass
    with bench.watcher():
        pass


@pytest.mark.parametrize(("inbox", "outbox"), [("in", "in/out"), ("out/in", "out"), ("in", "in")])
def test_the_folders_must_not_lie_in_each_other(tmp_path, inbox, outbox):
    for name in (inbox, outbox):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
    with pytest.raises(UsageError, match="must not lie in each other"):
        Folders(tmp_path / inbox, tmp_path / outbox)


def test_an_inbox_must_be_there(tmp_path):
    with pytest.raises(UsageError, match="is no folder"):
        Folders(tmp_path / "absent", tmp_path / "out")


def test_a_file_that_cannot_be_moved_is_told_of_and_not_done_again(bench, monkeypatch):
    bench.put("a.mp4")

    def denied(*args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", denied)
    bench.look()
    bench.look()
    assert bench.worked == ["a.mp4"]
    assert bench.events[2].kind == "kept"
    assert "cannot be moved to done (Permission denied)" in str(bench.events[2].reason)


def test_watching_goes_on_with_what_comes(bench):
    stop = threading.Event()

    class Stopping(Bench):
        def work(self, source, destination, again):
            super().work(source, destination, again)
            if source.name == "late.mp4":
                raise KeyboardInterrupt

    stopping = Stopping(bench.root)
    stopping.put("early.mp4")

    def arrive() -> None:
        while not stopping.worked and not stop.wait(0.02):
            pass
        stopping.put("late.mp4")

    thread = threading.Thread(target=arrive)
    thread.start()
    try:
        with stopping.watcher() as watcher, pytest.raises(KeyboardInterrupt):
            watch.watch(watcher, once=False, poll_s=0.2)
    finally:
        stop.set()
        thread.join()
    assert stopping.worked == ["early.mp4", "late.mp4"]


def test_once_waits_until_files_are_still_and_leaves_retries_to_the_next_time(bench):
    bench.settle = 0.3
    bench.errors = {"b.mp4": [OSError("away")]}
    bench.put("a.mp4")
    bench.put("b.mp4")
    with alone(bench.inbox) as known:
        settling = Settling(bench.settle)
        folders = Folders(bench.inbox, bench.outbox)
        watcher = Watcher(folders, known, bench.work, bench.events.append, settling)
        watch.watch(watcher, once=True, poll_s=0.1)
    assert sorted(bench.worked) == ["a.mp4", "b.mp4"]
    assert list(bench.files("in")) == ["b.mp4", "done/a.mp4"]


def command(inbox: Path, outbox: Path, *words: str) -> list[str]:
    start = [sys.executable, "-m", "anonymizer", "watch", str(inbox), str(outbox)]
    cheap = ["--replace", "cover", "--expression", "off", "--settle", "0.2", "--json"]
    return [*start, *cheap, *words]


def test_the_command_does_it_for_real(bench):
    Film(frames=4).write(bench.inbox / "a.mp4")
    (bench.inbox / "b.mp4").write_text("no film")
    done = subprocess.run(
        command(bench.inbox, bench.outbox, "--once"),
        cwd=ROOT, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    events = [json.loads(line) for line in done.stdout.splitlines()]
    waiting = f"waiting: 1 of {bench.inbox} to be tried again; run the command again\n"
    assert (done.returncode, done.stderr) == (1, waiting)
    assert {"kind": "started", "path": "a.mp4", "output": "a_anonymized.mp4"} in events
    assert [event["kind"] for event in events if event["path"] == "b.mp4"] == ["started", "retry"]
    out = sorted(path.name for path in bench.outbox.iterdir())
    assert out == ["a_anonymized.mp4", "a_anonymized.report.html", "a_anonymized.report.json"]
    assert (bench.inbox / "done" / "a.mp4").exists()


def _ran(words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)


def test_a_file_that_came_whole_or_went_does_not_wait_any_more(bench):
    for name in ("late.mp4", "gone.mp4"):
        (bench.inbox / name).write_text("half a film")
    words = command(bench.inbox, bench.outbox, "--once")
    first = _ran(words)
    assert (first.returncode, "waiting: 2 of" in first.stderr) == (1, True)
    (bench.inbox / "gone.mp4").unlink()
    Film(frames=4).write(bench.inbox / "late.mp4")
    done = _ran(words)
    assert (done.returncode, done.stderr) == (0, "")
    assert (bench.inbox / "done" / "late.mp4").exists()


def test_stamps_of_gone_files_are_errors(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        Stamp.of(tmp_path / "absent", tmp_path)
