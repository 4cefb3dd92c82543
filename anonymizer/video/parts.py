"""Some frames of a film, the very ones that reading all of it gives."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from anonymizer.data import Frame, StreamInfo
from anonymizer.video.damage import Damage
from anonymizer.video.developing import Developer, Manner
from anonymizer.video.failures import reading
from anonymizer.video.orientation import Orientation
from anonymizer.video.packets import decoding_stream, open_input, packets_of
from anonymizer.video.prefetch import prefetch as work_ahead
from anonymizer.video.timetable import Indivisible, Timetable


class Part:
    """Consecutive frames of a film, with the numbers and times they have in it.

    Nothing is sought in the file: its packets are read from the start, and decoded from the last
    entry before the part on, so that any container will do. What is decoded must be what the
    timetable says.
    """

    def __init__(
        self,
        path: Path,
        info: StreamInfo,
        stored: tuple[Orientation, tuple[int, int]],
        table: Timetable,
        frames: range,
        *,
        ahead: int,
        manner: Manner,
    ) -> None:
        """Read nothing yet.

        Args:
            path: The film.
            info: What its header says.
            stored: How its pictures are turned, and their (width, height) before that.
            table: Of the film.
            frames: Which to read.
            ahead: How many frames are decoded ahead.
            manner: How their RGB pictures are made.

        Raises:
            ValueError: if the film has no such frames.
        """
        if not 0 <= frames.start < frames.stop <= len(table.pts):
            raise ValueError(f"frames {frames.start} to {frames.stop} of {len(table.pts)}")
        self._path, self._info, self._stored = path, info, stored
        self._table, self._frames = table, frames
        self._depth, self._manner = ahead, manner

    @property
    def info(self) -> StreamInfo:
        """What the film's header and its first picture say."""
        return self._info

    def __iter__(self) -> Iterator[Frame]:
        """Open the file anew and decode in a thread, a few frames ahead.

        Raises:
            Indivisible: if the film cannot be read in parts after all.
            UnreadableVideo: if reading fails otherwise.
        """
        return work_ahead(self._read(), self._depth)

    def _read(self) -> Iterator[Frame]:
        table, frames = self._table, self._frames
        entry = table.entry(frames.start)
        index = int(table.entries[entry])
        develop = Developer(self._path, self._info, *self._stored, self._manner)
        with reading(self._path), open_input(self._path) as container:
            stream = decoding_stream(container, self._path)
            for picture in self._pictures(container, stream, int(table.packets[entry])):
                if (
                    entry
                    and picture.pts is not None
                    and picture.pts < table.pts[table.entries[entry]]
                ):
                    continue  # it belongs to what comes before the entry
                self._insist(picture, index)
                if index >= frames.start:
                    yield develop(picture, index=index, pts=int(table.pts[index]))
                index += 1
                if index == frames.stop:
                    return
        raise Indivisible(f"no picture comes for frame {index}")

    def _pictures(
        self, container: InputContainer, stream: VideoStream, first: int
    ) -> Iterator[av.VideoFrame]:
        """Pictures decoded from a packet on."""
        damage = Damage(self._path)
        try:
            for packet in islice(packets_of(container, [stream], damage), first, None):
                yield from stream.decode(packet)
            yield from stream.decode(None)
        except av.error.InvalidDataError as error:
            raise Indivisible("it is damaged") from error
        if damage.total:
            raise Indivisible("it is damaged")

    def _insist(self, picture: av.VideoFrame, index: int) -> None:
        if picture.interlaced_frame:
            raise Indivisible("it is interlaced, and fields are completed by their neighbours")
        if picture.pts != self._table.pts[index]:
            raise Indivisible(f"frame {index} is shown at another time than its packet says")
