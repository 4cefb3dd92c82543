"""The box in which files keep the parameter sets of H.264 (ISO/IEC 14496-15, 5.3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from anonymizer.video import nals
from anonymizer.video.h264 import FINE, Bits, Unusual, sps_of


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a file says of a stream: its parameter sets."""

    sps: tuple[bytes, ...]
    pps: tuple[bytes, ...]

    @classmethod
    def read(cls, extradata: bytes) -> Configuration:
        """From the box of a file, or from units with start codes.

        Raises:
            Unusual: if it is neither.
        """
        if extradata[:1] == b"\1":
            return _boxed(extradata)
        units = nals.units(extradata, 0)
        kinds = [(nals.kind(unit), unit) for unit in units]
        return cls(
            tuple(unit for kind, unit in kinds if kind == nals.SPS),
            tuple(unit for kind, unit in kinds if kind == nals.PPS),
        )

    @property
    def numbers(self) -> set[int]:
        """Of all parameter sets of both kinds."""
        return {sps_of(unit).number for unit in self.sps} | {
            Bits(nals.unescaped(unit)[1:]).unsigned() for unit in self.pps
        }

    def box(self) -> bytes:
        """The box, with lengths of four bytes; it promises as much as any stream needs."""
        all_sps = [sps_of(unit) for unit in self.sps]
        highest = max(all_sps, key=lambda sps: (sps.profile in FINE, sps.profile))
        alike = [sps.constraints for sps in all_sps if sps.profile == highest.profile]
        constraints = 255
        for each in alike:
            constraints &= each
        level = max(sps.level for sps in all_sps)
        head = bytes([1, highest.profile, constraints, level, 0xFF, 0xE0 | len(self.sps)])
        sets = _listed(self.sps) + bytes([len(self.pps)]) + _listed(self.pps)
        if highest.profile not in FINE:
            return head + sets
        luma, chroma = (depth - 8 for depth in highest.look.depth)
        return head + sets + bytes([0xFC | highest.look.chroma, 0xF8 | luma, 0xF8 | chroma, 0])


def _listed(units: Sequence[bytes]) -> bytes:
    return b"".join(len(unit).to_bytes(2, "big") + unit for unit in units)


def _boxed(box: bytes) -> Configuration:
    at, found = 5, []
    for mask in (31, 255):
        if at >= len(box):
            raise Unusual("what the file says of its parameter sets ends too early")
        count, at = box[at] & mask, at + 1
        units = []
        for _ in range(count):
            size = int.from_bytes(box[at : at + 2], "big")
            units.append(box[at + 2 : at + 2 + size])
            at += 2 + size
        found.append(tuple(units))
    if at > len(box):
        raise Unusual("what the file says of its parameter sets ends too early")
    return Configuration(*found)
