"""A whole set: the same result however it is made, and whatever stops it meanwhile."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from anonymizer import dataset, manifest
from anonymizer.dataset import anonymize
from anonymizer.errors import UnknownPart, UsageError
from anonymizer.manifest import Row
from anonymizer.orders import JOURNAL, STATE, Order
from anonymizer.settings import Detection, Settings
from anonymizer.tasks import Result, Task, Unit
from anonymizer.totals import Summary
from anonymizer.workers import Reply, Trade
from tests.anonymizer.test_shards import shard
from tests.anonymizer.test_units import CHEAP, picture
from tests.films import Film

ROOT = Path(__file__).resolve().parents[2]
OWN = replace(CHEAP, seed=None)
"""Without a secret: the set has one of its own."""


class Inline:
    """A crew of one that works in this process, so that a test need not wait for another."""

    def __init__(self, trade: Trade[Task, Result]) -> None:
        self.work = trade.make("inline")
        self.units: list[Task] = []

    @property
    def idle(self) -> int:
        return not self.units

    def hand(self, task: Task) -> None:
        self.units.append(task)

    def wait(self) -> list[Reply[Task, Result]]:
        unit = self.units.pop()
        return [Reply(unit, self.work(unit))]

    def close(self) -> None:
        self.units.clear()


class Bench:
    """A set, and what was told of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.source, self.destination = root / "in", root / "out"
        self.source.mkdir()
        self.told: list[tuple[str, bool]] = []

    def labels(self, count: int) -> None:
        for number in range(count):
            (self.source / f"{number:03}.json").write_text(str(number))

    def order(self, settings: Settings = OWN, **changes: object) -> Order:
        return replace(Order(self.source, self.destination, settings), **changes)  # type: ignore[arg-type]

    def run(self, settings: Settings = OWN, **changes: object) -> Summary:
        self.told = []

        def tell(row: Row, fresh: bool) -> None:
            self.told.append((row.path, fresh))

        return anonymize(self.order(settings, **changes), tell=tell)

    def fresh(self) -> list[str]:
        return [path for path, fresh in self.told if fresh]

    def rows(self) -> dict[str, Row]:
        found = list(manifest.read(self.destination / "manifest.parquet"))
        assert [row.path for row in found] == sorted(row.path for row in found)
        return {row.path: row for row in found}

    def files(self) -> dict[str, bytes]:
        return {
            path.relative_to(self.destination).as_posix(): path.read_bytes()
            for path in sorted(self.destination.rglob("*"))
            if path.is_file() and STATE not in path.parts and path.name != "manifest.parquet"
        }


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "_crew", lambda _, trade: Inline(trade))


def mixed(source: Path, films: int = 2) -> None:
    """Films, pictures, labels, a shard, a failure and a link."""
    for number in range(films):
        (source / str(number)).mkdir()
        Film(frames=3, size=(96, 64)).write(source / str(number) / "film.mp4")
        (source / str(number) / "film.json").write_text("{}")
        (source / str(number) / "still.png").write_bytes(picture(number))
    shard(source / "s.tar", {"a.png": picture(9), "a.cls": b"1"})
    (source / "bad.mp4").write_text("no film")
    (source / "link.mp4").symlink_to(source / "bad.mp4")


def timeless(rows: dict[str, Row]) -> list[dict[str, object]]:
    return [asdict(replace(row, seconds=0.0)) for row in rows.values()]


@pytest.mark.usefixtures("inline")
def test_a_set_is_made_once_and_the_next_run_has_nothing_to_do(bench):
    mixed(bench.source)
    summary = bench.run()
    rows, files = bench.rows(), bench.files()
    assert {path: row.verdict for path, row in rows.items()} == {
        "0/film.json": "copied", "0/film.mp4": "clean", "0/still.png": "clean",
        "1/film.json": "copied", "1/film.mp4": "clean", "1/still.png": "clean",
        "bad.mp4": "failed", "link.mp4": "skipped", "s.tar": "clean",
    }  # fmt: skip
    assert sorted(files) == sorted(set(rows) - {"bad.mp4", "link.mp4"})
    assert not summary.complete
    assert summary.verdicts == {"clean": 5, "copied": 2, "failed": 1, "skipped": 1}
    assert summary.failures == {"UnreadableVideo": 1}
    assert (summary.inputs, summary.members, summary.unchanged) == (9, 5, 0)
    again = bench.run()
    assert bench.fresh() == ["link.mp4"]
    assert (again.unchanged, bench.files()) == (8, files)
    assert timeless(bench.rows()) == timeless(rows)


def test_the_number_of_workers_does_not_change_the_result(bench, tmp_path, monkeypatch):
    mixed(bench.source)
    bench.run(CHEAP, workers=2)
    two, rows = bench.files(), bench.rows()
    bench.destination = tmp_path / "other"
    monkeypatch.setattr(dataset, "_crew", lambda _, trade: Inline(trade))
    bench.run(CHEAP)
    assert bench.files() == two
    assert timeless(bench.rows()) == timeless(rows)


@pytest.mark.usefixtures("inline")
def test_names_and_places_do_not_change_the_result(bench):
    mixed(bench.source, films=1)
    (bench.source / "x").mkdir()
    shutil.copy(bench.source / "0" / "film.mp4", bench.source / "x" / "other.mp4")
    bench.run(CHEAP)
    files = bench.files()
    assert files["x/other.mp4"] == files["0/film.mp4"]


@pytest.mark.usefixtures("inline")
def test_only_what_changed_or_came_is_done(bench):
    bench.labels(5)
    bench.run()
    (bench.source / "001.json").write_text("changed")
    (bench.source / "new.json").write_text("new")
    (bench.source / "003.json").unlink()
    summary = bench.run()
    assert bench.fresh() == ["001.json", "new.json"]
    assert (summary.gone, summary.inputs, summary.complete) == (1, 5, True)
    assert "003.json" not in bench.rows()
    assert bench.files()["001.json"] == b"changed"


@pytest.mark.usefixtures("inline")
def test_a_set_resumes_from_the_manifest_alone(bench):
    bench.labels(3)
    bench.run()
    shutil.rmtree(bench.destination / STATE)
    bench.run()
    assert bench.fresh() == []


@pytest.mark.usefixtures("inline")
def test_failures_are_tried_again_when_asked_for(bench):
    (bench.source / "bad.mp4").write_text("no film")
    bench.run()
    bench.run()
    assert bench.fresh() == []
    bench.run(retry_failed=True)
    assert bench.fresh() == ["bad.mp4"]


@pytest.mark.usefixtures("inline")
def test_the_first_failure_stops_a_run_that_shall_fail_fast(bench):
    (bench.source / "000.mp4").write_text("no film")
    bench.labels(4)
    summary = bench.run(fail_fast=True)
    assert bench.fresh() == ["000.json", "000.mp4"]
    assert (summary.complete, summary.inputs) == (False, 2)
    bench.run()
    assert bench.fresh() == ["001.json", "002.json", "003.json"]


@pytest.mark.usefixtures("inline")
def test_a_secret_of_its_own_is_kept_until_the_set_is_complete(bench):
    secret = bench.destination / STATE / "secret"
    bad = bench.source / "bad.mp4"
    bad.write_text("no film")
    bench.run()
    kept = secret.read_bytes()
    bench.labels(1)
    bench.run()
    assert secret.read_bytes() == kept
    bad.unlink()
    assert bench.run().complete
    assert not secret.exists()


@pytest.mark.usefixtures("inline")
def test_settings_that_name_what_is_not_there_stop_the_run(bench):
    bench.labels(1)
    (bench.source / "a.png").write_bytes(picture())
    with pytest.raises(UnknownPart, match="nobody"):
        bench.run(replace(OWN, detection=Detection(detector="nobody")))
    assert list(bench.rows()) == ["000.json"]
    assert bench.run().complete


@pytest.mark.usefixtures("inline")
def test_the_total_is_told_if_asked_for(bench):
    bench.labels(3)
    totals: list[int] = []
    anonymize(bench.order(), tell=lambda *_: None, total=totals.append)
    assert totals == [3]


@pytest.mark.usefixtures("inline")
def test_an_empty_folder_is_a_complete_set(bench):
    summary = bench.run()
    assert (summary.complete, summary.inputs, bench.rows()) == (True, 0, {})


@pytest.mark.usefixtures("inline")
def test_two_runs_never_share_a_destination(bench):
    bench.labels(1)

    def tell(*_: object) -> None:
        with pytest.raises(UsageError, match="another run has it"):
            bench.run()

    assert anonymize(bench.order(), tell=tell).complete


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": "absent"}, "is no folder"),
        ({"destination": "in/out"}, "must not lie in each other"),
        ({"destination": "."}, "must not lie in each other"),
        ({"workers": 0}, "at least 1"),
        ({"address": "auto"}, "add --engine ray"),
        ({"gpus": 0.5}, "add --engine ray"),
        ({"split_frames": -1}, "split-frames must not be negative"),
        ({"timeout_s": -1.0}, "timeout must not be negative"),
        ({"timeout_s": float("nan")}, "timeout must not be negative"),
    ],
)
def test_orders_that_make_no_sense_are_refused(bench, changes, message):
    paths = {key: bench.root / value for key, value in changes.items() if isinstance(value, str)}
    paths.pop("address", None)
    with pytest.raises(UsageError, match=message):
        bench.order(**changes | paths)


def test_a_destination_that_is_a_file_is_refused(bench):
    bench.destination.write_text("mine")
    with pytest.raises(UsageError, match="cannot be written"):
        bench.run()


def test_a_journal_that_is_none_is_refused(bench):
    state = bench.destination / STATE
    state.mkdir(parents=True)
    (state / JOURNAL).write_text("x" * 5000)
    with pytest.raises(UsageError, match="remove it"):
        bench.run()


@pytest.mark.usefixtures("inline")
def test_a_large_file_may_be_silent_for_longer(bench, tmp_path):
    path = bench.source / "a.json"
    path.write_bytes(bytes(1_000_000))
    unit = Unit(next(dataset.entries(bench.order())), None, begun=False, again=False)
    assert dataset._limit_s(60, unit) == 60.1
    path.unlink()
    assert dataset._limit_s(60, unit) == 60


def test_a_worker_without_a_folder_shows_nothing_yet(tmp_path):
    assert dataset._sign(tmp_path, "worker-0") is None
    (tmp_path / "worker-0").mkdir()
    first = dataset._sign(tmp_path, "worker-0")
    os.utime(tmp_path / "worker-0", (1, 1))
    assert first != dataset._sign(tmp_path, "worker-0") == 10**9


class Deadly(Inline):
    """A crew of one whose worker dies of every unit."""

    tried = 0

    def wait(self) -> list[Reply[Task, Result]]:
        self.tried += 1
        return [Reply(self.units.pop(), None)]


def test_an_input_that_holds_a_worker_up_has_failed(bench, monkeypatch):
    class Stuck(Deadly):
        def wait(self) -> list[Reply[Task, Result]]:
            self.tried += 1
            return [Reply(self.units.pop(), None, late=True)]

    bench.labels(1)
    crew = Stuck(Trade(make=lambda _: lambda _: pytest.fail("works")))
    monkeypatch.setattr(dataset, "_crew", lambda *_: crew)
    assert bench.run(fail_fast=True).failures == {"TimedOut": 1}
    assert crew.tried == 1
    assert "--timeout" in str(bench.rows()["000.json"].error)


def test_an_input_that_kills_two_workers_has_failed(bench, monkeypatch):
    bench.labels(1)
    crew = Deadly(Trade(make=lambda _: lambda _: pytest.fail("works")))
    monkeypatch.setattr(dataset, "_crew", lambda *_: crew)
    assert bench.run().failures == {"WorkerDied": 1}
    assert crew.tried == 2
    monkeypatch.setattr(dataset, "_crew", lambda _, trade: Inline(trade))
    assert bench.run().complete


def command(bench: Bench, *words: str) -> list[str]:
    start = [sys.executable, "-m", "anonymizer", "dataset", str(bench.source)]
    cheap = ["--replace", "cover", "--expression", "off", "--second-detector", "none"]
    return [*start, str(bench.destination), *cheap, *words]


def test_an_interrupted_run_rolls_back_and_writes_its_manifest(bench):
    bench.labels(2)
    long = Film(frames=400, size=(96, 64)).write(bench.source / "a.mp4")
    process = subprocess.Popen(
        command(bench), cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    work = bench.destination / STATE / "work"
    while not list(work.glob("*/*/.veilframe-*")):
        assert process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (
        130,
        "interrupted; nothing half-written was left behind\n",
    )
    assert not work.exists()
    assert list(bench.rows()) == ["000.json", "001.json"]
    assert not (bench.destination / long.name).exists()
