"""Prompts as the hidden states that a text-conditioned network attends to."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor

from anonymizer.diffusion.weights import reading
from anonymizer.errors import UsageError


def embed(folder: Path, prompts: Sequence[str], *, device: torch.device) -> Tensor:
    """Hidden states (P, L, D) float32 of P prompts, by the CLIP encoder of a pipeline's folder.

    The encoder is read, used once and dropped: prompts do not change during a run.

    Raises:
        UsageError: if transformers is not installed.
        MissingWeights: if tokenizer or encoder are absent or damaged.
    """
    try:
        from transformers import CLIPTextModel, CLIPTokenizer
        from transformers.utils import logging
    except ImportError as error:
        raise UsageError(
            "models with a prompt need transformers; pip install transformers"
        ) from error
    with reading(folder / "tokenizer"):
        tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
    with reading(folder / "text_encoder"), _no_progress_bar(logging):
        encoder = CLIPTextModel.from_pretrained(
            folder / "text_encoder", use_safetensors=True, local_files_only=True
        )
    encoder = encoder.eval().to(device)
    words = tokenizer(
        list(prompts),
        padding="max_length",
        max_length=encoder.config.max_position_embeddings,
        truncation=True,
        return_tensors="pt",
    )
    with torch.no_grad():
        states: Tensor = encoder(words.input_ids.to(device)).last_hidden_state
    return states.float()


@contextmanager
def _no_progress_bar(logging: ModuleType) -> Iterator[None]:
    """Keep transformers from drawing on a terminal that is ours."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
