"""What a person must know of a set in a known format: labels are copied, and some are wrong then.

Looked at after the set is made. Nothing is changed: whoever publishes the set decides.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, Final

from anonymizer.errors import JobError
from anonymizer.inputs import VIDEOS
from anonymizer.video.media import open_source

HEAD: Final = 2**20
"""First bytes of a file of annotations that are looked at."""
LEVELS: Final = ("", "*/", "*/*/")
"""How deep sets are looked for in a folder of sets."""
_CODECS: Final = {
    "libdav1d": "av1",
    "libaom-av1": "av1",
    "libsvtav1": "av1",
    "libx264": "h264",
    "libx265": "hevc",
    "libvpx-vp9": "vp9",
}
_ORIGINALS: Final = re.compile(
    rb'"(coco_url|flickr_url|open_images_url|url|image_url|md5|sha1|sha256)"\s*:\s*"[^"]'
)
_PLACES: Final = re.compile(r"^(path|train|val|test)\s*:\s*['\"]?(/|[A-Za-z]:\\|~)", re.MULTILINE)


def notices(source: Path, destination: Path) -> tuple[str, ...]:
    """Sentences about the sets that are recognised in a folder; each begins with a file's name.

    Args:
        source: Folder of the originals.
        destination: Folder of the results.
    """
    robots = (
        notice
        for info in _found(source, "meta/info.json")
        for notice in _robots(source, destination, info)
    )
    coco = (
        notice for path in _found(source, "annotations/*.json") for notice in _coco(source, path)
    )
    yolo = (
        notice
        for pattern in ("*.yaml", "*.yml", "labels/*.cache")
        for path in _found(source, pattern)
        for notice in _yolo(source, path)
    )
    return tuple(chain(robots, coco, yolo))


def _found(root: Path, pattern: str) -> list[Path]:
    found = (path for level in LEVELS for path in sorted(root.glob(f"{level}{pattern}")))
    return [path for path in found if path.is_file() and not path.is_symlink()]


def _robots(source: Path, destination: Path, path: Path) -> Iterator[str]:
    """A set of LeRobot: what its ``info.json`` says of pictures."""
    name, root = path.relative_to(source).as_posix(), path.parents[1]
    features = _features(path)
    pictures = {key for key, value in features.items() if value.get("dtype") == "image"}
    films = {key: value for key, value in features.items() if value.get("dtype") == "video"}
    if pictures:
        yield (
            f"{name}: {_listed(pictures)} are pictures inside of Parquet, which are refused; "
            "convert them to videos first"
        )
    if not films:
        return
    if any((root / "meta" / known).exists() for known in ("stats.json", "episodes_stats.jsonl")):
        yield f"{name}: statistics of {_listed(films)} in meta/ are those of the originals"
    for key, value in films.items():
        said = value.get("info") or value.get("video_info") or {}
        if said.get("video.is_depth_map") or said.get("is_depth_map"):
            yield f"{name}: {key} holds depths, which were encoded anew; use --lossless for it"
        if said.get("video.g"):
            yield (
                f"{name}: {key} had a key frame every {said['video.g']} frames; "
                "results have fewer, so that frames picked at random take longer to read"
            )
        yield from _coding(name, key, said, destination / root.relative_to(source))


def _features(path: Path) -> Mapping[str, Mapping[str, Any]]:
    try:
        features = json.loads(path.read_text(encoding="utf-8"))["features"]
        return {str(key): dict(value) for key, value in features.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}  # another file of that name


def _coding(name: str, key: str, said: Mapping[str, Any], made: Path) -> Iterator[str]:
    """Whether results are coded as the file says; one stands for all."""
    folders = (path for path in sorted(made.glob("videos/**/")) if path.name == key)
    films = (path for folder in folders for path in sorted(folder.rglob("*")))
    first = next((path for path in films if path.suffix.lower() in VIDEOS), None)
    if first is None:
        return
    try:
        info = open_source(first).info
    except JobError:  # somebody else's file
        return
    is_now = {"video.codec": _named(info.codec), "video.pix_fmt": info.pixel_format}
    for what, now in is_now.items():
        if what in said and _named(str(said[what])) != now:
            yield f"{name}: says {what} {said[what]} of {key}, results are {now}; change it"


def _named(codec: str) -> str:
    """A codec, by the name of it or of a program for it."""
    return _CODECS.get(codec, codec)


def _coco(source: Path, path: Path) -> Iterator[str]:
    """Annotations that lead to the originals."""
    with path.open("rb") as file:
        found = {match.decode() for match in _ORIGINALS.findall(file.read(HEAD))}
    if found:
        name = path.relative_to(source).as_posix()
        yield f"{name}: {_listed(found)} lead to the originals, or tell them; remove them"


def _yolo(source: Path, path: Path) -> Iterator[str]:
    """Files that say where the pictures are."""
    name = path.relative_to(source).as_posix()
    if path.suffix == ".cache":
        yield f"{name}: names the originals and their sizes; remove it, trainers make it anew"
        return
    with path.open(encoding="utf-8", errors="replace") as file:
        text = file.read(HEAD)
    if "names:" in text and (found := _PLACES.findall(text)):
        keys = _listed({key for key, _ in found})
        yield f"{name}: {keys} lead to another folder, perhaps that of the originals; change them"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
