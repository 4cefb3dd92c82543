"""Sound and subtitles, copied packet for packet beside the new picture."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from heapq import merge
from pathlib import Path
from typing import Literal

import av
from av.container import Container, OutputContainer
from av.stream import AttachmentStream, Stream

from anonymizer.errors import UsageError
from anonymizer.report import Fate, StreamOutcome
from anonymizer.video.apart import Apart, Placed, copy_labels
from anonymizer.video.damage import Damage
from anonymizer.video.failures import reading
from anonymizer.video.packets import is_cover, is_film, open_input, packets_of, picture_stream

Audio = Literal["keep", "drop"]


class CopiedStreams:
    """The streams of a film other than its picture.

    Audio and subtitles are copied, with language and disposition. Attached pictures, data and
    attachments are only if they are named, and all other metadata is not: they may show or tell who
    was filmed. Further films come from where they were encoded. Use it from one thread at a time.

    Args:
        path: The film.
        audio: Whether to copy the sound.
        named: Numbers of streams to copy whatever they hold.
        films: Further films by the number of the stream that each replaces; others are left out.

    Raises:
        UnreadableVideo: if the film cannot be opened.
        UsageError: if there is no stream of a number that is named, or it is a film.
    """

    def __init__(
        self,
        path: Path,
        *,
        audio: Audio = "keep",
        named: Sequence[int] = (),
        films: Mapping[int, Apart] | None = None,
    ) -> None:
        self._path = path
        self._wanted, self._films = frozenset(named), films or {}
        self._kinds = ("audio", "subtitle") if audio == "keep" else ("subtitle",)
        self._targets: dict[int, Stream] = {}
        self._reasons: dict[int, str] = {}
        with reading(path):
            self._source = open_input(path)
        self.picture = picture_stream(self._source, path)
        """The stream that is replaced."""
        self._placed: dict[int, Placed] = {}
        self._check_names()
        self.dropped: list[str] = []
        """Streams left out on purpose, in words."""
        self.warnings: list[str] = []
        """Streams that people would miss, lost for what cannot be helped, in words."""
        self._from_zero = False
        self._waiting: Iterator[av.Packet[Stream]] = iter(())
        self._first: av.Packet[Stream] | None = None

    def __iter__(self) -> Iterator[Stream]:
        """All streams of the film in its order."""
        return iter(self._source.streams)

    def _check_names(self) -> None:
        """Insist on streams for all numbers, none of them a film."""
        for number in sorted(self._wanted):
            if number >= len(self._source.streams):
                last = len(self._source.streams) - 1
                self.close()
                raise UsageError(f"{self._path}: has no stream {number}; they end with {last}")
            if is_film(self._source.streams[number]):
                self.close()
                raise UsageError(f"{self._path}: stream {number} is a film; none is kept as it is")

    def close(self) -> None:
        """Close the film."""
        self._source.close()

    @property
    def kept(self) -> list[str]:
        """Streams that are copied, in words."""
        return [_named(stream) for stream in self._source.streams if stream.index in self._targets]

    @property
    def outcomes(self) -> tuple[StreamOutcome, ...]:
        """What becomes of every stream; after the last ``add_to``."""
        return tuple(self._outcome(stream) for stream in self._source.streams)

    def _outcome(self, stream: Stream) -> StreamOutcome:
        fate: Fate = "copied" if stream.index in self._targets else "dropped"
        if stream.index == self.picture.index or stream.index in self._placed:
            fate = "anonymized"
        return StreamOutcome(
            index=stream.index,
            kind=stream.type,
            codec=getattr(stream.codec_context, "name", ""),
            language=stream.language,
            fate=fate,
            reason=self._reasons.get(stream.index, ""),
        )

    @property
    def time_bases(self) -> list[Fraction]:
        """Of all streams that might be copied."""
        kept = [stream for stream in self._source.streams if self._is_wanted(stream)]
        return [stream.time_base for stream in kept if stream.time_base]

    @property
    def film_bases(self) -> list[Fraction]:
        """Of all further films."""
        return [film.info.time_base for film in self._films.values()]

    def _is_wanted(self, stream: Stream) -> bool:
        return stream.type in self._kinds or stream.index in self._wanted

    def add_to(self, output: OutputContainer, stream: Stream) -> None:
        """Give the output a stream like this one, if it is to be copied and can be held."""
        if stream.index in self._films:
            self._placed[stream.index] = Placed(self._films[stream.index], output, stream)
            return
        if not self._is_wanted(stream):
            self.dropped.append(_named(stream))
            self._reasons[stream.index] = _reason(stream)
            if is_film(stream):
                self.warnings.append(f"{_named(stream)} is left out; {_reason(stream)}")
            return
        try:
            target = _added(output, stream, self._path)
        except (ValueError, AttributeError, av.error.FFmpegError):  # not for this container
            self.warnings.append(f"{_named(stream)} does not fit {output.format.name}; left out")
            self._reasons[stream.index] = f"does not fit {output.format.name}"
            return
        if not isinstance(target, AttachmentStream):
            copy_labels(stream, target)
        self._targets[stream.index] = target
        if stream.type not in self._kinds:
            self._reasons[stream.index] = "kept by name"

    def copy_chapters(self, output: OutputContainer) -> None:
        """Give the output the film's chapters, their titles the only metadata."""
        chapters = self._source.chapters()
        for chapter in chapters:
            title = chapter["metadata"].get("title")
            chapter["metadata"] = {"title": title} if title else {}
        output.set_chapters(chapters)

    def start(self) -> None:
        """Begin to read packets; after the last ``add_to``."""
        targets = self._targets
        self._from_zero = not _is_matroska(self._source) and any(
            _is_matroska(target.container) for target in targets.values()
        )
        attached = AttachmentStream
        streams = [stream for index, stream in enumerate(self._source.streams) if index in targets]
        streams = [stream for stream in streams if not isinstance(targets[stream.index], attached)]
        sources = [film.packets() for film in self._placed.values()]
        if streams:
            copies = packets_of(self._source, streams, Damage(self._path))
            sources.append(self._retargeted(copies))
        self._waiting = merge(*sources, key=_time)

    def _retargeted(self, copies: Iterator[av.Packet[Stream]]) -> Iterator[av.Packet[Stream]]:
        for packet in copies:
            if _is_pause(packet):
                continue
            if self._from_zero and _is_lead_in(packet):
                self._warn_of_lead_in(packet.stream)
                continue
            packet.stream = self._targets[packet.stream_index]
            yield packet

    def _warn_of_lead_in(self, stream: Stream) -> None:
        """Players hide what is before 0, and Matroska would move the whole film to hold it."""
        warning = f"{_named(stream)} begins before 0, and Matroska cannot; left out up to there"
        if warning not in self.warnings:
            self.warnings.append(warning)

    def packets(self, until: Fraction | None) -> Iterator[av.Packet[Stream]]:
        """Packets that come before ``until`` seconds, or all that are left, ready to be muxed."""
        with reading(self._path):
            while (packet := self._peek()) is not None:
                if until is not None and _time(packet) > until:
                    return
                self._first = None
                yield packet

    def _peek(self) -> av.Packet[Stream] | None:
        if self._first is None:
            self._first = next(self._waiting, None)
        return self._first


def _added(output: OutputContainer, stream: Stream, path: Path) -> Stream:
    """A stream like another one; Matroska holds pictures and files beside the film, not in it."""
    beside = output.format.name == "matroska"
    if isinstance(stream, AttachmentStream):
        if not beside or not stream.data:
            raise ValueError("files are attached to Matroska only")
        name, kind = stream.name or f"file {stream.index}", stream.mimetype
        return output.add_attachment(name, kind or "application/octet-stream", stream.data)
    if is_cover(stream) and beside:
        codec = _codec(stream)
        ending = {"mjpeg": "jpg"}.get(codec, codec)
        kind = {"mjpeg": "image/jpeg"}.get(codec, f"image/{codec}")
        return output.add_attachment(f"cover.{ending}", kind, _content(path, stream.index))
    if stream.type == "data":
        with av.open(io.BytesIO(), "w", format=output.format.name) as trial:
            trial.add_stream_from_template(stream, opaque=True)
            trial.start_encoding()  # only then is it said that there is no place
    return output.add_stream_from_template(stream, opaque=True)


def _content(path: Path, index: int) -> bytes:
    """The attached picture of a file."""
    with open_input(path) as file:
        return next(bytes(packet) for packet in file.demux(file.streams[index]) if packet.size)


def _named(stream: Stream) -> str:
    codec = _codec(stream)
    language = f", {stream.language}" if stream.language else ""
    return f"{stream.type} stream {stream.index} ({codec}{language})"


def _reason(stream: Stream) -> str:
    """Why a stream of this kind is left out on purpose."""
    if stream.type == "audio":
        return "sound was not wanted"
    if is_film(stream):
        return "it was not anonymized"
    return "may show or tell who was filmed"


def _codec(stream: Stream) -> str:
    return getattr(stream.codec_context, "name", "unknown codec")


def _is_pause(packet: av.Packet[Stream]) -> bool:
    """Whether it only says that MP4 shows no text; the muxer writes those pauses by itself."""
    return packet.size == 2 and _codec(packet.stream) == "mov_text" and bytes(packet) == b"\0\0"


def _is_matroska(file: Container) -> bool:
    return any(name in ("matroska", "webm") for name in file.format.name.split(","))


def _is_lead_in(packet: av.Packet[Stream]) -> bool:
    """Whether it comes before 0 and Matroska is not told of it, as it is by the headers of Opus."""
    return packet.pts is not None and packet.pts < 0 and _codec(packet.stream) != "opus"


def _time(packet: av.Packet[Stream]) -> Fraction:
    stamp = packet.dts if packet.dts is not None else packet.pts
    return (stamp or 0) * packet.time_base
