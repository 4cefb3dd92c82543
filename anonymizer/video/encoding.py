"""Which encoder, pixel format and options a result gets."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from pathlib import Path
from typing import Final, Literal

from anonymizer.errors import UsageError

Codec = Literal["libx264", "libvpx-vp9"]

CONTAINERS: Final = (".mp4", ".m4v", ".mov", ".mkv", ".webm")
"""Suffixes of the films that can be written."""

_MOV: Final = (".mp4", ".m4v", ".mov")
_CRF: Final = {"libx264": 18, "libvpx-vp9": 24}
"""Hard to tell from the source by eye; the scales of the encoders differ."""


_REPEATABLE: Final = {"threads": "4", "x264-params": "mbtree=0"}
"""For x264, so that the same frames always give the same bytes. Its result depends on the number of
threads, which by default is that of the machine's cores. Its macroblock tree uses approximations
that differ between processors, and with AVX-512 its result was seen to change from run to run on
a busy machine; without the tree files are up to a quarter larger."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """What to ask of FFmpeg."""

    codec: str
    pixel_format: str
    options: dict[str, str]

    @property
    def is_rgb(self) -> bool:
        """Whether the encoder takes RGB, so that nothing is lost on the way."""
        return self.pixel_format in ("rgb24", "gbrp")


def output_suffix(suffix: str) -> str:
    """The container for a result whose source ends in ``suffix``: the same if it can be written."""
    return suffix if suffix.lower() in CONTAINERS else ".mkv"


def encoding_for(
    path: Path,
    size: tuple[int, int],
    *,
    crf: int | None = None,
    lossless: bool = False,
    codec: Codec | None = None,
    preset: str = "medium",
) -> Encoding:
    """Choose by the output's suffix; ``size`` is (width, height).

    H.264 cannot halve the chroma of an odd size, so those keep it whole (4:4:4).

    Raises:
        UsageError: if the container is not one of CONTAINERS, or cannot hold the codec.
    """
    suffix = path.suffix.lower()
    if suffix not in CONTAINERS:
        raise UsageError(f"cannot write {suffix or 'no suffix'!r}; use {', '.join(CONTAINERS)}")
    codec = codec or ("libvpx-vp9" if suffix == ".webm" else "libx264")
    if suffix == ".webm" and codec != "libvpx-vp9":
        raise UsageError(f".webm cannot hold {codec}; use libvpx-vp9, or write .mkv or .mp4")
    quality = str(_CRF[codec] if crf is None else crf)
    if codec == "libvpx-vp9":
        return _vp9(quality, lossless)
    if lossless:
        return Encoding("libx264rgb", "rgb24", {"crf": "0", "preset": preset, **_REPEATABLE})
    odd = size[0] % 2 or size[1] % 2
    pixel_format = "yuv444p" if odd else "yuv420p"
    return Encoding("libx264", pixel_format, {"crf": quality, "preset": preset, **_REPEATABLE})


def _vp9(quality: str, lossless: bool) -> Encoding:
    speed = {"deadline": "good", "cpu-used": "4", "row-mt": "1"}
    if lossless:
        return Encoding("libvpx-vp9", "gbrp", {"lossless": "1", **speed})
    return Encoding("libvpx-vp9", "yuv420p", {"crf": quality, "b": "0", **speed})


def container_options(path: Path, time_bases: list[Fraction]) -> dict[str, str]:
    """Options that keep times exact; the first time base is the picture's.

    MP4 counts every picture in a unit of its own, and delays between streams in a unit of the
    film, milliseconds unless told otherwise.
    """
    common = {"fflags": "+bitexact"}  # no random ids, no version of ours in the file
    if path.suffix.lower() not in _MOV:
        return common
    unit = lcm(*(base.denominator for base in time_bases))
    shared = unit if unit < 2**31 else time_bases[0].denominator
    return common | {
        "movflags": "+faststart",
        "video_track_timescale": str(time_bases[0].denominator),
        "movie_timescale": str(shared),
    }


def rounds_time(path: Path, time_base: Fraction) -> bool:
    """Whether the container can only hold times of this base rounded to milliseconds."""
    return path.suffix.lower() not in _MOV and (time_base * 1000).denominator != 1
