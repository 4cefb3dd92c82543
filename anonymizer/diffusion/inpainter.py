"""Replacers that paint faces by diffusion.

Symbols: N new crops of S pixels; latents `(N, C, h, w)`; sigma as in `diffusion.schedule`.
Generators see `context`, `hidden`, `mask` and `landmarks` of a clip, never `pixels` (invariant P1),
unless they are told to start from the source, and then say so in `non_interference`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import torch
from diffusers import UNet2DConditionModel
from numpy.typing import NDArray
from torch import Tensor

from anonymizer.diffusion import conditions, weights
from anonymizer.diffusion.autoencoder import Autoencoder
from anonymizer.diffusion.guidance import classifier_free, keep_known
from anonymizer.diffusion.model import Condition, LatentModel
from anonymizer.diffusion.painter import Painter, source
from anonymizer.diffusion.schedule import ddim_sigmas, descent
from anonymizer.diffusion.text import embed
from anonymizer.errors import MissingWeights
from anonymizer.head.guide import Guide, draw_guide
from anonymizer.head.model import HeadModel
from anonymizer.head.person import person_for
from anonymizer.head.pose import solve_pose
from anonymizer.settings import Init, Painting

if TYPE_CHECKING:
    import numpy as np

    from anonymizer.data import Clip
    from anonymizer.protocols import Denoiser, Mediation, Replacer

FORMAT: Final = "veilframe-model-1"
"""What `model.json` of a built-in model says of itself."""
STEPS: Final = 20
"""Sampling steps of models that do not say how many they want."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FaceReplacer:
    """The built-in painter: a drawn head in the film's tone, made real by a guided inpainter."""

    painter: Painter
    head: HeadModel
    start: float
    """Where sampling begins, as a share of the schedule."""
    steps: int
    init: Init = "guide"

    @property
    def size(self) -> int:
        """Side S of the crops in pixels."""
        return self.painter.size

    @property
    def non_interference(self) -> bool:
        """Whether nothing inside a protected area reaches what is painted (P1)."""
        return self.init != "source"

    def sketch(self, clip: Clip, seed: int) -> FaceSketch:
        """The person of `seed` in the film's tone, drawn over the blanked areas.

        Raises:
            ValueError: if the crops have another size or landmarks are not finite.
        """
        clip = self.painter.checked(clip)
        guides = conditions.toned(clip, self.guides(clip, seed))
        composite = conditions.composite(replace(clip, lead=0), guides)
        moving = replace(clip, pixels=conditions.images(composite))
        return FaceSketch(self, clip, moving, composite[clip.lead :], guides[clip.lead :], seed)

    def guides(self, clip: Clip, seed: int) -> list[Guide]:
        """The person of `seed` in the pose of each of the T crops, in neutral light."""
        person = person_for(self.head, seed)
        landmarks = self.head.marked_landmarks(self.head.vertices(person.identity))
        poses = solve_pose(clip.landmarks, clip.size, landmarks)
        return [
            draw_guide(self.head, person, poses[at], size=clip.size) for at in range(len(poses))
        ]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FaceSketch:
    """A drawn head over each new crop, ready to be made real."""

    replacer: FaceReplacer
    clip: Clip
    moving: Clip
    """The clip with the drawing for pixels. It moves as the new face will, whatever the old one
    does; so not even the motion inside a protected area is taken from the original."""
    composite: Tensor
    """(N, 3, S, S) the drawings over the context, in [-1, 1]."""
    guides: list[Guide]
    """Of the N new crops."""
    seed: int

    @torch.no_grad()
    def paint(self, mediation: Mediation) -> NDArray[np.uint8]:
        """New crops (N, S, S, 3).

        Raises:
            FloatingPointError: if a result is not finite.
        """
        painter, replacer = self.replacer.painter, self.replacer
        drawn = painter.encoded(self.composite)
        factor = painter.autoencoder.factor
        cells = conditions.hidden_cells(self.clip, factor).to(painter.device)
        shape = conditions.structure(self.guides, factor).to(painter.device)
        condition = Condition(torch.cat([cells, drawn, shape], 1))
        sigmas = descent(painter.model.schedule, replacer.start, replacer.steps)
        noise = mediation.noise(tuple(drawn.shape), self.seed).to(painter.device)
        x = sigmas[0] * noise + self._origin(drawn)
        denoise = painter.agreed(painter.model.given(condition), mediation, sigmas)
        return painter.painted(denoise, x, sigmas, mediation)

    def _origin(self, drawn: Tensor) -> Tensor | float:
        """The clean latents that sampling starts around."""
        if self.replacer.init == "source":
            return self.replacer.painter.encoded(source(self.clip))
        return drawn if self.replacer.init == "guide" else 0.0


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PromptReplacer:
    """A Stable Diffusion inpainter told by a prompt whom to paint.

    A network with 2 C + 1 input channels is told the mask and the masked picture (trained for
    inpainting); one with C channels has the known region put back into each estimate.
    """

    painter: Painter
    prompt: Tensor
    """(1, L, D) hidden states of what is wanted."""
    negative: Tensor
    """(1, L, D) hidden states of what is not."""
    steps: int = 20
    guidance: float = 5.0
    init: Literal["noise", "source"] = "noise"
    strength: float = 0.5
    """With `init="source"`: share of the steps that is run, from the noised original face. This
    breaks P1."""

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
            ValueError: if the crops have another size.
        """
        return PromptSketch(self, self.painter.checked(clip), seed)

    @property
    def inpaints(self) -> bool:
        """Whether the network takes mask and masked picture."""
        taken = int(self.painter.model.network.config.in_channels)
        return taken == 2 * self.painter.autoencoder.channels + 1

    def guided(self, channels: Tensor | None) -> Denoiser:
        """The denoiser under the prompt, told further input channels or none."""
        model = self.painter.model
        wanted, unwanted = Condition(channels, self.prompt), Condition(channels, self.negative)
        return classifier_free(model.given(wanted), model.given(unwanted), self.guidance)


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
        replacer, painter, clip = self.replacer, self.replacer.painter, self.clip
        known = painter.encoded(conditions.blanked(clip))
        cells = conditions.hidden_cells(clip, painter.autoencoder.factor).to(painter.device)
        told = replacer.inpaints
        denoise = replacer.guided(torch.cat([cells, known], 1) if told else None)
        strength = replacer.strength if replacer.init == "source" else 1.0
        sigmas = ddim_sigmas(painter.model.schedule, replacer.steps, strength)
        noise = mediation.noise(tuple(known.shape), self.seed).to(painter.device)
        x = self._beginning(noise, sigmas[0])
        agreed = painter.agreed(denoise, mediation, sigmas)
        whole = agreed if told else keep_known(agreed, known, cells)
        return painter.painted(whole, x, sigmas, mediation)

    def _beginning(self, noise: Tensor, sigma: float) -> Tensor:
        """Latents at the first noise level: pure noise, or the noised original (SDEdit)."""
        if self.replacer.init == "source":
            return self.replacer.painter.encoded(source(self.clip)) + sigma * noise
        return noise * math.sqrt(1 + sigma**2)


def build(painting: Painting, device: torch.device) -> Replacer:
    """The replacer that the settings name, on a device.

    Raises:
        MissingWeights: if a file of the model is absent, damaged or of a kind that does not fit.
        UsageError: if transformers is needed and not installed.
    """
    if painting.model == "builtin":
        return builtin(painting, device, weights.builtin_folder())
    return prompted(painting, device, weights.pipeline_folder(painting.model))


def builtin(painting: Painting, device: torch.device, folder: Path) -> FaceReplacer:
    """The built-in model of a folder with `vae`, `unet`, `scheduler` and `model.json`."""
    path = folder / "model.json"
    table = weights.read_json(path)
    with weights.reading(path):
        if table["format"] != FORMAT:
            raise ValueError(f"format {table['format']!r} is not {FORMAT!r}")
        size, start, steps = int(table["size"]), float(table["strength"]), int(table["steps"])
    if painting.init != "guide":
        start = painting.strength if painting.init == "source" else 1.0
    painter = _painter(folder, painting, device, size=size)
    _check_inputs(painter, folder, {2 * painter.autoencoder.channels + 5}, text=False)
    return FaceReplacer(painter, HeadModel.load(), start, painting.steps or steps, painting.init)


def prompted(painting: Painting, device: torch.device, folder: Path) -> PromptReplacer:
    """A Stable Diffusion pipeline of a folder, of 4 or 9 input channels or alike."""
    painter = _painter(folder, painting, device, size=None)
    channels = painter.autoencoder.channels
    _check_inputs(painter, folder, {channels, 2 * channels + 1}, text=True)
    prompt, negative = embed(folder, [painting.prompt, painting.negative_prompt], device=device)
    return PromptReplacer(
        painter,
        prompt[None],
        negative[None],
        painting.steps or STEPS,
        painting.guidance,
        "source" if painting.init == "source" else "noise",
        painting.strength,
    )


def _check_inputs(painter: Painter, folder: Path, counts: set[int], *, text: bool) -> None:
    """Refuse a denoiser that wants to be told other things than it will be."""
    network = painter.model.network
    taken, extra = network.config.in_channels, network.config.get("addition_embed_type")
    if taken in counts and extra is None and isinstance(network, UNet2DConditionModel) == text:
        return
    kind, wanted = type(network).__name__, " or ".join(map(str, sorted(counts)))
    reason = (
        f"{kind} of {taken} channels (extra: {extra}) does not fit here; want {wanted} channels"
    )
    raise MissingWeights(folder / "unet" / "config.json", reason)


def _painter(
    folder: Path, painting: Painting, device: torch.device, *, size: int | None
) -> Painter:
    """Networks of a folder; without a size the crops are what the denoiser was trained on."""
    dtype, batch = _precision(device), 16 if size else 4
    network = weights.read_unet(folder, dtype=dtype, device=device)
    coder = weights.read_autoencoder(folder, dtype=dtype, device=device)
    model = LatentModel(network, weights.read_schedule(folder), batch)
    autoencoder = Autoencoder(coder, batch)
    side = size or int(network.config.sample_size) * autoencoder.factor
    return Painter(model, autoencoder, side, painting.coherence)


def _precision(device: torch.device) -> torch.dtype:
    """bfloat16 where the hardware has it, float32 elsewhere."""
    fast = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return torch.bfloat16 if fast else torch.float32
