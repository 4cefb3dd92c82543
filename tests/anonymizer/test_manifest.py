"""Rows are there when they were written, and the manifest holds them all."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
from pyarrow import parquet

from anonymizer import manifest
from anonymizer.errors import UnwritableOutput
from anonymizer.manifest import Row, journal

FULL = Row(
    path="a/b.mp4", kind="video", verdict="repaired", source_sha256="s", output="a/b.mp4",
    output_sha256="o", settings_sha256="t", members=1, frames=2, duration_s=0.5, tracks=3, faces=4,
    doubts=0, repaired=1, leak_bound=0.25, failure=None, error=None, seconds=1.5,
)  # fmt: skip
BAD = Row(path="z.png", kind="image", verdict="failed", failure="OSError", error="no space")


@pytest.fixture
def place(tmp_path):
    return tmp_path / "dataset.sqlite", tmp_path / "manifest.parquet"


def test_a_row_is_there_after_it_was_written(place):
    with journal(*place) as known:
        assert known.get("a/b.mp4") == (False, None)
        known.begin("a/b.mp4")
        assert known.get("a/b.mp4") == (True, None)
        known.end(FULL)
        with journal(*place) as other:  # as after a kill: nothing was closed
            assert other.get("a/b.mp4") == (True, FULL)


def test_beginning_again_keeps_the_row(place):
    with journal(*place) as known:
        known.end(FULL)
        known.begin("a/b.mp4")
        assert known.get("a/b.mp4") == (True, FULL)
        known.end(replace(FULL, frames=9))
        assert [row.frames for row in known.rows()] == [9]


def test_rows_of_inputs_that_are_gone_are_forgotten(place):
    with journal(*place) as known:
        for path in "abc":
            known.end(replace(FULL, path=path))
    with journal(*place) as known:
        known.begin("a")
        known.end(replace(FULL, path="c"))
        assert known.forget_unseen() == 1
        assert [row.path for row in known.rows()] == ["a", "c"]


def test_notes_stay(place):
    with journal(*place) as known:
        assert known.note("x") is None
        known.put_note("x", "1")
        known.put_note("x", "2")
    with journal(*place) as known:
        assert known.note("x") == "2"


def test_the_manifest_has_every_row_by_path_with_its_types(place, monkeypatch):
    monkeypatch.setattr(manifest, "GROUP", 2)
    rows = [BAD, FULL, *(replace(FULL, path=f"{number}") for number in range(3))]
    with journal(*place) as known:
        for row in rows:
            known.end(row)
        manifest.write(known.rows(), place[1])
    table = parquet.read_table(place[1])
    assert table.column("path").to_pylist() == ["0", "1", "2", "a/b.mp4", "z.png"]
    assert table.to_pylist()[3:] == [asdict(FULL), asdict(BAD)]
    kinds = {name: str(table.schema.field(name).type) for name in ("path", "frames", "leak_bound")}
    assert kinds == {"path": "string", "frames": "int64", "leak_bound": "double"}
    assert str(table.schema.field("source_sha256").type) == "string"
    assert table.schema.metadata[b"format"] == b"veilframe-manifest-1"


def test_an_empty_set_has_a_manifest(place):
    manifest.write(iter(()), place[1])
    assert list(manifest.read(place[1])) == []


def test_a_new_journal_begins_with_the_manifest(place):
    manifest.write(iter([FULL, BAD]), place[1])
    with journal(*place) as known:
        assert list(known.rows()) == [FULL, BAD]
    manifest.write(iter([]), place[1])
    with journal(*place) as known:
        assert list(known.rows()) == [FULL, BAD]


def test_a_manifest_that_cannot_be_written_leaves_the_old_one(place):
    manifest.write(iter([FULL]), place[1])

    def broken():
        yield BAD
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        manifest.write(broken(), place[1])
    assert list(manifest.read(place[1])) == [FULL]
    with pytest.raises(UnwritableOutput):
        manifest.write(iter([]), place[1].parent / "no" / "manifest.parquet")


@pytest.mark.parametrize("verdict", ["clean", "repaired", "copied", "skipped", "doubt", "failed"])
def test_what_is_good_needs_nothing_more(verdict):
    assert replace(FULL, verdict=verdict).good == (verdict not in ("doubt", "failed"))
