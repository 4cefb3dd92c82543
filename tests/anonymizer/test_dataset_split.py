"""Long films are divided, and nobody can see by whom a piece was done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from anonymizer import build, dataset, manifest, pieces
from anonymizer.data import Face, Frame
from anonymizer.orders import STATE, Order
from anonymizer.tasks import Joining, Painting, Result, Search, Task, unit_of
from anonymizer.verify import Second
from anonymizer.video.media import open_source
from anonymizer.video.timetable import Indivisible
from anonymizer.workers import Reply, Trade
from tests.anonymizer.test_dataset import Bench, Inline
from tests.anonymizer.test_units import CHEAP
from tests.films import Film

LONG = Film(frames=64, size=(96, 64), cuts=(16, 32, 48), audio="aac", rate=25)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path)
    LONG.write(made.source / "long.mp4")
    Film(frames=3, size=(96, 64)).write(made.source / "short.mp4")
    return made


class Noting(Inline):
    """A crew of one, which does the newest task first and keeps what it was given."""

    given: list[Task]

    def __init__(self, trade: Trade[Task, Result]) -> None:
        super().__init__(trade)
        self.given = []

    @property
    def idle(self) -> int:
        return 3 - len(self.units)

    def hand(self, task: Task) -> None:
        super().hand(task)
        self.given.append(task)


@pytest.fixture
def crews(monkeypatch: pytest.MonkeyPatch) -> list[Noting]:
    made: list[Noting] = []

    def crew(_: Order, trade: Trade[Task, Result]) -> Noting:
        made.append(Noting(trade))
        return made[-1]

    monkeypatch.setattr(dataset, "_crew", crew)
    return made


def kinds(crew: Noting) -> list[str]:
    return [type(task).__name__ for task in crew.given if "long" in unit_of(task).entry.path]


def test_a_long_film_is_done_in_pieces_and_a_short_one_is_not(bench, crews):
    summary = bench.run(CHEAP, split_frames=16)
    assert summary.complete
    assert kinds(crews[0]) == ["Unit", *["Search"] * 4, "Planning", *["Painting"] * 4, "Joining"]
    assert sum("short" in unit_of(task).entry.path for task in crews[0].given) == 1
    row = bench.rows()["long.mp4"]
    assert (row.verdict, row.frames, row.duration_s) == ("clean", 64, 2.52)
    assert row.seconds > 0
    made, given = (open_source(folder / "long.mp4") for folder in (bench.destination, bench.source))
    assert [frame.time for frame in made] == [frame.time for frame in given]
    assert made.info.has_audio
    assert not (bench.destination / STATE / "work").exists()


def test_pieces_in_any_order_by_anybody_give_the_same_bytes(bench, tmp_path, crews, monkeypatch):
    bench.run(CHEAP, split_frames=16)
    first, rows = bench.files(), bench.rows()
    bench.destination = tmp_path / "other"
    monkeypatch.setattr(dataset, "_crew", lambda _, trade: Inline(trade))
    bench.run(CHEAP, split_frames=16)
    assert bench.files() == first
    assert [replace(row, seconds=0.0) for row in bench.rows().values()] == [
        replace(row, seconds=0.0) for row in rows.values()
    ]


def test_every_frame_is_that_of_the_film_done_as_a_whole(bench, tmp_path, crews):
    lossless = replace(CHEAP, media=replace(CHEAP.media, lossless=True))
    bench.run(lossless, split_frames=16)
    parted = [frame.image for frame in open_source(bench.destination / "long.mp4")]
    bench.destination = tmp_path / "other"
    bench.run(lossless, split_frames=0)
    assert kinds(crews[1]) == ["Unit"]
    whole = [frame.image for frame in open_source(bench.destination / "long.mp4")]
    assert len(whole) == 64
    assert all(np.array_equal(a, b) for a, b in zip(parted, whole, strict=True))


def test_where_a_film_is_divided_is_one_of_its_settings(bench, crews):
    bench.run(CHEAP, split_frames=16)
    bench.run(CHEAP, split_frames=16)
    assert bench.fresh() == []
    bench.run(CHEAP, split_frames=32)
    assert bench.fresh() == ["short.mp4", "long.mp4"]


def test_a_film_that_can_only_be_done_whole_is(bench, crews, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise Indivisible("its times are odd")

    monkeypatch.setattr(pieces, "to_search", refuse)
    assert bench.run(CHEAP, split_frames=16).complete
    assert kinds(crews[0]) == ["Unit"]


def test_a_film_that_turns_out_to_be_indivisible_is_done_whole(bench, crews, monkeypatch):
    real, asked = pieces.painted, []

    def refuse(*args: object, **more: object) -> None:
        asked.append(args)
        if len(asked) == 2:
            raise Indivisible("it is transparent")
        real(*args, **more)  # type: ignore[arg-type]  # as it came

    monkeypatch.setattr(pieces, "painted", refuse)
    assert bench.run(CHEAP, split_frames=16).complete
    assert kinds(crews[0])[-1] == "Unit"
    assert not (bench.destination / STATE / "work").exists()


def test_a_failure_of_one_piece_is_the_failure_of_the_film(bench, crews, monkeypatch):
    monkeypatch.setattr(pieces, "painted", lambda *_, **__: 1 / 0)
    summary = bench.run(CHEAP, split_frames=16)
    assert summary.failures == {"ZeroDivisionError": 1}
    assert bench.rows()["short.mp4"].good
    assert not (bench.destination / "long.mp4").exists()
    assert bench.told.count(("long.mp4", True)) == 1
    assert "Joining" not in kinds(crews[0])


class Mortal(Noting):
    """A crew whose workers die of the first task of a kind, once or always."""

    kind: type[Task] = Search
    deaths = 1

    def wait(self) -> list[Reply[Task, Result]]:
        if isinstance(self.units[-1], self.kind) and self.deaths:
            self.deaths -= 1
            return [Reply(self.units.pop(), None)]
        return super().wait()


@pytest.mark.parametrize("kind", [Search, Painting, Joining])
def test_a_worker_that_dies_costs_one_piece(bench, monkeypatch, kind):
    crews: list[Mortal] = []

    def crew(_: Order, trade: Trade[Task, Result]) -> Mortal:
        crews.append(Mortal(trade))
        crews[-1].kind = kind
        return crews[-1]

    monkeypatch.setattr(dataset, "_crew", crew)
    assert bench.run(CHEAP, split_frames=16).complete
    given = [task for task in crews[0].given if "long" in unit_of(task).entry.path]
    assert len(given) == 12
    assert len(set(given)) == 11


def test_a_piece_that_kills_two_workers_fails_its_film(bench, monkeypatch):
    def crew(_: Order, trade: Trade[Task, Result]) -> Mortal:
        made = Mortal(trade)
        made.kind, made.deaths = Painting, 100
        return made

    monkeypatch.setattr(dataset, "_crew", crew)
    assert bench.run(CHEAP, split_frames=16).failures == {"WorkerDied": 1}
    assert bench.files().keys() == {"short.mp4"}


def test_a_missing_part_is_no_film(bench, crews, monkeypatch):
    real = pieces.to_paint
    monkeypatch.setattr(pieces, "to_paint", lambda *args, **more: real(*args, **more)[1:])
    assert bench.run(CHEAP, split_frames=16).failures == {"UnwritableOutput": 1}
    assert bench.files().keys() == {"short.mp4"}


def test_a_source_that_changes_between_two_pieces_is_not_published(bench, crews, monkeypatch):
    real = pieces.painted
    source = bench.source / "long.mp4"

    def change(*args: object, **more: object) -> None:
        real(*args, **more)  # type: ignore[arg-type]  # as it came
        source.write_bytes(source.read_bytes() + bytes(8))

    monkeypatch.setattr(pieces, "painted", change)
    assert not bench.run(CHEAP, split_frames=16).complete
    assert not (bench.destination / "long.mp4").exists()


class Nobody:
    """Sees no face, and counts what it is asked."""

    provider = "paper"
    asked = 0

    def detect(self, frames: Sequence[Frame]) -> list[list[Face]]:
        self.asked += len(frames)
        return [[] for _ in frames]


def test_the_second_detector_looks_once_at_every_frame(bench, crews, monkeypatch):
    nobody = Nobody()
    monkeypatch.setattr(build, "second", lambda _: Second("paper", nobody))
    assert bench.run(CHEAP, split_frames=16).complete
    assert kinds(crews[0])[-1] == "Joining"
    assert nobody.asked == 64 + 3


def test_two_workers_do_what_one_does(bench, tmp_path, monkeypatch):
    bench.run(CHEAP, split_frames=16, workers=2)
    two, rows = bench.files(), bench.rows()
    bench.destination = tmp_path / "other"
    monkeypatch.setattr(dataset, "_crew", lambda _, trade: Inline(trade))
    bench.run(CHEAP, split_frames=16)
    assert bench.files() == two
    assert list(rows) == list(bench.rows())
    read = list(manifest.read(bench.destination / "manifest.parquet"))
    assert [row.output_sha256 for row in read] == [row.output_sha256 for row in rows.values()]
