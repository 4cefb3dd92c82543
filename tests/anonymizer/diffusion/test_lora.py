from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from anonymizer.diffusion import inpainter
from anonymizer.diffusion.lora import Adapter
from anonymizer.errors import MissingWeights, UsageError
from anonymizer.networks import Networks
from anonymizer.settings import Painting
from tests import factories
from tests.anonymizer.diffusion import stable, tiny

CPU = torch.device("cpu")
Q, OUT = (f"{stable.ATTENTION}.{name}" for name in ("to_q", "to_out.0"))
CONV = "down_blocks.0.resnets.0.conv1"
WORDS = "text_model.encoder.layers.0.self_attn.q_proj"


def product(seed: int, out: int = 8, into: int = 8) -> Tensor:
    down, up = stable.factors(seed, out, into)
    return up @ down


def change(path: Path | str, layer: str, network: str = "unet") -> Tensor:
    """What a file does to a layer of a network that is all zeros."""
    if network == "unet":
        zeros: Any = tiny.text_unet(4)
    else:
        zeros = stable._encoders(xl=False)["text_encoder"]
    for weight in zeros.parameters():
        weight.data.zero_()
    Adapter.read(str(path), tiny.text_unet(4).config).merge(zeros, network)
    weights = dict(zeros.named_parameters())
    name = layer if f"{layer}.weight" in weights else layer.removeprefix("text_model.")
    changed: Tensor = weights[f"{name}.weight"].data
    return changed


@pytest.mark.parametrize(("layer", "seed"), [(Q, 1), (OUT, 2)], ids=["q", "out"])
def test_all_formats_mean_the_same(tmp_path: Path, layer: str, seed: int) -> None:
    new, old = stable.peft(tmp_path / "new.safetensors"), stable.kohya(tmp_path / "old.safetensors")
    torch.testing.assert_close(change(new, layer), product(seed))
    torch.testing.assert_close(change(old, layer), product(seed) / 2)  # alpha 1, rank 2
    legacy = {
        f"{stable.ATTENTION}.processor.{layer.rpartition('attn1.')[2].removesuffix('.0')}_lora."
        f"{side}.weight": factor
        for side, factor in zip(("down", "up"), stable.factors(seed), strict=True)
    }
    save_file(legacy, tmp_path / "legacy.safetensors")
    torch.testing.assert_close(change(tmp_path / "legacy.safetensors", layer), product(seed))


def test_alpha_and_weight_scale_the_change(tmp_path: Path) -> None:
    path = stable.kohya(tmp_path / "a.safetensors", alpha=6.0)
    torch.testing.assert_close(change(f"{path}:-0.5", Q), product(1) * 3 * -0.5)


def test_convolutions_and_encoders_change_too(tmp_path: Path) -> None:
    path = stable.kohya(tmp_path / "a.safetensors", alpha=2.0)
    torch.testing.assert_close(change(path, CONV), product(5, 8, 72).view(8, 8, 3, 3))
    torch.testing.assert_close(change(path, WORDS, "text_encoder"), product(3, 16, 16))
    torch.testing.assert_close(
        change(path, "text_model.encoder.layers.1.mlp.fc1", "text_encoder"), product(4, 16, 16)
    )


def test_several_add_up_in_a_painter_and_nothing_else_changes(tmp_path: Path) -> None:
    folder = stable.saved(stable.inpainting(tmp_path), tmp_path / "model")
    one, two = stable.peft(tmp_path / "1.safetensors"), stable.kohya(tmp_path / "2.safetensors")

    def painter(*lora: str) -> Any:
        painting = Painting(steps=2, prompt="a", negative_prompt="b")
        return inpainter.prompted(painting, CPU, folder, Networks(lora=lora, precision="fp32"))

    plain, both = painter(), painter(f"{one}:2", str(two))
    weights = [dict(each.painter.model.network.named_parameters()) for each in (plain, both)]
    difference = {name: weights[1][name] - weights[0][name] for name in weights[0]}
    changed = {name.removesuffix(".weight") for name, moved in difference.items() if moved.any()}
    assert changed == {Q, OUT, CONV}
    torch.testing.assert_close(
        difference[f"{Q}.weight"], 2 * product(1) + product(1) / 2, atol=1e-5, rtol=1e-5
    )
    assert not torch.equal(plain.prompt.states, both.prompt.states)
    clip = factories.clip(T=1, S=tiny.SIZE)
    pictures = [each.sketch(clip, 3).paint(tiny.Plan()) for each in (plain, both)]
    assert not np.array_equal(pictures[0], pictures[1])


def _unknown(tensors: dict[str, Tensor]) -> None:
    tensors["unet.something.else"] = torch.zeros(2)


def _half(tensors: dict[str, Tensor]) -> None:
    del tensors[f"unet.{Q}.lora_B.weight"]


def _empty(tensors: dict[str, Tensor]) -> None:
    tensors.clear()


def _foreign_layer(tensors: dict[str, Tensor]) -> None:
    for side in "AB":
        tensors[f"unet.nowhere.lora_{side}.weight"] = tensors.pop(f"unet.{Q}.lora_{side}.weight")


def _foreign_shape(tensors: dict[str, Tensor]) -> None:
    tensors[f"unet.{Q}.lora_A.weight"] = torch.zeros(2, 5)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_unknown, "no part of a LoRA"),
        (_half, "half of a change"),
        (_empty, "holds no LoRA"),
        (_foreign_layer, r"does not fit unet\.nowhere"),
        (_foreign_shape, r"does not fit unet\.down"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_files_that_are_something_else_are_refused(tmp_path: Path, spoil: Any, said: str) -> None:
    path = stable.peft(tmp_path / "a.safetensors")
    tensors = load_file(path)
    spoil(tensors)
    save_file(tensors, path)
    with pytest.raises((MissingWeights, UsageError), match=said):
        change(path, Q)


@pytest.mark.parametrize(
    ("name", "said"),
    [("a.bin", "must be a .safetensors"), ("gone.safetensors", "not there")],
)
def test_pickles_and_missing_files_are_refused(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "a.bin").write_bytes(b"")
    with pytest.raises(MissingWeights, match=said):
        change(tmp_path / name, Q)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = stable.peft(tmp_path / "a.safetensors")
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(MissingWeights, match="cannot be loaded"):
        change(path, Q)
