"""The units that H.264 and HEVC packets are made of, and which of them decoding can begin at.

ITU-T H.264 and H.265, section 7.3.1 (units) and annex D (messages); ISO/IEC 14496-15 for packets
that give lengths instead of start codes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_START: Final = re.compile(rb"\x00\x00\x01")
_RECOVERY_POINT: Final = 6
"""Message of H.264 that says from where pictures are right."""

IDR: Final = 5
"""Unit type of H.264: part of a picture from which nothing looks back."""
SEI: Final = 6
"""Unit type of H.264: messages."""
SPS, PPS = 7, 8
"""Unit types of H.264: parameter sets."""
_RANDOM_ACCESS: Final = range(16, 22)
"""Unit types of HEVC: pictures from which all later ones can be decoded."""
_HEVC_PICTURES: Final = 32
"""Unit types of HEVC below this are parts of pictures."""


def length_size(codec: str, extradata: bytes | None) -> int:
    """Bytes of the length before every unit; 0 where units begin with start codes instead.

    Args:
        codec: ``h264`` or ``hevc``.
        extradata: What the container says of the stream.
    """
    place = {"h264": 4, "hevc": 21}[codec]
    if not extradata or len(extradata) <= place or extradata[0] != 1:
        return 0
    return (extradata[place] & 3) + 1


def units(packet: bytes, length: int) -> list[bytes]:
    """The units of a packet without lengths and start codes.

    Args:
        packet: One picture.
        length: What ``length_size`` said.

    Raises:
        ValueError: if lengths do not fit the packet.
    """
    return list(_counted(packet, length) if length else _marked(packet))


def _counted(packet: bytes, length: int) -> Iterator[bytes]:
    at = 0
    while at < len(packet):
        start = at + length
        size = int.from_bytes(packet[at:start], "big")
        at = start + size
        if not size or at > len(packet):
            raise ValueError(f"a unit of {size} bytes ends beyond a packet of {len(packet)}")
        yield packet[start:at]


def _marked(packet: bytes) -> Iterator[bytes]:
    """Units between start codes; zeros before a start code belong to no unit."""
    marks = [found.span() for found in _START.finditer(packet)]
    ends = [start for start, _ in marks[1:]] + [len(packet)]
    for (_, start), end in zip(marks, ends, strict=True):
        if unit := packet[start:end].rstrip(b"\0"):
            yield unit


def kind(unit: bytes) -> int:
    """Unit type of H.264."""
    return unit[0] & 31


def is_entry(codec: str, packet: bytes, length: int) -> bool:
    """Whether every picture shown from this one on can be decoded without those before it.

    Args:
        codec: ``h264`` or ``hevc``.
        packet: One picture.
        length: What ``length_size`` said.
    """
    try:
        parts = units(packet, length)
    except ValueError:
        return False
    if codec == "hevc":
        kinds = [unit[0] >> 1 & 63 for unit in parts]
        pictures = [one for one in kinds if one < _HEVC_PICTURES]
        return bool(pictures) and pictures[0] in _RANDOM_ACCESS
    if any(kind(unit) == IDR for unit in parts):
        return True
    return any(_recovers(content) for name, content in messages(parts) if name == _RECOVERY_POINT)


def messages(parts: list[bytes]) -> Iterator[tuple[int, bytes]]:
    """(type, content) of every message in units of H.264; broken ones end the search in theirs."""
    for unit in parts:
        if kind(unit) != SEI:
            continue
        yield from payloads(unescaped(unit[1:]))


def payloads(content: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, content) of every message in what follows the header of a unit."""
    at = 0
    while at + 2 < len(content):
        name, at = _sum(content, at)
        size, at = _sum(content, at)
        yield name, content[at : at + size]
        at += size


def _sum(content: bytes, at: int) -> tuple[int, int]:
    """A number as bytes of 255 and a last smaller one, and what follows."""
    total = 0
    while at < len(content) and content[at] == 255:
        total, at = total + 255, at + 1
    return total + (content[at] if at < len(content) else 0), at + 1


def is_filling(content: bytes) -> bool:
    """Whether a unit that fills up holds nothing else."""
    return not content.rstrip(b"\x80").strip(b"\xff")


def unescaped(unit: bytes) -> bytes:
    """A unit without the bytes that keep start codes out of it."""
    return unit.replace(b"\0\0\3", b"\0\0")


def escaped(content: bytes) -> bytes:
    """A unit with bytes that keep start codes out of it: the reverse of ``unescaped``."""
    made, zeros = bytearray(), 0
    for byte in content:
        if zeros >= 2 and byte <= 3:
            made.append(3)
            zeros = 0
        made.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(made)


def _recovers(content: bytes) -> bool:
    """Whether a recovery point is at once and exact: ``recovery_frame_cnt`` 0, ``exact_match``."""
    return bool(content) and content[0] & 0xC0 == 0xC0
