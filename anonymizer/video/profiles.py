"""Colour profiles without what they tell of devices, people and dates (ICC.1:2022)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

_HEADER: Final = 128
_SIGNATURE: Final = slice(36, 40)
_TELLING: Final = (slice(4, 8), slice(24, 36), slice(40, 44), slice(48, 56), slice(80, 100))
"""Of the header: preferred program, date, platform, device, creator, checksum; 0 says nothing."""
_COLOUR: Final = frozenset(
    b"wtpt bkpt chad chrm lumi gamt cicp rXYZ gXYZ bXYZ rTRC gTRC bTRC kTRC "
    b"A2B0 A2B1 A2B2 A2B3 B2A0 B2A1 B2A2 B2A3 D2B0 D2B1 D2B2 D2B3 B2D0 B2D1 B2D2 B2D3".split()
)
"""Tags that say how numbers become colours. Others name monitors, makers and serial numbers."""
_NAME: Final = "as in the source"
_RIGHTS: Final = "none stated"


def colours_of(profile: bytes) -> bytes | None:
    """The same colours in a profile of our own words; None if it cannot be read.

    Args:
        profile: An ICC profile of any version, as files carry it.
    """
    if len(profile) < _HEADER + 4 or profile[_SIGNATURE] != b"acsp":
        return None
    header = bytearray(profile[:_HEADER])
    for place in _TELLING:
        header[place] = bytes(place.stop - place.start)
    try:
        tags = dict(_tags(profile))
    except (struct.error, ValueError):
        return None
    if not tags:
        return None
    words = _text if header[8] >= 4 else _old_text
    tags |= {b"desc": words(b"desc", _NAME), b"cprt": words(b"text", _RIGHTS)}
    return _joined(header, tags)


def _tags(profile: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of what is kept.

    Raises:
        ValueError: if some of it lies outside of the profile.
    """
    (count,) = struct.unpack_from(">I", profile, _HEADER)
    for number in range(min(count, 1000)):
        name, start, size = struct.unpack_from(">4sII", profile, _HEADER + 4 + 12 * number)
        if start + size > len(profile):
            raise ValueError(f"tag {name!r} ends behind the profile")
        if name in _COLOUR:
            yield name, profile[start : start + size]


def _joined(header: bytearray, tags: dict[bytes, bytes]) -> bytes:
    """Header, table and contents; equal contents are stored once, each at a multiple of 4."""
    start = _HEADER + 4 + 12 * len(tags)
    places: dict[bytes, int] = {}
    for content in tags.values():
        if content not in places:
            places[content] = start
            start += -(-len(content) // 4) * 4
    header[:4] = struct.pack(">I", start)
    table = b"".join(
        struct.pack(">4sII", name, places[content], len(content)) for name, content in tags.items()
    )
    body = b"".join(content + bytes(-len(content) % 4) for content in places)
    return bytes(header) + struct.pack(">I", len(tags)) + table + body


def _text(_: bytes, words: str) -> bytes:
    """Words of version 4: one record in one language."""
    content = words.encode("utf-16-be")
    return struct.pack(">4s4xII4sII", b"mluc", 1, 12, b"enUS", len(content), 28) + content


def _old_text(kind: bytes, words: str) -> bytes:
    """Words of version 2; descriptions also have room for two other scripts, here empty."""
    content = words.encode("ascii") + b"\0"
    if kind == b"text":
        return struct.pack(">4s4x", kind) + content
    return struct.pack(">4s4xI", kind, len(content)) + content + bytes(78)
