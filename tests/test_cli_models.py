from __future__ import annotations

import io
import json
import signal
import threading
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from anonymizer import build, doctor, downloads, models
from anonymizer.commands import console
from anonymizer.commands.models import app
from anonymizer.errors import MissingWeights
from anonymizer.models import Model
from tests.shelf import BODY, Shelf, serving, status


def anonymize_models(*words: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("VEILFRAME_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def shelf(folder, monkeypatch):
    """A server and a registry of two: `eyes`, and `ears` that one may not sell."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving() as server:
        ears = server.model(name="ears", file="ears.onnx", licence="research", commercial=False)
        monkeypatch.setattr(models, "KNOWN", (server.model(), ears))
        yield server


def test_list_tells_where_what_lies(folder):
    code, out, err = anonymize_models("list")
    assert (code, err) == (0, "")
    first, *rows = out.splitlines()
    assert first == f"folder: {folder}"
    assert [row.split()[:2] for row in rows] == [[m.name, "absent"] for m in models.KNOWN]
    assert "non-commercial research only" in rows[-1]
    found = json.loads(anonymize_models("list", "--json")[1])
    assert found["folder"] == str(folder)
    yunet = found["models"][0]
    assert yunet["name"] == "yunet"
    assert yunet["state"] == "absent"
    assert yunet["path"] == str(folder / yunet["file"])
    assert {"licence", "commercial", "size", "sha256", "url", "detector"} <= set(yunet)


def test_pull_puts_a_file_where_check_finds_it(shelf: Shelf, folder):
    assert anonymize_models("check", "eyes")[0] == 1
    code, out, err = anonymize_models("pull", "eyes")
    path = folder / "eyes.onnx"
    assert (code, err) == (0, "")
    assert out == f"{path}  fetched, 0.3 MB, SHA-256 verified\n"
    assert path.read_bytes() == BODY
    assert anonymize_models("pull", "eyes")[1].split("  ")[1].startswith("there already")
    code, out, _ = anonymize_models("check", "eyes")
    assert (code, out) == (0, f"good    eyes: {path}: SHA-256 agrees\n")


def test_json_is_all_that_pull_prints(shelf: Shelf, folder):
    code, out, err = anonymize_models("pull", "eyes", "--json")
    assert (code, err) == (0, "")
    path = str(folder / "eyes.onnx")
    assert json.loads(out) == {"results": [{"name": "eyes", "path": path, "outcome": "fetched"}]}


def test_a_licence_is_said_before_anything_is_fetched(shelf: Shelf, folder):
    code, out, err = anonymize_models("pull", "eyes", "ears")
    assert (code, out) == (2, "")
    assert err == (
        "error: ears: research, see https://example.org/eyes; "
        "pass --accept-licence if your use is of that kind\n"
    )
    assert shelf.asked == []
    assert not folder.exists()
    code, _, err = anonymize_models("pull", "eyes", "ears", "--accept-licence")
    assert (code, err) == (0, "licence accepted: ears: research, see https://example.org/eyes\n")
    assert {"eyes.onnx", "ears.onnx"} <= {path.name for path in folder.iterdir()}


def test_one_that_fails_does_not_stop_the_others(shelf: Shelf, folder):
    shelf.script = [status(404)]
    code, out, err = anonymize_models("pull", "ears", "eyes", "--accept-licence", "--json")
    assert code == 1
    failed, done = json.loads(out)["results"]
    assert err.splitlines()[1:] == [f"error: {failed['error']}"]
    assert "answers 404" in failed["error"]
    assert done["outcome"] == "fetched"


def test_check_fails_for_what_is_bad_or_was_named_and_is_absent(shelf: Shelf, folder):
    code, out, _ = anonymize_models("check")
    assert (code, [line.split()[0] for line in out.splitlines()]) == (0, ["absent", "absent"])
    folder.mkdir()
    (folder / "ears.onnx").write_bytes(b"no ears")
    code, out, _ = anonymize_models("check", "--json")
    assert code == 1
    eyes, ears = json.loads(out)["models"]
    assert (eyes["state"], ears["state"]) == ("absent", "bad")
    assert "7 bytes, expected 300000" in ears["says"]
    assert anonymize_models("check", "eyes")[0] == 1


@pytest.mark.parametrize("command", ["pull", "check"])
def test_an_unknown_name_is_wrong_usage(folder, command):
    code, _, err = anonymize_models(command, "eyes")
    assert code == 2
    known = "yunet, mediapipe, mediapipe-short, scrfd"
    assert err == f"error: unknown model 'eyes'; known: {known}\n"


def test_pull_wants_a_name(folder):
    assert anonymize_models("pull")[0] == 2
    assert not folder.exists()


def test_an_interrupted_pull_says_that_it_goes_on(shelf: Shelf, folder):
    """A real SIGINT while the server is silent in the middle of the file."""
    main, over = threading.get_ident(), threading.Event()

    def stall(clerk) -> None:
        clerk.send_response(200)
        clerk.send_header("ETag", '"one"')
        clerk.end_headers()
        clerk.wfile.write(BODY[:200_000])
        clerk.wfile.flush()
        while not (folder / ".eyes.onnx.part").exists():
            over.wait(0.01)
        signal.pthread_kill(main, signal.SIGINT)
        over.wait(30)

    shelf.script = [stall]
    code, _, err = anonymize_models("pull", "eyes")
    over.set()
    assert (code, err) == (130, "interrupted; the next pull goes on with what has come\n")
    assert not (folder / "eyes.onnx").exists()
    assert anonymize_models("pull", "eyes")[0] == 0
    assert (folder / "eyes.onnx").read_bytes() == BODY


def test_a_terminal_shows_how_far_it_is(shelf: Shelf, folder, monkeypatch):
    screen = io.StringIO()
    terminal = Console(file=screen, force_terminal=True, width=80)
    monkeypatch.setattr(console, "err", terminal)
    assert anonymize_models("pull", "eyes")[0] == 0
    assert "eyes" in screen.getvalue()
    assert "300.0/300.0 kB" in screen.getvalue()


def test_a_second_pull_says_that_it_waits(shelf: Shelf, folder, monkeypatch):
    asked, go = threading.Event(), threading.Event()

    def slowly(clerk) -> None:
        asked.set()
        go.wait(30)
        status(404)(clerk)

    class Noted(Console):
        def print(self, *words, **options) -> None:
            super().print(*words, **options)
            go.set()

    shelf.script = [slowly]
    said = io.StringIO()
    monkeypatch.setattr(console, "err", Noted(file=said))
    first = threading.Thread(target=_failing, args=(shelf.model(), folder))
    first.start()
    assert asked.wait(30)
    assert anonymize_models("pull", "eyes")[0] == 0
    first.join()
    assert said.getvalue() == "eyes: another process is fetching it; waiting\n"


def _failing(model: Model, folder: Path) -> None:
    with pytest.raises(MissingWeights):
        downloads.fetch(model, folder)


def test_doctor_says_how_to_get_what_is_not_at_hand(folder):
    found = {finding.part: finding for finding in doctor._further_detectors("cpu")}
    for name in ("scrfd", "yunet", "mediapipe"):
        finding = found[f"detector {name}"]
        assert finding.good
        assert f"run: anonymize models pull {name}," in finding.says


@pytest.mark.footage
def test_doctor_says_a_licence_that_forbids_commercial_use(shared_models, monkeypatch):
    monkeypatch.setenv("VEILFRAME_MODELS", str(shared_models))
    monkeypatch.setattr(build, "detector_names", lambda: ["centerface", "scrfd", "yunet"])
    found = {finding.part: finding for finding in doctor._further_detectors("cpu")}
    assert "non-commercial research only" in found["detector scrfd"].says
    assert found["detector yunet"].says == "loads (optional)"
    assert "detector centerface" not in found
