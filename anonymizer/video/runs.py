"""Runs of frames that were encoded apart from the film they belong to, in files of their own.

Such a file lives only until the film is joined, and nothing else reads it: the packets one after
the other, then a table of them as JSON, and its length in the last eight bytes. A file without the
table is not whole, whatever it holds. Every run begins with a key frame and looks at no other.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import av
import numpy as np
from av.stream import Stream
from numpy.typing import NDArray

from anonymizer.data import Frame, StreamInfo
from anonymizer.errors import UnwritableOutput
from anonymizer.video.behind import Behind
from anonymizer.video.compressing import Compressor, encoder_for
from anonymizer.video.encoding import Encoding
from anonymizer.video.failures import writing

FORMAT: Final = "veilframe-run-1"
_BROKEN: Final = "is not a whole run of frames; make it again"
_END: Final = 8
"""Bytes of the table's length."""


@dataclass(frozen=True, slots=True)
class Coded:
    """One picture as its encoder wrote it."""

    pts: int
    is_key: bool
    content: bytes


def write_run(path: Path, frames: Iterable[Frame], info: StreamInfo, encoding: Encoding) -> None:
    """Encode consecutive frames of a film into a file; one thread encodes, a few frames behind.

    Args:
        path: The file; it is replaced. It is whole when this returns, and not before.
        frames: In order; at least one.
        info: Of the film.
        encoding: Of the film: what joins it must have the same.

    Raises:
        UnwritableOutput: if the disk is full, say.
        ValueError: if there is no frame.
    """
    encoder = encoder_for(info, encoding)
    compress = Compressor(encoder, info, encoding)
    with ExitStack() as stack:
        with writing(path):
            writer = _Writer(stack.enter_context(path.open("wb")))
        behind = stack.enter_context(Behind("encode"))
        for frame in frames:
            with writing(path):
                behind(lambda frame: writer.add(compress.add(frame)), frame)
        with writing(path):
            behind(lambda: writer.add(compress.finish()))
            behind.finish()
            writer.finish(encoder.extradata or b"")


class _Writer:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.table: list[tuple[int, bool, int]] = []
        """(pts, whether it is a key frame, size) of every packet."""

    def add(self, packets: Iterable[av.Packet[Stream]]) -> None:
        for packet in packets:
            assert packet.pts is not None  # every encoder passes it on
            self.table.append((packet.pts, packet.is_keyframe, packet.size))
            self._file.write(bytes(packet))

    def finish(self, extradata: bytes) -> None:
        if not self.table:
            raise ValueError("a run needs at least one frame")
        table = {"format": FORMAT, "extradata": extradata.hex(), "packets": self.table}
        content = json.dumps(table).encode()
        self._file.write(content + len(content).to_bytes(_END, "big"))


class Run:
    """A file that ``write_run`` has written.

    Raises:
        UnwritableOutput: if it is not whole; it is made anew then.
    """

    def __init__(self, path: Path) -> None:
        table = _table(path)
        self._path = path
        self._packets: list[tuple[int, bool, int]] = table["packets"]
        self.extradata = bytes.fromhex(table["extradata"])
        """What its encoder says of all of its packets."""

    @property
    def pts(self) -> NDArray[np.int64]:
        """``(N,)`` in the order of the packets."""
        return np.array([pts for pts, _, _ in self._packets], np.int64)

    def __iter__(self) -> Iterator[Coded]:
        with self._path.open("rb") as file:
            for pts, is_key, size in self._packets:
                yield Coded(pts, is_key, file.read(size))


def _table(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            whole = file.seek(-_END, os.SEEK_END) + _END
            length = int.from_bytes(file.read(_END), "big")
            file.seek(whole - _END - length)
            table = json.loads(file.read(length))
        sizes = sum(size for _, _, size in table["packets"])
        if table["format"] == FORMAT and sizes + length + _END == whole:
            return dict(table)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnwritableOutput(path, _BROKEN) from error
    raise UnwritableOutput(path, _BROKEN)
