"""Pipelines of diffusers, saved and read back as a user's model; diffusers itself is the judge."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionInpaintPipeline, StableDiffusionXLInpaintPipeline
from safetensors.torch import load_file, save_file

from anonymizer.data import Clip
from anonymizer.diffusion import inpainter, text
from anonymizer.diffusion.model import Control, LatentModel
from anonymizer.diffusion.prompts import PromptReplacer
from anonymizer.diffusion.schedule import Schedule
from anonymizer.diffusion.text import Words, embed
from anonymizer.errors import MissingWeights, UsageError
from anonymizer.networks import Networks
from anonymizer.settings import Painting
from anonymizer.wording import Wording
from tests import factories
from tests.anonymizer.diffusion import stable, tiny

CPU = torch.device("cpu")
PAINTING = Painting(steps=2, prompt="a face", negative_prompt="zebra")


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {
        "sd-4": lambda folder: stable.inpainting(folder, 4),
        "sd-9": stable.inpainting,
        "sd-9-v": lambda folder: stable.inpainting(folder, prediction_type="v_prediction"),
        "xl-9": stable.xl_inpainting,
        "xl-4": lambda folder: stable.xl_inpainting(folder, 4),
        "control": stable.controlled,
    }
    words = tmp_path_factory.mktemp("words")
    folder = tmp_path_factory.mktemp("models")
    return {name: stable.saved(make(words), folder / name) for name, make in made.items()}


def painter(folder: Path, painting: Painting = PAINTING, **networks: Any) -> PromptReplacer:
    return inpainter.prompted(painting, CPU, folder, Networks(**networks))


def other_face(clip: Clip) -> Clip:
    return replace(clip, pixels=np.where(clip.hidden[..., None], 255 - clip.pixels, clip.pixels))


def painted(replacer: PromptReplacer, clip: Clip | None = None, seed: int = 3) -> Any:
    clip = factories.clip(T=3, S=tiny.SIZE, lead=1) if clip is None else clip
    return replacer.sketch(clip, seed).paint(tiny.Plan(tiny.mean_of_frames))


@pytest.mark.parametrize("name", ["sd-4", "sd-9", "sd-9-v", "xl-9", "xl-4", "control"])
def test_p1_every_pipeline_paints_and_does_not_see_the_original(
    models: dict[str, Path], name: str
) -> None:
    replacer, clip = painter(models[name]), factories.clip(T=3, S=tiny.SIZE, lead=1)
    leaky = replace(clip, context=np.where(clip.hidden[..., None], clip.pixels, clip.context))
    result = painted(replacer, clip)
    assert result.shape == (2, tiny.SIZE, tiny.SIZE, 3)
    assert result.std() > 2
    assert np.array_equal(result, painted(replacer, other_face(clip)))
    assert np.array_equal(result, painted(replacer, leaky))
    assert not np.array_equal(result, painted(replacer, clip, seed=4))
    assert replacer.non_interference


@pytest.mark.parametrize("name", ["sd-9", "xl-9"])
def test_words_mean_what_diffusers_says_they_mean(models: dict[str, Path], name: str) -> None:
    kind = StableDiffusionXLInpaintPipeline if name == "xl-9" else None
    loaded = (kind or StableDiffusionInpaintPipeline).from_pretrained(
        models[name], use_safetensors=True, **({} if kind else {"safety_checker": None})
    )
    given = {"prompt": "a face", "negative_prompt": "zebra", "device": CPU}
    given |= {"num_images_per_prompt": 1, "do_classifier_free_guidance": True}
    wanted = loaded.encode_prompt(**given)
    replacer = painter(models[name])
    assert torch.allclose(replacer.prompt.states, wanted[0], atol=1e-6)
    assert torch.allclose(replacer.negative.states, wanted[1], atol=1e-6)
    if kind:
        assert replacer.prompt.pooled is not None
        assert replacer.negative.pooled is not None
        assert torch.allclose(replacer.prompt.pooled, wanted[2], atol=1e-6)
        assert torch.allclose(replacer.negative.pooled, wanted[3], atol=1e-6)
        told = loaded._get_add_time_ids(
            (32, 32), (0, 0), (32, 32), 6.0, 2.5, (32, 32), (0, 0), (32, 32), torch.float32,
            text_encoder_projection_dim=16,
        )[0]  # fmt: skip
        ours = replacer.prompt.told((32, 32)).words(torch.zeros(1, 4, 16, 16))
        assert torch.equal(ours["added_cond_kwargs"]["time_ids"], told)
    else:
        assert replacer.prompt.pooled is None


def test_an_empty_prompt_is_zeros_where_the_model_was_trained_so(models: dict[str, Path]) -> None:
    empty = painter(models["xl-9"], replace(PAINTING, negative_prompt="")).negative
    assert empty.pooled is not None
    assert not empty.states.any()
    assert not empty.pooled.any()
    assert painter(models["sd-9"], replace(PAINTING, negative_prompt="")).negative.states.any()


def test_a_track_is_painted_by_its_own_prompt_and_no_other_is(models: dict[str, Path]) -> None:
    replacer, clip = painter(models["sd-9"]), factories.clip(T=3, S=tiny.SIZE, lead=1)
    usual = painted(replacer, clip)
    own = replace(clip, wording=Wording("zebra", "a face"))
    asked = painted(replacer, own)
    assert not np.array_equal(asked, usual)
    assert np.array_equal(asked, painted(replacer, other_face(own)))  # P1
    named = replace(PAINTING, prompt="zebra", negative_prompt="a face")
    assert np.array_equal(asked, painted(painter(models["sd-9"], named), clip))
    half = painted(replacer, replace(clip, wording=Wording(negative_prompt="a face")))
    named = replace(PAINTING, negative_prompt="a face")
    assert np.array_equal(half, painted(painter(models["sd-9"], named), clip))
    said = Wording(PAINTING.prompt, PAINTING.negative_prompt)
    assert np.array_equal(usual, painted(replacer, replace(clip, wording=said)))
    assert np.array_equal(usual, painted(replacer, clip))
    with pytest.raises(ValueError, match="nobody here reads prompts"):
        replace(replacer, lexicon=None).sketch(own, 1)


def test_a_prompt_is_read_once(models: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[list[str]] = []

    def counting(folder: Path, prompts: list[str], **more: Any) -> list[Words]:
        read.append(prompts)
        return embed(folder, prompts, **more)

    monkeypatch.setattr(text, "embed", counting)
    replacer = painter(models["sd-9"])
    for wording in (Wording("a cat"), Wording("a face"), Wording("a cat", "zebra")):
        replacer.asked(wording)
    assert read == [["a face", "zebra"], ["a cat"]]


def inputs_of(network: torch.nn.Module, paint: Any) -> list[dict[str, Any]]:
    seen: list[dict[str, Any]] = []
    hook = network.register_forward_pre_hook(
        lambda _module, _args, given: seen.append(given), with_kwargs=True
    )
    paint()
    hook.remove()
    return seen


@pytest.mark.parametrize("kind", ["mesh", "landmarks", "normals", "edges"])
def test_p1_a_controlnet_is_shown_geometry_only(
    models: dict[str, Path], tmp_path: Path, kind: Any
) -> None:
    stable.controlnet().save_pretrained(tmp_path)
    replacer = painter(models["sd-9"], controlnet=str(tmp_path), face_control=kind)
    control = replacer.painter.model.control
    assert control is not None
    clip = factories.clip(T=3, S=tiny.SIZE, lead=1)
    strange = other_face(replace(clip, context=255 - clip.context))
    shown = [
        inputs_of(control.network, lambda seen=seen: painted(replacer, seen))
        for seen in (clip, strange)
    ]
    for one, other in zip(*shown, strict=True):
        assert torch.equal(one["controlnet_cond"], other["controlnet_cond"])
        assert one["controlnet_cond"].shape == (2, 3, tiny.SIZE, tiny.SIZE)
        assert 0 < one["controlnet_cond"].mean() < 1 >= one["controlnet_cond"].max()
    assert np.array_equal(painted(replacer, clip), painted(replacer, other_face(clip)))


def test_a_controlnet_steers_by_its_scale(models: dict[str, Path]) -> None:
    usual, none = painter(models["control"]), painter(models["control"], control_scale=0.0)
    assert not np.array_equal(painted(usual), painted(none))
    assert np.array_equal(painted(none), painted(painter(models["sd-4"])))


def test_reference_passes_run_without_the_controlnet(models: dict[str, Path]) -> None:
    replacer, plan = painter(models["control"]), tiny.Plan()
    control = replacer.painter.model.control
    assert control is not None
    replacer.sketch(factories.clip(S=tiny.SIZE), 3).paint(plan)
    assert inputs_of(control.network, plan.reference.look) == []


def test_a_tiny_autoencoder_takes_the_place_of_the_other_in_mediated_steps(
    models: dict[str, Path], tmp_path: Path
) -> None:
    quick = painter(models["sd-9"], mediate_vae=str(stable.tiny_vae(tmp_path)))
    assert type(quick.painter.round_trip.network).__name__ == "AutoencoderTiny"  # type: ignore[union-attr]
    usual = replace(quick, painter=replace(quick.painter, round_trip=None))
    clip = factories.clip(S=tiny.SIZE)
    still = [replacer.sketch(clip, 3).paint(tiny.Plan()) for replacer in (quick, usual)]
    assert np.array_equal(still[0], still[1])  # where mediation moves nothing neither is asked
    moved = [painted(replacer, clip) for replacer in (quick, usual)]
    assert not np.array_equal(moved[0], moved[1])


def test_an_autoencoder_of_other_latents_is_refused(
    models: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"8 channels of 1/4 size, the model 4 of 1/2"):
        painter(models["sd-9"], mediate_vae=str(stable.tiny_vae(tmp_path, levels=3, latent=8)))


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_precision_is_that_asked_for(models: dict[str, Path], precision: Any) -> None:
    replacer = painter(models["sd-9"], precision=precision)
    wanted = {"bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    assert replacer.painter.model.network.dtype == wanted
    coder = replacer.painter.autoencoder.network
    assert coder.dtype == (torch.float32 if precision == "fp16" else wanted)  # it says it overflows
    assert replacer.painter.round_trip is None
    if precision == "bf16":
        full = painted(painter(models["sd-9"], precision="fp32")).astype(int)
        assert np.abs(painted(replacer) - full).mean() < 8


def test_memory_is_saved_without_another_result(models: dict[str, Path]) -> None:
    usual = painted(painter(models["control"], precision="fp32"))
    spared = painter(
        models["control"], precision="fp32", attention_slicing=True, offload=True, batch=1
    )
    assert spared.painter.device == CPU
    processors = spared.painter.model.network.attn_processors.values()
    assert {type(each).__name__ for each in processors} == {"SlicedAttnProcessor"}
    assert np.abs(painted(spared).astype(int) - usual).max() <= 1


def test_tiles_are_an_option_of_the_autoencoder(models: dict[str, Path]) -> None:
    assert painter(models["sd-9"], vae_tiling=True).painter.autoencoder.network.use_tiling
    assert not painter(models["sd-9"]).painter.autoencoder.network.use_tiling


@pytest.mark.filterwarnings("ignore:.*script_method:DeprecationWarning")
def test_compilation_is_asked_for_and_waits_for_the_first_call(models: dict[str, Path]) -> None:
    assert painter(models["sd-9"], compile=True).painter.model.network._compiled_call_impl
    assert painter(models["sd-9"]).painter.model.network._compiled_call_impl is None


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_compiled_model_paints_the_same(models: dict[str, Path]) -> None:
    usual, quick = (painter(models["sd-9"], compile=each) for each in (False, True))
    assert np.abs(painted(quick).astype(int) - painted(usual)).max() <= 1


def test_parts_of_several_models_are_refused(models: dict[str, Path], tmp_path: Path) -> None:
    stable.saved(stable.inpainting(tmp_path), tmp_path / "mixed")
    tiny.text_unet(9, cross_attention_dim=24).save_pretrained(tmp_path / "mixed" / "unet")
    with pytest.raises(MissingWeights, match="of several models"):
        painter(tmp_path / "mixed")
    stable.unet(9, xl=True).save_pretrained(tmp_path / "mixed" / "unet")
    with pytest.raises(MissingWeights, match=r"extra: text_time\) does not fit"):
        painter(tmp_path / "mixed")


def test_a_folder_that_is_no_whole_pipeline_is_refused(
    models: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(MissingWeights, match=r"unet: holds no model_index\.json; give the folder"):
        painter(models["sd-9"] / "unet")
    (tmp_path / "transformer").mkdir()
    (tmp_path / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    with pytest.raises(MissingWeights, match="FluxPipeline has no unet, vae, scheduler, text_enc"):
        painter(tmp_path)


def test_an_encoder_that_is_not_of_clip_is_refused(models: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(models["sd-9"], tmp_path / "other")
    config = tmp_path / "other" / "text_encoder" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"model_type": "t5"}))
    with pytest.raises(MissingWeights, match="is of type 't5'; only encoders of CLIP are read"):
        painter(tmp_path / "other")


def test_an_encoder_without_all_of_its_weights_is_refused(
    models: dict[str, Path], tmp_path: Path
) -> None:
    shutil.copytree(models["sd-9"], tmp_path / "torn")
    path = tmp_path / "torn" / "text_encoder" / "model.safetensors"
    weights = load_file(path)
    weights.popitem()
    save_file(weights, path, {"format": "pt"})
    with pytest.raises(MissingWeights, match="text_encoder: does not hold the weights"):
        painter(tmp_path / "torn")


def test_pickles_are_refused(models: dict[str, Path], tmp_path: Path) -> None:
    folder = stable.saved(stable.inpainting(tmp_path), tmp_path / "old")
    stable.inpainting(tmp_path).save_pretrained(tmp_path / "old", safe_serialization=False)
    for path in folder.rglob("*.safetensors"):
        path.unlink()
    with pytest.raises(MissingWeights, match=r"unet.*not there"):
        painter(folder)


def test_sizes_told_are_those_of_the_picture() -> None:
    words = Words(torch.zeros(1, 12, 8), torch.zeros(1, 5))
    told = words.told((48, 80)).words(torch.zeros(3, 4, 6, 10))
    assert told["encoder_hidden_states"].shape == (3, 12, 8)
    added = told["added_cond_kwargs"]
    assert added["text_embeds"].shape == (3, 5)
    assert added["time_ids"].tolist() == [[48, 80, 0, 0, 48, 80]] * 3


@torch.no_grad()
def test_controls_are_cut_into_batches_with_the_frames() -> None:
    model = LatentModel(stable.unet(4), Schedule.from_config({}), 2)
    control = Control(stable.controlnet())
    words = Words(torch.zeros(1, 12, 16))
    source = torch.Generator().manual_seed(0)
    x, shown = (torch.randn(5, c, s, s, generator=source) for c, s in ((4, 16), (3, 32)))
    told = words.told((32, 32), control=shown)
    small = replace(model, control=control)(x, 1.0, told)
    whole = replace(model, control=control, batch=5)(x, 1.0, told)
    assert torch.allclose(small, whole, atol=1e-4)
    assert not torch.allclose(small, model(x, 1.0, told), atol=1e-2)
