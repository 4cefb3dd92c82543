"""Pictures beside the prompt; diffusers itself is the judge of what they mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionInpaintPipeline
from PIL import Image
from safetensors.torch import save_file

from anonymizer.data import Clip
from anonymizer.diffusion import inpainter, ipadapter
from anonymizer.diffusion.model import x0_from_output
from anonymizer.diffusion.prompts import PromptReplacer
from anonymizer.diffusion.schedule import timestep_from_sigma
from anonymizer.errors import MissingWeights, UsageError
from anonymizer.networks import Networks
from anonymizer.settings import Painting
from anonymizer.wording import Wording
from tests import factories
from tests.anonymizer.diffusion import stable, tiny

CPU = torch.device("cpu")
PAINTING = Painting(steps=2, prompt="a face", negative_prompt="zebra")


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model, adapters and pictures."""
    folder = tmp_path_factory.mktemp("shelf")
    found = {"model": stable.saved(stable.inpainting(folder), folder / "model")}
    found |= {name: stable.portrait(folder / f"{name}.png", at) for at, name in enumerate("ab")}
    found["plain"] = stable.ip_adapter(folder / "plain")
    found["plus"] = stable.ip_adapter(folder / "plus", plus=True)
    found["xl"] = stable.ip_adapter(folder / "xl", xl=True)
    return found


def painter(
    shelf: dict[str, Path], name: str = "plain", picture: str = "a", **more: Any
) -> PromptReplacer:
    given = {"ip_adapter": str(shelf[name]), "ip_adapter_image": str(shelf[picture])}
    return inpainter.prompted(PAINTING, CPU, shelf["model"], Networks(**given | more))


def painted(replacer: PromptReplacer, clip: Clip | None = None) -> Any:
    clip = factories.clip(T=3, S=tiny.SIZE, lead=1) if clip is None else clip
    return replacer.sketch(clip, 3).paint(tiny.Plan(tiny.mean_of_frames))


@pytest.mark.parametrize("name", ["plain", "plus"])
@torch.no_grad()
def test_a_picture_means_what_diffusers_says_it_means(shelf: dict[str, Path], name: str) -> None:
    theirs = StableDiffusionInpaintPipeline.from_pretrained(shelf["model"], safety_checker=None)
    theirs.load_ip_adapter(
        str(shelf[name]),
        subfolder="",
        weight_name="ip-adapter.safetensors",
        low_cpu_mem_usage=False,
    )
    theirs.set_ip_adapter_scale(0.6)
    with Image.open(shelf["a"]) as picture:
        (wanted,) = theirs.prepare_ip_adapter_image_embeds(picture, None, CPU, 1, True)
    ours = painter(shelf, name)
    for words, told in zip((ours.negative, ours.prompt), wanted, strict=True):
        assert words.picture is not None
        assert torch.allclose(words.picture[0], told, atol=1e-5)
    assert not torch.allclose(wanted[0], wanted[1], atol=1e-2)
    model, source = ours.painter.model, torch.Generator().manual_seed(0)
    x, channels = (torch.randn(3, c, 16, 16, generator=source) for c in (4, 5))
    time = round(timestep_from_sigma(model.schedule.sigmas, 1.0))
    output = theirs.unet(
        torch.cat([x / 2**0.5, channels], 1),
        time,
        ours.prompt.states.expand(3, -1, -1),
        added_cond_kwargs={"image_embeds": [wanted[1:].expand(3, *wanted.shape[1:])]},
    ).sample
    told = ours.prompt.told((32, 32), channels=channels)
    assert torch.allclose(model(x, 1.0, told), x0_from_output(output, x, 1.0, "epsilon"), atol=1e-4)


def test_p1_a_picture_decides_and_the_original_does_not(shelf: dict[str, Path]) -> None:
    clip = factories.clip(T=3, S=tiny.SIZE, lead=1)
    other = factories.clip(T=3, S=tiny.SIZE, lead=1)
    other.pixels.flags.writeable = True
    other.pixels[other.hidden] ^= 255
    replacer = painter(shelf)
    result = painted(replacer, clip)
    assert replacer.non_interference
    assert np.array_equal(result, painted(replacer, other))
    assert not np.array_equal(result, painted(painter(shelf, picture="b"), clip))
    assert not np.array_equal(result, painted(painter(shelf, ip_adapter_scale=0.1), clip))


def test_at_no_strength_the_prompt_is_alone(shelf: dict[str, Path]) -> None:
    alone = inpainter.prompted(PAINTING, CPU, shelf["model"])
    assert np.array_equal(painted(painter(shelf, ip_adapter_scale=0.0)), painted(alone))
    assert alone.prompt.picture is None


def test_a_track_with_its_own_prompt_has_the_same_picture(shelf: dict[str, Path]) -> None:
    replacer = painter(shelf)
    asked = replacer.asked(Wording("a cat"))
    assert asked.prompt.picture is replacer.prompt.picture
    assert not torch.equal(asked.prompt.states, replacer.prompt.states)


def test_memory_is_saved_beside_a_picture(shelf: dict[str, Path]) -> None:
    usual = painted(painter(shelf)).astype(int)
    spared = painted(painter(shelf, offload=True, batch=1, vae_tiling=True))
    assert np.abs(usual - spared).max() <= 1
    assert np.abs(usual - painted(painter(shelf, precision="bf16"))).mean() < 8


@pytest.mark.parametrize("size", [(30, 50), (50, 30), (8, 8), (9, 7)])
def test_pixels_are_those_that_clip_was_trained_on(tmp_path: Path, size: tuple[int, int]) -> None:
    from transformers import CLIPImageProcessor

    levels = np.random.default_rng(3).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(levels).save(tmp_path / "a.png")
    judge = CLIPImageProcessor(size=8, crop_size=8)
    wanted = judge(Image.fromarray(levels), return_tensors="pt").pixel_values
    assert torch.allclose(ipadapter.pixels_of(tmp_path / "a.png", 8), wanted, atol=1e-5)


def test_pictures_stand_upright_and_are_coloured(tmp_path: Path) -> None:
    levels = np.random.default_rng(3).integers(0, 256, (16, 16, 3), np.uint8)
    told = Image.Exif()
    told[0x0112] = 6  # to be turned clockwise
    Image.fromarray(levels).save(tmp_path / "turned.png", exif=told)
    Image.fromarray(np.rot90(levels, -1)).save(tmp_path / "upright.png")
    one, other = (
        ipadapter.pixels_of(tmp_path / f"{name}.png", 8) for name in ("turned", "upright")
    )
    assert torch.equal(one, other)
    Image.fromarray(levels[..., 0]).save(tmp_path / "grey.png")
    assert ipadapter.pixels_of(tmp_path / "grey.png", 8).shape == (1, 3, 8, 8)


def test_what_is_no_picture_is_refused(shelf: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    for path in (tmp_path / "absent.png", tmp_path / "text.png", tmp_path):
        with pytest.raises(UsageError, match=r"cannot be read as a picture \(.*give a PNG"):
            painter(shelf | {"a": path})


def broken(shelf: dict[str, Path], folder: Path, what: str) -> dict[str, Any]:
    """Settings that name something that does not fit."""
    weights = stable.ip_weights(16)
    if what == "faceid":
        weights = {name: value for name, value in weights.items() if "image_proj" not in name}
        weights |= {"image_proj.proj.0.weight": torch.zeros(2, 2)}
    elif what == "short":
        del weights["ip_adapter.7.to_k_ip.weight"]
    elif what == "lora":
        weights = {"unet.to_q.lora_A.weight": torch.zeros(2, 2)}
    save_file(weights, folder / "own.safetensors")
    if what == "damaged":
        (folder / "own.safetensors").write_bytes(b"no safetensors")
    own = {"ip_adapter": str(folder / "own.safetensors")}
    inside = str(shelf["plain"] / "image_encoder")
    return own | ({"ip_adapter_encoder": inside} if what != "alone" else {})


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("faceid", "is told who a face is, not shown a picture"),
        ("short", r"3 layers of 16 channels do not fit 4 of 16; take an adapter"),
        ("lora", "holds no IP-Adapter"),
        ("damaged", "cannot be loaded"),
        ("alone", "has no image_encoder beside it; name its folder by --ip-adapter-encoder"),
    ],
)
def test_an_adapter_that_does_not_fit_is_refused(
    shelf: dict[str, Path], tmp_path: Path, what: str, said: str
) -> None:
    with pytest.raises(MissingWeights, match=said):
        painter(shelf, **broken(shelf, tmp_path, what))


def test_the_adapter_of_another_model_is_refused(shelf: dict[str, Path]) -> None:
    with pytest.raises(MissingWeights, match="4 layers of 32 channels do not fit 4 of 16"):
        painter(shelf, "xl")


def test_an_encoder_of_another_kind_is_refused(shelf: dict[str, Path]) -> None:
    words = str(shelf["model"] / "text_encoder")
    with pytest.raises(MissingWeights, match="text_encoder"):
        painter(shelf, ip_adapter_encoder=words)


def test_an_encoder_of_another_width_is_refused(shelf: dict[str, Path], tmp_path: Path) -> None:
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "image_size": 8}
    config = CLIPVisionConfig(**shape, num_attention_heads=2, patch_size=4, projection_dim=7)
    CLIPVisionModelWithProjection(config).save_pretrained(tmp_path)
    with pytest.raises(MissingWeights, match="7 numbers do not fit the IP-Adapter"):
        painter(shelf, ip_adapter_encoder=str(tmp_path))


def test_an_adapter_is_one_file_of_safetensors(shelf: dict[str, Path], tmp_path: Path) -> None:
    assert ipadapter.file_of(str(shelf["plain"])).name == "ip-adapter.safetensors"
    with pytest.raises(MissingWeights, match=r"holds 0 \.safetensors files \(none\)"):
        ipadapter.file_of(str(tmp_path))
    for name in ("a", "b"):
        (tmp_path / f"{name}.safetensors").touch()
    with pytest.raises(MissingWeights, match=r"holds 2 .* \(a\.safetensors, b\.safetensors\)"):
        ipadapter.file_of(str(tmp_path))
    with pytest.raises(MissingWeights, match=r"must be a \.safetensors file"):
        ipadapter.file_of(str(tmp_path / "old.bin"))
    with pytest.raises(MissingWeights, match="not there"):
        painter(shelf, ip_adapter=str(tmp_path / "absent.safetensors"))


def test_an_encoder_may_lie_in_the_folder_of_the_model(tmp_path: Path) -> None:
    (tmp_path / "model" / "image_encoder").mkdir(parents=True)
    networks = Networks(ip_adapter=str(tmp_path / "x.safetensors"), ip_adapter_image="a.png")
    found = ipadapter.encoder_of(networks, tmp_path / "model")
    assert found == tmp_path / "model" / "image_encoder"
