"""`translate` by every kind of model: tiny, untrained, and read as a user's would be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import jsonschema
import numpy as np
import pytest

from anonymizer.reportschema import of_translations
from tests.test_cli import anonymize
from tests.test_cli_diffusion import (
    EXAMPLE,
    QUICK,
    SIDE,
    _one_core,
    clip_of,
    models,
    read,
    same_times,
    sound,
    talking,
)

__all__ = ["_one_core", "models", "talking"]
"""Fixtures."""

TELLINGS: dict[str, tuple[str, ...]] = {
    "sd-4": ("--strength", "1", "--size", "24"),
    "v-4": ("--mediator", "none", "--strength", "1", "--size", "24"),
    "xl-4": ("--precision", "bf16", "--size", "24", *EXAMPLE, "--ip-adapter", "{xl-example}"),
    "control": ("--mode", "controlnet", "--size", "24"),
    "ip2p": ("--mode", "ip2p", "--size", "24", "--image-guidance", "2"),
}


def options(models: dict[str, Path], name: str) -> list[str]:
    return [word.format(**models) for word in TELLINGS[name]]


def told(
    models: dict[str, Path], source: Path, target: Path, name: str, *more: object
) -> dict[str, Any]:
    """The report of a translation by a model, after the usual checks of the file."""
    words = ("--model", models[name], "--prompt", "a robot", *options(models, name), *more)
    code, _, err = anonymize("translate", source, "-o", target, *words, *QUICK)
    assert (code, err) == (0, "")
    report: dict[str, Any] = json.loads(target.with_suffix(".report.json").read_text())
    assert (report["kind"], report["anonymized"]) == ("translation", False)
    assert same_times(source, target)
    assert sound(source) == sound(target)
    assert read(source)[0].image.shape == read(target)[0].image.shape
    assert not list(target.parent.glob(".*"))
    return report


@pytest.mark.parametrize("name", TELLINGS)
def test_translate_tells_a_film_anew_by_any_model(
    models: dict[str, Path], talking: Path, tmp_path: Path, name: str
) -> None:
    report = told(models, talking, tmp_path / "out.mp4", name)
    assert report["frames"] == 8
    assert min(report["size"]) == 24
    assert report["settings"]["painting"]["prompt"] == "a robot"
    before, after = (read(path)[7].image.astype(int) for path in (talking, tmp_path / "out.mp4"))
    assert np.abs(before - after).mean() > 5
    assert after.std() > 2


@pytest.mark.parametrize(
    ("name", "mediator"), [("sd-4", "fresco"), ("xl-4", "fresco"), ("ip2p", "medm+fresco")]
)
def test_both_mediators_translate(
    models: dict[str, Path], talking: Path, tmp_path: Path, name: str, mediator: str
) -> None:
    report = told(models, talking, tmp_path / "out.mp4", name, "--mediator", mediator)
    assert report["settings"]["painting"]["mediator"] == mediator


def test_key_frames_are_translated_and_the_others_filled(
    models: dict[str, Path], talking: Path, tmp_path: Path
) -> None:
    report = told(models, talking, tmp_path / "out.mp4", "sd-4", "--keyframes", 3)
    assert report["settings"]["translation"]["keyframes"] == 3


def test_control_pictures_of_other_programs_are_taken_from_files(
    models: dict[str, Path], talking: Path, tmp_path: Path
) -> None:
    words = ("--control", "depth", "--control-files")
    first = told(models, talking, tmp_path / "own.mp4", "control", *words, talking)
    folder = tmp_path / "depth"
    folder.mkdir()
    for number in range(8):
        cv2.imwrite(str(folder / f"{number}.png"), np.full((16, 16, 3), 30 * number, np.uint8))
    told(models, talking, tmp_path / "other.mp4", "control", *words, folder)
    one, other = (read(tmp_path / f"{name}.mp4")[5].image for name in ("own", "other"))
    assert np.abs(one.astype(int) - other).mean() > 0.5
    assert first["settings"]["translation"]["control"] == "depth"


@pytest.mark.parametrize(
    ("words", "exit_code", "said"),
    [
        ((), 2, "name a diffusers model by --model"),
        (("--model", "{sd-4}", "--control", "hed"), 2, "give its pictures by --control-files"),
        (("--model", "{sd-4}", "--mode", "controlnet"), 2, "needs a ControlNet"),
        (("--model", "{ip2p}"), 1, "8 channels"),
        (("--model", "no/such-model"), 1, "hf download no/such-model"),
        (("--model", "{control}", "--control-files", "{lora-folder}"), 2, "holds no picture"),
    ],
    ids=["builtin", "hed", "mode", "channels", "hub", "empty"],
)
def test_what_cannot_be_translated_is_said_in_one_line(
    models: dict[str, Path],
    talking: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    exit_code: int,
    said: str,
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    (tmp_path / "empty").mkdir()
    given = [word.format(**models, **{"lora-folder": tmp_path / "empty"}) for word in words]
    target = tmp_path / "out.mp4"
    code, _, err = anonymize("translate", talking, "--prompt", "a", "-o", target, *given, *QUICK)
    assert code == exit_code
    assert said in err
    assert err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_translations_are_named_after_their_film_and_replace_only_what_is_theirs(
    models: dict[str, Path], talking: Path, tmp_path: Path
) -> None:
    source = tmp_path / "in.mp4"
    source.write_bytes(talking.read_bytes())
    words = ("--prompt", "a", "--model", models["sd-4"], *TELLINGS["sd-4"], *QUICK[:-1])
    code, out, _ = anonymize("translate", source, *words, "--json")
    assert code == 0
    assert json.loads(out)["anonymized"] is False
    told = {f"in_translated.{kind}" for kind in ("mp4", "report.json", "report.html")}
    assert {path.name for path in tmp_path.iterdir()} == {"in.mp4", *told}
    table = json.loads((tmp_path / "in_translated.report.json").read_text())
    jsonschema.validate(table, of_translations(), jsonschema.Draft202012Validator)
    assert "Not anonymized" in (tmp_path / "in_translated.report.html").read_text()
    code, _, err = anonymize("translate", source, *words)
    assert code == 1
    assert "exists" in err
    code, out, _ = anonymize("translate", source, *words, "--overwrite")
    assert code == 0
    assert "8 frames translated, not anonymized" in out
    (tmp_path / "in_translated.report.json").write_text("mine")
    (tmp_path / "in_translated.mp4").unlink()
    assert anonymize("translate", source, *words)[0] == 1
    assert (tmp_path / "in_translated.report.json").read_text() == "mine"
    assert not (tmp_path / "in_translated.mp4").exists()


def test_a_picture_is_translated_too(models: dict[str, Path], tmp_path: Path) -> None:
    picture = tmp_path / "in.png"
    cv2.imwrite(str(picture), np.full((48, 64, 3), (40, 90, 200), np.uint8))
    words = ("--prompt", "a", "--model", models["sd-4"], "--no-report", *QUICK)
    assert anonymize("translate", picture, *words)[0] == 0
    made = read(tmp_path / "in_translated.png")[0].image
    assert made.shape == (48, 64, 3)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.footage
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", TELLINGS)
def test_translate_tells_a_real_film_anew(
    models: dict[str, Path], footage: Path, tmp_path: Path, name: str
) -> None:
    source = clip_of(footage / "music.mp4", tmp_path / "music.mp4", 24)
    report = told(models, source, tmp_path / "out.mp4", name, "--size", SIDE)
    assert (report["frames"], min(report["size"])) == (24, SIDE)
