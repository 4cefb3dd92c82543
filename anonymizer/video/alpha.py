"""Transparency that FFmpeg's usual decoder passes over."""

from __future__ import annotations

from typing import Final

import av
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

WARNING: Final = "transparency of a film that is shown turned cannot be read; left out"
PIXEL_FORMAT: Final = "yuva420p"
"""Of VP9 with transparency, which has no other."""


def has_alpha(stream: VideoStream) -> bool:
    """Whether it is VP9 with a second film beside it, for transparency."""
    return stream.codec_context.name == "vp9" and stream.metadata.get("alpha_mode") == "1"


def alpha_decoder() -> VideoCodecContext:
    """A decoder for it that gives pictures with alpha. It knows nothing of how they are turned."""
    decoder = av.CodecContext.create("libvpx-vp9", "r")
    assert isinstance(decoder, VideoCodecContext)
    return decoder
