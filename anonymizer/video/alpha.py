"""Transparency that FFmpeg's usual decoder passes over."""

from __future__ import annotations

from typing import Final

import av
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

WARNING: Final = "transparency of a film that is shown turned cannot be read; left out"
PIXEL_FORMAT: Final = "yuva420p"
"""Of VP8 and VP9 with transparency, which have no other."""
_DECODERS: Final = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""Those that heed the second film beside the picture, for transparency."""


def has_alpha(stream: VideoStream) -> bool:
    """Whether it is VP8 or VP9 with a second film beside it, for transparency."""
    return stream.codec_context.name in _DECODERS and stream.metadata.get("alpha_mode") == "1"


def alpha_decoder(stream: VideoStream) -> VideoCodecContext:
    """A decoder for it that gives pictures with alpha. It knows nothing of how they are turned."""
    decoder = av.CodecContext.create(_DECODERS[stream.codec_context.name], "r")
    assert isinstance(decoder, VideoCodecContext)
    return decoder
