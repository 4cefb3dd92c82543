"""Where detectors find the weights that the package does not carry.

They lie in the models' cache folder (`anonymizer.models`); a path in the settings beats it.
"""

from __future__ import annotations

from pathlib import Path

from anonymizer import models
from anonymizer.errors import MissingWeights


def located(name: str, given: str | Path | None, *, part: str) -> Path:
    """The file to load.

    Args:
        name: Name of the file in the cache folder.
        given: What the settings say; None looks in the cache folder.
        part: Name of the detector, for messages.

    Raises:
        MissingWeights: if there is no such file.
    """
    path = Path(given).expanduser() if given is not None else models.folder() / name
    if not path.is_file():
        raise MissingWeights(path, f"is absent; {advice(part, name)}")
    return path


def advice(part: str, name: str) -> str:
    """What to do about weights that are absent or damaged.

    Args:
        part: Name of the detector.
        name: Name of the file in the cache folder.
    """
    model = models.of_file(name)
    pull = f"run: anonymize models pull {model.name}" if model else "put the file there"
    return f'{pull}, or name a file by weights = "PATH" in the table [options.{part}] of --config'
