"""What is wrong with a film: counted, told, and beyond a bound the end of the reading."""

from __future__ import annotations

import heapq
import logging
from array import array
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.stream import Stream

from anonymizer.errors import DamagedVideo
from anonymizer.video.extent import Reach, promised_bytes

DAMAGED_IN_A_ROW: Final = 8
"""As many damaged packets without a good one between them end the reading."""
_UNREAD: Final = 0.05
"""Share of a file that indexes behind the last packet may fill."""
_TINY: Final = 16
"""Bytes of a packet that may say just that nothing changed; MPEG-4 gives no picture for those."""
_MOSTLY: Final = 0.9
"""Share of steps that are alike in a film of constant rate, some frames of which are lost."""
_HOLE: Final = 4
"""As many usual steps at once are a hole in it."""
_ENOUGH: Final = 8
"""As many steps that are alike make a rate."""
_JOINED_ANYWHERE: Final = {"mpegts", "mpeg"}
"""Formats of broadcasts, whose recordings begin between two key frames."""

_log = logging.getLogger(__name__)


class Damage:
    """Counts damaged packets and ends the reading after too many in a row."""

    __slots__ = ("_path", "_row", "total", "warnings")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._row = 0
        self.total = 0
        """All damaged packets so far."""
        self.warnings: list[str] = []
        """What else seems to be missing, in sentences; complete after the last packet."""

    def good(self) -> None:
        """Note a packet that could be used."""
        self._row = 0

    def bad(self, error: Exception, *, tolerated: bool = False) -> None:
        """Note a packet that could not.

        Raises:
            DamagedVideo: if it is one too many in a row, unless that is ``tolerated``.
        """
        self._row += 1
        self._count(1)
        if self._row >= DAMAGED_IN_A_ROW and not tolerated:
            reason = f"{self._row} damaged packets in a row; repair the file by remuxing it first"
            raise DamagedVideo(self._path, reason) from error

    def silent(self, packets: int, *, tolerated: bool = False) -> None:
        """Note packets in a row that the decoder took, and showed nothing for.

        A single one is no damage: it may be half a picture, or one that others are predicted from.

        Raises:
            DamagedVideo: if they are too many, unless that is ``tolerated``.
        """
        if packets < 2:
            return
        self._count(packets)
        if packets >= DAMAGED_IN_A_ROW and not tolerated:
            reason = f"{packets} packets in a row give no picture; repair or convert it first"
            raise DamagedVideo(self._path, reason)

    def _count(self, packets: int) -> None:
        if not self.total:
            _log.warning("%s: skipping a damaged packet", self._path.name)
        self.total += packets

    def check_end(self, frames: int, expected: int | None, reach: Reach) -> None:
        """Tell a damaged end from one that is missing.

        Headers may count frames that are never shown, and promise time in which nothing is: without
        a trace of damage that is only worth a warning.

        Raises:
            DamagedVideo: if the end is cut off.
        """
        if self.total:
            self.warnings.append(f"damaged packets were skipped: {self.total}")
        missing = (expected or 0) - frames - self.total
        if self.total and missing >= DAMAGED_IN_A_ROW:
            raise DamagedVideo(self._path, f"is cut off after {frames} of {expected} frames")
        short = self._bytes_short()
        missing = reach.missing_frames
        if missing >= DAMAGED_IN_A_ROW:
            reason = f"about {missing} frames of its end are missing after {frames} frames"
            if self.total or short or reach.unread() > _UNREAD:
                raise DamagedVideo(self._path, f"{reason}; repair the file by remuxing it first")
            self.warnings.append(f"{reason}, or its last picture stays")
        elif short:
            self.warnings.append(f"the file is {short} bytes shorter than its header says")
        elif missing > 1 and reach.unread() > _UNREAD:
            self.warnings.append(f"about {missing} frames of its end cannot be read")

    def check_steps(self, steps: Steps, time_base: Fraction) -> None:
        """Warn of holes in a film that otherwise goes on evenly; a file may have lost them."""
        if holes := steps.holes:
            start, stop = (float(pts * time_base) for pts in holes[0])
            more = f", and so {len(holes) - 1} times more" if len(holes) > 1 else ""
            self.warnings.append(
                f"no new picture from {start:.2f} s to {stop:.2f} s, as if some were lost{more}"
            )

    def _bytes_short(self) -> int:
        return max(0, (promised_bytes(self._path) or 0) - self._path.stat().st_size)


class Steps:
    """Times of the pictures of a film, in units of its time base."""

    def __init__(self) -> None:
        self._all = array("q")

    def note(self, pts: int) -> None:
        """Take account of the next picture."""
        self._all.append(pts)

    @property
    def holes(self) -> list[tuple[int, int]]:
        """Pts before and after long waits, if nearly all other steps are alike."""
        pts = np.array(self._all)
        steps = np.diff(pts)
        if not len(steps):
            return []
        usual = float(np.median(steps))
        long = steps >= _HOLE * usual
        alike = np.abs(steps[~long] - usual) <= max(1, usual / 16)
        if alike.sum() < _ENOUGH or alike.mean() < _MOSTLY:
            return []
        return [(int(pts[at]), int(pts[at + 1])) for at in np.flatnonzero(long)]


class Awaited:
    """Packets that the decoder took and whose pictures are yet to come."""

    def __init__(self, damage: Damage, format_name: str) -> None:
        self._damage = damage
        self._waiting: list[int] = []  # a heap of pts
        self._begun = False
        self._joined = format_name in _JOINED_ANYWHERE

    @property
    def tolerant(self) -> bool:
        """Whether this is the beginning of a recording that may begin between two key frames."""
        return self._joined and not self._begun

    def sent(self, packet: av.Packet[Stream]) -> None:
        """Note a packet that was decoded without an error."""
        if packet.pts is not None and not packet.is_discard and packet.size >= _TINY:
            heapq.heappush(self._waiting, packet.pts)

    def came(self, picture: av.VideoFrame) -> None:
        """Note a picture: what should have been shown before it never will be.

        Raises:
            DamagedVideo: see `Damage.silent`.
        """
        if picture.pts is None:
            return
        passed = 0
        while self._waiting and self._waiting[0] <= picture.pts:
            passed += heapq.heappop(self._waiting) < picture.pts
        self._damage.silent(passed, tolerated=self.tolerant)
        self._begun = True

    def end(self) -> None:
        """Note that no more pictures come."""
        self._damage.silent(len(self._waiting))
