"""What a folder holds: every input once, whatever its name, and no two results of one name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from anonymizer import mirror
from anonymizer.mirror import Entry, entries, owners
from anonymizer.video.containers import output_suffix


def tree(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return root


def seen(root: Path, *, only_media: bool = False, fold: bool = False) -> dict[str, Entry]:
    found = list(entries(root, output_suffix, only_media=only_media, fold=fold))
    assert len({entry.path for entry in found}) == len(found)
    return {entry.path: entry for entry in found}


def test_a_tree_is_mirrored_file_by_file(tmp_path):
    found = seen(tree(tmp_path, "b.mp4", "a/x.AVI", "a/y.png", "a/y.json", "c/s.tar"))
    assert [(e.path, e.kind, e.output) for e in found.values()] == [
        ("b.mp4", "video", "b.mp4"),
        ("a/x.AVI", "video", "a/x.mkv"),
        ("a/y.json", "other", "a/y.json"),
        ("a/y.png", "image", "a/y.png"),
        ("c/s.tar", "shard", "c/s.tar"),
    ]
    assert all(e.source == tmp_path / e.path and e.problem is None for e in found.values())


def test_labels_stay_away_where_only_media_are_wanted(tmp_path):
    tree(tmp_path, "a.mp4", "a.json", "d/b.txt", "s.tar")
    assert list(seen(tmp_path, only_media=True)) == ["a.mp4", "s.tar"]


def test_hidden_files_and_folders_are_no_inputs(tmp_path):
    assert seen(tree(tmp_path, ".a.mp4", ".git/b.png", "x/.c.mp4.part")) == {}


def test_links_are_named_and_never_followed(tmp_path):
    root, outside = tmp_path / "in", tmp_path / "outside"
    tree(root, "d/a.mp4")
    tree(outside, "secret.mp4", "secret.json")
    (root / "loop").symlink_to(root)
    (root / "d" / "up").symlink_to(root / "d")
    (root / "away").symlink_to(outside)
    (root / "film.mp4").symlink_to(outside / "secret.mp4")
    (root / "gone.png").symlink_to(root / "nothing")
    found = seen(root)
    assert found.pop("d/a.mp4").output == "d/a.mp4"
    assert sorted(found) == ["away", "d/up", "film.mp4", "gone.png", "loop"]
    for entry in found.values():
        assert (entry.output, entry.problem, entry.fault) == (
            None, "is a link; links are not followed", False,
        )  # fmt: skip


def test_what_is_no_file_is_left_out(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    assert seen(tmp_path)["pipe.mp4"].problem == "is no file"


@pytest.mark.parametrize(
    ("names", "loser", "winner"),
    [
        (("a.avi", "a.mkv"), "a.avi", "a.mkv"),
        (("a.avi", "a.wmv"), "a.wmv", "a.avi"),
        (("a.avi", "a.mkv/x.json"), "a.avi", "a.mkv"),
    ],
)
def test_two_inputs_never_get_one_name(tmp_path, names, loser, winner):
    found = seen(tree(tmp_path, *names))
    assert found[loser].fault
    assert found[loser].output is None
    assert f"and {winner} would both be written to a.mkv" in str(found[loser].problem)
    assert sum(entry.fault for entry in found.values()) == 1


def test_a_link_does_not_take_a_name(tmp_path):
    tree(tmp_path, "a.avi")
    (tmp_path / "a.mkv").symlink_to(tmp_path / "a.avi")
    assert seen(tmp_path)["a.avi"].output == "a.mkv"


def test_where_case_does_not_count_names_that_differ_in_it_are_one(tmp_path):
    tree(tmp_path, "a.mp4", "A.MP4", "Day/x.png", "day/y.png", "caf\u00e9.png", "cafe\u0301.png")
    assert not any(entry.fault for entry in seen(tmp_path).values())
    folded = seen(tmp_path, fold=True)
    assert [path for path, entry in folded.items() if entry.fault] == [
        "a.mp4", "caf\u00e9.png", "day",
    ]  # fmt: skip
    assert folded["Day/x.png"].output == "Day/x.png"
    assert "day/y.png" not in folded


def test_the_folder_that_loses_is_told_of_even_without_labels(tmp_path):
    tree(tmp_path, "Day/x.png", "day/y.png")
    assert seen(tmp_path, fold=True, only_media=True)["day"].fault


def test_the_manifest_keeps_its_name(tmp_path):
    found = seen(tree(tmp_path, "Manifest.parquet", "a/manifest.parquet"))
    assert "the name of the manifest" in str(found["Manifest.parquet"].problem)
    assert found["a/manifest.parquet"].output == "a/manifest.parquet"


def test_a_name_that_is_not_unicode_is_a_failure(tmp_path):
    (tmp_path / os.fsdecode(b"a\xff.mp4")).write_text("film")
    (entry,) = seen(tmp_path).values()
    assert (entry.path, entry.output, entry.fault) == ("a\\xff.mp4", None, True)


def test_a_folder_that_cannot_be_listed_is_a_failure_and_the_others_go_on(tmp_path, monkeypatch):
    tree(tmp_path, "a/x.png", "b/y.png")
    original = os.scandir

    def refused(path):
        if Path(path).name == "a":
            raise PermissionError(13, "Permission denied")
        return original(path)

    monkeypatch.setattr(os, "scandir", refused)
    found = seen(tmp_path)
    assert found["a/"].fault
    assert found["a/"].problem == "cannot be listed (Permission denied)"
    assert found["b/y.png"].output == "b/y.png"


def test_no_more_than_is_asked_for_is_looked_at(tmp_path, monkeypatch):
    tree(tmp_path, "0.png", *(f"{number}/x.png" for number in range(50)))
    original, listed = os.scandir, []

    def counted(path):
        listed.append(path)
        return original(path)

    monkeypatch.setattr(os, "scandir", counted)
    found = entries(tmp_path, output_suffix, only_media=False, fold=False)
    assert next(found).path == "0.png"
    assert len(listed) == 1


def test_who_gets_a_name_does_not_depend_on_order():
    names = [("a.avi", "a.mkv"), ("a.mkv", "a.mkv"), ("a.wmv", "a.mkv")]
    for order in (names, names[::-1]):
        assert owners(order, fold=False) == {"a.mkv": "a.mkv"}


def test_a_result_is_called_as_its_source_if_that_can_be_written():
    made = [mirror.output_name(name, output_suffix) for name in ("a.b.MP4", "a.b.avi", "x.json")]
    assert made == ["a.b.MP4", "a.b.mkv", "x.json"]
