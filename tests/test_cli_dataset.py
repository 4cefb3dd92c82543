"""The command `dataset`, and the page that tells of it."""

from __future__ import annotations

import io
import json
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from rich.console import Console

from anonymizer import dataset, manifest
from anonymizer.commands import dataset as command
from anonymizer.data import StreamInfo
from anonymizer.manifest import Row
from anonymizer.orders import STATE
from anonymizer.totals import Run, summary_of
from anonymizer.video.media import open_source
from tests.anonymizer.test_dataset import Inline, mixed
from tests.anonymizer.test_formats import put
from tests.anonymizer.test_units import picture
from tests.films import Film
from tests.test_cli import anonymize

ROOT = Path(__file__).resolve().parents[1]
CHEAP = ("--replace", "cover", "--expression", "off", "--second-detector", "none")
PAGE = ROOT / "docs" / "datasets.md"


def test_a_dataset_is_made_and_summed_up(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "_crew", lambda _, trade: Inline(trade))
    (tmp_path / "in").mkdir()
    mixed(tmp_path / "in", films=1)
    code, out, err = anonymize("dataset", tmp_path / "in", tmp_path / "out", *CHEAP)
    assert code == 1
    assert out.splitlines()[:3] == [
        "6 inputs: 3 clean, 1 copied, 1 failed, 1 skipped (0 as before)",
        "  1 x UnreadableVideo",
        "0 faces compared in 3 films and pictures",
    ]
    assert sorted(err.splitlines()) == [
        "error: bad.mp4: is not a video, or is damaged or cut off",
        "skipped: link.mp4: is a link; links are not followed",
    ]
    code, out, err = anonymize("dataset", tmp_path / "in", tmp_path / "out", *CHEAP, "--json")
    assert (code, json.loads(out)["unchanged"]) == (1, 5)
    said = "error: bad.mp4: is not a video, or is damaged or cut off"
    assert err == f"{said} (as before; --retry-failed tries again)\n"


def test_quiet_names_failures_only(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "_crew", lambda _, trade: Inline(trade))
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "bad.mp4").write_text("no film")
    (tmp_path / "in" / "link.mp4").symlink_to(tmp_path / "elsewhere.mp4")
    code, out, err = anonymize("dataset", tmp_path / "in", tmp_path / "out", *CHEAP, "-q")
    assert (code, out) == (1, "")
    assert err == "error: bad.mp4: is not a video, or is damaged or cut off\n"


def test_a_complete_set_ends_with_0_and_quiet_is_quiet(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.json").write_text("{}")
    words = ("dataset", tmp_path / "in", tmp_path / "out", "--quiet")
    assert anonymize(*words) == (0, "", "")
    (tmp_path / "in" / "a.json").unlink()
    code, out, _ = anonymize(*words[:-1])
    assert (code, out.splitlines()[1]) == (0, "1 inputs are gone; their results were left")


def test_a_section_for_the_page_of_the_set_is_written(tmp_path):
    (tmp_path / "in").mkdir()
    put(tmp_path / "in" / "labels" / "a.cache", "x")
    page = tmp_path / "page.md"
    page.write_text("## Faces\nold")
    words = ("dataset", tmp_path / "in", tmp_path / "out", "--card", page)
    code, out, _ = anonymize(*words)
    assert code == 0
    assert "note: labels/a.cache: names the originals" in out
    assert page.read_text().startswith("## Faces")
    assert "- labels/a.cache: " in page.read_text()


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ("in/labels.txt", "lies in the dataset itself"),
        ("in/new.md", "lies in the dataset itself"),
        ("mine.md", "exists and is no card"),
        ("absent/page.md", "there is no such folder"),
        ("folder", "exists and is no card"),
    ],
)
def test_a_card_that_would_replace_something_is_refused_before_the_work(tmp_path, card, said):
    (tmp_path / "in").mkdir()
    (tmp_path / "folder").mkdir()
    put(tmp_path / "in" / "labels.txt", "x")
    (tmp_path / "mine.md").write_text("mine")
    code, _, err = anonymize(
        "dataset", tmp_path / "in", tmp_path / "out", "--card", tmp_path / card
    )
    assert code == 2
    assert f"{said}" in err
    assert "another --card" in err
    assert not (tmp_path / "out").exists()
    assert (tmp_path / "mine.md").read_text() == "mine"
    assert (tmp_path / "in" / "labels.txt").read_text() == "x"


def test_an_absent_folder_is_wrong_usage(tmp_path):
    code, _, err = anonymize("dataset", tmp_path / "in", tmp_path / "out")
    assert (code, "is no folder" in err) == (2, True)


def test_a_doubt_has_its_own_exit_code(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    summary = _summary(tmp_path, failures={"Doubtful": 1, "OSError": 2})
    assert command._code(summary) == 3
    assert command._code(_summary(tmp_path, failures={"OSError": 2})) == 1


def _summary(folder: Path, failures: dict[str, int]):
    from dataclasses import replace

    from anonymizer.totals import Run, summary_of

    return replace(summary_of(iter(()), Run(), ended=True), complete=False, failures=failures)


def test_the_summary_bounds_the_leak_rate_over_the_set():
    clean = Row(path="a", kind="video", verdict="clean", output_sha256="x", faces=200, members=1)
    doubt = Row(path="b", kind="video", verdict="doubt", faces=9, doubts=9, failure="Doubtful")
    summary = summary_of(iter([clean, clean, doubt]), Run(), ended=True)
    assert (summary.faces, summary.members, summary.complete) == (400, 2, False)
    assert 0.0074 < summary.leak_bound < 0.0075  # 1 - 0.05 ** (1 / 400)
    lines = list(command._lines(summary))
    assert lines[2].endswith("at most 0.75 % of them still to be seen, at 95 % confidence")


def test_nothing_but_the_result_is_on_stdout(tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()

    def chatty(*_: object, **__: object):
        sys.stdout.write("a worker died, says Ray\n")
        return summary_of(iter(()), Run(), ended=True)

    monkeypatch.setattr(dataset, "anonymize", chatty)
    code, out, err = anonymize("dataset", tmp_path / "in", tmp_path / "out", "--json")
    assert (code, json.loads(out)["complete"]) == (0, True)
    assert err == "a worker died, says Ray\n"


def test_progress_is_shown_on_a_terminal(capsys):
    console = Console(force_terminal=True, file=io.StringIO(), width=120)
    with command._watching(console, quiet=False) as (tell, total):
        assert total is not None
        total(2)
        tell(Row(path="a", kind="video", verdict="clean", faces=12), True)
        tell(Row(path="b", kind="video", verdict="failed", error="odd"), True)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "2/2" in shown
    assert "1 failed, 12 faces" in shown
    assert capsys.readouterr().err == "error: b: odd\n"


def commands() -> list[str]:
    """Lines of the page that are commands for one machine."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("anonymize ") and "--address" not in line]


def test_the_page_has_commands():
    assert len(commands()) >= 4


@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore::FutureWarning:ray")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("line", commands())
def test_the_commands_of_the_page_run(tmp_path, monkeypatch, line):
    if "--workers" not in line:
        monkeypatch.setattr(dataset, "_crew", lambda _, trade: Inline(trade))
    monkeypatch.chdir(tmp_path)
    Path("recordings").mkdir()
    mixed(Path("recordings"), films=1)
    for name in ("bad.mp4", "link.mp4"):
        Path("recordings", name).unlink()
    Path("key").write_bytes(bytes(range(32)))
    words = shlex.split(line, comments=True)
    code, _, _ = anonymize(*words[1:], *CHEAP)
    assert code == 0
    (made,) = Path().glob("*/manifest.parquet")
    rows = list(manifest.read(made))
    assert {row.verdict for row in rows} <= {"clean", "copied"}
    assert len(rows) >= 3
    shutil.rmtree(made.parent)


def test_the_script_of_the_page_reads_the_manifest(tmp_path, monkeypatch):
    (script,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.setattr(dataset, "_crew", lambda _, trade: Inline(trade))
    monkeypatch.chdir(tmp_path)
    Path("recordings").mkdir()
    mixed(Path("recordings"), films=1)
    anonymize("dataset", "recordings", "anonymized", *CHEAP)
    found: dict[str, Any] = {}
    exec(script, found)
    assert found["failed"].column("path").to_pylist() == ["bad.mp4"]


TOP = "observation.images.top"


def robots(root: Path, codec: str = "libx264", videos: str = f"videos/chunk-000/{TOP}") -> None:
    """An episode as LeRobot keeps it, version 2.1."""
    for folder in ("meta", "data/chunk-000", videos):
        (root / folder).mkdir(parents=True)
    name = {"libx264": "h264", "libsvtav1": "av1"}[codec]
    said = {"video.fps": 25, "video.codec": name, "video.pix_fmt": "yuv420p", "has_audio": False}
    features = {TOP: {"dtype": "video", "shape": [64, 96, 3], "info": said}}
    info = {"codebase_version": "v2.1", "fps": 25, "total_frames": 3, "features": features}
    (root / "meta" / "info.json").write_text(json.dumps(info, indent=4))
    (root / "meta" / "tasks.jsonl").write_text('{"task_index": 0, "task": "wave"}\n')
    table = pa.table({"frame_index": [0, 1, 2], "action": [[0.1, 0.2]] * 3, "task": ["a"] * 3})
    parquet.write_table(table, root / "data" / "chunk-000" / "episode_000000.parquet")
    film = root / videos / "episode_000000.mp4"
    Film(frames=3, size=(96, 64), codec=codec, options={}).write(film)


def modern_robots(root: Path) -> None:
    """The same in the layout and the codec of version 3."""
    robots(root, "libsvtav1", f"videos/{TOP}/chunk-000")
    table = pa.table({"episode_index": [0], "from_timestamp": [0.0], "to_timestamp": [0.12]})
    (root / "meta" / "episodes" / "chunk-000").mkdir(parents=True)
    parquet.write_table(table, root / "meta" / "episodes" / "chunk-000" / "file-000.parquet")


def boxes(root: Path) -> None:
    """Pictures with labels of YOLO and COCO."""
    for folder in ("images/train", "labels/train", "annotations"):
        (root / folder).mkdir(parents=True)
    (root / "data.yaml").write_text("path: .\ntrain: images/train\nnames: [person]\n")
    (root / "images" / "train" / "000001.png").write_bytes(picture(1))
    (root / "images" / "train" / "000002.jpg").write_bytes(picture(2, ".jpg"))
    (root / "labels" / "train" / "000001.txt").write_text("0 0.5 0.5 0.1 0.1")
    (root / "labels" / "train" / "000002.txt").write_text("0 0.5 0.5 0.1 0.1")
    (root / "annotations" / "instances.json").write_text('{"images": [{"width": 60}]}')


@pytest.mark.parametrize("make", [robots, modern_robots, boxes])
def test_formats_of_the_field_keep_names_sizes_times_and_labels(tmp_path, monkeypatch, make):
    monkeypatch.setattr(dataset, "_crew", lambda _, trade: Inline(trade))
    source, made = tmp_path / "in", tmp_path / "out"
    make(source)
    code, out, _ = anonymize("dataset", source, made, *CHEAP, "--json")
    assert (code, json.loads(out)["notices"]) == (0, [])
    names = {path.relative_to(source) for path in source.rglob("*") if path.is_file()}
    shown = {path.relative_to(made) for path in made.rglob("*") if path.is_file()}
    own = {Path("manifest.parquet")}
    assert {name for name in shown if name.parts[0] != STATE} == names | own
    for name in names:
        if name.suffix in (".mp4", ".png", ".jpg"):
            before, after = open_source(source / name), open_source(made / name)
            assert _shape(before.info) == _shape(after.info)
            assert [frame.time for frame in before] == [frame.time for frame in after]
        else:
            assert (source / name).read_bytes() == (made / name).read_bytes()


def _shape(info: StreamInfo) -> tuple[object, ...]:
    return info.width, info.height, info.codec, info.pixel_format, info.time_base
