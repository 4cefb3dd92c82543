"""The encoders that are used, what each can hold, and how it is asked for a quality."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

import av
from av.codec.codec import UnknownCodecError

from anonymizer.video.native import Layout, layout_of
from anonymizer.video.packing import packing_of

MP4: Final = (".mp4", ".m4v")
MOV: Final = (".mov",)
MKV: Final = (".mkv",)
WEBM: Final = (".webm",)

_SPEEDS: Final[dict[str, tuple[str, str]]] = {
    "ultrafast": ("8", "13"),
    "superfast": ("7", "12"),
    "veryfast": ("6", "11"),
    "faster": ("6", "10"),
    "fast": ("5", "9"),
    "medium": ("4", "8"),
    "slow": ("2", "6"),
    "slower": ("1", "4"),
    "veryslow": ("0", "2"),
    "placebo": ("0", "0"),
}
"""The presets of x264 and x265, and what comes near them for libvpx-vp9 and SVT-AV1."""

PRESETS: Final = tuple(_SPEEDS)
"""How long an encoder may think, the shortest first."""


@dataclass(frozen=True, slots=True)
class Request:
    """How well, and how slowly, a film is to be written."""

    crf: int | None = None
    """Constant rate factor; None for one that is hard to tell from the source by eye."""
    lossless: bool = False
    """Keep every sample that the encoder is given."""
    preset: str = "medium"
    """How long the encoder may think: one of PRESETS."""
    extra: Mapping[str, str] | None = None
    """Parameters in the encoder's own syntax, such as the metadata of HDR."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """One encoder of FFmpeg."""

    name: str
    family: str
    """FFmpeg's name of what it writes."""
    title: str
    """The same for people."""
    containers: tuple[str, ...]
    options: Callable[[Request, Layout], dict[str, str]]
    crf: int | None = None
    """Hard to tell from the source by eye; scales differ. None: it takes none."""
    lossless: bool = True
    """Whether it can be."""
    odd: bool = False
    """Whether it halves the chroma of odd sizes."""
    smallest: int = 1
    """Shortest side in pixels."""
    formats: tuple[str, ...] = ()
    """The only pixel formats that it is given, by FFmpeg's names; empty: all that are planar."""

    @property
    def layouts(self) -> dict[Layout, str]:
        """What it takes, as planes and by name; empty where this FFmpeg does not have it."""
        return _layouts(self.name, self.formats)


@cache
def _layouts(name: str, wanted: tuple[str, ...]) -> dict[Layout, str]:
    try:
        formats = [each.name for each in av.Codec(name, "w").video_formats or []]
    except UnknownCodecError:
        return {}
    found: dict[Layout, str] = {}
    for each in formats:
        packing = packing_of(each) if each in wanted else None
        layout = packing.layout if packing else None if wanted else layout_of(each)
        if layout is not None and not each.startswith("yuvj"):
            found.setdefault(layout, each)
    return found


def _x264(request: Request, layout: Layout) -> dict[str, str]:
    """Always the same bytes for the same frames.

    The result of x264 depends on the number of threads, which by default is that of the machine's
    cores. Its macroblock tree uses approximations that differ between processors, and with AVX-512
    its result was seen to change from run to run on a busy machine; without the tree files are up
    to a quarter larger.
    """
    quality = {"qp": "0"} if request.lossless else {"crf": _crf(request, X264)}
    parameters = {"mbtree": "0", **(request.extra or {})}
    return {
        **quality,
        "preset": request.preset,
        "threads": "4",
        "x264-params": _joined(parameters),
    }


def _x265(request: Request, layout: Layout) -> dict[str, str]:
    """As many threads everywhere; no words about itself on the screen or in the file."""
    parameters = {"log-level": "none", "info": "0", "pools": "4", "frame-threads": "2"}
    parameters |= {"lossless": "1"} if request.lossless else {}
    options = {} if request.lossless else {"crf": _crf(request, X265)}
    parameters |= request.extra or {}
    return {**options, "preset": request.preset, "x265-params": _joined(parameters)}


def _vp9(request: Request, layout: Layout) -> dict[str, str]:
    quality = {"lossless": "1"} if request.lossless else {"crf": _crf(request, VP9), "b": "0"}
    speed = {"deadline": "good", "cpu-used": _SPEEDS[request.preset][0]}
    hidden = {"auto-alt-ref": "0"} if layout.alpha else {}  # frames without a picture for alpha
    return {**quality, **speed, **hidden, "row-mt": "1", "threads": "4"}


def _av1(request: Request, layout: Layout) -> dict[str, str]:
    parameters = {"lp": "2", **(request.extra or {})}
    parameters |= {"lossless": "1"} if request.lossless else {}
    quality = {} if request.lossless else {"crf": _crf(request, AV1)}
    return {**quality, "preset": _SPEEDS[request.preset][1], "svtav1-params": _joined(parameters)}


def _prores(request: Request, layout: Layout) -> dict[str, str]:
    return {"profile": "4444" if layout.chroma == "444" else "hq", "threads": "4"}


def _ffv1(request: Request, layout: Layout) -> dict[str, str]:
    return {"level": "3", "slicecrc": "1", "threads": "4"}


def _crf(request: Request, encoder: Encoder) -> str:
    return str(encoder.crf if request.crf is None else request.crf)


def _joined(parameters: Mapping[str, str]) -> str:
    return ":".join(f"{name}={value}" for name, value in parameters.items())


X264: Final = Encoder("libx264", "h264", "H.264", MP4 + MOV + MKV, _x264, crf=18)
X265: Final = Encoder("libx265", "hevc", "HEVC", MP4 + MOV + MKV, _x265, crf=19, smallest=16)
VP9: Final = Encoder(
    "libvpx-vp9",
    "vp9",
    "VP9",
    MP4 + MKV + WEBM,
    _vp9,
    crf=24,
    odd=True,
)
AV1: Final = Encoder(
    "libsvtav1",
    "av1",
    "AV1",
    MP4 + MKV + WEBM,
    _av1,
    crf=24,
    odd=True,
    smallest=16,
)
PRORES: Final = Encoder("prores_ks", "prores", "ProRes", MOV + MKV, _prores, lossless=False)
FFV1: Final = Encoder("ffv1", "ffv1", "FFV1", MKV, _ffv1, odd=True)

ENCODERS: Final = (X264, X265, VP9, AV1, PRORES, FFV1)
"""In the order in which they are tried for a film that none of them writes by nature."""
