"""ExifTool and ffprobe find nothing in a result of people, places, devices or dates (P4)."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from PIL import Image

from anonymizer.jobs import Anonymizer
from anonymizer.settings import Checking, Painting, Settings
from anonymizer.video.containers import output_suffix
from anonymizer.video.media import is_image
from tests import exiftool, ffprobe, photos
from tests.faces import MarkerDetector
from tests.films import make_video
from tests.media import MPEG4, VP9

TOLD: Final = {
    "title": "Anna at the lake",
    "comment": "a secret comment",
    "artist": "Anna Photographer",
    "author": "Anna Photographer",
    "location": "+51.4934+007.4639/",
    "location-eng": "+51.4934+007.4639/",
    "make": "Acme Cameras",
    "model": "Spyglass 9",
    "encoder": "Acme Firmware 3",
    "creation_time": "2019-07-03T04:05:06.000000Z",
    "date": "2019-07-03",
    "com.apple.quicktime.location.ISO6709": "+51.4934+007.4639/",
    "com.apple.quicktime.model": "Spyglass 9",
}
SECRETS: Final = re.compile(r"anna|secret|acme|spyglass|51.4934|7.4639|2019|sn4711", re.IGNORECASE)
PHOTO: Final = {
    "GPSLatitude": "51.4934",
    "GPSLatitudeRef": "N",
    "GPSLongitude": "7.4639",
    "GPSLongitudeRef": "E",
    "Make": "Acme Cameras",
    "Model": "Spyglass 9",
    "SerialNumber": "SN4711",
    "DateTimeOriginal": "2019:07:03 04:05:06",
    "Artist": "Anna Photographer",
    "Comment": "a secret comment",
    "XMP__Creator": "Anna Photographer",
    "XMP__Location": "Acme lake",
    "IPTC__Caption-Abstract": "a secret caption",
}
TELLING: Final = re.compile(
    r"GPS|Location|Make\b|Model\b|Serial|Comment|Artist|Author|Software|Creat|Modif|Original|Owner"
    r"|Title|(?<!Handler)(?<!Group)Description|Keyword|Encod|Thumbnail|Preview|XMP|IPTC|EXIF:",
    re.IGNORECASE,
)
"""Names of tags; ``ZERO`` of them say nothing."""
ZERO: Final = re.compile(r"(0000:00:00 00:00:00|0|)")

X264: Final[dict[str, Any]] = {"options": {"preset": "ultrafast", "crf": "4"}}
FILMS: Final[dict[str, dict[str, Any]]] = {
    ".mp4": X264 | {"audio": "aac", "cover": True, "data": True},
    ".m4v": X264,
    ".mov": X264 | {"audio": "aac"},
    ".mkv": X264 | {"audio": "aac", "subtitles": [(0, 200, "eins")]},
    ".webm": VP9,
    ".avi": MPEG4,
    ".ts": {"codec": "mpeg2video", "options": {}},
    ".wmv": {"codec": "wmv2", "options": {}},
    ".flv": {"codec": "flv1", "options": {}},
}
PHOTOS: Final[dict[str, photos.Make]] = {
    ".jpg": photos.of_pillow("in.jpg", quality=90),
    ".png": photos.of_pillow("in.png"),
    ".webp": photos.of_pillow("in.webp", quality=90),
    ".tif": photos.of_tifffile(),
}


def film(folder: Path, suffix: str) -> Path:
    """A film that tells all that its container can hold."""
    options = {"movflags": "use_metadata_tags"} if suffix in (".mp4", ".mov", ".m4v") else {}
    what = FILMS[suffix] | {"metadata": TOLD, "container_options": options}
    path = make_video(folder / f"in{suffix}", **what)
    if suffix in (".mp4", ".mov"):
        exiftool.label(path, **PHOTO, QuickTime__CreateDate="2019:07:03 04:05:06")
    return path


def photo(folder: Path, suffix: str) -> Path:
    """A picture that does, with a thumbnail where there is a place for one."""
    path = PHOTOS[suffix](folder)
    exiftool.label(path, **PHOTO)
    if suffix == ".jpg":
        Image.open(path).convert("RGB").resize((40, 30)).save(folder / "small.jpg")
        exiftool.label(path, **{"ThumbnailImage<": str(folder / "small.jpg")})
        (folder / "small.jpg").unlink()
    return path


MADE: Final[dict[str, Callable[[Path, str], Path]]] = {
    **dict.fromkeys(FILMS, film),
    **dict.fromkeys(PHOTOS, photo),
}


def anonymized(source: Path) -> Path:
    """The result of the whole program with solid covers."""
    alone = Checking(second_detector="none")
    settings = Settings(painting=Painting(replace="cover"), checking=alone)
    suffix = source.suffix if is_image(source) else output_suffix(source.suffix)
    destination = source.with_name(f"out{suffix}")
    Anonymizer(settings, detector=MarkerDetector()).file(source, destination)
    return destination


def secrets(told: Any) -> list[str]:
    """What is found of `TOLD` and `PHOTO`."""
    return sorted({match.lower() for match in SECRETS.findall(str(told))})


@pytest.mark.exiftool
@pytest.mark.ffprobe
@pytest.mark.parametrize("suffix", MADE)
def test_a_result_tells_nothing_of_where_when_by_whom_and_with_what_p4(tmp_path, suffix):
    source = MADE[suffix](tmp_path, suffix)
    before = exiftool.told(source)
    asked = ("-show_streams", "-show_format", "-show_chapters", "-show_frames", "-show_programs")
    assert len(secrets([before, ffprobe.asked(source, *asked)])) >= 1 + (suffix != ".ts")
    destination = anonymized(source)
    after = exiftool.told(destination)
    assert secrets([after, ffprobe.asked(destination, *asked), destination.read_bytes()]) == []
    said = {name: value for name, value in after.items() if TELLING.search(name)}
    assert {name: value for name, value in said.items() if not ZERO.fullmatch(str(value))} == {}
