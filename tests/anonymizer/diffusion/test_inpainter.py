from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from anonymizer.data import Clip
from anonymizer.diffusion import inpainter, weights
from anonymizer.diffusion.conditions import images
from anonymizer.diffusion.inpainter import FaceReplacer, PromptReplacer
from anonymizer.diffusion.painter import source
from anonymizer.errors import MissingWeights
from anonymizer.protocols import Replacer
from anonymizer.settings import Painting
from tests import factories
from tests.anonymizer.diffusion import tiny

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def builtin_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_builtin(tmp_path_factory.mktemp("builtin"))


@pytest.fixture(scope="module")
def face(builtin_folder: Path) -> FaceReplacer:
    return inpainter.builtin(Painting(), CPU, builtin_folder)


@pytest.fixture(scope="module")
def pipelines(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    return {n: tiny.write_pipeline(tmp_path_factory.mktemp("sd"), n) for n in (4, 9)}


def prompted(folder: Path, **options: object) -> PromptReplacer:
    painting = replace(Painting(steps=3, prompt="a face", negative_prompt="x"), **options)  # type: ignore[arg-type]
    return inpainter.prompted(painting, CPU, folder)


def with_other_face(clip: Clip) -> Clip:
    """The same clip with another original inside the protected area."""
    pixels = np.where(clip.hidden[..., None], 255 - clip.pixels, clip.pixels)
    return replace(clip, pixels=pixels)


def coherent(painter: FaceReplacer, strength: float) -> FaceReplacer:
    return replace(painter, painter=replace(painter.painter, coherence=strength))


def test_face_has_the_shape_of_the_new_crops(face: FaceReplacer) -> None:
    replacer: Replacer = face
    clip = factories.clip(T=5, S=tiny.SIZE, lead=2)
    result = replacer.replace(clip, tiny.Plan(), 3)
    assert result.shape == (3, tiny.SIZE, tiny.SIZE, 3)
    assert result.dtype == np.uint8
    assert replacer.size == tiny.SIZE


def test_face_depends_on_the_seed_and_on_nothing_else_by_chance(face: FaceReplacer) -> None:
    clip = factories.clip(S=tiny.SIZE)
    first, again, other = (face.replace(clip, tiny.Plan(), seed) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_p1_face_does_not_see_the_original(face: FaceReplacer) -> None:
    clip = factories.clip(T=5, S=tiny.SIZE, lead=2)
    other = with_other_face(clip)
    assert not np.array_equal(clip.pixels, other.pixels)
    plan = tiny.Plan(tiny.mean_of_frames)
    assert np.array_equal(face.replace(clip, plan, 3), face.replace(other, plan, 3))
    assert face.non_interference


def test_p1_face_does_not_see_what_lies_under_hidden_context(face: FaceReplacer) -> None:
    clip = factories.clip(S=tiny.SIZE)
    leaky = replace(clip, context=np.where(clip.hidden[..., None], clip.pixels, clip.context))
    plan = tiny.Plan(tiny.mean_of_frames)
    assert np.array_equal(face.replace(clip, plan, 3), face.replace(leaky, plan, 3))


def test_face_from_the_source_admits_interference(builtin_folder: Path) -> None:
    replacer = inpainter.builtin(Painting(init="source", strength=0.3), CPU, builtin_folder)
    clip = factories.clip(S=tiny.SIZE)
    first, second = (
        replacer.replace(seen, tiny.Plan(), 3) for seen in (clip, with_other_face(clip))
    )
    assert not np.array_equal(first, second)
    assert not replacer.non_interference
    assert replacer.start == 0.3


def test_face_from_noise_runs_the_whole_schedule(builtin_folder: Path) -> None:
    replacer = inpainter.builtin(Painting(init="noise", steps=2), CPU, builtin_folder)
    plan = tiny.Plan()
    replacer.replace(factories.clip(S=tiny.SIZE), plan, 3)
    assert plan.sigmas == [pytest.approx(float(replacer.painter.model.schedule.sigmas[-1]))]


def test_mediation_is_attached_and_asked_in_all_steps_but_the_last(face: FaceReplacer) -> None:
    plan = tiny.Plan()
    face.replace(factories.clip(S=tiny.SIZE), plan, 3)
    assert len(plan.sigmas) == face.steps - 1
    assert plan.attached == [face.painter.model.network]
    assert sorted(plan.sigmas, reverse=True) == plan.sigmas


def test_without_coherence_mediation_is_not_asked_and_changes_no_bit(face: FaceReplacer) -> None:
    clip = factories.clip(S=tiny.SIZE)
    plan = tiny.Plan(tiny.mean_of_frames)
    alone = coherent(face, 0).replace(clip, plan, 3)
    assert plan.sigmas == []
    assert np.array_equal(alone, coherent(face, 1).replace(clip, tiny.Plan(), 3))
    assert not np.array_equal(alone, coherent(face, 1).replace(clip, plan, 3))


def test_face_fails_closed_on_numbers_that_are_not_finite(face: FaceReplacer) -> None:
    def spoiled(x0: torch.Tensor) -> torch.Tensor:
        return torch.full_like(x0, torch.nan)

    with pytest.raises(FloatingPointError, match="not finite"):
        face.replace(factories.clip(S=tiny.SIZE), tiny.Plan(spoiled), 3)


def test_face_refuses_crops_of_another_size(face: FaceReplacer) -> None:
    with pytest.raises(ValueError, match="48 pixels a side, this model wants 32"):
        face.replace(factories.clip(S=48), tiny.Plan(), 3)


@pytest.mark.parametrize("channels", [4, 9])
def test_prompt_p1_and_repeatability(pipelines: dict[int, Path], channels: int) -> None:
    replacer = prompted(pipelines[channels])
    clip = factories.clip(T=5, S=tiny.SIZE, lead=1)
    plan = tiny.Plan(tiny.mean_of_frames)
    first = replacer.replace(clip, plan, 3)
    assert first.shape == (4, tiny.SIZE, tiny.SIZE, 3)
    assert np.array_equal(first, replacer.replace(with_other_face(clip), plan, 3))
    assert not np.array_equal(first, replacer.replace(clip, plan, 4))
    assert replacer.non_interference
    assert replacer.inpaints == (channels == 9)
    assert len(plan.sigmas) == 3 * 2


def test_prompt_decides_and_guidance_counts(pipelines: dict[int, Path]) -> None:
    def paint(**options: object) -> NDArray[np.uint8]:
        replacer = prompted(pipelines[9], **options)
        return replacer.replace(factories.clip(S=tiny.SIZE), tiny.Plan(), 3)

    usual = paint()
    assert not np.array_equal(usual, paint(prompt="zebra"))
    assert not np.array_equal(usual, paint(negative_prompt="zebra"))
    assert np.array_equal(paint(guidance=1.0), paint(guidance=1.0, negative_prompt="zebra"))


@pytest.mark.parametrize("channels", [4, 9])
def test_prompt_from_the_source_admits_interference(
    pipelines: dict[int, Path], channels: int
) -> None:
    replacer = prompted(pipelines[channels], init="source", strength=0.7)
    clip = factories.clip(S=tiny.SIZE)
    plan = tiny.Plan()
    first = replacer.replace(clip, plan, 3)
    assert len(plan.sigmas) == 1  # two of three steps are run, the last is not mediated
    assert not np.array_equal(first, replacer.replace(with_other_face(clip), tiny.Plan(), 3))
    assert not replacer.non_interference


def test_four_channels_keep_the_known_latents(pipelines: dict[int, Path]) -> None:
    """What is not hidden comes back as the autoencoder alone would give it, far from the hole."""
    replacer = prompted(pipelines[4])
    base = factories.clip(S=tiny.SIZE)
    nothing = np.zeros_like(base.hidden)
    clip = replace(base, hidden=nothing, context=base.pixels)
    coder = replacer.painter.autoencoder
    alone = images(coder.decode(coder.encode(source(clip))))
    assert np.array_equal(replacer.replace(clip, tiny.Plan(), 3), alone)


def test_build_reads_a_folder_by_name(pipelines: dict[int, Path]) -> None:
    painting = Painting(model=str(pipelines[9]), prompt="a", negative_prompt="b")
    replacer = inpainter.build(painting, CPU)
    assert isinstance(replacer, PromptReplacer)
    assert replacer.steps == inpainter.STEPS
    assert replacer.size == tiny.SIZE


def test_build_takes_the_packaged_model_by_default(
    builtin_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "builtin_folder", lambda: builtin_folder)
    replacer = inpainter.build(Painting(steps=7), CPU)
    assert isinstance(replacer, FaceReplacer)
    assert (replacer.size, replacer.start, replacer.steps) == (tiny.SIZE, 0.7, 7)


def test_networks_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    folder = tiny.write_pipeline(tmp_path / "odd", 7)
    with pytest.raises(MissingWeights, match=r"7 channels .* want 4 or 9"):
        prompted(folder)
    mixed = tiny.write_builtin(tmp_path / "mixed")
    with pytest.raises(MissingWeights, match="UNet2DModel of 21 channels"):
        prompted(mixed)


@pytest.mark.parametrize(
    "card",
    [{"format": "other"}, {"steps": "many"}, {"size": None}],
    ids=["format", "steps", "size"],
)
def test_a_model_card_that_does_not_fit_is_refused(tmp_path: Path, card: dict[str, object]) -> None:
    folder = tiny.write_builtin(tmp_path, **card)
    with pytest.raises(MissingWeights, match=r"model\.json"):
        inpainter.builtin(Painting(), CPU, folder)


@pytest.mark.gpu
def test_face_on_an_accelerator_in_half_precision(builtin_folder: Path) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "mps")
    replacer = inpainter.builtin(Painting(), device, builtin_folder)
    clip = factories.clip(S=tiny.SIZE)
    there = replacer.replace(clip, tiny.Plan(tiny.mean_of_frames), 3)
    here = inpainter.builtin(Painting(), CPU, builtin_folder).replace(
        clip, tiny.Plan(tiny.mean_of_frames), 3
    )
    assert np.abs(there.astype(int) - here).mean() < 6
