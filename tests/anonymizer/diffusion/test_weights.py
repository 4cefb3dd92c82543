from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers.utils import logging

from anonymizer.diffusion import weights
from anonymizer.diffusion.text import embed
from anonymizer.errors import MissingWeights, UsageError
from tests.anonymizer.diffusion import tiny

CPU = torch.device("cpu")
UNET = "diffusion_pytorch_model.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny.write_builtin(tmp_path)


def read(folder: Path) -> torch.nn.Module:
    network: torch.nn.Module = weights.read_unet(folder, dtype=torch.float32, device=CPU)
    return network


def test_networks_are_read_whole_frozen_and_in_the_precision_asked_for(folder: Path) -> None:
    network = read(folder)
    assert not network.training
    assert all(not p.requires_grad and p.dtype == torch.float32 for p in network.parameters())
    expected = tiny.guided_unet().half().state_dict()
    assert all(torch.equal(v, expected[k].float()) for k, v in network.state_dict().items())


def test_schedule_and_autoencoder_are_read(folder: Path) -> None:
    schedule = weights.read_schedule(folder)
    assert (schedule.prediction, schedule.spacing) == ("v_prediction", "trailing")
    coder = weights.read_autoencoder(folder, dtype=torch.bfloat16, device=CPU)
    assert coder.dtype == torch.bfloat16
    assert type(coder).__name__ == "AutoencoderTiny"


def test_the_scale_of_latents_survives_on_disk(tmp_path: Path) -> None:
    tiny.folded_vae().save_pretrained(tmp_path / "vae")
    coder = weights.read_autoencoder(tmp_path, dtype=torch.float32, device=CPU)
    assert coder.config.latents_std[1] == pytest.approx(0.6)


def _truncate(folder: Path) -> None:
    path = folder / "unet" / UNET
    path.write_bytes(path.read_bytes()[:-1000])


def _lose_a_tensor(folder: Path) -> None:
    path = folder / "unet" / UNET
    tensors = load_file(path)
    tensors.pop("conv_in.bias")
    save_file(tensors, path, metadata={"format": "pt"})


def _reshape_a_tensor(folder: Path) -> None:
    path = folder / "unet" / UNET
    tensors = load_file(path)
    tensors["conv_in.bias"] = torch.zeros(3)
    save_file(tensors, path, metadata={"format": "pt"})


def _only_a_pickle(folder: Path) -> None:
    path = folder / "unet" / UNET
    torch.save(load_file(path), path.with_name("diffusion_pytorch_model.bin"))
    path.unlink()


def _no_weights(folder: Path) -> None:
    (folder / "unet" / UNET).unlink()


def _no_config(folder: Path) -> None:
    (folder / "unet" / "config.json").unlink()


def _config_is_no_json(folder: Path) -> None:
    (folder / "unet" / "config.json").write_text("{")


def _config_is_a_list(folder: Path) -> None:
    (folder / "unet" / "config.json").write_text("[]")


def _other_class(folder: Path) -> None:
    (folder / "unet" / "config.json").write_text('{"_class_name": "SomethingElse"}')


@pytest.mark.parametrize(
    "damage",
    [
        _truncate,
        _lose_a_tensor,
        _reshape_a_tensor,
        _only_a_pickle,
        _no_weights,
        _no_config,
        _config_is_no_json,
        _config_is_a_list,
        _other_class,
    ],
    ids=lambda damage: damage.__name__.strip("_"),
)
def test_damage_is_told_with_the_file(folder: Path, damage: Callable[[Path], None]) -> None:
    damage(folder)
    with pytest.raises(MissingWeights, match=str(folder / "unet")):
        read(folder)


def test_half_precision_files_are_found_when_alone(tmp_path: Path) -> None:
    tiny.guided_unet().half().save_pretrained(tmp_path / "unet", variant="fp16")
    assert weights.read_unet(tmp_path, dtype=torch.float32, device=CPU).dtype == torch.float32


def test_a_schedule_of_unknown_words_is_refused(folder: Path) -> None:
    path = folder / "scheduler" / "scheduler_config.json"
    path.write_text('{"prediction_type": "flow"}')
    with pytest.raises(MissingWeights, match=r"scheduler_config\.json"):
        weights.read_schedule(folder)


def test_the_packaged_model_lies_beside_the_head() -> None:
    assert (weights.builtin_folder().parent / "head.safetensors").is_file()


def test_prompts_become_states_of_one_length(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tiny.write_pipeline(tmp_path)
    logging.enable_progress_bar()
    capsys.readouterr()
    long = "a face, of someone with a very long description"
    short, other = embed(folder, ["a face", long], device=CPU)
    assert capsys.readouterr().err == ""
    assert short.states.shape == other.states.shape == (1, 12, 16)
    assert short.states.dtype == torch.float32
    assert short.pooled is None
    assert torch.equal(other.states, embed(folder, [long], device=CPU)[0].states)
    assert not torch.equal(short.states, other.states)
    assert logging.is_progress_bar_enabled()


def test_reading_prompts_leaves_a_silenced_library_silent(tmp_path: Path) -> None:
    folder = tiny.write_pipeline(tmp_path)
    logging.disable_progress_bar()
    embed(folder, ["a face"], device=CPU)
    assert not logging.is_progress_bar_enabled()
    logging.enable_progress_bar()


def test_prompts_need_their_files(tmp_path: Path) -> None:
    folder = tiny.write_pipeline(tmp_path)
    (folder / "text_encoder" / "model.safetensors").unlink()
    with pytest.raises(MissingWeights, match="text_encoder"):
        embed(folder, ["a"], device=CPU)


def test_prompts_need_transformers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UsageError, match="pip install transformers"):
        embed(tmp_path, ["a"], device=CPU)
