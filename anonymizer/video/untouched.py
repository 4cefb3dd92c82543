"""Packets of a film as they are, and those of runs made to fit between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from zlib import crc32

import av
import numpy as np
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from anonymizer.data import Frame
from anonymizer.errors import SourceChanged, UnwritableOutput
from anonymizer.video import nals
from anonymizer.video.damage import Damage
from anonymizer.video.failures import reading
from anonymizer.video.groups import Groups
from anonymizer.video.h264 import Unusual
from anonymizer.video.native import Native, Samples, layout_of, planes_of
from anonymizer.video.packets import open_input, packets_of, picture_stream
from anonymizer.video.runs import Coded, Run
from anonymizer.video.timetable import Indivisible

LOOKED_AT: Final = 32
"""Frames of a run that are compared: twice what a decoder can hold."""


class Untouched(AbstractContextManager["Untouched"]):
    """The packets of a film, read once from first to last; a context manager."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next = 0
        self._packets: Iterator[av.Packet[Stream]] = iter(())
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            with reading(self._path):
                container = stack.enter_context(open_input(self._path))
                stream = picture_stream(container, self._path)
            self._packets = packets_of(container, [stream], Damage(self._path))
            self._exit = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._exit.close()

    def take(self, packets: range) -> Iterator[av.Packet[Stream]]:
        """The packets of these numbers, none of which may have been passed before.

        Raises:
            SourceChanged: if they are not there any more.
        """
        with reading(self._path):
            skipped = packets.start - self._next
            self._next = packets.stop
            count = 0
            for packet in islice(self._packets, skipped, skipped + len(packets)):
                count += 1
                yield packet
        if count != len(packets):
            raise SourceChanged(self._path, "lost packets while it was read; run again")


class Original:
    """A group of a film, to be joined as it is.

    Args:
        film: Its packets; groups are taken in their order, each once.
        groups: Of the film.
        packets: Numbers of those of the group, or of several in a row.
        extradata: What is going to be said of the whole stream.
    """

    def __init__(
        self, film: Untouched, groups: Groups, packets: range, *, extradata: bytes
    ) -> None:
        self._film, self._packets = film, packets
        self.pts: NDArray[np.int64] = groups.pts[packets.start : packets.stop]
        """``(N,)`` in the order of the packets."""
        self.extradata = extradata

    def __iter__(self) -> Iterator[Coded]:
        for packet in self._film.take(self._packets):
            yield Coded(packet.pts or 0, packet.is_keyframe, bytes(packet))


class Fitted:
    """A run whose units have lengths, and numbers, that go with those of a film beside it.

    Args:
        run: The run, whose units begin with start codes.
        groups: Of the film.
        extradata: What is going to be said of the whole stream.

    Raises:
        Indivisible: while it is read, if a unit cannot be made to go with them.
    """

    def __init__(self, run: Run, groups: Groups, *, extradata: bytes) -> None:
        self._run, self._dialect = run, groups.dialect
        self.pts: NDArray[np.int64] = run.pts
        """``(N,)`` in the order of the packets."""
        self.extradata = extradata

    def __iter__(self) -> Iterator[Coded]:
        for coded in self._run:
            units = [self._fitted(unit) for unit in nals.units(coded.content, 0)]
            content = b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)
            yield Coded(coded.pts, coded.is_key, content)

    def _fitted(self, unit: bytes) -> bytes:
        try:
            return self._dialect.fitted(unit)
        except Unusual as error:
            raise Indivisible(str(error)) from error


def said_of(groups: Groups, runs: Sequence[Run], path: Path) -> bytes:
    """What a file must say for groups of a film and runs to be decoded as one stream.

    Args:
        groups: Of the film.
        runs: That were encoded to match.
        path: The file, for errors.

    Raises:
        UnwritableOutput: if runs were encoded in different ways.
    """
    said = {run.extradata for run in runs}
    if len(said) > 1:
        raise UnwritableOutput(path, f"its {len(runs)} parts were encoded in different ways")
    return groups.dialect.said(said.pop() if said else None)


def same_picture(one: Frame, other: Frame) -> bool:
    """Whether two frames show the same, sample for sample as far as samples are known."""
    if isinstance(one.native, Native) and isinstance(other.native, Native):
        pairs = zip(one.native.planes, other.native.planes, strict=True)
        alike = one.native.layout == other.native.layout
        return alike and all(np.array_equal(*planes) for planes in pairs)
    return np.array_equal(one.image, other.image)


def digest_of(frame: Frame) -> int:
    """A checksum of all samples of a decoded frame; -1 if they are not known."""
    return _digest(frame.native.planes) if isinstance(frame.native, Native) else -1


def digests_of(run: Run, codec: str) -> dict[int, int]:
    """``digest_of`` the first frames of a run that is decoded by itself, by pts.

    It begins with a picture from which nothing looks back, so that after as many pictures as a
    decoder can hold, and some, nothing is left of what came before it in a film.
    """
    decoder = av.CodecContext.create(codec, "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.extradata = run.extradata
    found: dict[int, int] = {}
    for picture in islice(_decoded(decoder, run), LOOKED_AT):
        layout = layout_of(picture.format.name)
        if layout is not None and picture.pts is not None:
            found[picture.pts] = _digest(planes_of(picture, layout))
    return found


def _decoded(decoder: VideoCodecContext, run: Run) -> Iterator[av.VideoFrame]:
    for coded in run:
        packet: av.Packet[Stream] = av.Packet(coded.content)
        packet.pts = coded.pts
        yield from decoder.decode(packet)
    yield from decoder.decode(None)


def _digest(planes: Iterable[Samples]) -> int:
    made = 0
    for plane in planes:
        made = crc32(np.ascontiguousarray(plane).data, made)
    return made
