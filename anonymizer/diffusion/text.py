"""Prompts as what a text-conditioned network is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from anonymizer.diffusion.model import Condition
from anonymizer.diffusion.weights import read_json, reading
from anonymizer.errors import UsageError

if TYPE_CHECKING:
    from anonymizer.diffusion.lora import Adapter


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Words:
    """One prompt."""

    states: Tensor
    """(1, L, D) float32 hidden states that the network attends to."""
    pooled: Tensor | None = None
    """(1, P) float32, the whole prompt in one row, for networks of the kind of SDXL."""

    def told(
        self,
        size: tuple[int, int],
        *,
        channels: Tensor | None = None,
        control: Tensor | None = None,
    ) -> Condition:
        """The prompt, and what else the network is told.

        Args:
            size: (height, width) in pixels of what is made; SDXL is told.
            channels: see `Condition`.
            control: see `Condition`.
        """
        return Condition(channels, self.states, self.pooled, size, control)


def embed(
    folder: Path,
    prompts: Sequence[str],
    *,
    device: torch.device,
    adapters: Sequence[Adapter] = (),
) -> list[Words]:
    """What a pipeline's own CLIP encoders, one or two, make of prompts.

    The encoders are read, used once and dropped: prompts do not change during a run. A second one
    makes the pipeline one of the kind of SDXL: states are those before the last layer, of both
    encoders side by side, and the second one's summary goes with them.

    Raises:
        UsageError: if transformers is not installed.
        MissingWeights: if tokenizer or encoder are absent or damaged.
    """
    if not (folder / "text_encoder_2").is_dir():
        states, _ = _encoded(folder, "", prompts, device, adapters, hidden=-1)
        return [Words(each[None]) for each in states]
    parts, pooled = [], None
    for number in ("", "_2"):
        if (folder / f"text_encoder{number}").is_dir():
            states, pooled = _encoded(folder, number, prompts, device, adapters, hidden=-2)
            parts.append(states)
    assert pooled is not None
    both = torch.cat(parts, -1)
    if _nothing_is_zero(folder):
        said = torch.tensor([[bool(prompt)] for prompt in prompts], device=device)
        both, pooled = both * said[..., None], pooled * said
    return [Words(each[None], row[None]) for each, row in zip(both, pooled, strict=True)]


def _nothing_is_zero(folder: Path) -> bool:
    """Whether the network was trained to take zeros for an empty prompt."""
    path = folder / "model_index.json"
    return path.is_file() and bool(read_json(path).get("force_zeros_for_empty_prompt"))


def _encoded(
    folder: Path,
    number: str,
    prompts: Sequence[str],
    device: torch.device,
    adapters: Sequence[Adapter],
    *,
    hidden: int,
) -> tuple[Tensor, Tensor | None]:
    """States (P, L, D) of one layer, and the summary (P, D) if the encoder makes one."""
    tokenizer, encoder = _read(folder, number, projected=bool(number))
    for change in adapters:
        change.merge(encoder, f"text_encoder{number}")
    encoder = encoder.eval().to(device)
    words = tokenizer(
        list(prompts),
        padding="max_length",
        max_length=encoder.config.max_position_embeddings,
        truncation=True,
        return_tensors="pt",
    )
    with torch.no_grad():
        output = encoder(words.input_ids.to(device), output_hidden_states=True)
    states = output.last_hidden_state if hidden == -1 else output.hidden_states[hidden]
    summary = getattr(output, "text_embeds", None)
    return states.float(), None if summary is None else summary.float()


def _read(folder: Path, number: str, *, projected: bool) -> tuple[Any, Any]:
    """Tokenizer and encoder."""
    try:
        from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer
        from transformers.utils import logging
    except ImportError as error:
        raise UsageError(
            "models with a prompt need transformers; pip install transformers"
        ) from error
    place = folder / f"text_encoder{number}"
    with reading(folder / f"tokenizer{number}"):
        tokenizer = CLIPTokenizer.from_pretrained(
            folder / f"tokenizer{number}", local_files_only=True
        )
    with reading(place), _no_progress_bar(logging):
        kind = CLIPTextModelWithProjection if projected else CLIPTextModel
        encoder = kind.from_pretrained(
            place, use_safetensors=True, local_files_only=True, dtype=torch.float32
        )
    return tokenizer, encoder


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
