"""Markers, guards on random state and logs, and where real data lies."""

from __future__ import annotations

import logging
import os
import random
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from hypothesis import settings

from tests import browser, exiftool, ffprobe

settings.register_profile("veilframe", deadline=None)  # no test asserts a wall time
settings.load_profile("veilframe")

_BESIDE = Path(__file__).resolve().parents[2] / "shared"


def _accelerator() -> bool:
    import torch

    return bool(torch.cuda.is_available() or torch.backends.mps.is_available())


_NEEDED: Final[dict[str, tuple[Callable[[], object], str]]] = {
    "gpu": (_accelerator, "accelerator that torch sees"),
    "browser": (browser.found, f"browser among {', '.join(browser.NAMES)}"),
    "ffprobe": (ffprobe.found, ffprobe.NAME),
    "exiftool": (exiftool.found, exiftool.NAME),
}
"""What tests with a marker need."""


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests of what is not there, unless the environment says that it must be."""
    for marker, (there, name) in _NEEDED.items():
        if item.get_closest_marker(marker) and not there():
            required = f"REQUIRE_{marker.upper()}"
            if os.environ.get(required):
                pytest.fail(f"{required} is set, but there is no {name}")
            pytest.skip(f"no {name}")


def _real_data(variable: str, folder: str) -> Path:
    path = Path(os.environ.get(variable) or _BESIDE / folder)
    if not path.is_dir():
        if os.environ.get("REQUIRE_FOOTAGE"):
            pytest.fail(f"REQUIRE_FOOTAGE is set, but {path} is no folder; set {variable}")
        pytest.skip(f"{path} is no folder; set {variable}")
    return path


def pytest_configure() -> None:
    """Let tests interrupt programs even where the shell that started them ignores interrupts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def footage() -> Path:
    """Folder of real clips, VEILFRAME_FOOTAGE."""
    return _real_data("VEILFRAME_FOOTAGE", "clips")


@pytest.fixture(scope="session")
def shared_models() -> Path:
    """Folder of detectors that we do not ship, VEILFRAME_MODELS."""
    return _real_data("VEILFRAME_MODELS", "models")


@pytest.fixture(scope="session")
def facekit() -> Path:
    """Folder of the head model that the trainer draws from, VEILFRAME_FACEKIT."""
    return _real_data("VEILFRAME_FACEKIT", "facekit")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Tiny networks on many threads mostly wait for each other: every test begins with one.

    What paints sets as many threads as there are cores, for good.
    """
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _random_state() -> Iterator[None]:
    """Give every test the random state it found back, so that order does not matter."""
    torch = sys.modules.get("torch")
    before = torch.get_rng_state() if torch else None
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - guarded, not used
    yield
    random.setstate(python)
    np.random.set_state(numpy)  # noqa: NPY002 - guarded, not used
    if torch is not None and before is not None:
        torch.set_rng_state(before)


@pytest.fixture(autouse=True)
def _no_error_logs(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A test that logs an error fails, unless it clears the record to say that it meant it."""
    yield
    errors = [r for r in caplog.get_records("call") if r.levelno >= logging.ERROR]
    if errors:
        pytest.fail("logged: " + "; ".join(record.getMessage() for record in errors))
