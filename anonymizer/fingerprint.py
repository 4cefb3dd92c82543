"""SHA-256 of files, and of all that decides a result but the source and the secret."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import anonymizer
from anonymizer import models
from anonymizer.errors import JobError
from anonymizer.settings import Settings


def of_file(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits.

    Raises:
        JobError: if it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise JobError(path, f"cannot be read ({os.strerror(error.errno or 0)})") from error


def of_settings(settings: Settings, **more: object) -> str:
    """SHA-256 of the settings, our version, and all weights they may use that are files here.

    Other libraries do not count. The secret is left out (P6). ``more`` is what else decides.
    """
    known = {
        "settings": settings.described() | more,
        "version": anonymizer.__version__,
        "weights": sorted(of_file(path) for path in _weights(settings)),
    }
    text = json.dumps(known, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _weights(settings: Settings) -> Iterator[Path]:
    with resources.as_file(resources.files("anonymizer") / "weights") as own:
        yield from _files(own)
    for path in (Path(settings.painting.model), *settings.networks.files):
        yield from _files(path)
    for model in models.KNOWN:
        yield from _files(models.folder() / model.file)
    for options in settings.options.values():
        if isinstance(named := options.get("weights"), str | Path):
            yield from _files(Path(named))


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file())
    return [path] if path.is_file() else []
