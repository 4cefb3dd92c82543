"""Encoders that are chips: used where one is asked for, and there."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import av
from av.video.codeccontext import VideoCodecContext

from anonymizer.errors import UsageError
from anonymizer.video.encoders import MKV, MOV, MP4, PRESETS, WEBM, Encoder, Request
from anonymizer.video.native import Layout

_SPEEDS: Final = dict(zip(PRESETS, (1, 1, 2, 3, 3, 4, 5, 6, 7, 7), strict=True))
"""NVENC's presets p1 to p7 that come near those of x264."""
_LAMBDA: Final = 118
"""FFmpeg's unit of a quality."""
_WORST: Final = 51
"""Of the scale that people know."""


def _nvenc(request: Request, layout: Layout) -> dict[str, str]:
    """Variable rate by constant quality; 0 would leave it to the card."""
    wanted = str(max(1, 19 if request.crf is None else request.crf))
    speed = f"p{_SPEEDS[request.preset]}"
    return {"rc": "vbr", "cq": wanted, "b": "0", "preset": speed, "tune": "hq"}


def _videotoolbox(request: Request, layout: Layout) -> dict[str, str]:
    """Constant quality from 1 to 100, the best, which is turned into what it takes."""
    wanted = 65 if request.crf is None else max(1, round(100 - 99 * request.crf / _WORST))
    return {"global_quality": str(wanted * _LAMBDA), "flags": "+qscale", "allow_sw": "0"}


CARDS: Final = (
    Encoder(
        "h264_nvenc",
        "h264",
        "H.264",
        MP4 + MOV + MKV,
        _nvenc,
        crf=19,
        lossless=False,
        formats=("yuv420p", "yuv444p"),
    ),
    Encoder(
        "hevc_nvenc",
        "hevc",
        "HEVC",
        MP4 + MOV + MKV,
        _nvenc,
        crf=19,
        lossless=False,
        formats=("yuv420p", "p010le", "yuv444p"),
    ),
    Encoder(
        "av1_nvenc",
        "av1",
        "AV1",
        MP4 + MKV + WEBM,
        _nvenc,
        crf=19,
        lossless=False,
        formats=("yuv420p", "p010le"),
    ),
    Encoder(
        "h264_videotoolbox",
        "h264",
        "H.264",
        MP4 + MOV + MKV,
        _videotoolbox,
        crf=18,
        lossless=False,
        formats=("yuv420p",),
    ),
    Encoder(
        "hevc_videotoolbox",
        "hevc",
        "HEVC",
        MP4 + MOV + MKV,
        _videotoolbox,
        crf=18,
        lossless=False,
        formats=("yuv420p", "p010le"),
    ),
)
"""Of NVIDIA and Apple; other chips differ in what they can do for one name."""


def insist_on(
    encoder: Encoder, size: tuple[int, int], pixel_format: str, options: dict[str, str]
) -> None:
    """Open an encoder for a moment: whether there is such a chip is known only then.

    Args:
        encoder: One of CARDS; of others nothing is asked.
        size: (width, height) of the film as stored, in pixels.
        pixel_format: What it would be given.
        options: What it would be asked for.

    Raises:
        UsageError: if it cannot be opened here, or not for such a film.
    """
    if encoder not in CARDS:
        return
    context = av.CodecContext.create(encoder.name, "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height = size
    context.pix_fmt = pixel_format
    context.time_base, context.framerate = Fraction(1, 25), Fraction(25)
    context.options = dict(options)
    try:
        context.open()
    except (av.error.FFmpegError, OSError) as error:
        raise UsageError(
            f"{encoder.name} cannot be opened on this machine for {size[0]}x{size[1]} pixels "
            f"({pixel_format}): no such chip, or no driver; leave --codec out, or choose libx264"
        ) from error
