"""WebP files: their parts read, and written with none but what the picture needs."""

from __future__ import annotations

import io
import struct

from PIL import Image

from anonymizer.video.labels import DAMAGED, Labels, NotRead, cleaned, only_one, turned_by
from anonymizer.video.native import Samples

_QUALITY = 95
_LONGEST = 16_383


def is_webp(data: bytes) -> bool:
    """Whether it begins as WebP does."""
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def labels_of(data: bytes) -> Labels:
    """What a WebP file says beside the samples.

    Raises:
        NotRead: if its end is missing, or it is an animation.
    """
    parts: dict[bytes, bytes] = {}
    at, frames = 12, 0
    if len(data) < 8 + int.from_bytes(data[4:8], "little"):
        raise NotRead(DAMAGED)
    while at + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, at)
        frames += name == b"ANMF"
        parts.setdefault(name, data[at + 8 : at + 8 + length])
        at += 8 + length + length % 2
    only_one(frames)
    orientation, said = turned_by(parts.get(b"EXIF", b"").removeprefix(b"Exif\0\0"))
    profile, warned = cleaned(parts.get(b"ICCP"))
    return Labels(
        "webp",
        orientation,
        profile,
        lossless=b"VP8L" in parts,
        warnings=said + warned,
    )


def file_of(samples: Samples, labels: Labels, *, lossless: bool) -> bytes:
    """A WebP file; colours that are transparent stay what they are.

    Args:
        samples: ``(H, W, 3)`` or with alpha ``(H, W, 4)``, 8 bit RGB.
        labels: What to say of its colours.
        lossless: Whether no sample may change.

    Raises:
        NotRead: if it is too large for WebP.
    """
    if max(samples.shape[:2]) > _LONGEST:
        raise NotRead("a picture of this size does not fit the format; write .png")
    written = io.BytesIO()
    Image.fromarray(samples).save(
        written,
        "WEBP",
        quality=_QUALITY,
        lossless=lossless,
        exact=True,
        icc_profile=labels.profile or b"",
    )
    return written.getvalue()
