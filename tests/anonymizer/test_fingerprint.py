"""The hash of the settings changes with all that decides a result, and with nothing else."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

import anonymizer
from anonymizer import fingerprint, models
from anonymizer.errors import JobError
from anonymizer.networks import Networks
from anonymizer.settings import Painting, Settings


def test_a_file(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert fingerprint.of_file(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()
    with pytest.raises(JobError, match="cannot be read"):
        fingerprint.of_file(tmp_path / "b")


def test_the_secret_does_not_count(tmp_path):
    plain = fingerprint.of_settings(Settings())
    assert fingerprint.of_settings(Settings(seed=1)) == plain
    assert fingerprint.of_settings(Settings(secret_file=tmp_path / "key")) == plain


def test_whatever_joins_a_model_counts(tmp_path):
    paths = {name: tmp_path / name for name in ("lora", "net", "vae", "example", "picture", "clip")}
    for path in paths.values():
        path.write_bytes(b"1")
    lora, net, vae, example, picture, clip = map(str, paths.values())
    joined = Networks(
        lora=(f"{lora}:0.5",),
        controlnet=net,
        mediate_vae=vae,
        ip_adapter=example,
        ip_adapter_image=picture,
        ip_adapter_encoder=clip,
    )
    settings = replace(Settings(), networks=joined)
    seen = [fingerprint.of_settings(settings)]
    for path in paths.values():
        path.write_bytes(b"2")
        seen.append(fingerprint.of_settings(settings))
    assert len(set(seen)) == len(seen) == 7


def test_settings_version_and_weights_count(tmp_path, monkeypatch):
    monkeypatch.setenv("VEILFRAME_MODELS", str(tmp_path))
    seen = [fingerprint.of_settings(Settings())]

    def differs(settings: Settings) -> None:
        seen.append(fingerprint.of_settings(settings))
        assert len(set(seen)) == len(seen)

    differs(replace(Settings(), painting=Painting(replace="cover")))
    own = tmp_path / "own.onnx"
    own.write_bytes(b"1")
    options = Settings(options={"centerface": {"weights": str(own)}})
    differs(options)
    own.write_bytes(b"2")
    differs(options)
    folder = tmp_path / "pipeline"
    (folder / "unet").mkdir(parents=True)
    (folder / "unet" / "w").write_bytes(b"1")
    local = replace(Settings(), painting=Painting(model=str(folder)))
    differs(local)
    (folder / "unet" / "w").write_bytes(b"2")
    differs(local)
    (tmp_path / models.KNOWN[0].file).write_bytes(b"1")
    differs(Settings())
    monkeypatch.setattr(anonymizer, "__version__", "9")
    differs(Settings())
