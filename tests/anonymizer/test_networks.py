from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from anonymizer.errors import UsageError
from anonymizer.networks import Networks, Translation, adapter
from anonymizer.settings import Settings, load

SLICED = {
    "networks.ip_adapter": "a.safetensors",
    "networks.ip_adapter_image": "a.png",
    "networks.attention_slicing": True,
}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("a.safetensors", ("a.safetensors", 1.0)),
        ("a.safetensors:0.5", ("a.safetensors", 0.5)),
        ("dir:odd/a.safetensors", ("dir:odd/a.safetensors", 1.0)),
        ("C:\\loras\\a.safetensors", ("C:\\loras\\a.safetensors", 1.0)),
        ("C:\\loras\\a.safetensors:-2", ("C:\\loras\\a.safetensors", -2.0)),
    ],
)
def test_an_adapter_is_a_path_and_perhaps_a_weight(given: str, expected: tuple[str, float]) -> None:
    assert adapter(given) == expected


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"networks.lora": ["a:much"]}, "'much' is not a weight"),
        ({"networks.lora": ["a:99"]}, "lora weight must be between -10 and 10"),
        ({"networks.face_control": "pixels"}, "not one of mesh, landmarks, normals, edges"),
        ({"networks.precision": "int4"}, "not one of auto"),
        ({"networks.control_scale": -1}, "between 0 and 10"),
        ({"networks.ip_adapter_scale": 11}, "between 0 and 10"),
        ({"networks.ip_adapter": "a.safetensors"}, "belong together; give both"),
        ({"networks.ip_adapter_image": "a.png"}, "belong together; give both"),
        (SLICED, "attention-slicing takes an ip-adapter out"),
        ({"networks.batch": 0}, "batch must be at least 1, got 0"),
        ({"translation.mode": "dream"}, "not one of sdedit, controlnet, ip2p"),
        ({"translation.control": "depth"}, "give its pictures by --control-files"),
        ({"translation.control": "looks"}, "not one of canny"),
        ({"translation.image_guidance": 0}, "between 1 and 50"),
        ({"translation.keyframes": 0}, "keyframes must be at least 1, got 0"),
        ({"translation.size": 8}, "between 16"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_what_cannot_be_is_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Settings().with_values(values)


def test_files_set_lists_and_paths(tmp_path: Path) -> None:
    (tmp_path / "set.toml").write_text(
        '[networks]\nlora = ["a.safetensors", "b.safetensors:0.5"]\n'
        '[translation]\ncontrol = "depth"\ncontrol_files = "depth.mp4"\n'
    )
    found = load(tmp_path / "set.toml")
    assert found.networks == Networks(lora=("a.safetensors", "b.safetensors:0.5"))
    assert found.translation == Translation(control="depth", control_files="depth.mp4")
