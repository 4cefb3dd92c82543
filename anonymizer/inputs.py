"""What is to be anonymized, and where each result goes: names only, nothing is opened."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from anonymizer.errors import UsageError

MARK = "_anonymized"
"""Added to the stem of every result."""

VIDEOS = frozenset(
    [
        ".3gp",
        ".avi",
        ".flv",
        ".gif",
        ".m2ts",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".mts",
        ".ts",
        ".webm",
        ".wmv",
    ]
)
IMAGES = frozenset([".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"])


def destinations(
    inputs: Sequence[Path], output: Path | None, written: Callable[[str], str] = str
) -> list[tuple[Path, Path]]:
    """Pairs of source and destination for files and folders of them.

    A file goes beside itself, to ``output``, or into the folder ``output``; a folder is mirrored.
    Inside a folder only videos and pictures count; hidden ones and earlier results do not.
    ``written`` says which suffix a film gets whose name is not given, from that of its source.

    Raises:
        UsageError: if several results would go to one file, or over an input.
    """
    many = len(inputs) > 1 or _is_folder(inputs[0])
    folder = output is not None and (many or _is_folder(output))
    if output is not None and folder and output.is_file():
        raise UsageError(f"{output}: is a file; several inputs need a folder for --output")
    pairs: list[tuple[Path, Path]] = []
    for path in inputs:
        if _is_folder(path):
            found = list(_media(path))
            if not found:
                raise UsageError(f"{path}: holds no video or picture")
            pairs += [(file, _place(file, output, path, written)) for file in found]
        elif output is not None and not folder:
            pairs.append((path, output))
        else:
            pairs.append((path, _place(path, output, path.parent, written)))
    insist_on_distinct(pairs)
    return pairs


def _media(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        known = path.suffix.lower() in VIDEOS | IMAGES
        if known and not hidden and not path.stem.endswith(MARK) and path.is_file():
            yield path


def _place(file: Path, output: Path | None, root: Path, written: Callable[[str], str]) -> Path:
    film = file.suffix.lower() not in IMAGES
    suffix = written(file.suffix) if film else file.suffix
    marked = file.with_name(f"{file.stem}{MARK}{suffix}")
    return marked if output is None else output / marked.relative_to(root)


def _is_folder(path: Path) -> bool:
    """Whether it is one; a name that no file can have, as it is too long, is none."""
    try:
        return path.is_dir()
    except OSError:
        return False


def insist_on_distinct(pairs: Sequence[tuple[Path, Path]]) -> None:
    """Refuse results that would be written over an input, or over each other.

    Raises:
        UsageError: if there are such.
    """
    taken: dict[str, Path] = {}
    sources = {os.path.realpath(source) for source, _ in pairs}  # not resolve: loops
    for source, destination in pairs:
        real = os.path.realpath(destination)
        if real in sources:
            raise UsageError(f"{destination}: is an input; choose another --output")
        if real in taken:
            raise UsageError(f"{source} and {taken[real]} would both be written to {destination}")
        taken[real] = source
