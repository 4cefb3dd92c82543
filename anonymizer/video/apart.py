"""Further films of a file: encoded apart from the first one, then put beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.stream import Stream
from av.video.stream import VideoStream

from anonymizer.data import StreamInfo
from anonymizer.video.compressing import describe
from anonymizer.video.encoding import Encoding
from anonymizer.video.orientation import Orientation, orientation_for
from anonymizer.video.runs import Run
from anonymizer.video.stamps import decoding_times, usual_step


@dataclass(frozen=True, slots=True)
class Apart:
    """A film whose frames are encoded, each once, in a file of their own."""

    info: StreamInfo
    encoding: Encoding
    run: Path
    """What `write_run` has written."""


def add_picture(
    output: OutputContainer, source: Stream, info: StreamInfo, encoding: Encoding
) -> VideoStream:
    """Give a file a stream for the new picture of a film.

    Args:
        output: The file.
        source: The stream that is replaced.
        info: What the new picture looks like.
        encoding: What it is encoded as.
    """
    options = dict(encoding.options)
    stream = output.add_stream(encoding.codec, rate=info.average_rate, options=options)
    assert isinstance(stream, VideoStream)
    describe(stream.codec_context, info, encoding)
    stream.time_base = info.time_base
    if encoding.codec == "libx265" and output.format.name in ("mp4", "mov"):
        stream.codec_context.codec_tag = "hvc1"  # players of Apple know no other
    orientation = orientation_for(info.rotation, mirrored=info.mirrored)
    if orientation != Orientation():
        stream.set_display_matrix(orientation.matrix)
    copy_labels(source, stream)
    return stream


def copy_labels(source: Stream, target: Stream) -> None:
    """Copy the language and what players ask for, and nothing else that was said of a stream."""
    if source.language:
        target.metadata["language"] = source.language
    target.disposition = source.disposition


class Placed:
    """A film apart that has a stream in a file."""

    def __init__(self, apart: Apart, output: OutputContainer, source: Stream) -> None:
        self._apart, self._run = apart, Run(apart.run)
        self._end = source.duration or 0
        self.stream = add_picture(output, source, apart.info, apart.encoding)
        """Its stream in the file."""
        self.stream.codec_context.open()
        self.stream.codec_context.extradata = self._run.extradata

    def packets(self) -> Iterator[av.Packet[Stream]]:
        """Its packets, ready to be muxed."""
        shown = np.sort(self._run.pts)
        usual = int(shown[-1] - shown[-2]) if len(shown) > 1 else usual_step(self._apart.info)
        rest = int(shown[0] + self._end - shown[-1])
        steps = np.append(np.diff(shown), rest if rest > 0 else usual)
        for coded, stamp in zip(self._run, decoding_times([self._run.pts]), strict=True):
            packet: av.Packet[Stream] = av.Packet(coded.content)
            packet.stream, packet.time_base = self.stream, self._apart.info.time_base
            packet.pts, packet.dts = coded.pts, int(stamp)
            packet.duration = int(steps[np.searchsorted(shown, coded.pts)])
            packet.is_keyframe = coded.is_key
            yield packet
