"""Whole frames told anew by a prompt: SDEdit, ControlNet and InstructPix2Pix (medm.md 5.5).

Symbols: N new frames of H x W pixels; latents `(N, C, h, w)`; sigma as in `diffusion.schedule`.
This is no anonymization: `pixels` of a clip are read, faces and all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anonymizer.diffusion import conditions, pipelines
from anonymizer.diffusion.guidance import classifier_free, instructed, keep_known
from anonymizer.diffusion.hub import folder_of
from anonymizer.diffusion.painter import Painter, source
from anonymizer.diffusion.schedule import ddim_sigmas
from anonymizer.errors import UsageError

if TYPE_CHECKING:
    from anonymizer.data import Clip
    from anonymizer.diffusion.text import Words
    from anonymizer.networks import Mode
    from anonymizer.protocols import Denoiser, Mediation
    from anonymizer.settings import Settings

EDGES: Final = (100.0, 200.0)
"""Thresholds of the edge detector, of 255."""


def build(settings: Settings, device: torch.device) -> Restyler:
    """The translator that the settings name, on a device.

    Raises:
        MissingWeights: if a file of the model is absent, damaged or of a kind that does not fit.
        UsageError: if the mode wants a ControlNet that is not there.
    """
    painting, told = settings.painting, settings.translation
    folder, channels = folder_of(painting.model), (1,) if told.mode == "ip2p" else (0,)
    pipeline = pipelines.load(folder, painting, settings.networks, device, told=channels)
    restyler = Restyler(
        pipeline.painter,
        pipeline.prompt,
        pipeline.negative,
        told.mode,
        painting.steps or pipelines.STEPS,
        painting.guidance,
        told.image_guidance,
        painting.strength,
    )
    if told.mode == "controlnet" and not restyler.steered:
        raise UsageError("mode controlnet needs a ControlNet; name one by --controlnet")
    return restyler


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Restyler:
    """A pipeline of the Stable Diffusion family that translates frames."""

    painter: Painter
    prompt: Words
    negative: Words
    mode: Mode
    steps: int = 20
    guidance: float = 7.5
    image_guidance: float = 1.5
    strength: float = 0.5
    """With `sdedit`: share of the steps that is run."""

    @property
    def provider(self) -> str:
        """Where the networks are."""
        return str(self.painter.device)

    @property
    def steered(self) -> bool:
        """Whether there is a ControlNet."""
        return self.painter.model.control is not None

    def shape(self, size: tuple[int, int], shorter: int | None) -> tuple[int, int]:
        """(height, width) at which frames of another such size are worked on.

        Args:
            size: of the film.
            shorter: wanted for the shorter side; None for what the network was trained at.
        """
        unit = self.painter.autoencoder.factor * self.painter.model.halvings
        ratio = (shorter or self.painter.size) / min(size)
        height, width = (max(unit, int(side * ratio + unit / 2) // unit * unit) for side in size)
        return height, width

    def sketch(self, clip: Clip, seed: int, given: NDArray[np.uint8] | None = None) -> FilmSketch:
        """The new frames of a clip, ready to be told anew.

        Args:
            clip: frames of the film at `shape`.
            seed: of the noise.
            given: (N, H, W, 3) what a ControlNet is shown; edges of the frames if nothing is given.
        """
        return FilmSketch(self, clip, seed, self._control(clip, given))

    def patch(
        self,
        clip: Clip,
        seed: int,
        known: NDArray[np.uint8],
        holes: NDArray[np.bool_],
        given: NDArray[np.uint8] | None = None,
    ) -> FilmSketch:
        """The same where all is known (N, H, W, 3) but the holes (N, H, W)."""
        return FilmSketch(self, clip, seed, self._control(clip, given), known, holes)

    def _control(self, clip: Clip, given: NDArray[np.uint8] | None) -> Tensor | None:
        """(N, 3, H, W) in [0, 1] for the ControlNet, if there is one."""
        if not self.steered:
            return None
        if given is None:
            return edges(clip.pixels[clip.lead :])
        return torch.from_numpy(np.array(given)).permute(0, 3, 1, 2) / 255

    def guided(
        self, size: tuple[int, int], shown: Tensor | None, control: Tensor | None
    ) -> Denoiser:
        """The denoiser under the prompt.

        Args:
            size: (height, width) of the frames.
            shown: (N, C, h, w) latents of the frames for a network that is shown them, not scaled.
            control: what the ControlNet is shown.
        """

        def under(words: Words, channels: Tensor | None) -> Denoiser:
            return self.painter.model.given(words.told(size, channels=channels, control=control))

        wanted, unwanted = under(self.prompt, shown), under(self.negative, shown)
        if shown is None:
            return classifier_free(wanted, unwanted, self.guidance)
        blind = under(self.negative, torch.zeros_like(shown))
        return instructed(wanted, unwanted, blind, self.guidance, self.image_guidance)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FilmSketch:
    """One clip of whole frames, to be told anew."""

    restyler: Restyler
    clip: Clip
    seed: int
    control: Tensor | None = None
    known: NDArray[np.uint8] | None = None
    """(N, H, W, 3) what is there already, right where ..."""
    holes: NDArray[np.bool_] | None = None
    """(N, H, W) ... there is no hole."""

    @property
    def moving(self) -> Clip:
        """The clip itself."""
        return self.clip

    @torch.no_grad()
    def paint(self, mediation: Mediation) -> NDArray[np.uint8]:
        """New frames (N, H, W, 3).

        Raises:
            FloatingPointError: if a result is not finite.
        """
        clip = self.clip
        painter = self.restyler.painter.serving(mediation, len(clip.indices) - clip.lead)
        restyler = replace(self.restyler, painter=painter)
        frames = painter.encoded(source(clip))
        shown = painter.autoencoder.unscaled(frames) if restyler.mode == "ip2p" else None
        control = None if self.control is None else self.control.to(painter.device)
        denoise = restyler.guided(clip.shape, shown, control)
        begins = restyler.mode == "sdedit"
        strength = restyler.strength if begins else 1.0
        sigmas = ddim_sigmas(painter.model.schedule, restyler.steps, strength)
        noise = mediation.noise(tuple(frames.shape), self.seed).to(painter.device)
        x = frames + sigmas[0] * noise if begins else noise * math.sqrt(1 + sigmas[0] ** 2)
        plain = restyler.guided(clip.shape, shown, None)
        reference = painter.reference(plain, frames, noise, drawn=True)
        agreed = self._kept(painter.agreed(denoise, mediation, sigmas), painter)
        return painter.painted(agreed, x, sigmas, mediation, reference)

    def _kept(self, denoise: Denoiser, painter: Painter) -> Denoiser:
        """The denoiser with what is there already put back into every estimate."""
        if self.known is None or self.holes is None:
            return denoise
        known = painter.encoded(conditions.pictures(self.known))
        cells = torch.nn.functional.max_pool2d(
            torch.from_numpy(self.holes)[:, None].float(), painter.autoencoder.factor
        )
        return keep_known(denoise, known, cells.to(known.device))


def edges(frames: NDArray[np.uint8]) -> Tensor:
    """White edges of frames (N, H, W, 3), by Canny, as (N, 3, H, W) in [0, 1]."""
    found = [cv2.Canny(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), *EDGES) for frame in frames]
    return torch.from_numpy(np.stack(found))[:, None].expand(-1, 3, -1, -1) / 255
