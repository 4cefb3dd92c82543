from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from anonymizer.data import Clip
from anonymizer.diffusion import conditions, inpainter, weights
from anonymizer.diffusion.conditions import images
from anonymizer.diffusion.faces import FaceReplacer
from anonymizer.diffusion.painter import source
from anonymizer.diffusion.pipelines import STEPS
from anonymizer.diffusion.prompts import PromptReplacer
from anonymizer.errors import MissingWeights
from anonymizer.head.composite import compose, structure
from anonymizer.protocols import Replacer, provider_of
from anonymizer.settings import Painting
from anonymizer.training import latents
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
    result = replacer.sketch(clip, 3).paint(tiny.Plan())
    assert result.shape == (3, tiny.SIZE, tiny.SIZE, 3)
    assert result.dtype == np.uint8
    assert 5 < result.std() < 100  # neither flat nor saturated: differences would show
    assert replacer.size == tiny.SIZE


def test_face_depends_on_the_seed_and_on_nothing_else_by_chance(face: FaceReplacer) -> None:
    clip = factories.clip(S=tiny.SIZE)
    first, again, other = (face.sketch(clip, seed).paint(tiny.Plan()) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_p1_face_does_not_see_the_original(face: FaceReplacer) -> None:
    clip = factories.clip(T=5, S=tiny.SIZE, lead=2)
    other = with_other_face(clip)
    assert not np.array_equal(clip.pixels, other.pixels)
    plan = tiny.Plan(tiny.mean_of_frames)
    assert np.array_equal(face.sketch(clip, 3).paint(plan), face.sketch(other, 3).paint(plan))
    assert face.non_interference


def test_p1_face_does_not_see_what_lies_under_hidden_context(face: FaceReplacer) -> None:
    clip = factories.clip(S=tiny.SIZE)
    leaky = replace(clip, context=np.where(clip.hidden[..., None], clip.pixels, clip.context))
    plan = tiny.Plan(tiny.mean_of_frames)
    assert np.array_equal(face.sketch(clip, 3).paint(plan), face.sketch(leaky, 3).paint(plan))


def test_p1_enlarged_faces_are_larger_finer_and_see_no_more(face: FaceReplacer) -> None:
    large = inpainter.enlarged(face)
    assert isinstance(large, FaceReplacer)
    assert large.size == 2 * tiny.SIZE
    clip = factories.clip(T=4, S=large.size, lead=1)
    sketch, other = (large.sketch(each, 3) for each in (clip, with_other_face(clip)))
    assert sketch.moving.size == tiny.SIZE, "flow and mediation work at the size of painting"
    plan = tiny.Plan(tiny.mean_of_frames)
    result = sketch.paint(plan)
    assert result.shape == (3, large.size, large.size, 3)
    assert np.array_equal(result, other.paint(plan))


def test_painters_say_what_they_run_on(face: FaceReplacer, pipelines: dict[int, Path]) -> None:
    assert provider_of(face) == provider_of(prompted(pipelines[9])) == "cpu"
    assert provider_of(inpainter.enlarged(face)) == "cpu"


def test_only_the_built_in_painter_can_enlarge(pipelines: dict[int, Path]) -> None:
    assert inpainter.enlarged(prompted(pipelines[4])) is None


def inputs_of(network: torch.nn.Module, paint: Callable[[], object]) -> list[torch.Tensor]:
    """What a network was given while something was painted."""
    seen: list[torch.Tensor] = []
    hook = network.register_forward_pre_hook(lambda _module, given: seen.append(given[0]))
    paint()
    hook.remove()
    return seen


def test_face_tells_the_network_what_the_trainer_told_it(
    face: FaceReplacer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Independent reference: the channels of the trainer, for one crop with all of it in view."""
    clip = factories.clip(T=1, S=tiny.SIZE)
    told = conditions.evidence(clip, conditions.lightened(clip)[1])
    clip, _ = conditions.lightened(clip)
    skin = face.sketch(clip, 3).memory.skin
    assert skin is not None
    drawn = face.guides(clip, 3, skin)
    guide = conditions.toned(drawn, conditions.tones(clip, drawn, told, usual=skin.usual)[0])[0]
    monkeypatch.setattr(latents, "CELLS", tiny.SIZE // 8)
    hidden = clip.hidden[0]
    given = compose(clip.context[0], hidden, hidden, guide)
    latent = face.painter.encoded(torch.from_numpy(given).permute(2, 0, 1)[None])
    expected = latents.condition_of(latent[0], hidden, structure(guide))
    first, *_ = inputs_of(
        face.painter.model.network, lambda: face.sketch(clip, 3).paint(tiny.Plan())
    )
    assert torch.allclose(first[0, 8:], expected, atol=1e-5)


def test_inpainting_network_is_told_mask_and_blanked_picture(pipelines: dict[int, Path]) -> None:
    replacer = prompted(pipelines[9])
    clip = factories.clip(T=3, S=tiny.SIZE, lead=1)
    network = replacer.painter.model.network
    first, *_ = inputs_of(network, lambda: replacer.sketch(clip, 3).paint(tiny.Plan()))
    assert torch.equal(first[:, 4:5], conditions.hidden_cells(clip, 2))
    assert torch.equal(first[:, 5:], replacer.painter.encoded(conditions.blanked(clip)))


def test_the_seed_chooses_the_person_not_only_the_noise(face: FaceReplacer) -> None:
    clip = factories.clip(T=1, S=tiny.SIZE)
    first, again, other = (face.guides(clip, seed)[0].colour for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_face_from_the_source_admits_interference(builtin_folder: Path) -> None:
    replacer = inpainter.builtin(Painting(init="source", strength=0.3), CPU, builtin_folder)
    clip = factories.clip(S=tiny.SIZE)
    first, second = (
        replacer.sketch(seen, 3).paint(tiny.Plan()) for seen in (clip, with_other_face(clip))
    )
    assert not np.array_equal(first, second)
    assert not replacer.non_interference
    assert replacer.start == 0.3


def test_face_from_noise_runs_the_whole_schedule(builtin_folder: Path) -> None:
    replacer = inpainter.builtin(Painting(init="noise", steps=2), CPU, builtin_folder)
    plan = tiny.Plan()
    replacer.sketch(factories.clip(S=tiny.SIZE), 3).paint(plan)
    assert plan.sigmas == [pytest.approx(float(replacer.painter.model.schedule.sigmas[-1]))]


def test_mediation_is_attached_and_asked_in_every_other_step(face: FaceReplacer) -> None:
    plan = tiny.Plan()
    face.sketch(factories.clip(S=tiny.SIZE), 3).paint(plan)
    assert len(plan.sigmas) == face.steps // 2
    assert plan.attached == [face.painter.model.network]
    assert sorted(plan.sigmas, reverse=True) == plan.sigmas


@pytest.mark.parametrize(("every", "asked"), [(1, (0, 1, 2)), (2, (0, 2)), (3, (2,))])
def test_mediation_is_asked_in_every_so_many_steps(
    face: FaceReplacer, every: int, asked: tuple[int, ...]
) -> None:
    clip = factories.clip(S=tiny.SIZE)
    rarely = replace(face, steps=4, painter=replace(face.painter, every=every))
    always = replace(face, steps=4, painter=replace(face.painter, every=1))
    plan, whole = tiny.Plan(tiny.mean_of_frames), tiny.Plan(tiny.mean_of_frames)
    rarely.sketch(clip, 3).paint(plan)
    always.sketch(clip, 3).paint(whole)
    assert plan.sigmas == [whole.sigmas[at] for at in asked]


def test_without_coherence_mediation_is_not_asked_and_changes_no_bit(face: FaceReplacer) -> None:
    clip = factories.clip(S=tiny.SIZE)
    plan = tiny.Plan(tiny.mean_of_frames)
    alone = coherent(face, 0).sketch(clip, 3).paint(plan)
    assert plan.sigmas == []
    assert np.array_equal(alone, coherent(face, 1).sketch(clip, 3).paint(tiny.Plan()))
    assert not np.array_equal(alone, coherent(face, 1).sketch(clip, 3).paint(plan))


def test_face_fails_closed_on_numbers_that_are_not_finite(face: FaceReplacer) -> None:
    def spoiled(x0: torch.Tensor) -> torch.Tensor:
        return torch.full_like(x0, torch.nan)

    with pytest.raises(FloatingPointError, match="not finite"):
        face.sketch(factories.clip(S=tiny.SIZE), 3).paint(tiny.Plan(spoiled))


def test_no_pixel_is_shown_by_repr(face: FaceReplacer) -> None:
    assert "array" not in repr(face) + repr(face.sketch(factories.clip(S=tiny.SIZE), 3))
    assert "tensor" not in repr(face.sketch(factories.clip(S=tiny.SIZE), 3))


def test_p1_what_moves_is_the_drawing_not_the_original(face: FaceReplacer) -> None:
    clip = factories.clip(T=4, S=tiny.SIZE, lead=1)
    moving = face.sketch(clip, 3).moving
    assert np.array_equal(moving.pixels, face.sketch(with_other_face(clip), 3).moving.pixels)
    assert not np.array_equal(moving.pixels, face.sketch(clip, 4).moving.pixels)
    assert np.array_equal(moving.pixels[~clip.hidden], clip.context[~clip.hidden])
    assert moving.lead == 1


def test_what_a_prompt_will_paint_moves_as_the_original(pipelines: dict[int, Path]) -> None:
    clip = factories.clip(S=tiny.SIZE)
    assert prompted(pipelines[4]).sketch(clip, 3).moving is clip


def test_face_refuses_crops_of_another_size(face: FaceReplacer) -> None:
    with pytest.raises(ValueError, match="48 pixels a side, this model wants 32"):
        face.sketch(factories.clip(S=48), 3).paint(tiny.Plan())


@pytest.mark.parametrize("channels", [4, 9])
def test_prompt_p1_and_repeatability(pipelines: dict[int, Path], channels: int) -> None:
    replacer = prompted(pipelines[channels])
    clip = factories.clip(T=5, S=tiny.SIZE, lead=1)
    leaky = replace(clip, context=np.where(clip.hidden[..., None], clip.pixels, clip.context))
    plan = tiny.Plan(tiny.mean_of_frames)
    first = replacer.sketch(clip, 3).paint(plan)
    assert first.shape == (4, tiny.SIZE, tiny.SIZE, 3)
    assert np.array_equal(first, replacer.sketch(with_other_face(clip), 3).paint(plan))
    assert np.array_equal(first, replacer.sketch(leaky, 3).paint(plan))
    assert not np.array_equal(first, replacer.sketch(clip, 4).paint(plan))
    assert replacer.non_interference
    assert replacer.inpaints == (channels == 9)
    assert len(plan.sigmas) == 4 * 2  # all of three steps but the last, each time


def test_prompt_decides_and_guidance_counts(pipelines: dict[int, Path]) -> None:
    def paint(**options: object) -> NDArray[np.uint8]:
        replacer = prompted(pipelines[9], **options)
        return replacer.sketch(factories.clip(S=tiny.SIZE), 3).paint(tiny.Plan())

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
    first = replacer.sketch(clip, 3).paint(plan)
    assert len(plan.sigmas) == 1  # two of three steps are run, the last is not mediated
    assert not np.array_equal(first, replacer.sketch(with_other_face(clip), 3).paint(tiny.Plan()))
    assert not replacer.non_interference


def test_four_channels_keep_the_known_latents(pipelines: dict[int, Path]) -> None:
    """What is not hidden comes back as the autoencoder alone would give it, far from the hole."""
    replacer = prompted(pipelines[4])
    base = factories.clip(S=tiny.SIZE)
    nothing = np.zeros_like(base.hidden)
    clip = replace(base, hidden=nothing, context=base.pixels)
    coder = replacer.painter.autoencoder
    alone = images(coder.decode(coder.encode(source(clip))))
    assert np.array_equal(replacer.sketch(clip, 3).paint(tiny.Plan()), alone)


def test_build_reads_a_folder_by_name(pipelines: dict[int, Path]) -> None:
    painting = Painting(model=str(pipelines[9]), prompt="a", negative_prompt="b")
    replacer = inpainter.build(painting, CPU)
    assert isinstance(replacer, PromptReplacer)
    assert replacer.steps == STEPS
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
    mixed = tiny.write_pipeline(tmp_path / "mixed")
    tiny.guided_unet().save_pretrained(mixed / "unet")
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
    there = replacer.sketch(clip, 3).paint(tiny.Plan(tiny.mean_of_frames))
    here = (
        inpainter.builtin(Painting(), CPU, builtin_folder)
        .sketch(clip, 3)
        .paint(tiny.Plan(tiny.mean_of_frames))
    )
    assert np.abs(there.astype(int) - here).mean() < 6
