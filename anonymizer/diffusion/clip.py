"""CLIP's networks, read by transformers: what tells prompts and pictures to a denoiser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

import torch

from anonymizer.diffusion.weights import read_json, reading
from anonymizer.errors import MissingWeights, UsageError

Kind = Literal["CLIPTextModel", "CLIPTextModelWithProjection", "CLIPVisionModelWithProjection"]
_TYPES: Final = ("clip", "clip_text_model", "clip_vision_model")
"""What a config.json of CLIP says of itself."""


def read_encoder(folder: Path, kind: Kind) -> Any:  # noqa: ANN401 - of a library without types
    """A network of CLIP in float32, with every weight from its file.

    Raises:
        UsageError: if transformers is not installed.
        MissingWeights: if it is absent, damaged, no safetensors, or no CLIP.
    """
    transformers = _transformers()
    said = read_json(folder / "config.json").get("model_type")
    if said not in _TYPES:
        reason = f"is of type {said!r}; only encoders of CLIP are read, choose another model"
        raise MissingWeights(folder / "config.json", reason)
    with reading(folder), quietly():
        encoder, found = getattr(transformers, kind).from_pretrained(
            folder,
            use_safetensors=True,
            local_files_only=True,
            dtype=torch.float32,
            output_loading_info=True,
        )
    if found["missing_keys"] or found["mismatched_keys"]:
        raise MissingWeights(folder, "does not hold the weights its config.json describes")
    return encoder.eval()


def read_tokenizer(folder: Path) -> Any:  # noqa: ANN401 - of a library without types
    """CLIP's tokenizer of a folder.

    Raises:
        UsageError: if transformers is not installed.
        MissingWeights: if it is absent or damaged.
    """
    transformers = _transformers()
    with reading(folder):
        return transformers.CLIPTokenizer.from_pretrained(folder, local_files_only=True)


def _transformers() -> Any:  # noqa: ANN401 - a library without types
    try:
        import transformers
    except ImportError as error:
        raise UsageError(
            "models with a prompt need transformers; pip install transformers"
        ) from error
    return transformers


@contextmanager
def quietly() -> Iterator[None]:
    """Keep transformers from writing and drawing on a terminal that is ours.

    Raises:
        UsageError: if it is not installed.
    """
    logging = _transformers().utils.logging
    shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()
