"""One input: done once, done again when something changed, and never half."""

from __future__ import annotations

import hashlib
import os
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from anonymizer import build, rows, shards, units
from anonymizer.errors import Doubtful, UnknownPart, VeilframeError
from anonymizer.manifest import Row
from anonymizer.mirror import Entry, entries
from anonymizer.settings import Checking, Detection, Painting, Settings
from anonymizer.tasks import Outcome, Unit
from anonymizer.units import Worker
from anonymizer.video.containers import output_suffix
from tests import reports
from tests.anonymizer.test_shards import contents, shard
from tests.films import Film

CHEAP = Settings(
    painting=Painting(replace="cover", expression="off"),
    checking=Checking(second_detector="none"),
    seed=1,
)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Bench:
    """A source folder, a destination, and a worker."""

    def __init__(self, root: Path) -> None:
        self.source, self.destination = root / "in", root / "out"
        self.source.mkdir()
        self.destination.mkdir()
        self.state = self.destination / ".state"
        self.worker = Worker(CHEAP, "settings", self.destination, self.state / "work" / "me")

    def put(self, name: str, content: bytes) -> Path:
        path = self.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def unit(self, name: str, known: Row | None = None, **changes: bool) -> Unit:
        found = entries(self.source, output_suffix, only_media=False, fold=False)
        (entry,) = [entry for entry in found if entry.path == name]
        return Unit(entry, known, **{"begun": known is not None, "again": False} | changes)

    def do(self, name: str, known: Row | None = None, **changes: bool) -> Outcome:
        outcome = self.worker(self.unit(name, known, **changes))
        assert isinstance(outcome, Outcome)
        assert list(self.state.glob("work/me/*")) == []
        assert self.state.joinpath("work", "me").stat().st_mode & 0o77 == 0
        return outcome


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def picture(seed: int = 0, suffix: str = ".png") -> bytes:
    image = np.random.default_rng(seed).integers(0, 255, (40, 60, 3), np.uint8)
    return cv2.imencode(suffix, image)[1].tobytes()


def test_a_film_is_anonymized_and_its_row_says_what_was_done(bench, tmp_path):
    (bench.source / "d").mkdir()
    Film(frames=3, size=(96, 64)).write(bench.source / "d" / "a.mp4")
    outcome = bench.do("d/a.mp4")
    assert outcome.fresh
    result = bench.destination / "d" / "a.mp4"
    before = digest(bench.source / "d" / "a.mp4")
    expected = Row(
        path="d/a.mp4", kind="video", verdict="clean", source_sha256=before,
        output="d/a.mp4", output_sha256=digest(result), settings_sha256="settings", members=1,
        frames=3, duration_s=0.08, leak_bound=1.0, seconds=outcome.row.seconds,
    )  # fmt: skip
    assert outcome.row == expected
    assert outcome.row.seconds > 0
    assert [path.name for path in result.parent.iterdir()] == ["a.mp4"]


def test_a_label_is_copied(bench):
    bench.put("a.json", b"{}")
    row = bench.do("a.json").row
    assert (row.verdict, row.source_sha256) == ("copied", row.output_sha256)
    assert (bench.destination / "a.json").read_bytes() == b"{}"


def test_a_label_that_is_a_picture_is_not_copied(bench):
    bench.put("a.label", picture())
    row = bench.do("a.label").row
    assert (row.verdict, row.failure) == ("failed", "JobError")
    assert "looks like a picture" in str(row.error)
    assert not (bench.destination / "a.label").exists()


@pytest.mark.parametrize(("content", "verdict"), [("text", "copied"), (b"bytes", "failed")])
def test_a_table_is_copied_if_it_holds_no_bytes(bench, content, verdict):
    parquet.write_table(pa.table({"a": [content]}), bench.source / "a.parquet")
    row = bench.do("a.parquet").row
    assert row.verdict == verdict
    assert ("column a holds bytes" in str(row.error)) == (verdict == "failed")


def test_a_shard_is_done_member_by_member(bench):
    members = {"1.png": picture(1), "1.cls": b"7", "2.png": picture(2)}
    shard(bench.source / "a.tar", members)
    row = bench.do("a.tar").row
    assert (row.verdict, row.members, row.frames) == ("clean", 2, 2)
    assert row.output_sha256 == digest(bench.destination / "a.tar")
    made = contents(bench.destination / "a.tar")
    assert list(made) == list(members)
    assert made["1.cls"] == b"7"
    decoded = cv2.imdecode(np.frombuffer(made["2.png"], np.uint8), 1)
    assert decoded is not None
    assert decoded.shape == (40, 60, 3)


def test_a_shard_with_one_bad_member_is_not_published(bench):
    shard(bench.source / "a.tar", {"1.png": picture(1), "2.png": b"no picture"})
    row = bench.do("a.tar").row
    assert (row.verdict, row.output_sha256) == ("failed", None)
    assert str(row.error).startswith("member 2.png: ")
    assert not (bench.destination / "a.tar").exists()


def test_what_is_done_is_not_done_again(bench):
    bench.put("a.json", b"{}")
    first = bench.do("a.json").row
    again = bench.do("a.json", first)
    assert again == Outcome(first, fresh=False)


@pytest.mark.parametrize("what", ["source", "settings", "result", "gone", "name"])
def test_what_changed_is_done_again(bench, what):
    bench.put("a.json", b"{}")
    first = bench.do("a.json").row
    result = bench.destination / "a.json"
    if what == "source":
        bench.put("a.json", b"[]")
    if what == "settings":
        first = replace(first, settings_sha256="others")
    if what == "result":
        result.write_bytes(b"spoilt")
    if what == "gone":
        result.unlink()
    if what == "name":
        first = replace(first, output="b.json")
    assert bench.do("a.json", first).fresh
    assert result.read_bytes() == (bench.source / "a.json").read_bytes()


def test_a_failure_is_tried_again_only_when_asked_for_or_changed(bench):
    bench.put("a.mp4", b"no film")
    first = bench.do("a.mp4").row
    assert (first.verdict, first.failure) == ("failed", "UnreadableVideo")
    assert str(bench.source) not in str(first.error)
    assert bench.do("a.mp4", first) == Outcome(first, fresh=False)
    assert bench.do("a.mp4", first, again=True).fresh
    bench.put("a.mp4", b"no film either")
    assert bench.do("a.mp4", first).fresh


def test_files_of_others_are_not_replaced(bench):
    bench.put("a.json", b"{}")
    (bench.destination / "a.json").write_text("theirs")
    row = bench.do("a.json").row
    assert (row.failure, row.verdict) == ("UnwritableOutput", "failed")
    assert (bench.destination / "a.json").read_text() == "theirs"
    assert bench.do("a.json", begun=True).row.good


def test_a_link_in_the_destination_does_not_lead_out(bench, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (bench.destination / "d").symlink_to(tmp_path / "elsewhere")
    bench.put("d/a.json", b"{}")
    assert "leads out" in str(bench.do("d/a.json").row.error)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_what_is_left_out_has_a_row(bench):
    (bench.source / "a.mp4").symlink_to("/dev/null")
    assert bench.do("a.mp4").row == Row(
        path="a.mp4", kind="video", verdict="skipped", error="is a link; links are not followed"
    )
    odd = Entry("x", Path("x"), "video", None, "odd", fault=True)
    row = bench.worker(Unit(odd, None, begun=False, again=False)).row
    assert (row.verdict, row.failure, row.error) == ("failed", "Unmirrored", "odd")


def test_a_source_that_is_gone_is_a_failure(bench):
    path = bench.put("a.json", b"{}")
    unit = replace(bench.unit("a.json"), begun=True)
    known = bench.worker(unit).row
    path.unlink()
    assert bench.worker(unit).row.failure == "FileNotFoundError"
    row = bench.worker(replace(unit, known=known)).row
    assert (row.failure, row.source_sha256) == ("JobError", None)


def test_a_full_disk_is_a_failure_and_leaves_nothing(bench, monkeypatch):
    bench.put("a.json", b"{}")

    def full(_: Path, target: Path) -> None:
        target.write_text("hal")
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(shutil, "copyfile", full)
    row = bench.do("a.json").row
    assert "No space left" in str(row.error)
    assert not (bench.destination / "a.json").exists()


def test_a_shard_that_changes_meanwhile_is_not_published(bench, monkeypatch):
    source = shard(bench.source / "a.tar", {"1.cls": b"7"})
    original = shards.rewrite

    def changing(*args):
        yield from original(*args)
        source.write_bytes(source.read_bytes() + bytes(512))

    monkeypatch.setattr(shards, "rewrite", changing)
    assert bench.do("a.tar").row.failure == "SourceChanged"
    assert not (bench.destination / "a.tar").exists()


class Broken:
    """Paints by raising."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def file(self, *_: object, **__: object) -> None:
        raise self.error


def test_a_worker_shows_that_it_gets_on_now_and_then(bench, monkeypatch):
    Film(frames=20, size=(96, 64)).write(bench.source / "a.mp4")
    place = bench.state / "work" / "me"
    signs: list[Path] = []
    monkeypatch.setattr(units, "BEAT_S", 0)
    monkeypatch.setattr(os, "utime", signs.append)
    assert bench.do("a.mp4").row.good
    assert len(signs) >= 6
    assert set(signs) == {place}
    signs.clear()
    monkeypatch.setattr(units, "BEAT_S", 3600)
    bench.do("a.mp4", begun=True)
    assert signs == []
    monkeypatch.undo()
    place.rmdir()
    bench.worker._beaten = -1e9
    bench.worker._beat()


def test_a_doubt_is_counted_and_nothing_is_published(bench):
    bench.put("a.png", picture())
    seen = reports.verification(reports.doubt(), reports.doubt(18))
    doubtful = Doubtful("x", "not published: why", reports.report(verification=seen))
    bench.worker._veil = Broken(doubtful)
    row = bench.do("a.png").row
    assert (row.verdict, row.failure, row.error) == ("doubt", "Doubtful", "not published: why")
    assert (row.faces, row.doubts, row.output_sha256) == (300, 2, None)
    assert 0.006 < (row.leak_bound or 0) < 0.03
    assert not row.good


def test_a_repair_is_said(bench):
    seen = reports.verification(repaired=[reports.doubt()])
    row = rows.tally(Row(path="a", kind="image", verdict="failed"), [
        reports.report(), reports.report(verification=seen),
    ])  # fmt: skip
    assert (row.verdict, row.repaired, row.faces, row.members) == ("repaired", 1, 600, 2)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ZeroDivisionError("by 0\n!"), "unexpected: by 0"),
        (MemoryError(), "unexpected: "),
        (VeilframeError("odd"), "odd"),
    ],
)
def test_a_fault_of_ours_is_a_failure_of_the_input(bench, error, said):
    bench.put("a.png", picture())
    bench.worker._veil = Broken(error)
    row = bench.do("a.png").row
    assert (row.failure, row.error) == (type(error).__name__, said)


def test_settings_that_name_what_is_not_there_are_no_fault_of_the_input(bench):
    bench.put("a.png", picture())
    settings = replace(CHEAP, detection=Detection(detector="nobody"))
    with pytest.raises(UnknownPart, match="nobody"):
        Worker(settings, "settings", bench.destination, bench.state / "w")(bench.unit("a.png"))


def test_parts_are_loaded_on_one_core_whatever_there_are(monkeypatch):
    chosen: list[set[int]] = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 1, 2})
    monkeypatch.setattr(os, "sched_setaffinity", lambda _, cores: chosen.append(set(cores)))
    monkeypatch.setattr(os, "getpid", lambda: 300)
    with suppress(ZeroDivisionError), units.one_core():
        assert chosen == [{1}]
        raise ZeroDivisionError
    assert chosen == [{1}, {1, 2, 3}]
    chosen.clear()
    for pid in (301, 302):
        monkeypatch.setattr(os, "getpid", lambda pid=pid: pid)
        with units.one_core():
            pass
    assert chosen[::2] == [{2}, {3}], "those who start together do not wait for each other"
    chosen[2:] = []
    monkeypatch.delattr(os, "sched_setaffinity")
    with units.one_core():
        pass
    assert len(chosen) == 2


def test_a_worker_loads_its_parts_on_one_core(bench, monkeypatch):
    cores: list[int] = []

    class Looking(Broken):
        def __init__(self, _: Settings) -> None:
            cores.append(build.cores())
            super().__init__(ZeroDivisionError())

    monkeypatch.setattr(units, "Anonymizer", Looking)
    bench.put("a.png", picture())
    bench.do("a.png")
    assert cores == [1]
