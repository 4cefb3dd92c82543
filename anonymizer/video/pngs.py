"""PNG files: their parts read, and written with none but what the picture needs."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from fractions import Fraction
from typing import Final

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext

from anonymizer.video.labels import DAMAGED, Labels, NotRead, cleaned, only_one, turned_by
from anonymizer.video.native import Samples

START: Final = b"\x89PNG\r\n\x1a\n"
_COLOURS: Final = {b"cHRM": 32, b"gAMA": 4, b"sRGB": 1, b"cICP": 4, b"mDCV": 24, b"cLLI": 8}
"""Chunks that say how numbers become colours, and their lengths."""
_FORMATS: Final = {1: ("gray", "gray16be"), 2: ("ya8", "ya16be")} | {
    3: ("rgb24", "rgb48be"),
    4: ("rgba", "rgba64be"),
}
"""FFmpeg's names by the number of channels, for 8 and for 16 bits."""
_MOST: Final = 1 << 26
"""Bytes of a profile."""


def labels_of(data: bytes) -> Labels:
    """What a PNG file says beside the samples.

    Raises:
        NotRead: if some part of it is missing, or it is an animation.
    """
    parts = dict(reversed([part for part in _parts(data) if part[0] != b"IDAT"]))
    header, animation = parts.get(b"IHDR", b""), parts.get(b"acTL", b"")
    if len(header) != 13:
        raise NotRead(DAMAGED)
    only_one(int.from_bytes(animation[:4], "big"))
    depth, colour = header[8:10]
    orientation, said = turned_by(parts.get(b"eXIf", b""))
    profile, warned = cleaned(_profile(parts))
    clear = parts.get(b"tRNS", b"")
    return Labels(
        "png",
        orientation,
        profile,
        tuple(
            (name, parts[name]) for name in _COLOURS if len(parts.get(name, b"")) == _COLOURS[name]
        ),
        grey=colour in (0, 4),
        clear=_spread(clear, depth) if colour == 0 and len(clear) == 2 else None,
        warnings=said + warned,
    )


def _parts(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of the chunks of a PNG file.

    Raises:
        NotRead: if its end is missing.
    """
    at = len(START)
    while at + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        yield name, data[at + 8 : at + 8 + length]
        if name == b"IEND":
            return
        at += 12 + length
    raise NotRead(DAMAGED)


def _profile(parts: dict[bytes, bytes]) -> bytes | None:
    """What was compressed; what cannot be read is a damaged profile."""
    if b"iCCP" not in parts:
        return None
    try:
        content = parts[b"iCCP"].partition(b"\0")[2][1:]
        return zlib.decompressobj().decompress(content, _MOST) or b"?"
    except zlib.error:
        return b"?"


def _spread(clear: bytes, depth: int) -> int:
    """A grey value of up to 8 bits in 8, one of 16 as it is."""
    value = int.from_bytes(clear, "big") & ((1 << depth) - 1)
    return value if depth == 16 else value * 255 // ((1 << depth) - 1)


def file_of(samples: Samples, labels: Labels) -> bytes:
    """A PNG file, without loss.

    Args:
        samples: ``(H, W, C)`` of 8 or 16 bits: grey, grey and alpha, RGB, or RGB and alpha.
        labels: What to say of its colours.
    """
    parts = [
        part for part in _parts(_compressed(samples)) if part[0] in (b"IDAT", b"IHDR", b"IEND")
    ]
    said = list(labels.colours)
    if labels.profile:
        said.insert(0, (b"iCCP", b"profile\0\0" + zlib.compress(labels.profile)))
    return START + b"".join(_part(*part) for part in (parts[0], *said, *parts[1:]))


def _part(name: bytes, content: bytes) -> bytes:
    check = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)


def _compressed(samples: Samples) -> bytes:
    """As FFmpeg writes it."""
    height, width, channels = samples.shape
    pixel_format = _FORMATS[channels][samples.dtype == np.uint16]
    picture = av.VideoFrame(width, height, pixel_format)
    (plane,) = picture.planes
    lines = np.zeros((height, plane.line_size), np.uint8)
    stored = np.ascontiguousarray(samples, samples.dtype.newbyteorder(">"))
    lines[:, : stored[0].nbytes] = stored.view(np.uint8).reshape(height, -1)
    plane.update(lines.tobytes())
    encoder = av.CodecContext.create("png", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, pixel_format
    encoder.time_base, encoder.options = Fraction(1), {"pred": "mixed", "threads": "1"}
    return b"".join(bytes(packet) for packet in (*encoder.encode(picture), *encoder.encode(None)))
