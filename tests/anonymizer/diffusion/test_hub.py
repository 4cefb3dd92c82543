from __future__ import annotations

from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from anonymizer.diffusion import hub
from anonymizer.errors import MissingWeights

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a hub that nobody can reach: the address is this machine's."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    return tmp_path / "cache"


def cached(cache: Path, owner: str, name: str) -> Path:
    """A model as the hub's client keeps it."""
    place = cache / f"models--{owner}--{name}"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text(COMMIT)
    snapshot = place / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (snapshot / "model_index.json").write_text("{}")
    return snapshot


def test_a_folder_is_a_model_by_its_path(tmp_path: Path) -> None:
    assert hub.folder_of(str(tmp_path)) == tmp_path


@pytest.mark.parametrize("name", ["owner/model", f"owner/model@{COMMIT}"], ids=["main", "commit"])
def test_a_model_in_the_cache_needs_no_network(
    cache: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder = cached(cache, "owner", "model")
    asked, real = list[bool](), huggingface_hub.snapshot_download

    def watched(*names: str, **wanted: Any) -> Any:
        asked.append(wanted.get("local_files_only", False))
        return real(*names, **wanted)

    monkeypatch.setattr(hub, "snapshot_download", watched)
    assert hub.folder_of(name) == folder
    assert asked == [True]


def test_another_version_is_another_model(cache: Path) -> None:
    cached(cache, "owner", "model")
    with pytest.raises(MissingWeights, match=r"owner/model@v2: .*hf download owner/model"):
        hub.folder_of("owner/model@v2")


def test_a_hub_that_cannot_be_reached_is_told_in_one_line(cache: Path) -> None:
    with pytest.raises(
        MissingWeights, match=r"cannot be reached; .*hf download owner/gone"
    ) as told:
        hub.folder_of("owner/gone", alone=True)
    assert "\n" not in str(told.value)


def test_offline_nothing_is_fetched(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(MissingWeights, match="HF_HUB_OFFLINE forbids"):
        hub.folder_of("owner/gone")


def test_what_is_no_name_is_told_so() -> None:
    with pytest.raises(MissingWeights, match="neither a folder nor a hub id"):
        hub.folder_of("not a name at all")
