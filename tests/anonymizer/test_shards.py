"""Shards: every film and picture replaced, every label kept, and nothing else let through."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from anonymizer import shards
from anonymizer.errors import JobError, UncoveredFace
from anonymizer.report import Report
from anonymizer.video.containers import output_suffix
from tests.reports import report


def shard(path: Path, members: Mapping[str, bytes], **headers: object) -> Path:
    with tarfile.open(path, "w") as file:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.uname, member.uid = len(content), 1e9, "jane", 7
            for key, value in headers.items():
                setattr(member, key, value)
            file.addfile(member, io.BytesIO(content))
    return path


def contents(path: Path) -> dict[str, bytes]:
    with tarfile.open(path, "r:") as file:
        return {m.name: file.extractfile(m).read() for m in file}  # type: ignore[union-attr]


class Bench:
    """A place to rewrite shards in, and a painter that shouts."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.place = root / "place"
        self.place.mkdir()
        self.seen: list[tuple[str, str, int]] = []

    def paint(self, source: Path, destination: Path) -> Report:
        self.seen.append((source.name, destination.name, source.stat().st_mode & 0o777))
        if b"fail" in source.read_bytes():
            raise UncoveredFace(source, "no mask")
        destination.write_bytes(source.read_bytes().upper())
        return report()

    def rewrite(self, source: Path) -> dict[str, bytes]:
        target = self.root / "target"
        target.touch()
        shard = shards.rewrite(source, target, self.place, self.paint, output_suffix)
        self.reports = list(shard)
        assert list(self.place.iterdir()) == []
        return contents(target)

    def refuse(self, source: Path) -> str:
        with pytest.raises(JobError) as caught:
            self.rewrite(source)
        assert list(self.place.iterdir()) == []
        return caught.value.reason


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_films_and_pictures_are_painted_and_labels_kept_in_order(bench, tmp_path):
    members = {
        "1.jpg": b"one", "1.cls": b"7", "2.JPG": b"two", "2.json": b"{}" * 999, "d/3.avi": b"three",
    }  # fmt: skip
    made = bench.rewrite(shard(tmp_path / "a.tar", members))
    assert list(made.items()) == [
        ("1.jpg", b"ONE"), ("1.cls", b"7"), ("2.JPG", b"TWO"), ("2.json", b"{}" * 999),
        ("d/3.mkv", b"THREE"),
    ]  # fmt: skip
    assert len(bench.reports) == 3
    assert bench.seen[2] == ("original.avi", "result.mkv", 0o600)


def test_owners_and_times_are_dropped_and_the_same_shard_gives_the_same_bytes(bench, tmp_path):
    source = shard(tmp_path / "a.tar", {"1.jpg": b"one", "1.cls": b"7"}, pax_headers={"x": "y"})
    bench.rewrite(source)
    first = (tmp_path / "target").read_bytes()
    bench.rewrite(shard(tmp_path / "a.tar", {"1.jpg": b"one", "1.cls": b"7"}, uid=3, mtime=5))
    assert (tmp_path / "target").read_bytes() == first
    with tarfile.open(tmp_path / "target") as file:
        for member in file:
            assert (member.uname, member.uid, member.mtime, member.mode) == ("", 0, 0, 0o644)
    assert b"jane" not in first


def test_names_from_the_current_folder_stay_together(bench, tmp_path):
    source = shard(tmp_path / "a.tar", {"./1.jpg": b"one", "./1.cls": b"7"})
    assert list(bench.rewrite(source)) == ["1.jpg", "1.cls"]


def test_folders_are_left_out_and_an_empty_shard_stays_one(bench, tmp_path):
    assert bench.rewrite(shard(tmp_path / "a.tar", {"d": b""}, type=tarfile.DIRTYPE)) == {}
    assert bench.rewrite(shard(tmp_path / "b.tar", {})) == {}


@pytest.mark.parametrize(
    "name", ["../1.jpg", "/etc/1.jpg", "a/../../1.cls", "..\\1.jpg", "C:/1.jpg", "..", "."]
)
def test_names_that_lead_elsewhere_are_refused(bench, tmp_path, name):
    reason = bench.refuse(shard(tmp_path / "a.tar", {"0.jpg": b"x", name: b"x"}))
    assert "leads out of a folder" in reason
    assert name in reason


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
)
def test_what_is_no_plain_file_is_refused(bench, tmp_path, kind):
    source = shard(tmp_path / "a.tar", {"1.jpg": b""}, type=kind, linkname="/etc/passwd")
    assert "is no plain file" in bench.refuse(source)


@pytest.mark.parametrize(
    "names", [("1.avi", "1.mkv"), ("1.avi", "./1.avi"), ("1.cls", "x/../1.cls")]
)
def test_two_members_never_get_one_name(bench, tmp_path, names):
    reason = bench.refuse(shard(tmp_path / "a.tar", dict.fromkeys(names, b"x")))
    assert "two members" in reason or "leads out" in reason


def test_a_label_that_is_a_picture_is_refused(bench, tmp_path):
    source = shard(tmp_path / "a.tar", {"1.thumb": b"\x89PNG\r\n\x1a\n"})
    assert "looks like a picture" in bench.refuse(source)


def test_a_table_in_a_shard_is_refused(bench, tmp_path):
    assert "is a table" in bench.refuse(shard(tmp_path / "a.tar", {"1.parquet": b"PAR1..."}))


def test_a_shard_in_a_shard_is_refused(bench, tmp_path):
    assert "shard in a shard" in bench.refuse(shard(tmp_path / "a.tar", {"1.tar": b"x"}))


def test_a_member_that_fails_is_named_and_fails_the_shard(bench, tmp_path):
    reason = bench.refuse(shard(tmp_path / "a.tar", {"1.jpg": b"one", "2.jpg": b"fail"}))
    assert reason == "member 2.jpg: no mask"


@pytest.mark.parametrize("size", [0, 100, 600, 1024, 1700, 2048, 3000])
def test_a_shard_that_is_cut_short_is_refused(bench, tmp_path, size):
    source = shard(tmp_path / "a.tar", {"1.jpg": b"one", "2.cls": b"7" * 900})
    source.write_bytes(source.read_bytes()[:size])
    assert "damaged" in bench.refuse(source)


def test_a_shard_with_a_damaged_header_is_refused(bench, tmp_path):
    source = shard(tmp_path / "a.tar", {"1.jpg": b"one", "2.jpg": b"two"})
    data = bytearray(source.read_bytes())
    data[1024:1034] = b"x" * 10
    source.write_bytes(data)
    assert "damaged" in bench.refuse(source)


def test_a_member_that_claims_too_much_is_refused(bench, tmp_path):
    source = tmp_path / "a.tar"
    member = tarfile.TarInfo("1.jpg")
    member.size = 2**41
    source.write_bytes(member.tobuf() + bytes(1024))
    assert "claims to have" in bench.refuse(source)


def test_compressed_shards_are_refused(bench, tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w:gz"):
        pass
    assert "no tar file" in bench.refuse(tmp_path / "a.tar")
