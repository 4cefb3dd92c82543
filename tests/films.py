"""Whole films, made with PyAV where a test wants them; as small as what they are for allows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.container import OutputContainer
from av.filter import Graph
from av.stream import Disposition, Stream
from av.video.format import VideoFormat
from numpy.typing import NDArray

from tests.factories import picture

Draw = Callable[[int], NDArray[np.uint8]]
"""Index of a frame to its picture ``(H, W, 3)``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """What a film is made of."""

    frames: int = 10
    size: tuple[int, int] = (64, 48)
    """Stored (width, height), before rotation."""
    rate: int = 25
    """Frames per second in the header, and of the frames unless ``pts`` is given."""
    time_base: Fraction | None = None
    """Of ``pts``; one over ``rate`` if not given."""
    pts: Sequence[int] | None = None
    """One per frame."""
    draw: Draw | None = None
    """What to show; else a moving pattern that changes at each of ``cuts``."""
    cuts: Sequence[int] = ()
    """Frames that begin a new shot."""
    codec: str = "libx264"
    """FFmpeg's name of the encoder."""
    pixel_format: str = "yuv420p"
    """FFmpeg's name."""
    options: dict[str, str] = field(default_factory=lambda: {"preset": "ultrafast", "crf": "4"})
    """Of the encoder."""
    rotation: int = 0
    """Clockwise degrees by which players turn it."""
    mirrored: bool = False
    """Whether players mirror it left to right, after turning."""
    aspect: Fraction | None = None
    """Width over height of a pixel."""
    colour: tuple[int, int, int, int] | None = None
    """Code points of primaries, transfer, matrix; then 1 for limited or 2 for full range."""
    audio: str | None = None
    """Encoder of a sine beside the picture."""
    audio_start: float = 0.0
    """Seconds."""
    subtitles: Sequence[tuple[int, int, str]] = ()
    """(start, end, text) in milliseconds; mov_text in MP4, SubRip elsewhere."""
    chapters: Sequence[tuple[int, int, str]] = ()
    """(start, end, title) in milliseconds."""
    metadata: dict[str, str] = field(default_factory=dict)
    """Of the container."""
    cover: bool = False
    """Whether a picture is attached; it comes before the film's own."""
    data: bool = False
    """Whether there is a stream of unknown data."""
    second_film: bool = False
    """Whether there is another video stream, after the first."""
    container_options: dict[str, str] = field(default_factory=dict)
    """Of the muxer."""

    @property
    def base(self) -> Fraction:
        """Time base of the picture."""
        return self.time_base or Fraction(1, self.rate)

    @property
    def times(self) -> list[int]:
        """Pts of the frames."""
        return list(range(self.frames) if self.pts is None else self.pts)

    def shown(self, index: int) -> NDArray[np.uint8]:
        """The picture of a frame, before it is encoded."""
        if self.draw is not None:
            return self.draw(index)
        shot = sum(index >= cut for cut in self.cuts)
        width, height = self.size
        return picture((height, width), seed=shot, shift=(float(index), index / 2))

    def write(self, path: Path) -> Path:
        """Write it; the suffix chooses the container."""
        with av.open(str(path), "w", container_options=self.container_options) as file:
            file.metadata.update(self.metadata)
            cover = self._add_cover(file) if self.cover else None
            film = self._add_film(file)
            second = self._add_film(file) if self.second_film else None
            sound = self._add_sound(file) if self.audio else None
            text = self._add_text(file, path) if self.subtitles else None
            data = file.add_data_stream("bin_data") if self.data else None
            file.set_chapters([_chapter(i, *entry) for i, entry in enumerate(self.chapters)])
            file.start_encoding()
            if cover is not None:
                _mux(file, cover, cv2.imencode(".jpg", self.shown(0))[1].tobytes(), 0, 0)
            if data is not None:
                _mux(file, data, b"latitude 51.5", 0, 10)
            if text is not None:
                self._mux_text(file, text, path)
            for stream in filter(None, (film, second)):
                self._mux_film(file, stream)
            if sound is not None:
                self._mux_sound(file, sound)
        return path

    def _add_film(self, file: OutputContainer) -> av.VideoStream:
        stream = file.add_stream(self.codec, rate=self.rate, options=dict(self.options))
        assert isinstance(stream, av.VideoStream)
        context = stream.codec_context
        context.width, context.height = self.size
        context.pix_fmt = self.pixel_format
        if self.codec == "libvpx":
            context.thread_count = 1  # its threads wait for each other by turning in circles
        context.time_base = stream.time_base = self.base
        stream.metadata["language"] = "ita"
        if self.aspect:
            context.sample_aspect_ratio = self.aspect
        if self.colour:
            context.color_primaries, context.color_trc = self.colour[:2]
            context.colorspace, context.color_range = self.colour[2:]
        if self.rotation or self.mirrored:
            stream.set_display_rotation(-self.rotation, hflip=self.mirrored)
        return stream

    def _add_cover(self, file: OutputContainer) -> Stream:
        stream = file.add_mux_stream("mjpeg", width=self.size[0], height=self.size[1])
        stream.disposition = Disposition.attached_pic
        return stream

    def _add_sound(self, file: OutputContainer) -> av.AudioStream:
        stream = file.add_stream(str(self.audio), rate=48_000)
        assert isinstance(stream, av.AudioStream)
        stream.metadata.update(language="deu", title=self.metadata.get("title", "voice"))
        return stream

    def _add_text(self, file: OutputContainer, path: Path) -> Stream:
        stream = file.add_mux_stream("mov_text" if path.suffix == ".mp4" else "subrip")
        stream.time_base = Fraction(1, 1000)
        stream.metadata["language"] = "fra"
        stream.disposition = Disposition.forced
        return stream

    def _mux_text(self, file: OutputContainer, stream: Stream, path: Path) -> None:
        for start, end, words in self.subtitles:
            length = len(words).to_bytes(2, "big") if path.suffix == ".mp4" else b""
            _mux(file, stream, length + words.encode(), start, end - start)

    def _mux_film(self, file: OutputContainer, stream: av.VideoStream) -> None:
        for index, moment in enumerate(self.times):
            shown = self._converted(self.shown(index))
            shown.pts, shown.time_base = moment, self.base
            file.mux(stream.encode(shown))
        file.mux(stream.encode(None))

    def _converted(self, image: NDArray[np.uint8]) -> av.VideoFrame:
        """RGB into the film's format, chroma on the left, by FFmpeg's filter."""
        options = "flags=bicubic+accurate_rnd+full_chroma_inp"
        if self.pixel_format.startswith("yuv"):
            matrix = {1: "bt709", 9: "bt2020"}.get(self.colour[2] if self.colour else 6, "bt601")
            reach = "pc" if self.colour and self.colour[3] == 2 else "tv"
            options += f":out_color_matrix={matrix}:out_range={reach}:out_chroma_loc=left"
        graph = Graph()
        width, height = self.size
        graph.link_nodes(
            graph.add_buffer(
                width=width, height=height, format=VideoFormat("rgb24"), time_base=self.base
            ),
            graph.add("scale", options),
            graph.add("format", f"pix_fmts={self.pixel_format}"),
            graph.add("buffersink"),
        ).configure()
        graph.push(av.VideoFrame.from_ndarray(image, "rgb24"))
        shown = graph.pull()
        assert isinstance(shown, av.VideoFrame)
        return shown

    def _mux_sound(self, file: OutputContainer, stream: av.AudioStream) -> None:
        first = round(self.audio_start * 48_000)
        seconds = float((self.times[-1] - self.times[0] + 1) * self.base)
        for start in range(0, max(4800, round(seconds * 48_000)), 960):
            wave = np.sin(np.arange(start, start + 960) * 0.05).astype(np.float32) / 4
            samples = av.AudioFrame.from_ndarray(np.stack([wave, wave]), "fltp", "stereo")
            samples.sample_rate, samples.pts = 48_000, first + start
            samples.time_base = Fraction(1, 48_000)
            file.mux(stream.encode(samples))
        file.mux(stream.encode(None))


def make_video(path: Path, **what: Any) -> Path:
    """Write a film and return its path; ``what`` are the fields of ``Film``."""
    return Film(**what).write(path)


def make_sound(path: Path, *, cover: bool = False) -> Path:
    """Write a file with sound and no film, perhaps with a picture attached."""
    film = Film(audio="aac")
    with av.open(str(path), "w") as file:
        attached = film._add_cover(file) if cover else None
        sound = film._add_sound(file)
        file.start_encoding()
        if attached is not None:
            _mux(file, attached, cv2.imencode(".jpg", film.shown(0))[1].tobytes(), 0, 0)
        film._mux_sound(file, sound)
    return path


def damage(path: Path, *, start: float, stop: float, every: int = 7) -> Path:
    """Flip bits of every so many bytes between two shares of the file's length."""
    content = bytearray(path.read_bytes())
    for place in range(int(len(content) * start), int(len(content) * stop), every):
        content[place] ^= 0x5A
    path.write_bytes(content)
    return path


def blank(path: Path, which: Sequence[int]) -> Path:
    """Overwrite the picture's packets of these numbers; for MP4 and MOV."""
    with av.open(str(path)) as file:
        places = [(packet.pos or 0, packet.size) for packet in file.demux(video=0) if packet.size]
    content = bytearray(path.read_bytes())
    for place, size in (places[number] for number in which):
        content[place : place + size] = bytes(size)
    path.write_bytes(content)
    return path


def truncate(path: Path, share: float) -> Path:
    """Keep only the first share of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def _chapter(number: int, start: int, end: int, title: str) -> Any:
    base = Fraction(1, 1000)
    labels = {"title": title, "artist": "someone"}
    return {"id": number, "start": start, "end": end, "time_base": base, "metadata": labels}


def _mux(file: OutputContainer, stream: Stream, content: bytes, start: int, length: int) -> None:
    packet: Any = av.Packet(content)
    packet.stream, packet.time_base = stream, Fraction(1, 1000)
    packet.pts = packet.dts = start
    packet.duration = length
    packet.is_keyframe = True
    file.mux(packet)
