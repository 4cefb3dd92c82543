"""Where the weights lie that the package does not carry.

The folder is named by the environment variable VEILFRAME_MODELS; without it, it is
``veilframe/models`` in the user's cache (XDG_CACHE_HOME, or ``.cache`` at home). A path in the
settings beats both.
"""

from __future__ import annotations

import os
from pathlib import Path

from anonymizer.errors import MissingWeights


def folder() -> Path:
    """The models' cache folder; it need not exist."""
    if named := os.environ.get("VEILFRAME_MODELS"):
        return Path(named).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "veilframe" / "models"


def located(name: str, given: str | Path | None, *, part: str) -> Path:
    """The file to load.

    Args:
        name: Name of the file in the cache folder.
        given: What the settings say; None looks in the cache folder.
        part: Name of the detector, for messages.

    Raises:
        MissingWeights: if there is no such file.
    """
    path = Path(given).expanduser() if given is not None else folder() / name
    if not path.is_file():
        raise MissingWeights(path, f"is absent; {advice(part)}")
    return path


def advice(part: str) -> str:
    """What to do about weights that are absent or damaged."""
    return (
        'put the file there, or name another by weights = "PATH" in the table '
        f"[options.{part}] of --config"
    )
