"""A film whose picture is joined from packets that come from several places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import av
import numpy as np
from av.stream import Stream
from numpy.typing import NDArray

from anonymizer.data import StreamInfo
from anonymizer.errors import UnwritableOutput
from anonymizer.report import StreamOutcome
from anonymizer.video.apart import Apart
from anonymizer.video.copying import Audio, CopiedStreams
from anonymizer.video.encoding import Encoding, lost
from anonymizer.video.failures import writing
from anonymizer.video.muxer import Muxer
from anonymizer.video.runs import Coded
from anonymizer.video.stamps import decoding_times, usual_step


class Packets(Protocol):
    """The packets of consecutive frames that need no other frame to be decoded."""

    @property
    def pts(self) -> NDArray[np.int64]:
        """``(N,)`` in the order of the packets, which is that of decoding."""
        ...

    @property
    def extradata(self) -> bytes:
        """What a file must say of the stream for these to be decoded."""
        ...

    def __iter__(self) -> Iterator[Coded]: ...


@dataclass(frozen=True, slots=True)
class Joined:
    """What became of the streams of a film whose picture was joined."""

    streams: tuple[StreamOutcome, ...]
    warnings: list[str]
    """What the result lacks because its container cannot hold it."""


def join(
    path: Path,
    source: Path,
    info: StreamInfo,
    encoding: Encoding,
    pieces: Sequence[Packets],
    *,
    audio: Audio = "keep",
    named: Sequence[int] = (),
    films: Mapping[int, Apart] | None = None,
) -> Joined:
    """Write a film; what is not its picture comes from the source, as in VideoSink.

    Decoding times are made anew for the whole. After any error there is no file.

    Args:
        path: File to write; its suffix chooses the container.
        source: The film that ``info`` describes.
        info: What the frames look like.
        encoding: What the pieces were encoded with.
        pieces: The picture in order, all with the same ``extradata``.
        audio: Whether to copy the sound.
        named: Numbers of streams to copy whatever they hold.
        films: Further films by the number of the stream that each replaces.

    Raises:
        UnwritableOutput: if it cannot be written, or pieces do not fit together.
    """
    said = {piece.extradata for piece in pieces}
    if len(said) != 1:
        raise UnwritableOutput(path, f"its {len(pieces)} parts were encoded in different ways")
    try:
        stamps = decoding_times([piece.pts for piece in pieces])
        with ExitStack() as stack:
            copied = CopiedStreams(source, audio=audio, named=named, films=films)
            stack.callback(copied.close)
            with writing(path):
                muxer = Muxer(path, info, encoding, copied, extradata=said.pop())
                stack.callback(muxer.abandon)
                _write(muxer, pieces, stamps, info)
            warnings = [*lost(path, info, encoding), *copied.warnings]
            return Joined(copied.outcomes, warnings)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _write(
    muxer: Muxer, pieces: Sequence[Packets], stamps: NDArray[np.int64], info: StreamInfo
) -> None:
    shown = np.sort(np.concatenate([piece.pts for piece in pieces]))
    usual = int(shown[-1] - shown[-2]) if len(shown) > 1 else usual_step(info)
    first, last = int(shown[0]), int(shown[-1])
    steps = np.append(np.diff(shown), muxer.duration(last, first=first, usual=usual))
    at = 0
    for piece in pieces:
        for coded in piece:
            packet: av.Packet[Stream] = av.Packet(coded.content)
            packet.time_base = info.time_base
            packet.pts, packet.dts = coded.pts, int(stamps[at])
            packet.is_keyframe = coded.is_key
            muxer.add(packet, duration=int(steps[np.searchsorted(shown, coded.pts)]))
            at += 1
    muxer.finish()
