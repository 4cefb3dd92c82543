"""What decides the painted face: measured with the production painter on held-out renderings.

The person must be decided by the code (the seed of the track), not by the noise. So pictures are
painted again with another person and the same noise, and with the same person and other noise, and
the change inside the protected area is compared.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anonymizer.data import Carry, Clip
from anonymizer.diffusion.faces import FaceReplacer
from anonymizer.diffusion.inpainter import builtin
from anonymizer.protocols import Reference
from anonymizer.settings import Painting
from anonymizer.training.dataset import Shard
from anonymizer.training.masks import random_area


@dataclass(frozen=True, slots=True)
class Alone:
    """No mediation, and noise of a seed of its own whoever is painted."""

    noise_seed: int

    def noise(self, shape: tuple[int, ...], seed: int) -> Tensor:
        """Standard normal noise of `noise_seed`."""
        return torch.randn(shape, generator=torch.Generator().manual_seed(self.noise_seed))

    def __call__(self, x0: Tensor, sigma: float) -> Tensor:
        """`x0` itself."""
        return x0

    @property
    def together(self) -> bool:
        """Crops may be given to the model in any batches."""
        return False

    def attach(
        self,
        model: Any,  # noqa: ANN401 - any torch module
        reference: Reference | None = None,
    ) -> AbstractContextManager[None]:
        """Do nothing."""
        return nullcontext()

    def carry(self) -> Carry | None:
        """Nothing."""
        return None


def clips(shard: Shard, count: int) -> Iterator[Clip]:
    """The first pictures of a shard as production would cut them, with protected areas."""
    rng = np.random.default_rng(7)
    for image, landmarks in zip(shard["image"][:count], shard["landmarks"], strict=False):
        area = random_area(rng, landmarks.astype(np.float32), len(image))
        yield Clip(
            track=0,
            indices=(0,),
            pixels=image[None].copy(),
            context=np.where(area[None, ..., None], np.uint8(128), image[None]),
            hidden=area[None],
            mask=area[None].astype(np.float32),
            frame_from_crop=np.eye(3)[None],
            landmarks=landmarks[None].astype(np.float64),
        )


def influence(replacer: FaceReplacer, cut: list[Clip]) -> dict[str, float]:
    """Mean absolute change, pictures in [0, 1], by another code and by other noise; their ratio."""

    def painted(clip: Clip, person: int, noise: int) -> NDArray[np.float64]:
        crop = replacer.sketch(clip, person).paint(Alone(noise))[0] / 255
        return np.asarray(crop[clip.mask[0] > 0])

    code, noise = list[float](), list[float]()
    for number, clip in enumerate(cut):
        first = painted(clip, 2 * number, 0)
        code.append(float(abs(painted(clip, 2 * number + 1, 0) - first).mean()))
        noise.append(float(abs(painted(clip, 2 * number, 1) - first).mean()))
    by_code, by_noise = float(np.mean(code)), float(np.mean(noise))
    return {"code": by_code, "noise": by_noise, "ratio": by_code / by_noise}


def evaluate(weights: Path, shard: Shard, count: int = 48) -> dict[str, float]:
    """Figures of the exported model in a folder."""
    replacer = builtin(Painting(), torch.device("cpu"), weights)
    return influence(replacer, list(clips(shard, count)))
