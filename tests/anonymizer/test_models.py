from __future__ import annotations

import re
from pathlib import Path

import pytest

from anonymizer import models
from anonymizer.errors import UnknownPart
from anonymizer.models import KNOWN
from detectors import available, mediapipe, scrfd, yunet

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home without any cache."""
    for name in ("VEILFRAME_MODELS", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    return tmp_path


def test_the_cache_folder_is_at_home_or_where_the_environment_says(home, monkeypatch):
    assert models.folder() == home / ".cache" / "veilframe" / "models"
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "xdg"))
    assert models.folder() == home / "xdg" / "veilframe" / "models"
    monkeypatch.setenv("VEILFRAME_MODELS", "~/weights")
    assert models.folder() == home / "weights"


def test_the_registry_names_the_files_that_detectors_look_for():
    looked_for = {
        ("scrfd", scrfd.FILE),
        ("yunet", yunet.FILE),
        *(("mediapipe", file) for file in mediapipe.FILES.values()),
    }
    assert {(model.detector, model.file) for model in KNOWN} == looked_for
    assert {model.detector for model in KNOWN} < set(available())


def test_the_name_of_a_detector_is_the_name_of_what_it_loads_by_default():
    files = {"scrfd": scrfd.FILE, "yunet": yunet.FILE, "mediapipe": mediapipe.FILES["full"]}
    assert {name: models.named([name])[0].file for name in files} == files


@pytest.mark.parametrize("model", KNOWN, ids=lambda model: model.name)
def test_an_entry_is_pinned(model):
    assert re.fullmatch("[0-9a-f]{64}", model.sha256)
    assert model.size > 0
    assert model.url.startswith("https://")
    assert re.search(r"/[0-9a-f]{40}/|[?]generation=\d+$", model.url), "names no one version"
    assert model.source.startswith("https://")
    assert Path(model.file).suffix in {".onnx", ".tflite", ".safetensors"}


def test_names_and_files_are_unique():
    for field in ("name", "file", "sha256", "url"):
        assert len({getattr(model, field) for model in KNOWN}) == len(KNOWN)


def test_only_the_weights_of_insightface_forbid_commercial_use():
    assert [model.name for model in KNOWN if not model.commercial] == ["scrfd"]
    assert "non-commercial" in models.named(["scrfd"])[0].licence


@pytest.mark.footage
@pytest.mark.parametrize("model", KNOWN, ids=lambda model: model.name)
def test_the_registered_file_is_the_one_the_detectors_are_tested_with(model, shared_models):
    assert models.look(model, shared_models).state == "good"


def test_models_are_found_by_name_once_and_by_file():
    assert [m.name for m in models.named(["yunet", "scrfd", "yunet"])] == ["yunet", "scrfd"]
    with pytest.raises(UnknownPart, match="unknown model 'eyes'; known: yunet, mediapipe"):
        models.named(["yunet", "eyes"])
    found = models.of_file("scrfd_2.5g_kps.onnx")
    assert found is not None
    assert found.name == "scrfd"
    assert models.of_file("other.onnx") is None


def test_what_lies_there_is_told(tmp_path):
    (yunet_model,) = models.named(["yunet"])
    path = tmp_path / yunet_model.file

    def state() -> tuple[str, str]:
        place = models.look(yunet_model, tmp_path)
        assert place.path == path
        return place.state, place.says

    assert state() == ("absent", "absent; anonymize models pull yunet")
    path.write_bytes(b"short")
    assert state()[0] == "bad"
    assert "5 bytes, expected 322906; anonymize models pull yunet replaces it" in state()[1]
    path.write_bytes(bytes(yunet_model.size))
    assert state()[0] == "bad"
    assert f"expected {yunet_model.sha256}" in state()[1]
    path.unlink()
    path.parent.joinpath("file").touch()
    there = models.look(yunet_model, tmp_path / "file")
    assert (there.state, there.says) == ("bad", "cannot be read (Not a directory)")


def test_the_manual_shows_the_registry():
    """The table of docs/models.md, row by row."""
    text = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert rows == [
        f"| `{m.name}` | {m.detector} | `{m.file}` | {m.size / 1e6:.1f} MB | "
        f"[{m.licence}]({m.source}) | {'yes' if m.commercial else '**no**'} | `{m.sha256}` |"
        for m in KNOWN
    ]
