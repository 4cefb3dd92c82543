"""What a folder holds and where each result goes: names only, one folder at a time.

Links are not followed, and hidden files and folders are left out. Nothing but the names decides
which input gets a name that two would have.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from anonymizer.inputs import IMAGES, VIDEOS

Kind = Literal["video", "image", "shard", "other"]
MANIFEST: Final = "manifest.parquet"
"""Name, in the destination, that no result may have."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One input."""

    path: str
    """Relative to the source folder, with forward slashes; valid Unicode."""
    source: Path
    kind: Kind
    output: str | None
    """Relative to the destination; None if nothing is to be made of it."""
    problem: str | None = None
    """Why nothing is made of it."""
    fault: bool = False
    """Whether that is a failure."""


def kind_of(name: str) -> Kind:
    """What a file is, by its suffix.

    >>> kind_of("a.MP4"), kind_of("a.png"), kind_of("a.tar"), kind_of("a.json")
    ('video', 'image', 'shard', 'other')
    """
    suffix = Path(name).suffix.lower()
    if suffix in VIDEOS:
        return "video"
    if suffix in IMAGES:
        return "image"
    return "shard" if suffix == ".tar" else "other"


def output_name(name: str, written: Callable[[str], str]) -> str:
    """Name of a result: that of its source, but for a container that cannot be written."""
    if kind_of(name) != "video":
        return name
    path = Path(name)
    return path.with_suffix(written(path.suffix)).name


def entries(
    root: Path, written: Callable[[str], str], *, only_media: bool, fold: bool
) -> Iterator[Entry]:
    """All inputs below a folder, in an order that depends on names alone.

    Args:
        root: The source folder.
        written: The suffix that a film gets, from that of its source.
        only_media: Leave out what is no film, picture or shard.
        fold: Whether two names are one if they differ in case or in the form of accents only.
    """
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(root / folder) as listing:
                found = sorted(_shown(listing), key=lambda item: item.name)
        except OSError as error:
            why = f"cannot be listed ({error.strerror})"
            yield Entry(_safe(folder) or ".", root / folder, "other", None, why, fault=True)
            continue
        wanted = ((item.name, _output(item, written)) for item in found if _counts(item))
        taken = owners(wanted, fold=fold)
        below = []
        for item in found:
            entry = _entry(item, folder, _output(item, written), taken)
            if entry is None:
                below.append(f"{folder}{item.name}/")
            elif not (only_media and entry.kind == "other" and _is_file(item)):
                yield entry
        waiting += reversed(below)


def owners(names: Iterable[tuple[str, str]], *, fold: bool) -> dict[str, str]:
    """Which of the sources that want one name gets it.

    Args:
        names: Sources and the name each wants.
        fold: Whether case and form of accents do not count.

    Returns:
        Source by each wanted name. One that wants its own name goes first, then the first by name.
    """
    best: dict[str, tuple[bool, str]] = {}
    pairs = list(names)
    for source, wanted in pairs:
        key, claim = _key(wanted, fold=fold), (source != wanted, source)
        best[key] = min(best.get(key, claim), claim)
    return {wanted: best[_key(wanted, fold=fold)][1] for _, wanted in pairs}


def _key(name: str, *, fold: bool) -> str:
    return unicodedata.normalize("NFC", name).casefold() if fold else name


def _shown(listing: Iterable[os.DirEntry[str]]) -> Iterator[os.DirEntry[str]]:
    return (item for item in listing if not item.name.startswith("."))


def _counts(item: os.DirEntry[str]) -> bool:
    """Whether a result will have its name: not so links and what is no file."""
    return _is_file(item) or item.is_dir(follow_symlinks=False)


def _output(item: os.DirEntry[str], written: Callable[[str], str]) -> str:
    return output_name(item.name, written) if _is_file(item) else item.name


def _is_file(item: os.DirEntry[str]) -> bool:
    return item.is_file(follow_symlinks=False)


def _entry(item: os.DirEntry[str], folder: str, output: str, taken: dict[str, str]) -> Entry | None:
    """The entry of a file, or of a folder that cannot be mirrored; None for one that can."""
    path, kind = f"{folder}{item.name}", kind_of(item.name)
    shown = _safe(path)
    if not _counts(item):
        why = "is a link; links are not followed" if item.is_symlink() else "is no file"
        return Entry(shown, Path(item.path), kind, None, why)
    fault = _fault(item.name, path, output, taken)
    if fault is None and not _is_file(item):
        return None
    kept = f"{folder}{output}" if fault is None else None
    return Entry(shown, Path(item.path), kind, kept, fault, fault=fault is not None)


def _fault(name: str, path: str, output: str, taken: dict[str, str]) -> str | None:
    """Why an input cannot get its name in the destination, if so."""
    if _safe(name) != name:
        return "has a name that is not UTF-8; rename it"
    if taken[output] != name:
        return f"and {taken[output]} would both be written to {output}; rename one"
    if _key(path, fold=True) == MANIFEST:
        return f"has the name of the manifest, {MANIFEST}; rename it"
    return None


def _safe(path: str) -> str:
    """The path with what is no Unicode escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
