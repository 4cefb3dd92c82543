"""Whole frames told anew; the judges are diffusers' own pipelines, given the same noise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    StableDiffusionControlNetPipeline,
    StableDiffusionInstructPix2PixPipeline,
    StableDiffusionXLPipeline,
)
from torch import Tensor

from anonymizer import build
from anonymizer.data import Clip
from anonymizer.diffusion import conditions, restyler
from anonymizer.diffusion.painter import source
from anonymizer.diffusion.restyler import Restyler
from anonymizer.diffusion.schedule import ddim_sigmas
from anonymizer.errors import MissingWeights, UsageError
from anonymizer.networks import Networks, Translation
from anonymizer.settings import Painting, Settings
from tests import factories
from tests.anonymizer.diffusion import stable, tiny

CPU = torch.device("cpu")
SHAPE = (24, 40)
"""Of the frames: nothing is square."""


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {
        "sd": lambda folder: stable.inpainting(folder, 4),
        "v": lambda folder: stable.inpainting(folder, 4, prediction_type="v_prediction"),
        "xl": stable.xl,
        "control": stable.controlled,
        "ip2p": stable.instructed,
    }
    words, folder = tmp_path_factory.mktemp("words"), tmp_path_factory.mktemp("told")
    return {name: stable.saved(make(words), folder / name) for name, make in made.items()}


@dataclass
class Noise(tiny.Plan):
    """A mediation that hands out given noise and agrees with everything."""

    given: Any = None

    def noise(self, shape: tuple[int, ...], seed: int) -> Tensor:
        assert self.given.shape == shape
        return torch.Tensor(self.given)


def clip(count: int = 2, lead: int = 0) -> Clip:
    frames = np.stack([factories.picture(SHAPE, shift=(t, t / 2)) for t in range(count)])
    frames[:, 6:14, 10:25] = 0
    blank = np.zeros((count, *SHAPE), np.bool_)
    return Clip(
        track=0,
        indices=tuple(range(count)),
        pixels=frames,
        context=frames.copy(),
        hidden=blank,
        mask=np.ones((count, *SHAPE), np.float32),
        frame_from_crop=np.repeat(np.eye(3)[None], count, 0),
        landmarks=np.zeros((count, 5, 2)),
        lead=lead,
    )


def test_given_control_pictures_are_shown_as_they_are(models: dict[str, Path]) -> None:
    given = np.random.default_rng(0).integers(0, 256, (2, *SHAPE, 3), np.uint8)
    sketch = built(models["control"], "sdedit").sketch(clip(3, lead=1), 1, given)
    assert sketch.control is not None
    assert np.array_equal((sketch.control * 255).round().permute(0, 2, 3, 1).numpy(), given)
    assert built(models["sd"], "sdedit").sketch(clip(), 1, given).control is None


def built(folder: Path, mode: Any, **painting: Any) -> Restyler:
    usual: dict[str, Any] = {"prompt": "a face", "negative_prompt": "zebra", "steps": 3}
    usual["guidance"] = 4.0
    return restyler.build(
        Settings(
            painting=Painting(model=str(folder), **(usual | painting)),
            networks=Networks(precision="fp32"),
            translation=Translation(mode=mode, image_guidance=2.0),
        ),
        CPU,
    )


def noise(count: int = 2) -> Tensor:
    shape = (count, 4, SHAPE[0] // 2, SHAPE[1] // 2)
    return torch.randn(shape, generator=torch.Generator().manual_seed(7))


ASKED = {
    "prompt": ["a face"] * 2,
    "negative_prompt": ["zebra"] * 2,
    "num_inference_steps": 3,
    "guidance_scale": 4.0,
    "output_type": "np",
}


def loaded(name: str, folder: Path) -> Any:
    kind = {
        "control": StableDiffusionControlNetPipeline,
        "xl": StableDiffusionXLPipeline,
    }
    kind |= {"ip2p": StableDiffusionInstructPix2PixPipeline}
    options = {} if name == "xl" else {"safety_checker": None, "requires_safety_checker": False}
    pipeline = kind[name].from_pretrained(folder, use_safetensors=True, **options)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def near(ours: Any, theirs: Any) -> None:
    assert ours.shape == theirs.shape
    assert np.abs(ours.astype(float) - theirs * 255).max() < 1.01
    assert theirs.std() > 0.02


def test_controlnet_is_diffusers_own(models: dict[str, Path]) -> None:
    control = restyler.edges(clip().pixels)
    assert control.shape == (2, 3, *SHAPE)
    assert 0 < control.mean() < 1
    ours = built(models["control"], "controlnet").sketch(clip(), 1)
    theirs = loaded("control", models["control"])(
        **ASKED, image=control, latents=noise(), height=SHAPE[0], width=SHAPE[1]
    )
    near(ours.paint(Noise(given=noise())), theirs.images)
    without = built(models["control"], "sdedit", strength=1.0).sketch(clip(), 1)
    assert not np.array_equal(ours.paint(Noise(given=noise())), without.paint(Noise(given=noise())))


def test_instructions_are_followed_as_by_diffusers(models: dict[str, Path]) -> None:
    ours = built(models["ip2p"], "ip2p").sketch(clip(), 1).paint(Noise(given=noise()))
    frames = torch.from_numpy(clip().pixels.copy()).permute(0, 3, 1, 2) / 255
    theirs = loaded("ip2p", models["ip2p"])(
        **ASKED, image=frames, latents=noise(), image_guidance_scale=2.0
    )
    near(ours, theirs.images)


def test_sdxl_from_noise_is_diffusers_own(models: dict[str, Path]) -> None:
    """SDEdit that starts at the very top with black frames is hardly more than noise."""
    ours = built(models["xl"], "sdedit", strength=1.0)
    dark = replace(clip(), pixels=np.zeros_like(clip().pixels))
    start = ours.painter.encoded(torch.full((2, 3, *SHAPE), -1.0))
    sigmas = ddim_sigmas(ours.painter.model.schedule, 3, 1.0)
    latents = (start + sigmas[0] * noise()) / (1 + sigmas[0] ** 2) ** 0.5
    theirs = loaded("xl", models["xl"])(
        **ASKED, latents=latents, height=SHAPE[0], width=SHAPE[1],
        original_size=SHAPE, target_size=SHAPE,
    )  # fmt: skip
    near(ours.sketch(dark, 1).paint(Noise(given=noise())), theirs.images)


@pytest.mark.parametrize("name", ["sd", "v", "xl"])
def test_sdedit_keeps_the_frames_when_little_of_the_schedule_is_run(
    models: dict[str, Path], name: str
) -> None:
    distances = []
    for strength in (0.1, 0.5, 1.0):
        told = built(models[name], "sdedit", strength=strength, steps=10, guidance=1.0)
        coder = told.painter.autoencoder
        own = coder.decode(coder.encode(source(clip())))
        sketch = told.sketch(clip(), 1)
        result = conditions.pictures(sketch.paint(Noise(given=noise())))
        distances.append(float((result - own.clamp(-1, 1)).square().mean()))
    assert distances[0] < min(distances[1:])  # nobody trained it: more is not promised


def test_only_new_frames_are_told_anew_and_mediation_counts(models: dict[str, Path]) -> None:
    sketch = built(models["sd"], "sdedit", strength=1.0).sketch(clip(4, lead=1), 1)
    assert sketch.moving.shape == SHAPE
    plain, agreed = (
        sketch.paint(Noise(given=noise(3), function=function))
        for function in (lambda x: x, tiny.mean_of_frames)
    )
    assert plain.shape == (3, *SHAPE, 3)
    assert not np.array_equal(plain, agreed)


def test_what_is_known_stays_and_holes_are_filled(models: dict[str, Path]) -> None:
    told = built(models["sd"], "sdedit", strength=1.0)
    holes = np.zeros((2, *SHAPE), np.bool_)
    holes[:, 8:16, 8:20] = True
    known = np.where(holes[..., None], np.uint8(0), clip().pixels)
    sketch = told.patch(clip(), 1, known, holes)
    result = sketch.paint(Noise(given=noise()))
    coder = told.painter.autoencoder
    own = conditions.images(coder.decode(coder.encode(conditions.pictures(known))))
    differs = np.abs(result.astype(int) - own)
    assert 3 * differs[:, 18:, 24:].mean() < differs[holes].mean()


@pytest.mark.parametrize(
    ("size", "shorter", "expected"),
    [
        ((32, 48), None, (32, 48)),
        ((1080, 1920), None, (32, 56)),
        ((1920, 1080), 64, (112, 64)),
        ((5, 400), 16, (16, 1280)),
    ],
)
def test_frames_are_worked_on_at_the_models_size(
    models: dict[str, Path], size: Any, shorter: Any, expected: Any
) -> None:
    told = built(models["sd"], "sdedit")
    assert told.shape(size, shorter) == expected
    assert told.provider == "cpu"


@pytest.mark.parametrize(
    ("name", "mode", "error", "said"),
    [
        ("sd", "ip2p", MissingWeights, "4 channels .* want 8"),
        ("ip2p", "sdedit", MissingWeights, "8 channels .* want 4"),
        ("sd", "controlnet", UsageError, "needs a ControlNet"),
    ],
)
def test_models_that_do_not_fit_the_mode_are_refused(
    models: dict[str, Path], name: str, mode: str, error: Any, said: str
) -> None:
    with pytest.raises(error, match=said):
        built(models[name], mode)


def test_the_built_in_model_cannot_translate() -> None:
    with pytest.raises(UsageError, match="name a diffusers model by --model"):
        build.troupe(Settings())
