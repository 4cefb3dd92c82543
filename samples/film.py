"""Write sample films: H.264 and AAC in MP4, without a word about where they came from."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.audio.stream import AudioStream
from av.bitstream import BitStreamFilterContext
from av.codec.context import Flags
from av.video.stream import VideoStream
from numpy.typing import NDArray

from samples.speech import RATE

TICK: Final = Fraction(1, 600)
"""Time base of the pictures, seconds."""


def write_film(
    path: Path,
    pictures: Iterable[tuple[int, NDArray[np.uint8]]],
    *,
    size: tuple[int, int],
    crf: int,
    voice: NDArray[np.float32] | None = None,
    rotation: int = 0,
) -> None:
    """Write a film.

    Args:
        path: where to; replaced if it exists.
        pictures: times in units of `TICK`, increasing, and pictures (H, W, 3) as displayed.
        size: (H, W) as displayed, even.
        crf: quality, 0 (no loss) to 51.
        voice: samples at `RATE`, one channel, in [-1, 1].
        rotation: clockwise turn in degrees that a player is told to apply: 0, 90, 180 or 270.
            Pictures are stored turned back by it.
    """
    turns = rotation // 90
    height, width = size if turns % 2 == 0 else size[::-1]
    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.codec_context.time_base = video.time_base = TICK
        video.codec_context.options = {"crf": str(crf), "preset": "veryslow", "bf": "2"}
        _describe(video)
        if rotation:
            video.set_display_rotation(-rotation)
        audio = None if voice is None else _add_audio(container)
        bare = BitStreamFilterContext("filter_units=remove_types=6", video)
        for pts, picture in pictures:
            stored = np.ascontiguousarray(np.rot90(picture, turns))
            frame = av.VideoFrame.from_ndarray(stored, format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709")
            frame.pts, frame.time_base = pts, TICK
            _put(container, video, bare, frame)
        _put(container, video, bare, None)
        if audio is not None and voice is not None:
            _sound(container, audio, voice)


def _describe(video: VideoStream) -> None:
    """Say which colours these are: BT.709, limited range."""
    context = video.codec_context
    context.color_primaries = context.color_trc = context.colorspace = 1
    context.color_range = 1


def _put(
    container: av.container.OutputContainer,
    video: VideoStream,
    bare: BitStreamFilterContext,
    frame: av.VideoFrame | None,
) -> None:
    """Encode without the encoder's note about itself, H.264 unit type 6; None ends the stream."""
    for packet in video.encode(frame):
        for stripped in bare.filter(packet):
            stripped.stream = video
            container.mux(stripped)
    if frame is None:
        container.mux(bare.filter(None))


def _add_audio(container: av.container.OutputContainer) -> AudioStream:
    audio = container.add_stream("aac", rate=RATE, layout="mono")
    audio.bit_rate = 48_000
    audio.codec_context.flags |= Flags.bitexact
    return audio


def _sound(
    container: av.container.OutputContainer, audio: AudioStream, voice: NDArray[np.float32]
) -> None:
    frame = av.AudioFrame.from_ndarray(voice[None], format="fltp", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
    container.mux(audio.encode(frame))
    container.mux(audio.encode())


def read_film(path: Path) -> tuple[list[int], list[NDArray[np.uint8]]]:
    """Times in units of `TICK` and pictures (H, W, 3) as displayed."""
    times: list[int] = []
    pictures: list[NDArray[np.uint8]] = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if frame.pts is None or frame.time_base is None:
                raise ValueError(f"{path.name} has a picture without a time; make it again")
            times.append(round(frame.pts * frame.time_base / TICK))
            stored = frame.to_ndarray(format="rgb24").astype(np.uint8)
            pictures.append(np.ascontiguousarray(np.rot90(stored, round(frame.rotation / 90))))
    return times, pictures
