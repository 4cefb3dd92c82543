"""What ExifTool finds in a file: a program that knows more labels than any other."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

NAME: Final = "exiftool"


def found() -> str | None:
    """Where it is; None if it is not installed."""
    return shutil.which(NAME)


def told(path: Path) -> dict[str, Any]:
    """All tags that it finds, embedded ones too, as "group:name"; but those of the file system."""
    command = [
        NAME,
        "-j",
        "-a",
        "-u",
        "-U",
        "-G1",
        "-ee3",
        "-n",
        "-x",
        "System:all",
        "--",
        str(path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    (answer,) = json.loads(done.stdout)
    return {name: value for name, value in answer.items() if name != "SourceFile"}


def label(path: Path, **labels: str) -> Path:
    """Write labels into a picture or film, where its format holds them."""
    words = [f"-{name.replace('__', ':')}={value}" for name, value in labels.items()]
    command = [NAME, "-q", "-m", "-overwrite_original", *words, "--", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return path
