"""Settings that a command line offers, and commands that take them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial, wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any, Final

import typer

import detectors
import mediators
from anonymizer import settings as configuration
from anonymizer.commands.console import exits
from anonymizer.networks import FaceControl, FilmControl, Mode, Precision
from anonymizer.settings import (
    Audio,
    Codec,
    EmbedderName,
    Expression,
    Init,
    Match,
    OnDoubt,
    Preset,
    Recall,
    Replace,
    Settings,
    SmallFaces,
)

_DETECTORS, _MEDIATORS = (", ".join(room.available()) for room in (detectors, mediators))

OPTIONS: Final[dict[str, tuple[Any, str]]] = {
    "detection.detector": (str, f"One or, as a+b, more of: {_DETECTORS}. Default: centerface."),
    "painting.mediator": (str, f"One of: {_MEDIATORS}; or medm+fresco. Default: medm."),
    "painting.replace": (Replace, "What is put in place of a face. Default: face."),
    "detection.recall": (Recall, "How hard to look for faces. Default: normal."),
    "painting.coherence": (float, "Strength of the mediation, 0 to 1. Default: 0.8."),
    "painting.mediate_every": (
        int,
        "Mediate every so many steps. Default: 2 for the built-in model, 1 for others.",
    ),
    "painting.keyframes": (
        str,
        "Diffuse every so many frames and fill the others, or auto. Default: auto.",
    ),
    "painting.model": (str, "builtin, or folder or hub id of a diffusers inpainting pipeline."),
    "painting.prompt": (str, "For models that take a prompt."),
    "painting.negative_prompt": (str, "What the prompt excludes."),
    "painting.steps": (int, "Sampling steps. Default: the model's."),
    "painting.guidance": (float, "Prompt guidance. Default: 5."),
    "painting.expression": (Expression, "Speak, blink and look as the original does. Default: on."),
    "painting.match": (Match, "The skin's tone: as around the face, or any. Default: tone."),
    "painting.init": (Init, "What denoising starts from; source breaks non-interference."),
    "painting.strength": (float, "With --init source: share of the schedule, 0 to 1."),
    "painting.min_face": (int, "Faces under this many pixels get --small-faces. Default: 24."),
    "painting.small_faces": (SmallFaces, "What small faces get. Default: mosaic."),
    "networks.lora": (list[str], "PATH or PATH:WEIGHT of a LoRA (safetensors). Repeatable."),
    "networks.controlnet": (str, "Folder or hub id of a ControlNet for --model."),
    "networks.face_control": (FaceControl, "What it is shown of a face. Default: mesh."),
    "networks.control_scale": (float, "Strength of the ControlNet. Default: 1."),
    "networks.ip_adapter": (str, "File or folder of an IP-Adapter (safetensors) for --model."),
    "networks.ip_adapter_image": (str, "Picture that it shows the model: of nobody in the film."),
    "networks.ip_adapter_encoder": (str, "Folder of its image encoder. Default: beside it."),
    "networks.ip_adapter_scale": (float, "Strength of the picture. Default: 0.6."),
    "networks.mediate_vae": (str, "Folder or hub id of an autoencoder for mediated steps."),
    "networks.precision": (Precision, "Of --model. Default: bf16 on a GPU that has it, or fp32."),
    "networks.batch": (int, "Frames given to --model at once. Default: what memory allows."),
    "networks.attention_slicing": (bool, "Attention head by head: less memory, slower."),
    "networks.vae_tiling": (bool, "Autoencoder tile by tile: less memory, faint seams."),
    "networks.offload": (bool, "Weights of --model stay in main memory until they are needed."),
    "networks.compile": (bool, "Compile --model first: slow start, faster steps."),
    "chunk": (int, "Frames painted together. Default: 16."),
    "overlap": (int, "Painted frames shown to the next chunk. Default: 4."),
    "media.crf": (int, "Quality of the video, 0 (best) to 51. Default: 18."),
    "media.lossless": (bool, "Lose nothing of what is not painted."),
    "media.audio": (Audio, "Default: keep."),
    "media.keep_stream": (
        list[int],
        "Number of a stream, as ffprobe counts, to copy whatever it tells. Repeatable.",
    ),
    "media.codec": (Codec, "Encoder of the video. Default: the source's kind."),
    "media.preset": (Preset, "How long the encoder may think. Default: medium."),
    "media.smart_copy": (bool, "Copy pictures as they are where nothing is hidden. Default: on."),
    "checking.second_detector": (
        str,
        "Looks for what was missed: a detector, none, or auto: the first whose weights are there.",
    ),
    "checking.embedder": (
        EmbedderName,
        "Looks whether a new face is the old person's. Default: auto, if the extra is there.",
    ),
    "checking.on_doubt": (OnDoubt, "If the result may still show a face. Default: cover."),
    "device": (str, "auto, cpu, cuda, cuda:N or mps. Default: auto."),
    "seed": (int, "Makes a run repeatable."),
    "secret_file": (Path, "File whose bytes decide the identities."),
}
"""Kind and help by the name of the setting."""
JUDGING: Final[dict[str, tuple[Any, str]]] = {
    key: value
    for key, value in OPTIONS.items()
    if key.startswith("detection.")
    or key in ("checking.second_detector", "checking.embedder", "device", "seed")
}
"""The same for `verify`."""
TRANSLATING: Final[dict[str, tuple[Any, str]]] = {
    key: value
    for key, value in OPTIONS.items()
    if key.partition(".")[0] in ("networks", "media", "chunk", "overlap", "device", "seed")
    and key not in ("networks.face_control", "media.smart_copy", "media.keep_stream")
} | {
    "painting.model": (str, "Folder or hub id of a diffusers pipeline. Needed."),
    "painting.mediator": OPTIONS["painting.mediator"],
    "painting.coherence": OPTIONS["painting.coherence"],
    "painting.mediate_every": OPTIONS["painting.mediate_every"],
    "painting.steps": OPTIONS["painting.steps"],
    "painting.guidance": OPTIONS["painting.guidance"],
    "painting.strength": (float, "With sdedit: how far to go from the film, 0 to 1. Default: 0.5."),
    "translation.mode": (Mode, "From noised frames, control pictures, or shown. Default: sdedit."),
    "translation.image_guidance": (float, "With ip2p: how closely to keep to the film."),
    "translation.control": (FilmControl, "What a ControlNet is shown. Default: canny, drawn here."),
    "translation.control_files": (str, "Film or folder with a control picture for every frame."),
    "translation.keyframes": (int, "Diffuse every so many frames, fill the others. Default: 1."),
    "translation.size": (int, "Shorter side the model works at. Default: its own."),
}
"""The same for `translate`."""

SWITCHED_ON: Final = ("media.smart_copy",)
"""Switches that are on by default."""


def _option(kind: Any, text: str, *names: str) -> Any:  # noqa: ANN401 - types of annotations
    return Annotated[kind | None, typer.Option(*names, help=text)]


def _flags(name: str, key: str, kind: object) -> list[str]:
    """How a switch is written: one that is on by default can also be turned off."""
    if kind is not bool:
        return []
    flag = name.replace("_", "-")
    return [f"--{flag}/--no-{flag}" if key in SWITCHED_ON else f"--{flag}"]


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of all settings and ``--config``; it gets the `Settings` made."""
    return _configured(OPTIONS, command)


def with_options(
    options: Mapping[str, tuple[Any, str]],
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The same with options of its own, by the name of the setting."""
    return partial(_configured, options)


def _configured(
    options: Mapping[str, tuple[Any, str]], command: Callable[..., None]
) -> Callable[..., None]:
    names = {key.rpartition(".")[2]: key for key in options}

    @wraps(command)
    def configured(*, config: Path | None, **given: Any) -> None:  # noqa: ANN401 - options
        flags = {names[name]: given.pop(name) for name in names}
        with exits():
            base = configuration.load(config) if config else Settings()
            chosen = {key: value for key, value in flags.items() if value not in (None, [])}
            command(settings=base.with_values(chosen), **given)

    kinds = {
        name: _option(*options[key], *_flags(name, key, options[key][0]))
        for name, key in names.items()
    }
    kinds["config"] = _option(Path, "TOML file; flags win over it.")
    own = signature(command, eval_str=True)
    kept = [part for part in own.parameters.values() if part.name != "settings"]
    added = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in kinds.items()
    ]
    configured.__signature__ = own.replace(parameters=[*kept, *added])  # type: ignore[attr-defined]
    configured.__annotations__ = {part.name: part.annotation for part in (*kept, *added)}
    return configured
