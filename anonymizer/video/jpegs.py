"""JPEG files: their parts read, and written as finely as before."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from typing import Any, Final

from PIL import Image

from anonymizer.video.labels import DAMAGED, MORE, Coding, Labels, NotRead, cleaned, turned_by
from anonymizer.video.native import Samples

START: Final = b"\xff\xd8\xff"
_STANDALONE: Final = re.compile(rb"\xff[^\0\xd0-\xd7\xff]")
"""A marker in the compressed part of a JPEG picture that is more than a restart."""
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of the header of a frame (ITU-T T.81, table B.1)."""
_ZIGZAG: Final = tuple(
    sorted(
        range(64),
        key=lambda at: (at // 8 + at % 8, at // 8 if (at // 8 + at % 8) % 2 else at % 8),
    )
)
"""Place in rows of the n-th number of a quantisation table (ITU-T T.81, figure 5)."""

_SAMPLINGS: Final = {(1, 1): 0, (2, 1): 1, (2, 2): 2}
"""Pillow's numbers of what it can write."""
_QUALITY: Final = 95
"""Of pictures that were no JPEG."""


def labels_of(data: bytes) -> Labels:
    """What a JPEG file says beside the samples.

    Raises:
        NotRead: if its end is missing, or its colours are those of ink.
    """
    tables: dict[int, tuple[int, ...]] = {}
    frame, exif, profile = b"", b"", b""
    progressive = False
    end = len(data)
    for marker, content, end in _segments(data):  # noqa: B007 - the last one counts
        if marker == 0xDB:
            tables |= _tables(content)
        elif marker in _FRAMES and not frame:
            frame, progressive = content, marker in (0xC2, 0xC6, 0xCA, 0xCE)
        elif marker == 0xE1 and content.startswith(b"Exif\0\0") and not exif:
            exif = content[6:]
        elif marker == 0xE2 and content.startswith(b"ICC_PROFILE\0"):
            profile += content[14:]
    if len(frame) < 9 or len(frame) < 6 + 3 * frame[5]:
        raise NotRead(DAMAGED)
    if frame[5] == 4:
        raise NotRead("has colours for print (CMYK); convert it to RGB first")
    orientation, said = turned_by(exif)
    kept, warned = cleaned(profile or None)
    more = (MORE,) if data[end:].strip(b"\0\r\n") else ()
    coding = _coding(frame, tables, progressive=progressive)
    warnings = said + warned + more
    return Labels("jpeg", orientation, kept, coding=coding, lossless=False, warnings=warnings)


def _segments(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Marker, content and end of the segments of a JPEG file, its end (0xD9) the last one.

    Raises:
        NotRead: if that is missing.
    """
    at = 2
    while (found := _STANDALONE.search(data, at)) is not None:
        marker, start = data[found.start() + 1], found.end()
        if marker == 0xD9:
            yield marker, b"", start
            return
        at = start + int.from_bytes(data[start : start + 2], "big")
        yield marker, data[start + 2 : at], at
    raise NotRead(DAMAGED)


def _tables(content: bytes) -> dict[int, tuple[int, ...]]:
    """Quantisation tables by their numbers (ITU-T T.81, B.2.4.1)."""
    found: dict[int, tuple[int, ...]] = {}
    while len(content) >= 65:
        wide, number = content[0] >> 4, content[0] & 15
        size = 64 * (1 + bool(wide))
        listed = struct.unpack(">64H" if wide else ">64B", content[1 : 1 + size].ljust(size, b"\1"))
        rows = [0] * 64
        for place, value in zip(_ZIGZAG, listed, strict=True):
            rows[place] = value
        found[number], content = tuple(rows), content[1 + size :]
    return found


def _coding(
    frame: bytes, tables: dict[int, tuple[int, ...]], *, progressive: bool
) -> Coding | None:
    """What the header of a frame and the tables that it names say; None if one is not there."""
    parts = [frame[6 + 3 * number : 9 + 3 * number] for number in range(frame[5])]
    if any(part[2] not in tables for part in parts):
        return None
    across, down = (
        (parts[0][1] >> bits & 15) // max(1, parts[-1][1] >> bits & 15) for bits in (4, 0)
    )
    used = tuple(tables[part[2]] for part in parts[:2])
    return Coding(used, (across, down), progressive)


def file_of(samples: Samples, labels: Labels) -> bytes:
    """A JPEG file; with the tables and sampling of the source what was not painted hardly changes.

    Args:
        samples: ``(H, W, 1)`` grey or ``(H, W, 3)`` RGB of 8 bits.
        labels: How finely to code it, and what to say of its colours.
    """
    grey = samples.shape[2] == 1
    how: dict[str, Any] = {"quality": _QUALITY}
    if coding := labels.coding:
        how = {
            "qtables": [list(table) for table in coding.tables],
            "progressive": coding.progressive,
        }
    if not grey:
        how["subsampling"] = _SAMPLINGS.get(labels.coding.sampling, 0) if labels.coding else 0
    written = io.BytesIO()
    picture = Image.fromarray(samples[..., 0] if grey else samples)
    picture.save(written, "JPEG", icc_profile=labels.profile or b"", **how)
    return written.getvalue()
