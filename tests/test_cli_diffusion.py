"""Every kind of model through the command line: tiny, untrained, and read as a user's would be."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from anonymizer import build, pipeline
from anonymizer.identities import identities
from anonymizer.settings import Painting, Settings
from anonymizer.video.media import open_source
from anonymizer.wording import Wording
from tests import faces
from tests.anonymizer.diffusion import stable
from tests.films import make_video
from tests.test_cli import anonymize

ROOT = Path(__file__).resolve().parents[1]
SIDE = 128


def shrunk(path: Path, frames: int, *, side: int = SIDE) -> list[NDArray[np.uint8]]:
    """The first frames of a film at a lower height."""
    found = [frame.image for frame in islice(open_source(path), frames)]
    height, width, _ = found[0].shape
    size = (round(width * side / height / 2) * 2, side)
    return [cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in found]


def clip_of(path: Path, target: Path, frames: int) -> Path:
    shown = shrunk(path, frames)
    height, width, _ = shown[0].shape
    return make_video(
        target, frames=frames, size=(width, height), draw=lambda index: shown[index], audio="aac"
    )


@pytest.fixture(scope="module")
def talking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("clip") / "talking.mp4"
    return clip_of(ROOT / "samples" / "talking.mp4", target, 8)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {
        "sd-4": lambda folder: stable.inpainting(folder, 4),
        "sd-9": stable.inpainting,
        "v-4": lambda folder: stable.inpainting(folder, 4, prediction_type="v_prediction"),
        "xl-9": stable.xl_inpainting,
        "xl-4": stable.xl,
        "control": stable.controlled,
        "control-9": stable.controlled_inpainting,
        "ip2p": stable.instructed,
    }
    words, folder = tmp_path_factory.mktemp("words"), tmp_path_factory.mktemp("models")
    found = {name: stable.saved(make(words), folder / name) for name, make in made.items()}
    stable.controlnet().save_pretrained(folder / "net")
    stable.controlnet(xl=True).save_pretrained(folder / "xl-net")
    found |= {name: folder / name for name in ("net", "xl-net")}
    found["tiny"] = stable.tiny_vae(folder / "tiny")
    found["weights"] = folder / "tiny" / "diffusion_pytorch_model.safetensors"
    found["lora"] = stable.peft(folder / "lora.safetensors")
    found["example"] = stable.ip_adapter(folder / "example")
    found["xl-example"] = stable.ip_adapter(folder / "xl-example", xl=True, plus=True)
    found["portrait"] = stable.portrait(folder / "portrait.png")
    return found


@pytest.fixture(autouse=True)
def _one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiny networks on many threads mostly wait for each other."""
    monkeypatch.setattr(build, "cores", lambda: 1)


def read(path: Path) -> list[Any]:
    return list(open_source(path))


def same_times(source: Path, output: Path) -> bool:
    ones, others = ([frame.time for frame in read(path)] for path in (source, output))
    return ones == others


def sound(path: Path) -> list[bytes]:
    with av.open(str(path)) as file:
        return [bytes(packet) for packet in file.demux(audio=0) if packet.size]


QUICK = ("--steps", 2, "--device", "cpu", "--seed", 1, "--chunk", 5, "--overlap", 1, "--quiet")

EXAMPLE = ("--ip-adapter-image", "{portrait}")
RUNS: dict[str, tuple[str, ...]] = {
    "sd-4": (),
    "sd-9": ("--lora", "{lora}:0.5", "--mediate-vae", "{tiny}"),
    "v-4": ("--mediator", "none"),
    "xl-9": ("--precision", "bf16", "--offload"),
    "xl-4": ("--controlnet", "{xl-net}", "--face-control", "normals"),
    "control-9": (*EXAMPLE, "--ip-adapter", "{example}", "--mediator", "medm+fresco"),
}


def ran(models: dict[str, Path], source: Path, target: Path, name: str) -> dict[str, Any]:
    """The report of a run by a model, after the usual checks of the file."""
    words = [word.format(**models) for word in RUNS[name]]
    options = (*QUICK, "--second-detector", "none", "--embedder", "none", "--no-smart-copy")
    code, _, err = anonymize("run", source, "-o", target, "--model", models[name], *words, *options)
    assert (code, err) == (0, "")
    report: dict[str, Any] = json.loads(target.with_suffix(".report.json").read_text())
    assert report["non_interference"] is True
    assert report["tracks"]
    assert same_times(source, target)
    assert sound(source) == sound(target)
    return report


@pytest.mark.parametrize("name", RUNS)
def test_run_paints_faces_by_any_model(
    models: dict[str, Path], talking: Path, tmp_path: Path, name: str
) -> None:
    report = ran(models, talking, tmp_path / "out.mp4", name)
    assert report["devices"]["painter"] == "cpu"
    assert report["settings"]["painting"]["model"] == str(models[name])
    assert bool(report["motion"]) == (name == "xl-4")  # only a named ControlNet is shown motion
    before, after = read(talking), read(tmp_path / "out.mp4")
    change = np.abs(before[4].image.astype(int) - after[4].image)
    assert change.max() > 30
    assert np.median(change) < 4  # most of the picture is no face


@pytest.mark.parametrize(
    ("words", "exit_code", "said"),
    [
        (("--lora", "{lora}"), 2, "lora: not for the built-in model; name one by --model"),
        (("--ip-adapter", "x"), 2, "ip-adapter and ip-adapter-image belong together; give both"),
        (("--model", "{sd-9}", "--lora", "{weights}"), 1, "which is no part of a LoRA known here"),
        (("--model", "{sd-9}", "--lora", "{portrait}"), 1, "must be a .safetensors file"),
        (("--model", "{net}"), 1, "holds no model_index.json"),
        (("--model", "{lora}"), 1, "is a file; give a folder"),
        (("--model", "{ip2p}"), 1, "8 channels"),
        (("--model", "{sd-9}", "--controlnet", "{xl-net}"), 1, "take a ControlNet made for it"),
        (("--model", "{sd-9}", *EXAMPLE, "--ip-adapter", "{xl-example}"), 1, "do not fit"),
    ],
    ids=["builtin", "half", "lora", "picture", "folder", "file", "channels", "control", "example"],
)
def test_what_cannot_be_painted_by_is_said_in_one_line(
    models: dict[str, Path],
    talking: Path,
    tmp_path: Path,
    words: tuple[str, ...],
    exit_code: int,
    said: str,
) -> None:
    given = [word.format(**models) for word in words]
    code, _, err = anonymize("run", talking, "-o", tmp_path / "out.mp4", *given, *QUICK)
    assert (code, err.count("\n")) == (exit_code, 1)
    assert said in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["sd-4", "sd-9", "xl-9", "control-9"])
def test_p1_a_painted_film_is_bit_identical_whoever_was_in_it(
    models: dict[str, Path], name: str
) -> None:
    """Two films that differ in the core of a face only; places are those of the first."""
    films = [
        faces.film(4, lambda index: (40 + index, 30, 88 + index, 90), secret=secret)
        for secret in (1, 2)
    ]
    assert not np.array_equal(films[0][0].image, films[1][0].image)
    plan = pipeline.analyse(films[0], faces.MarkerDetector())
    painting = Painting(model=str(models[name]), mediator="none", steps=2)
    studio = build.studio(Settings(painting=painting, device="cpu"))
    painted = [
        list(pipeline.render(film, plan, studio, identities(b"secret", "film"), chunk=3, overlap=1))
        for film in films
    ]
    for one, other in zip(*painted, strict=True):
        assert np.array_equal(one.image, other.image)
    assert not np.array_equal(painted[0][0].image, films[0][0].image)


def test_tracks_of_one_film_are_painted_each_by_its_own_prompt(models: dict[str, Path]) -> None:
    frames = faces.pair(4)
    plan = pipeline.analyse(frames, faces.MarkerDetector())
    painting = Painting(model=str(models["sd-9"]), mediator="none", steps=2)
    studio = build.studio(Settings(painting=painting, device="cpu"))

    def painted(*prompts: str | None) -> list[NDArray[np.uint8]]:
        pairs = zip(plan.tracks, prompts, strict=True)
        tracks = tuple(replace(track, wording=Wording(words)) for track, words in pairs)
        asked, person = replace(plan, tracks=tracks), identities(b"secret", "film")
        out = pipeline.render(frames, asked, studio, person, chunk=3, overlap=1)
        return [frame.image for frame in out]

    usual, first, other = painted(None, None), painted("a cat", None), painted("a cat", "zebra")
    for one, two, three in zip(usual, first, other, strict=True):  # tracks begin from above
        assert not np.array_equal(one[:72], two[:72])
        assert np.array_equal(one[72:], two[72:])
        assert np.array_equal(two[:72], three[:72])
        assert not np.array_equal(two[72:], three[72:])


def test_a_plan_says_by_which_prompt_a_face_is_painted(
    models: dict[str, Path], talking: Path, tmp_path: Path
) -> None:
    plan, words = tmp_path / "plan.json", ("--second-detector", "none", "--embedder", "none")
    assert anonymize("plan", talking, "-o", plan, *words, "--quiet")[0] == 0
    model = ("--model", models["sd-9"], "--min-face", 8, *QUICK, *words)
    command = ("render", talking, plan, "-o", tmp_path / "out.mp4")
    asked = "0=an old man"
    code, _, err = anonymize(*command, *model, "--track-prompt", asked)
    assert (code, err) == (0, "")
    (track,) = json.loads((tmp_path / "out.report.json").read_text())["tracks"]
    assert (track["prompt"], track["negative_prompt"]) == ("an old man", None)
    code, _, err = anonymize(*command, "--overwrite", "--track-prompt", asked, *words)
    assert (code, err.count("\n")) == (1, 1)
    assert "track 0 has a prompt, which only a model with prompts can follow" in err
    code, _, err = anonymize(*command, *model, "--track-prompt", "7=an old man")
    assert (code, err) == (2, "error: the plan has no track 7; tracks: 0\n")


def of_side(folder: Path, target: Path, side: int) -> Path:
    """A copy of a model that works at so many pixels: the weights are the same."""
    shutil.copytree(folder, target)
    path = target / "unet" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"sample_size": side // 2}))
    return target


@pytest.mark.footage
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", RUNS)
def test_run_paints_the_faces_of_a_real_film(
    models: dict[str, Path], footage: Path, tmp_path: Path, name: str
) -> None:
    source = clip_of(footage / "music.mp4", tmp_path / "music.mp4", 24)
    model = of_side(models[name], tmp_path / "model", SIDE)
    report = ran(models | {name: model}, source, tmp_path / "out.mp4", name)
    assert report["frames"] == 24
