"""Prompts as what a text-conditioned network is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from anonymizer.diffusion.clip import Kind, read_encoder, read_tokenizer
from anonymizer.diffusion.model import Condition
from anonymizer.diffusion.weights import read_json

if TYPE_CHECKING:
    from anonymizer.diffusion.lora import Adapter


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Words:
    """One prompt, and the picture that goes with it where there is one."""

    states: Tensor
    """(1, L, D) float32 hidden states that the network attends to."""
    pooled: Tensor | None = None
    """(1, P) float32, the whole prompt in one row, for networks of the kind of SDXL."""
    picture: Tensor | None = None
    """See `Condition`."""

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
        return Condition(channels, self.states, self.pooled, size, control, self.picture)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Lexicon:
    """What a pipeline's text encoders make of prompts.

    The encoders are read when a new prompt comes up, used once and dropped: they are large, and a
    run has few prompts.
    """

    folder: Path
    """Of the pipeline."""
    device: torch.device
    adapters: Sequence[Adapter] = ()
    known: dict[str, Words] = field(default_factory=dict)
    """What was asked for so far."""

    def of(self, *prompts: str) -> list[Words]:
        """The words of each prompt; the same whatever else is asked for.

        Raises:
            UsageError: if transformers is not installed.
            MissingWeights: if tokenizer or encoder are absent or damaged.
        """
        new = [each for each in dict.fromkeys(prompts) if each not in self.known]
        if new:
            found = embed(self.folder, new, device=self.device, adapters=self.adapters)
            self.known.update(zip(new, found, strict=True))
        return [self.known[each] for each in prompts]


def embed(
    folder: Path,
    prompts: Sequence[str],
    *,
    device: torch.device,
    adapters: Sequence[Adapter] = (),
) -> list[Words]:
    """What a pipeline's own CLIP encoders, one or two, make of prompts.

    A second one makes the pipeline one of the kind of SDXL: states are those before the last layer,
    of both encoders side by side, and the second one's summary goes with them.

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
    tokenizer = read_tokenizer(folder / f"tokenizer{number}")
    kind: Kind = "CLIPTextModelWithProjection" if number else "CLIPTextModel"
    encoder = read_encoder(folder / f"text_encoder{number}", kind)
    for change in adapters:
        change.merge(encoder, f"text_encoder{number}")
    encoder = encoder.to(device)
    words = tokenizer(
        list(prompts),
        padding="max_length",
        max_length=encoder.config.max_position_embeddings,
        truncation=True,
        return_tensors="pt",
    )
    rows = words.input_ids.to(device)[:, None]
    with torch.no_grad():  # one by one: a prompt means the same whatever others are asked for
        outputs = [encoder(row, output_hidden_states=True) for row in rows]
    last = hidden == -1
    states = [each.last_hidden_state if last else each.hidden_states[hidden] for each in outputs]
    summaries = [each.text_embeds for each in outputs if "text_embeds" in each]
    return torch.cat(states).float(), torch.cat(summaries).float() if summaries else None
