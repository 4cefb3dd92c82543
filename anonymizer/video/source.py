"""Films as streams of RGB frames with exact times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from anonymizer.data import Frame, StreamInfo
from anonymizer.errors import UnreadableVideo
from anonymizer.video import alpha
from anonymizer.video.colour import colour_of
from anonymizer.video.damage import Damage, Steps
from anonymizer.video.developing import LAZILY, Developer, Manner
from anonymizer.video.extent import Reach
from anonymizer.video.failures import reading
from anonymizer.video.fields import WARNING, whole
from anonymizer.video.orientation import Orientation, orientation_of
from anonymizer.video.packets import decoding_stream, open_input, pictures_of
from anonymizer.video.parts import Part
from anonymizer.video.prefetch import prefetch as work_ahead
from anonymizer.video.signals import signals_of
from anonymizer.video.timetable import Indivisible, Timetable, timetable_of


class VideoSource:
    """A film that can be read from its start as often as needed.

    Frames are turned upright, 8 bit, and as large as the first one; ``pts`` are the file's own and
    strictly increase. Where the file gives none they continue the last step; where it repeats one
    it is moved on by one tick.

    Args:
        path: The file.
        number: Which of its films, from 0.
        prefetch: Frames decoded ahead.
        developed: Whether their RGB pictures are made ahead too; else where they are asked for.
        exact: Whether these have exact colours; else they may be some levels off, which is enough
            to look at them and many times as fast.

    Raises:
        UnreadableVideo: if the file is missing, no film, or not one picture can be decoded.
    """

    def __init__(
        self,
        path: Path,
        *,
        number: int = 0,
        prefetch: int = 4,
        developed: bool = True,
        exact: bool = True,
    ) -> None:
        self._path, self._number, self._depth = path, number, prefetch
        self._manner = Manner(developed, exact)
        self._damage = Damage(path)
        self._info, self._stored = _probe(path, number)
        self._table: Timetable | None = None

    @property
    def info(self) -> StreamInfo:
        """What the header and the first picture say."""
        return self._info

    @property
    def skipped(self) -> int:
        """Damaged packets skipped in the latest reading."""
        return self._damage.total

    @property
    def warnings(self) -> list[str]:
        """What seems to be missing beside those, or was changed, by the latest reading."""
        return list(self._damage.warnings)

    def timetable(self) -> Timetable:
        """When every frame is shown and where decoding can begin; read once, then known.

        Raises:
            Indivisible: if the film can only be read as a whole.
            DamagedVideo: if its end is cut off.
        """
        if self._number:
            raise Indivisible("it is not the first film of its file")
        if self._table is None:
            self._table = timetable_of(self._path, frames=self._info.frames)
            self._damage.warnings = self._damage.warnings or list(self._table.warnings)
        return self._table

    def part(self, frames: range, *, lazily: bool = False) -> Part:
        """Some frames of the film, as reading all of it gives them.

        Args:
            frames: Which.
            lazily: As `lazily` reads them.

        Raises:
            Indivisible: if the film can only be read as a whole.
            ValueError: if there are no such frames.
        """
        table = self.timetable()
        manner = LAZILY if lazily else self._manner
        where = self._info, self._stored, table
        return Part(self._path, *where, frames, ahead=self._depth, manner=manner)

    def __iter__(self) -> Iterator[Frame]:
        """Open the file anew and decode it in a thread, a few frames ahead.

        Raises:
            DamagedVideo: after too many damaged packets in a row.
            UnreadableVideo: if reading fails otherwise.
        """
        return self._read(self._manner)

    def lazily(self, *, told: bool = True) -> Iterator[Frame]:
        """The same, but RGB pictures are made only where they are asked for, in exact colours.

        Args:
            told: Whether `skipped` and `warnings` tell of this reading.
        """
        return self._read(LAZILY, told=told)

    def _read(self, manner: Manner, *, told: bool = True) -> Iterator[Frame]:
        damage = Damage(self._path)
        if told:
            self._damage = damage
        return work_ahead(self._frames(damage, manner), self._depth)

    def _frames(self, damage: Damage, manner: Manner) -> Iterator[Frame]:
        with reading(self._path), open_input(self._path) as container:
            stream = decoding_stream(container, self._path, self._number)
            clock, count = Clock(), 0
            develop = Developer(self._path, self._info, *self._stored, manner)
            reach, steps = Reach(container, stream), Steps()
            transparent = self._info.pixel_format == alpha.PIXEL_FORMAT and alpha.has_alpha(stream)
            if alpha.has_alpha(stream) and not transparent:
                damage.warnings.append(alpha.WARNING)
            decoder = alpha.alpha_decoder(stream) if transparent else None
            decoded = pictures_of(container, stream, damage, reach, decoder)
            for picture in whole(decoded, lambda: damage.warnings.append(WARNING)):
                pts = clock.pts(picture)
                steps.note(pts)
                yield develop(picture, index=count, pts=pts)
                count += 1
            damage.check_end(count, self._info.frames, reach)
            damage.check_steps(steps, self._info.time_base)
            damage.warnings += clock.warnings


class Clock:
    """Gives decoded pictures strictly increasing times."""

    __slots__ = ("_last", "_moved", "_step")

    def __init__(self) -> None:
        self._last: int | None = None
        self._moved = 0
        self._step = 1

    def pts(self, picture: av.VideoFrame) -> int:
        """The picture's own pts; else its dts, or the last pts and step; never a step back."""
        pts = picture.pts if picture.pts is not None else picture.dts
        if self._last is None:
            self._last = pts or 0
            self._step = picture.duration or 1
            return self._last
        self._moved += pts is not None and pts <= self._last
        pts = self._last + self._step if pts is None else max(pts, self._last + 1)
        self._step, self._last = pts - self._last, pts
        return pts

    @property
    def warnings(self) -> list[str]:
        """How many times were not as in the file, in a sentence; none if all were."""
        many = self._moved
        return [f"{many} times were moved on, as some repeat or step back"] if many else []


def _probe(path: Path, number: int) -> tuple[StreamInfo, tuple[Orientation, tuple[int, int]]]:
    """Header, and what only the first picture tells; the size is (width, height) as stored."""
    with reading(path), open_input(path) as container:
        stream = decoding_stream(container, path, number)
        picture = next(pictures_of(container, stream, Damage(path)), None)
        if picture is None:
            raise UnreadableVideo(path, "not one picture can be decoded")
        orientation = orientation_of(picture)
        info = _info(container, stream, picture, orientation)
        return info, (orientation, (picture.width, picture.height))


def _info(
    container: InputContainer,
    stream: VideoStream,
    picture: av.VideoFrame,
    orientation: Orientation,
) -> StreamInfo:
    width, height = picture.width, picture.height
    transparent = alpha.has_alpha(stream) and orientation == Orientation()
    aspect = stream.sample_aspect_ratio or None
    if orientation.transpose:
        width, height = height, width
        aspect = 1 / aspect if aspect else None
    return StreamInfo(
        width=width,
        height=height,
        time_base=stream.time_base or Fraction(1, 90_000),
        average_rate=stream.average_rate or None,
        frames=stream.frames or None,
        duration=_duration(container, stream),
        rotation=orientation.rotation,
        mirrored=orientation.mirrored,
        colour=replace(colour_of(picture), signals=signals_of(picture, stream.codec_context.name)),
        sample_aspect_ratio=aspect,
        codec=stream.codec_context.name,
        pixel_format=alpha.PIXEL_FORMAT if transparent else picture.format.name,
        has_audio=bool(container.streams.audio),
    )


def _duration(container: InputContainer, stream: VideoStream) -> Fraction | None:
    if stream.duration and stream.time_base:
        return stream.duration * stream.time_base
    return Fraction(container.duration, av.time_base) if container.duration else None
