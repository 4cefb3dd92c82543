"""Painters of the Stable Diffusion family, told by a prompt whom to paint.

Symbols: N new crops of S pixels; latents `(N, C, h, w)`; sigma as in `diffusion.schedule`. `pixels`
of a clip are read only when sampling is told to start from the source (which breaks invariant P1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import torch
from numpy.typing import NDArray
from torch import Tensor

from anonymizer.diffusion import conditions
from anonymizer.diffusion.guidance import classifier_free, keep_known
from anonymizer.diffusion.painter import Painter, source
from anonymizer.diffusion.schedule import ddim_sigmas

if TYPE_CHECKING:
    import numpy as np

    from anonymizer.data import Clip
    from anonymizer.diffusion.artist import Artist
    from anonymizer.diffusion.text import Lexicon, Words
    from anonymizer.protocols import Denoiser, Mediation
    from anonymizer.wording import Wording


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PromptReplacer:
    """A Stable Diffusion inpainter told by a prompt whom to paint.

    A network with 2 C + 1 input channels is told the mask and the masked picture (trained for
    inpainting); one with C channels has the known region put back into each estimate.
    """

    painter: Painter
    prompt: Words
    """What is wanted."""
    negative: Words
    """What is not."""
    steps: int = 20
    guidance: float = 5.0
    init: Literal["noise", "source"] = "noise"
    strength: float = 0.5
    """With `init="source"`: share of the steps that is run, from the noised original face. This
    breaks P1."""
    artist: Artist | None = None
    """Draws what the ControlNet is shown, if there is one."""
    lexicon: Lexicon | None = None
    """Tells what prompts of single tracks mean; without it tracks that have any are refused."""

    @property
    def provider(self) -> str:
        """Where the networks are."""
        return str(self.painter.device)

    @property
    def size(self) -> int:
        """Side S of the crops in pixels."""
        return self.painter.size

    @property
    def non_interference(self) -> bool:
        """Whether nothing inside a protected area reaches what is painted (P1)."""
        return self.init != "source"

    def sketch(self, clip: Clip, seed: int) -> PromptSketch:
        """Nothing is drawn beforehand; `seed` chooses the noise, and with it the person.

        Raises:
            ValueError: if the crops have another size, or prompts that nobody here can read.
        """
        return PromptSketch(self.asked(clip.wording), self.painter.checked(clip), seed)

    def asked(self, wording: Wording) -> PromptReplacer:
        """The same under a track's own prompts, where it has any."""
        if not wording:
            return self
        if self.lexicon is None:
            raise ValueError("a track has a prompt of its own, and nobody here reads prompts")
        return replace(
            self,
            prompt=_reworded(self.prompt, wording.prompt, self.lexicon),
            negative=_reworded(self.negative, wording.negative_prompt, self.lexicon),
        )

    @property
    def inpaints(self) -> bool:
        """Whether the network takes mask and masked picture."""
        return (
            int(self.painter.model.network.config.in_channels)
            == 2 * self.painter.autoencoder.channels + 1
        )

    def guided(self, channels: Tensor | None, control: Tensor | None = None) -> Denoiser:
        """The denoiser under the prompt.

        Args:
            channels: further input channels (N, K, h, w), or none.
            control: pictures (N, 3, S, S) in [0, 1] for the ControlNet, if there is one.
        """
        model, size = self.painter.model, (self.size, self.size)
        wanted, unwanted = (
            model.given(words.told(size, channels=channels, control=control))
            for words in (self.prompt, self.negative)
        )
        return classifier_free(wanted, unwanted, self.guidance)


def _reworded(words: Words, prompt: str | None, lexicon: Lexicon) -> Words:
    """The words of another prompt, beside the same picture."""
    return words if prompt is None else replace(lexicon.of(prompt)[0], picture=words.picture)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PromptSketch:
    """One clip, to be painted by a prompt."""

    replacer: PromptReplacer
    clip: Clip
    seed: int

    @property
    def moving(self) -> Clip:
        """The clip itself: what a prompt will paint follows the motion of the original."""
        return self.clip

    @torch.no_grad()
    def paint(self, mediation: Mediation) -> NDArray[np.uint8]:
        """New crops (N, S, S, 3).

        Raises:
            FloatingPointError: if a result is not finite.
        """
        clip = self.clip
        painter = self.replacer.painter.serving(mediation, len(clip.indices) - clip.lead)
        replacer = replace(self.replacer, painter=painter)
        known = painter.encoded(conditions.blanked(clip))
        cells = conditions.hidden_cells(clip, painter.autoencoder.factor).to(painter.device)
        told = replacer.inpaints
        channels = torch.cat([cells, known], 1) if told else None
        denoise = replacer.guided(channels, self._control())
        strength = replacer.strength if replacer.init == "source" else 1.0
        sigmas = ddim_sigmas(painter.model.schedule, replacer.steps, strength)
        noise = mediation.noise(tuple(known.shape), self.seed).to(painter.device)
        x = self._beginning(noise, sigmas[0])
        reference = painter.reference(replacer.guided(channels), known, noise, drawn=False)
        agreed = painter.agreed(denoise, mediation, sigmas)
        whole = agreed if told else keep_known(agreed, known, cells)
        return painter.painted(whole, x, sigmas, mediation, reference)

    def _control(self) -> Tensor | None:
        """What the ControlNet is shown: never the original (P1)."""
        if self.replacer.artist is None:
            return None
        drawn = self.replacer.artist.pictures(self.clip, self.seed)
        return drawn.to(self.replacer.painter.device)

    def _beginning(self, noise: Tensor, sigma: float) -> Tensor:
        """Latents at the first noise level: pure noise, or the noised original (SDEdit)."""
        if self.replacer.init == "source":
            return self.replacer.painter.encoded(source(self.clip)) + sigma * noise
        return noise * math.sqrt(1 + sigma**2)
