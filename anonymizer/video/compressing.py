"""Frames through an encoder: how it is set up, and what it is given."""

from __future__ import annotations

import os
from fractions import Fraction
from typing import Final

import av
from av.codec.context import Flags
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext

from anonymizer.data import Frame, StreamInfo
from anonymizer.video.colour import RGB, UNSPECIFIED, matrix_for, swscale_range
from anonymizer.video.composing import Composer, keeps
from anonymizer.video.encoding import Encoding
from anonymizer.video.orientation import orientation_for
from anonymizer.video.packing import packing_of
from anonymizer.video.signals import LOCATIONS, signals_in

_TOLERANCE: Final = 128_000
"""What PyAV's own streams ask for."""


def describe(context: VideoCodecContext, info: StreamInfo, encoding: Encoding) -> None:
    """Tell an encoder that is not open yet what the pictures are like."""
    os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 writes on the screen; 1: errors only
    orientation = orientation_for(info.rotation, mirrored=info.mirrored)
    context.width, context.height = orientation.size((info.width, info.height))
    context.pix_fmt = encoding.pixel_format
    context.time_base = info.time_base
    if aspect := info.sample_aspect_ratio:
        context.sample_aspect_ratio = 1 / aspect if orientation.transpose else aspect
    _describe_colour(context, info, encoding)


def _describe_colour(context: VideoCodecContext, info: StreamInfo, encoding: Encoding) -> None:
    colour = info.colour
    context.color_primaries = colour.primaries or UNSPECIFIED
    context.color_trc = colour.transfer or UNSPECIFIED
    kept = _keeps(info, encoding) or colour.matrix is None
    context.colorspace = (None if kept else _matrix(info)) or colour.matrix or UNSPECIFIED
    if colour.full_range is not None:
        context.color_range = swscale_range(colour.full_range)
    if encoding.is_rgb:
        context.colorspace, context.color_range = RGB, swscale_range(True)


def _keeps(info: StreamInfo, encoding: Encoding) -> bool:
    """Whether samples of the source are written as they are."""
    source, target = map(packing_of, (info.pixel_format, encoding.pixel_format))
    return source is not None and target is not None and keeps(source.layout, target.layout)


def _matrix(info: StreamInfo) -> int:
    return matrix_for(info.colour, info.height)


def encoder_for(info: StreamInfo, encoding: Encoding) -> VideoCodecContext:
    """An encoder that belongs to no file, and writes what the one of a file would."""
    context = av.CodecContext.create(encoding.codec, "w")
    assert isinstance(context, VideoCodecContext)
    context.bit_rate, context.bit_rate_tolerance = 0, _TOLERANCE
    context.framerate = info.average_rate or Fraction(24)
    context.flags |= Flags.global_header
    context.options = dict(encoding.options)
    describe(context, info, encoding)
    return context


class Compressor:
    """Gives frames to an encoder; use it from one thread at a time.

    Args:
        context: The encoder, as ``describe`` left it.
        info: What the frames look like.
        encoding: What they are to become.
    """

    def __init__(self, context: VideoCodecContext, info: StreamInfo, encoding: Encoding) -> None:
        self._context, self._encoding = context, encoding
        orientation = orientation_for(info.rotation, mirrored=info.mirrored)
        self._compose = Composer(
            orientation.size((info.width, info.height)),
            encoding.pixel_format,
            orientation,
            matrix=_matrix(info),
            full=encoding.is_rgb or info.colour.full_range is True,
            chroma=LOCATIONS[signals_in(info.colour).chroma],
        )
        self._count = 0

    def add(self, frame: Frame) -> list[av.Packet[Stream]]:
        """Packets that are done once the encoder has this frame."""
        self._count += 1
        picture = self._compose(frame)
        self._describe(picture)
        picture.pts, picture.time_base = frame.pts, frame.time_base
        return self._context.encode(picture)

    def _describe(self, picture: av.VideoFrame) -> None:
        """Say of a picture what was said of all: ProRes looks nowhere else."""
        context = self._context
        picture.color_primaries, picture.color_trc = context.color_primaries, context.color_trc
        picture.colorspace, picture.color_range = context.colorspace, context.color_range

    def finish(self) -> list[av.Packet[Stream]]:
        """Packets of all frames that the encoder still has."""
        packets = self._context.encode(None)
        if self._encoding.codec == "libx265" and self._count <= 2:  # it leaves them undefined then
            for packet in packets:
                packet.dts = packet.pts
        return packets
