"""`--dry-run` of commands that write results: it says what would be done, and does nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.anonymizer.test_jobs import film
from tests.test_cli import anonymize


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_what_is_there_already_is_an_error_as_it_is_in_a_run(tmp_path):
    taken, free = film(tmp_path / "a.mp4", frames=2), film(tmp_path / "b.mp4", frames=2)
    there = tmp_path / "a_anonymized.mp4"
    there.write_text("precious")
    code, out, err = anonymize("run", taken, free, "--dry-run")
    assert (code, out) == (1, f"{free} -> {tmp_path}/b_anonymized.mp4\n")
    assert err == f"error: {there}: exists; pass --overwrite to replace it\n"
    assert anonymize("run", taken, "--replace", "cover")[0] == 1
    code, out, err = anonymize("run", taken, free, "--dry-run", "--json")
    first, second = json.loads(out)["plan"]
    assert (code, err) == (1, "")
    assert first == {
        "source": str(taken),
        "error": f"{there}: exists; pass --overwrite to replace it",
    }
    assert second == {"source": str(free), "destination": f"{tmp_path}/b_anonymized.mp4"}
    assert anonymize("run", taken, free, "--dry-run", "--overwrite")[0] == 0
    assert there.read_text() == "precious"


def test_a_plan_that_is_there_already_is_an_error(tmp_path):
    source, plan = film(tmp_path / "a.mp4", frames=2), tmp_path / "plan.json"
    plan.write_text("precious")
    words = ("plan", source, "-o", plan)
    assert [anonymize(*words, *more)[0] for more in ((), ("--dry-run",))] == [1, 1]
    assert plan.read_text() == "precious"


@pytest.mark.parametrize("what", ["report", "empty", "folder"])
def test_what_a_run_refuses_a_dry_run_refuses(tmp_path, what):
    source, words = film(tmp_path / "a.mp4", frames=2), []
    if what == "report":
        (tmp_path / "a_anonymized.report.json").write_text("precious")
    elif what == "empty":
        source.write_bytes(b"")
    else:
        (tmp_path / "file").touch()
        words = ["-o", tmp_path / "file" / "b.mp4"]
    before = tree(tmp_path)
    for more in ((), ("--dry-run",)):
        code, out, err = anonymize("run", source, "--replace", "cover", *words, *more)
        assert (code, out, len(err.splitlines())) == (1, "", 1)
    assert tree(tmp_path) == before
    if what == "report":
        assert anonymize("run", source, "--no-report", "--dry-run")[0] == 0


@pytest.mark.parametrize("suffix", [".png", ".xyz", ""])
def test_a_name_that_a_film_cannot_have_is_refused_dry_as_in_a_run(tmp_path, suffix):
    source = film(tmp_path / "a.mp4", frames=2)
    words = ("run", source, "-o", tmp_path / f"b{suffix}", "--replace", "cover")
    assert anonymize(*words, "--dry-run") == anonymize(*words)
    assert anonymize(*words)[0] == 1
    assert tree(tmp_path) == ["a.mp4"]


def test_a_translation_can_be_tried_dry(tmp_path):
    source = film(tmp_path / "a.mp4", frames=2)
    words: tuple[object, ...] = ("translate", source, "--prompt", "a robot", "--dry-run")
    code, _, err = anonymize(*words)
    assert (code, "paints faces only" in err) == (2, True)
    words += ("--model", tmp_path)
    assert anonymize(*words) == (0, f"{source} -> {tmp_path}/a_translated.mp4\n", "")
    _, out, _ = anonymize(*words, "--json", "-o", tmp_path / "new" / "b.mp4")
    assert json.loads(out)["plan"][0]["destination"] == f"{tmp_path}/new/b.mp4"
    assert anonymize(*words, "--mediator", "oracle")[0] == 2
    code, _, err = anonymize("translate", tmp_path / "no.mp4", *words[2:])
    assert (code, "no such file" in err) == (1, True)
    assert tree(tmp_path) == ["a.mp4"]


def test_an_inbox_can_be_looked_at_dry(tmp_path):
    inbox, outbox = tmp_path / "in", tmp_path / "out"
    (inbox / "day").mkdir(parents=True)
    (inbox / "notes.txt").write_text("no film")
    for name, then in (("a.mov", 9), ("a.mp4", 8)):
        film(inbox / "day" / name, frames=2)
        os.utime(inbox / "day" / name, (then, then))
    before = tree(tmp_path)
    code, out, err = anonymize("watch", inbox, outbox, "--dry-run")
    made = outbox / "day" / "a_anonymized.mp4"
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"{inbox}/day/a.mp4 -> {made}",
        f"{inbox}/day/a.mov -> {outbox}/day/a_anonymized.mov",
    ]
    made.parent.mkdir(parents=True)
    made.touch()
    code, out, _ = anonymize("watch", inbox, outbox, "--dry-run", "--json")
    names = [Path(step["destination"]).name for step in json.loads(out)["plan"]]
    assert names == ["a_anonymized-2.mp4", "a_anonymized.mov"]
    assert anonymize("watch", inbox, outbox, "--dry-run", "--detector", "argus")[0] == 2
    assert tree(inbox) == [name.removeprefix("in/") for name in before if name.startswith("in/")]


def test_a_dataset_can_be_looked_at_dry(tmp_path):
    source, target = tmp_path / "in", tmp_path / "out"
    (source / "day").mkdir(parents=True)
    (source / "day" / "a.png").write_bytes(b"a picture")
    (source / "labels.json").write_text("[]")
    (source / "link.png").symlink_to(source / "day" / "a.png")
    before = tree(tmp_path)
    code, out, err = anonymize("dataset", source, target, "--dry-run")
    assert (code, err) == (0, "left out: link.png: is a link; links are not followed\n")
    assert out.splitlines() == [
        f"{source}/labels.json -> {target}/labels.json",
        f"{source}/day/a.png -> {target}/day/a.png",
    ]
    assert tree(tmp_path) == before
    (source / "manifest.parquet").write_text("mine")
    words = ("dataset", source, target, "--dry-run", "--json", "--only-media")
    code, out, _ = anonymize(*words)
    told = {Path(step["source"]).name: step for step in json.loads(out)["plan"]}
    assert (code, set(told)) == (0, {"a.png", "link.png"})
    code, _, err = anonymize("dataset", source, target, "--dry-run")
    assert (code, "manifest.parquet: has the name of the manifest" in err) == (1, True)
    assert anonymize("dataset", tmp_path / "no", target, "--dry-run")[0] == 2
    (tmp_path / "file").touch()
    assert anonymize("dataset", source, tmp_path / "file", "--dry-run")[0] == 2
    assert not target.exists()


@pytest.mark.parametrize("command", ["run", "plan", "render", "translate", "watch", "dataset"])
def test_every_command_that_writes_results_has_it(command):
    assert "--dry-run" in anonymize(command, "--help")[1]
