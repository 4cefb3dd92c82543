"""Sound and subtitles, copied packet for packet beside the new picture."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
from av.container import OutputContainer
from av.stream import Stream

from anonymizer.report import Fate, StreamOutcome
from anonymizer.video.damage import Damage
from anonymizer.video.failures import reading
from anonymizer.video.packets import is_cover, open_input, packets_of, picture_stream

Audio = Literal["keep", "drop"]


class CopiedStreams:
    """The streams of a film other than its picture.

    Audio and subtitles are copied, with language and disposition. Attached pictures, data,
    attachments, further films and all other metadata are not: they may show or tell who was filmed.
    Use it from one thread at a time.

    Raises:
        UnreadableVideo: if the film cannot be opened.
    """

    def __init__(self, path: Path, *, audio: Audio = "keep") -> None:
        self._path = path
        self._kinds = ("audio", "subtitle") if audio == "keep" else ("subtitle",)
        self._targets: dict[int, Stream] = {}
        self._reasons: dict[int, str] = {}
        with reading(path):
            self._source = open_input(path)
        self.picture = picture_stream(self._source, path)
        """The stream that is replaced."""
        self.dropped: list[str] = []
        """Streams left out on purpose, in words."""
        self.warnings: list[str] = []
        """Streams that people would miss, lost for what cannot be helped, in words."""
        self._waiting: Iterator[av.Packet[Stream]] = iter(())
        self._first: av.Packet[Stream] | None = None

    def __iter__(self) -> Iterator[Stream]:
        """All streams of the film in its order."""
        return iter(self._source.streams)

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
        if stream.index == self.picture.index:
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
        kept = [stream for stream in self._source.streams if stream.type in self._kinds]
        return [stream.time_base for stream in kept if stream.time_base]

    def add_to(self, output: OutputContainer, stream: Stream) -> None:
        """Give the output a stream like this one, if it is to be copied and can be held."""
        if stream.type not in self._kinds:
            self.dropped.append(_named(stream))
            self._reasons[stream.index] = _reason(stream)
            if stream.type == "video" and not is_cover(stream):
                self.warnings.append(f"{_named(stream)} is left out; {_reason(stream)}")
            return
        try:
            target = output.add_stream_from_template(stream, opaque=True)
        except (ValueError, AttributeError, av.error.FFmpegError):  # not for this container
            self.warnings.append(f"{_named(stream)} does not fit {output.format.name}; left out")
            self._reasons[stream.index] = f"does not fit {output.format.name}"
            return
        copy_labels(stream, target)
        self._targets[stream.index] = target

    def copy_chapters(self, output: OutputContainer) -> None:
        """Give the output the film's chapters, their titles the only metadata."""
        chapters = self._source.chapters()
        for chapter in chapters:
            title = chapter["metadata"].get("title")
            chapter["metadata"] = {"title": title} if title else {}
        output.set_chapters(chapters)

    def start(self) -> None:
        """Begin to read packets; after the last ``add_to``."""
        streams = [stream for stream in self._source.streams if stream.index in self._targets]
        if streams:
            self._waiting = packets_of(self._source, streams, Damage(self._path))

    def packets(self, until: Fraction | None) -> Iterator[av.Packet[Stream]]:
        """Packets that come before ``until`` seconds, or all that are left, ready to be muxed."""
        with reading(self._path):
            while (packet := self._peek()) is not None:
                if until is not None and _time(packet) > until:
                    return
                self._first = None
                if _is_pause(packet):
                    continue
                packet.stream = self._targets[packet.stream_index]
                yield packet

    def _peek(self) -> av.Packet[Stream] | None:
        if self._first is None:
            self._first = next(self._waiting, None)
        return self._first


def copy_labels(source: Stream, target: Stream) -> None:
    """Copy the language and what players ask for, and nothing else that was said of a stream."""
    if source.language:
        target.metadata["language"] = source.language
    target.disposition = source.disposition


def _named(stream: Stream) -> str:
    codec = _codec(stream)
    language = f", {stream.language}" if stream.language else ""
    return f"{stream.type} stream {stream.index} ({codec}{language})"


def _reason(stream: Stream) -> str:
    """Why a stream of this kind is left out on purpose."""
    if stream.type == "audio":
        return "sound was not wanted"
    if stream.type == "video" and not is_cover(stream):
        return "only one film is anonymized"
    return "may show or tell who was filmed"


def _codec(stream: Stream) -> str:
    return getattr(stream.codec_context, "name", "unknown codec")


def _is_pause(packet: av.Packet[Stream]) -> bool:
    """Whether it only says that MP4 shows no text; the muxer writes those pauses by itself."""
    return packet.size == 2 and _codec(packet.stream) == "mov_text" and bytes(packet) == b"\0\0"


def _time(packet: av.Packet[Stream]) -> Fraction:
    stamp = packet.dts if packet.dts is not None else packet.pts
    return (stamp or 0) * packet.time_base
