"""Mediators around pipelines that keep their own loop, as docs/mediators.md shows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextModel, CLIPTokenizer

import mediators
from anonymizer.diffusion.model import x0_from_output
from anonymizer.diffusion.stock import _output, mediating, whole_frames
from tests import factories
from tests.anonymizer.diffusion import tiny
from tests.mediators.tokens import Moving

SIZE = (32, 48)
COUNT = 4
PAGE = Path("docs/mediators.md")


@pytest.fixture(scope="module")
def frames():
    return np.stack([factories.picture(SIZE, shift=(2.0 * t, 0)) for t in range(COUNT)])


@pytest.fixture(scope="module")
def hidden():
    area = np.zeros((COUNT, *SIZE), bool)
    area[:, 8:24, 16:32] = True
    return area


def parts(folder: Path, channels: int) -> dict[str, Any]:
    tiny.write_pipeline(folder, channels)
    return {
        "vae": AutoencoderKL.from_pretrained(folder / "vae"),
        "text_encoder": CLIPTextModel.from_pretrained(folder / "text_encoder"),
        "tokenizer": CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        "unet": UNet2DConditionModel.from_pretrained(folder / "unet"),
        "scheduler": DDIMScheduler.from_pretrained(folder / "scheduler", clip_sample=False),
        "safety_checker": None,
        "feature_extractor": None,
    }


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """An inpainting pipeline of random weights, as a user's would lie in a folder."""
    root = tmp_path_factory.mktemp("stock")
    made = parts(root / "parts", 9)
    pipeline = StableDiffusionInpaintPipeline(**made, requires_safety_checker=False)
    pipeline.save_pretrained(root / "whole")
    return root / "whole"


@pytest.fixture
def pipe(saved):
    pipeline = StableDiffusionInpaintPipeline.from_pretrained(saved, safety_checker=None)
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config, clip_sample=False)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def painted(pipe, clip, name, steps=3, motion=None, **options):
    motion = motion or Moving((-2.0, 0.0))
    given = {"correspond": motion} if name != "none" else {}
    own = {part: dict(given) for part in ("medm", "fresco", "none")}
    mediation = mediators.united(name, own).prepare(clip, None)
    with mediating(pipe, mediation, clip, "a face", negative="none", seed=3, **options) as told:
        return pipe(
            **told,
            image=list(clip.context / np.float32(255)),
            mask_image=list(clip.hidden.astype(np.float32)),
            height=SIZE[0],
            width=SIZE[1],
            num_inference_steps=steps,
            output_type="np",
        ).images


def example() -> str:
    found: list[str] = re.findall(
        r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL
    )
    return found[0]


def test_the_page_shows_both_around_a_pipeline_in_a_few_lines(saved, frames, hidden):
    code = example()
    assert len([line for line in code.splitlines() if line]) < 25
    assert '"medm+fresco"' in code
    space = {"folder": saved, "frames": frames, "hidden": hidden}
    exec(compile(code, str(PAGE), "exec"), space)
    result: Any = space["result"]
    assert result.shape == (COUNT, *SIZE, 3)
    assert np.isfinite(result).all()


@pytest.mark.parametrize("name", ["medm", "fresco", "medm+fresco"])
def test_each_mediator_changes_what_is_painted_and_leaves_nothing(pipe, frames, hidden, name):
    clip = whole_frames(frames, hidden)
    before = painted(pipe, clip, "none")
    processors = dict(pipe.unet.attn_processors)
    mediated = painted(pipe, clip, name)
    assert np.abs(mediated - before).max() > 1e-3
    np.testing.assert_array_equal(painted(pipe, clip, "none"), before)
    assert pipe.unet.attn_processors == processors
    assert "step" not in vars(pipe.scheduler)


def test_it_leaves_nothing_after_an_error_either(pipe, frames):
    clip = whole_frames(frames)
    mediation = mediators.load("medm", {}).prepare(clip, None)

    def fails():
        with mediating(pipe, mediation, clip, "a face"):
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fails()
    assert "step" not in vars(pipe.scheduler)


def test_p1_nothing_that_is_hidden_reaches_the_result(pipe, frames, hidden):
    other = np.where(hidden[..., None], 255 - frames, frames)
    one, two = (
        painted(pipe, whole_frames(seen, hidden), "medm+fresco") for seen in (frames, other)
    )
    np.testing.assert_array_equal(one, two)
    assert (whole_frames(frames, hidden).context[hidden] == 128).all()
    np.testing.assert_array_equal(whole_frames(frames, hidden).context[~hidden], frames[~hidden])


def test_without_strength_pixels_are_left_alone(pipe, frames, hidden):
    clip = whole_frames(frames, hidden)
    left = painted(pipe, clip, "medm", strength=0)
    none = painted(pipe, clip, "none")
    assert left.shape == none.shape
    assert not np.array_equal(left, painted(pipe, clip, "medm", strength=1))


def test_the_last_step_is_not_mediated(pipe, frames, hidden):
    clip = whole_frames(frames, hidden)
    mediation = mediators.load("medm", {"correspond": Moving()}).prepare(clip, None)
    with mediating(pipe, mediation, clip, "a face") as told:
        pipe(
            **told,
            image=list(clip.context / np.float32(255)),
            mask_image=list(clip.hidden.astype(np.float32)),
            height=SIZE[0],
            width=SIZE[1],
            num_inference_steps=4,
        )
    carry: Any = mediation.carry()
    assert len(carry.levels) == 3
    assert sorted(carry.levels, reverse=True) == list(carry.levels)


def test_a_pipeline_from_text_is_mediated_everywhere(tmp_path, frames):
    made = parts(tmp_path, 4)
    pipeline = StableDiffusionPipeline(**made, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)
    clip = whole_frames(frames)
    assert clip.mask.all()
    found = []
    for name in ("none", "fresco"):
        mediation = mediators.load(name, {}).prepare(clip, None)
        with mediating(pipeline, mediation, clip, "a face") as told:
            found.append(
                pipeline(
                    **told, height=SIZE[0], width=SIZE[1], num_inference_steps=2, output_type="np"
                ).images
            )
    assert np.abs(found[0] - found[1]).max() > 1e-3


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_outputs_and_estimates_are_two_ways_to_say_the_same(prediction):
    generator = torch.Generator().manual_seed(1)
    x, output = torch.randn(2, 2, 3, 4, 5, generator=generator)
    x0 = x0_from_output(output, x, 1.7, prediction)
    torch.testing.assert_close(_output(x0, x, 1.7, prediction), output)
