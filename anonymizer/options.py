"""Settings that a command line offers: the kind of value each takes, and what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from anonymizer.settings import Audio, Expression, Init, Recall, Replace, SmallFaces

OPTIONS: Final[dict[str, tuple[Any, str]]] = {
    "painting.replace": (Replace, "What is put in place of a face. Default: face."),
    "detection.recall": (Recall, "How hard to look for faces. Default: normal."),
    "painting.coherence": (float, "Strength of the mediation, 0 to 1. Default: 0.8."),
    "painting.model": (str, "builtin, or folder or hub id of a diffusers inpainting pipeline."),
    "painting.prompt": (str, "For models that take a prompt."),
    "painting.negative_prompt": (str, "What the prompt excludes."),
    "painting.steps": (int, "Sampling steps. Default: the model's."),
    "painting.guidance": (float, "Prompt guidance. Default: 5."),
    "painting.expression": (Expression, "Speak, blink and look as the original does. Default: on."),
    "painting.init": (Init, "What denoising starts from; source breaks non-interference."),
    "painting.strength": (float, "With --init source: share of the schedule, 0 to 1."),
    "painting.min_face": (int, "Faces under this many pixels get --small-faces. Default: 24."),
    "painting.small_faces": (SmallFaces, "What small faces get. Default: mosaic."),
    "chunk": (int, "Frames painted together. Default: 16."),
    "overlap": (int, "Painted frames shown to the next chunk. Default: 4."),
    "media.crf": (int, "Quality of the video, 0 (best) to 51. Default: 18."),
    "media.lossless": (bool, "Lose nothing."),
    "media.audio": (Audio, "Default: keep."),
    "device": (str, "auto, cpu, cuda, cuda:N or mps. Default: auto."),
    "seed": (int, "Makes a run repeatable."),
    "secret_file": (Path, "File whose bytes decide the identities."),
}
"""Kind and help by the name of the setting."""
