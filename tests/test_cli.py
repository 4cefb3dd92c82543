import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from typer.testing import CliRunner

import cli
from anonymizer.reportschema import schema
from anonymizer.video.source import VideoSource
from tests.anonymizer.test_jobs import film
from tests.faces import MarkerDetector, forgetting
from tests.films import Film, make_sound, truncate

ROOT = Path(__file__).resolve().parents[1]


def anonymize(*words: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli.app, [str(word) for word in words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def in_a_process(*words: object, timeout: int = 100) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "anonymizer", *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


COVER = ("--replace", "cover", "--quiet")


def test_both_ways_to_start_it_give_the_same_help():
    module = in_a_process("--help")
    assert module.returncode == 0
    assert (
        module.stdout
        == subprocess.run(
            [Path(sys.executable).with_name("anonymize"), "--help"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )
    assert "run" in module.stdout
    assert "doctor" in module.stdout


def test_the_help_of_run_lists_the_parts():
    code, out, _ = anonymize("run", "--help")
    assert code == 0
    text = " ".join(out.split())
    assert "centerface" in text
    assert "medm" in text
    assert "--expression" in text


def test_version():
    code, out, _ = anonymize("--version")
    assert (code, out.split()[0]) == (0, "veilframe")


def test_a_film_goes_beside_its_input(tmp_path):
    source = film(tmp_path / "in.mp4")
    assert anonymize("run", source, "--replace", "cover")[0] == 0
    assert (tmp_path / "in_anonymized.mp4").exists()


def test_a_report_is_written_beside_the_film(tmp_path):
    source = film(tmp_path / "in.mp4", frames=3)
    assert anonymize("run", source, *COVER)[0] == 0
    report = json.loads((tmp_path / "in_anonymized.report.json").read_text())
    jsonschema.validate(report, schema(), jsonschema.Draft202012Validator)
    output = (tmp_path / "in_anonymized.mp4").read_bytes()
    assert report["output_sha256"] == hashlib.sha256(output).hexdigest()
    assert [stream["fate"] for stream in report["streams"]] == ["anonymized", "copied"]
    assert report["devices"]["detector"].endswith("ExecutionProvider")
    assert str(tmp_path) not in json.dumps(report)
    page = (tmp_path / "in_anonymized.report.html").read_text()
    assert "in.mp4 → in_anonymized.mp4" in page
    assert str(tmp_path) not in page
    code, out, _ = anonymize("run", tmp_path, "--dry-run", "--overwrite")
    assert (code, out.count("->")) == (0, 1)  # reports are no inputs


def test_a_report_is_not_written_where_none_is_wanted(tmp_path):
    source = film(tmp_path / "in.mp4", frames=3)
    assert anonymize("run", source, *COVER, "--no-report")[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "in_anonymized.mp4"]


def test_a_file_that_has_the_name_of_the_report_stops_the_run_before_it_begins(tmp_path):
    source = film(tmp_path / "in.mp4", frames=3)
    (tmp_path / "in_anonymized.report.json").write_text("mine")
    code, _, err = anonymize("run", source, *COVER)
    assert (code, err.count("\n")) == (1, 1)
    assert "in_anonymized.report.json: exists; pass --overwrite" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "in.mp4",
        "in_anonymized.report.json",
    ]
    assert (tmp_path / "in_anonymized.report.json").read_text() == "mine"
    assert anonymize("run", source, *COVER, "--overwrite")[0] == 0


def test_a_film_is_planned_and_then_rendered(tmp_path):
    source, plan = film(tmp_path / "in.mp4", frames=3), tmp_path / "plan.json"
    code, out, _ = anonymize("plan", source, "-o", plan)
    assert (code, out) == (0, f"{plan}  3 frames, 0 tracks\n")
    words = ("render", source, plan, "--replace", "cover")
    assert anonymize(*words, "--json")[0] == 0
    assert (tmp_path / "in_anonymized.mp4").exists()
    assert (tmp_path / "in_anonymized.report.json").exists()
    code, _, err = anonymize(*words, "--overwrite", "--keep-track", 4)
    assert (code, err) == (2, "error: the plan has no track 4; tracks: none\n")
    plan.write_text("{}")
    code, _, err = anonymize(*words, "--overwrite")
    assert (code, err.count("\n")) == (1, 1)
    assert "is not 'veilframe-plan-1'" in err


def test_a_plan_that_exists_is_not_replaced(tmp_path):
    source, plan = film(tmp_path / "in.mp4", frames=1), tmp_path / "plan.json"
    plan.write_text("mine")
    code, _, err = anonymize("plan", source, "-o", plan)
    assert (code, plan.read_text()) == (1, "mine")
    assert "exists; pass --overwrite" in err


def test_json_is_all_that_is_printed(tmp_path):
    source = film(tmp_path / "in.mp4", frames=3)
    code, out, err = anonymize("run", source, "--replace", "cover", "--json")
    assert (code, err) == (0, "")
    (result,) = json.loads(out)["results"]
    assert result["frames"] == 3


def test_one_bad_input_does_not_stop_the_others(tmp_path):
    good = film(tmp_path / "good.mp4", frames=3)
    (tmp_path / "bad.mp4").write_text("no film")
    code, out, err = anonymize(
        "run", tmp_path / "bad.mp4", good, "-o", tmp_path / "out", "--replace", "cover", "--json"
    )
    assert code == 1
    assert err.count("\n") == 1
    failed, done = json.loads(out)["results"]
    assert "error" in failed
    assert Path(done["destination"]).exists()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "good_anonymized.mp4",
        "good_anonymized.report.html",
        "good_anonymized.report.json",
    ]


def bad_inputs(folder: Path) -> dict[str, Path]:
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("this is no film\n" * 50)
    truncate(film(folder / "cut.mp4"), 0.6)
    make_sound(folder / "sound.m4a")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 40)
    return {
        "is not there": folder / "missing.mp4",
        "empty": folder / "empty.mp4",
        "text": folder / "text.mp4",
        "cut": folder / "cut.mp4",
        "sound": folder / "sound.m4a",
        "picture": folder / "broken.png",
    }


@pytest.mark.parametrize("kind", ["is not there", "empty", "text", "cut", "sound", "picture"])
def test_bad_input_gets_one_line_and_exit_1_and_leaves_nothing(tmp_path, kind):
    path = bad_inputs(tmp_path)[kind]
    before = sorted(tmp_path.iterdir())
    code, _, err = anonymize("run", path, *COVER)
    assert code == 1
    assert err.startswith(f"error: {path}: ")
    assert err.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_a_result_that_exists_is_an_error(tmp_path):
    source = film(tmp_path / "in.mp4", frames=2)
    (tmp_path / "in_anonymized.mp4").write_bytes(b"old")
    code, _, err = anonymize("run", source, *COVER)
    assert code == 1
    assert err == f"error: {tmp_path}/in_anonymized.mp4: exists; pass --overwrite to replace it\n"
    assert (tmp_path / "in_anonymized.mp4").read_bytes() == b"old"
    assert anonymize("run", source, *COVER, "--overwrite")[0] == 0


def test_a_place_that_cannot_be_written_is_an_error(tmp_path):
    source = film(tmp_path / "in.mp4", frames=2)
    (tmp_path / "file").touch()
    code, _, err = anonymize("run", source, "-o", tmp_path / "file" / "out.mp4", *COVER)
    assert code == 1
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "in.mp4"]


def test_a_folder_that_was_made_for_nothing_is_gone(tmp_path):
    (tmp_path / "bad.mp4").write_text("no film")
    assert anonymize("run", tmp_path / "bad.mp4", "-o", tmp_path / "a" / "b.mp4", *COVER)[0] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["bad.mp4"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--replace", "swap"], "swap"),
        (["--coherence", "2"], "coherence must be between 0 and 1, got 2.0"),
        (["--chunk", "2"], "chunk length 2 must exceed overlap 4"),
        (["--detector", "eyes"], "unknown detector 'eyes'; available: centerface"),
        (["--mediator", "oracle"], "unknown mediator 'oracle'; available: fresco, medm, none"),
        (["--device", "cuda:9"], "device 'cuda:9' is not available here"),
        (["--config", "nowhere.toml"], "nowhere.toml: cannot be read"),
    ],
)
def test_wrong_usage_is_said_in_one_line_with_exit_2(tmp_path, words, message):
    source = film(tmp_path / "in.mp4", frames=2)
    code, _, err = anonymize("run", source, *words)
    assert code == 2
    assert message in err
    assert not (tmp_path / "in_anonymized.mp4").exists()


def test_a_dry_run_only_says_what_it_would_do(tmp_path):
    source = film(tmp_path / "in.mp4", frames=2)
    code, out, _ = anonymize("run", source, "--dry-run")
    assert (code, out) == (0, f"{source} -> {tmp_path}/in_anonymized.mp4\n")
    code, out, _ = anonymize("run", source, "--dry-run", "--json")
    assert json.loads(out)["plan"][0]["source"] == str(source)
    assert list(tmp_path.iterdir()) == [source]


def test_a_dry_run_refuses_what_does_not_exist(tmp_path):
    source = film(tmp_path / "in.mp4", frames=2)
    for words, message in (
        (("--detector", "centerface+argus"), "unknown detector 'argus'; available: centerface"),
        (("--detector", "centerface+centerface"), "must join different names"),
        (("--mediator", "oracle"), "unknown mediator 'oracle'; available: fresco"),
        (("--mediator", "medm+none"), "cannot be joined"),
        (("--second-detector", "argus"), "unknown detector 'argus'"),
        (("--second-detector", "centerface"), "already looks first"),
        (("--secret-file", tmp_path / "absent"), "absent: cannot be read"),
        (("--device", "cuda:9"), "device 'cuda:9' is not available here"),
    ):
        plan = ("plan", source, "-o", tmp_path / "plan.json")
        for command in (("run", source, "--dry-run"), (*plan, "--dry-run"), plan):
            if command == plan and "--secret-file" in words:
                continue  # it decides who is painted, not where
            code, out, err = anonymize(*command, *words)
            assert (code, out, message in err) == (2, "", True), (command, words)
    assert list(tmp_path.iterdir()) == [source]
    assert anonymize("run", source, "--dry-run", *COVER, "--mediator", "oracle")[0] == 0


def test_plan_and_render_can_be_tried_dry(tmp_path):
    source, plan = film(tmp_path / "in.mp4", frames=2), tmp_path / "new" / "plan.json"
    words = ("plan", source, "-o", plan)
    assert anonymize(*words, "--dry-run")[:2] == (0, f"{source} -> {plan}\n")
    assert list(tmp_path.iterdir()) == [source]
    code, out, err = anonymize(*words, "--json")
    assert (code, err) == (0, "")
    told = {"source": str(source), "destination": str(plan), "frames": 2, "tracks": 0}
    assert json.loads(out) == told
    dry = ("render", source, plan, "--dry-run", "--json")
    code, out, _ = anonymize(*dry)
    assert json.loads(out)["plan"][0]["destination"] == f"{tmp_path}/in_anonymized.mp4"
    assert sorted(tmp_path.iterdir()) == [source, plan.parent]
    other = film(tmp_path / "other.mp4", frames=3)
    code, _, err = anonymize("render", other, plan, "--dry-run")
    assert (code, "is not the film that the plan was made of" in err) == (1, True)
    plan.write_text("{}")
    assert anonymize(*dry)[0] == 1


def test_planning_loads_nothing_that_paints(tmp_path):
    source, plan = film(tmp_path / "in.mp4", frames=2), tmp_path / "plan.json"
    code = (
        "import sys, cli; from typer.testing import CliRunner; "
        f"done = CliRunner().invoke(cli.app, ['plan', {str(source)!r}, '-o', {str(plan)!r}]); "
        "print(done.exit_code, 'torch' in sys.modules, 'diffusers' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "0 True False\n"


def test_a_zone_outside_of_the_picture_is_refused(tmp_path):
    source, plan = film(tmp_path / "in.mp4", frames=2), tmp_path / "plan.json"
    anonymize("plan", source, "-o", plan)
    info = VideoSource(source).info
    width, height = info.width, info.height
    for box, good in (
        ([width, 2, width + 9, 9], False),
        ([2, height, 9, height + 9], False),
        ([-9, 2, 0, 9], False),
        ([2, -9, 9, 0], False),
        ([width - 1, height - 1, width + 9, height + 9], True),
    ):
        table = json.loads(plan.read_text())
        table["zones"] = [{"action": "always", "box": box, "start": 0, "stop": 2}]
        plan.write_text(json.dumps(table))
        code, _, err = anonymize("render", source, plan, *COVER, "--overwrite")
        assert code == (0 if good else 1), box
        assert good or "zone 0 of the plan" in err


def test_what_cannot_be_written_is_named(tmp_path):
    source = film(tmp_path / "in.mp4", frames=2)
    code, _, err = anonymize("run", source, "-o", tmp_path / "out.xyz", *COVER)
    assert (code, f"{tmp_path}/out.xyz: cannot write '.xyz'" in err) == (1, True)
    code, _, err = anonymize("run", source, "--keep-stream", 9, *COVER)
    assert (code, err.startswith(f"error: {source}: has no stream 9")) == (1, True)


def test_verify_offers_only_what_it_follows():
    code, out, _ = anonymize("verify", "--help")
    assert (code, "--second-detector" in out, "--coherence" in out) == (0, True, False)


def test_a_toml_file_is_used_and_a_flag_beats_it(tmp_path):
    source = film(tmp_path / "in.mp4", frames=2)
    config = tmp_path / "veil.toml"
    config.write_text('[painting]\nreplace = "blur"\n[media]\naudio = "drop"\n')
    code, out, _ = anonymize("run", source, "--config", config, "--replace", "cover", "--json")
    assert code == 0
    (result,) = json.loads(out)["results"]
    assert result["settings"]["painting"]["replace"] == "cover"
    assert result["settings"]["media"]["audio"] == "drop"


def test_the_command_line_starts_without_the_heavy_libraries():
    code = "import sys, cli; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    heavy = {"torch", "mediapipe", "insightface", "diffusers", "transformers", "onnxruntime"}
    assert "cli" in loaded
    assert not heavy & loaded


def test_an_interrupted_run_leaves_nothing(tmp_path):
    import signal
    import time

    source = Film(frames=300, size=(320, 180)).write(tmp_path / "in.mp4")
    for number in (signal.SIGINT, signal.SIGTERM):
        process = subprocess.Popen(
            [sys.executable, "-m", "anonymizer", "run", source, "--replace", "cover"],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )
        deadline = time.monotonic() + 60
        while len(list(tmp_path.iterdir())) == 1 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(list(tmp_path.iterdir())) == 2
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "interrupted" in err
        assert list(tmp_path.iterdir()) == [source]


def test_doctor_finds_every_default_part():
    code, out, _ = anonymize("doctor", "--json")
    findings = {finding["part"]: finding for finding in json.loads(out)}
    assert code == 0, out
    assert {"torch", "detector", "built-in model", "device"} <= set(findings)
    assert anonymize("doctor")[1].count("ok  ") == len(findings)


def test_doctor_says_what_is_missing():
    code, out, _ = anonymize("doctor", "--device", "cuda:7")
    assert code == 1
    assert "FAIL  device: device 'cuda:7' is not available here" in out


def faces(path, *, but=()):
    """A film with a marker as its face, covered except in the frames ``but``."""
    from tests.anonymizer.test_jobs import drawn_with_structure

    def hidden(index):
        image = drawn_with_structure(index)
        image[25:80, 30:120] = 128 if index not in but else image[25:80, 30:120]
        return image

    return film(path, draw=hidden)


@pytest.fixture
def finder(monkeypatch):
    """The program finds markers."""
    monkeypatch.setattr("anonymizer.build.detector", lambda settings: MarkerDetector())


def test_verify_names_the_frame_that_shows_the_face(tmp_path, finder):
    original = faces(tmp_path / "in.mp4", but=range(99))
    good, bad = faces(tmp_path / "good.mp4"), faces(tmp_path / "bad.mp4", but=[7])
    code, out, err = anonymize("verify", original, good)
    assert (code, err) == (0, "")
    assert "12 frames, 12 faces compared, 0 still look as before" in out
    code, out, err = anonymize("verify", original, bad)
    assert code == 3
    assert f"doubt: {bad}: 1 of 12 faces look as in the original, in 1 frame: 7" in err
    code, out, err = anonymize("verify", original, bad, "--json")
    seen = json.loads(out)
    assert (code, seen["verdict"], seen["doubts"][0]["frame"]) == (3, "doubt", 7)


def test_verify_says_what_it_cannot_read(tmp_path):
    source = film(tmp_path / "in.mp4")
    code, _, err = anonymize("verify", source, tmp_path / "absent.mp4")
    assert code == 1
    assert "absent.mp4" in err
    assert len(err.strip().splitlines()) == 1


def test_run_ends_with_3_when_a_doubt_stays(tmp_path, finder, monkeypatch):
    """The doubt of one input is told even if another one fails, and the others are done."""
    monkeypatch.setattr("anonymizer.repair._cover", lambda track: replace(track, action="keep"))
    monkeypatch.setattr("anonymizer.build.studio", lambda settings: forgetting(5))
    leaky = faces(tmp_path / "leaky.mp4", but=range(99))
    empty = film(tmp_path / "empty.mp4", draw=None)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no film")
    folder = tmp_path / "out"
    code, out, err = anonymize("run", leaky, broken, empty, "-o", folder, "--json")
    assert code == 3
    assert "leaky_anonymized.mp4: not published: 1 of 12 faces" in err
    assert not (folder / "leaky_anonymized.mp4").exists()
    assert (folder / "empty_anonymized.mp4").exists()
    results = json.loads(out)["results"]
    assert results[0]["verification"]["doubts"][0]["frame"] == 5
    assert f"; see {folder / 'leaky_anonymized.report.html'}\n" in err
    report = json.loads((folder / "leaky_anonymized.report.json").read_text())
    assert (report["verdict"], report["output_sha256"]) == ("doubt", None)
    assert report["verification"]["doubts"][0]["frame"] == 5
    assert not (folder / "broken_anonymized.report.json").exists()


def test_a_plan_that_does_not_fit_the_disk_is_one_line_and_no_file(tmp_path):
    """The plan is longer than the process may write."""
    source = film(tmp_path / "in.mp4")
    code = (
        "import resource, signal, sys, cli\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "sys.argv = ['anonymize', 'plan', sys.argv[1], '-o', sys.argv[2], '--replace', 'cover']\n"
        "cli.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, source, tmp_path / "plan.json"],
        cwd=ROOT, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {tmp_path / 'plan.json'}: ")
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == [source]


def test_a_plan_never_replaces_its_film(tmp_path):
    source = film(tmp_path / "in.mp4", frames=2)
    before = source.read_bytes()
    code, _, err = anonymize("plan", source, "-o", source, "--overwrite")
    assert (code, "is an input" in err) == (2, True)
    assert source.read_bytes() == before


def test_a_folder_is_no_film_to_plan(tmp_path):
    code, _, err = anonymize("plan", tmp_path, "-o", tmp_path / "plan.json")
    assert (code, "is a folder; expected a video or picture file" in err) == (1, True)


@pytest.mark.parametrize(
    "words",
    [
        ("run", ""),
        ("run", "film.mp4", "-o", ""),
        ("plan", "", "-o", "plan.json"),
        ("render", "film.mp4", ""),
        ("verify", "", "film.mp4"),
        ("watch", "", "out"),
        ("dataset", "in", ""),
        ("translate", "", "--prompt", "snow"),
    ],
)
def test_an_empty_name_is_not_this_folder(words):
    code, _, err = anonymize(*words)
    assert code == 2
    assert "the name is empty" in err


def test_a_folder_that_is_not_there_is_said(tmp_path):
    code, _, err = anonymize(
        "run", film(tmp_path / "in.mp4", frames=2), "-o", f"{tmp_path}/absent/", *COVER
    )
    assert (code, "is no folder; make it first" in err) == (2, True)


def test_a_name_that_no_file_can_have_stops_nobody(tmp_path):
    long, good = tmp_path / f"{'y' * 300}.mp4", film(tmp_path / "in.mp4", frames=2)
    code, _, err = anonymize("run", long, good, *COVER)
    assert code == 1
    assert "too long" in err
    assert "Traceback" not in err
    assert good.with_name(f"{good.stem}_anonymized.mp4").exists()
    code, _, err = anonymize("run", good, "-o", long, *COVER)
    assert (code, "too long" in err) == (1, True)


def test_a_dry_run_misses_what_is_not_there(tmp_path):
    """As in the run itself: the others are told of."""
    there, absent = film(tmp_path / "in.mp4", frames=2), tmp_path / "absent.mp4"
    code, out, err = anonymize("run", absent, there, "--dry-run")
    assert (code, out.count("->")) == (1, 1)
    assert err == f"error: {absent}: no such file\n"
    assert anonymize("run", absent, *COVER)[0] == 1


def test_a_track_is_kept_or_covered_not_both(tmp_path):
    words = ("--keep-track", 1, "--keep-track", 2, "--cover-track", 2)
    code, _, err = anonymize(
        "render", film(tmp_path / "in.mp4", frames=2), tmp_path / "plan.json", *words
    )
    assert (code, "track 2 is to be kept and to be covered" in err) == (2, True)


def test_doctor_refuses_what_is_no_device():
    code, _, err = anonymize("doctor", "--device", "banana")
    assert (code, "device 'banana' is not auto" in err) == (2, True)


def test_options_of_no_part_are_refused(tmp_path):
    file = tmp_path / "veil.toml"
    file.write_text("[options.centrface]\nthreshold = 0.2")
    code, _, err = anonymize("run", film(tmp_path / "in.mp4", frames=2), "--config", file, *COVER)
    assert (code, "options.centrface are for no part; known: centerface" in err) == (2, True)


def test_another_section_of_a_film_cannot_be_verified(tmp_path):
    source = Film(size=(128, 96)).write(tmp_path / "a.mp4")
    other = Film(size=(96, 96)).write(tmp_path / "b.mp4")
    code, _, err = anonymize("verify", source, other)
    assert (code, "is 96x96, another shape than the original's 128x96" in err) == (1, True)


def test_nothing_compared_bounds_nothing(tmp_path):
    source = film(tmp_path / "in.mp4", frames=1)
    code, out, _ = anonymize("verify", source, source)
    assert code == 0
    assert "at most 100 % at" in out
