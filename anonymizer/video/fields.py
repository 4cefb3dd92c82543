"""Whole pictures out of interlaced ones, whose odd and even lines show two moments."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import av
from av.filter import Graph

WARNING: Final = "interlaced; the lines of one field were kept and those of the other estimated"

_SMALLEST: Final = (3, 4)
"""Width and height that the filter can work on."""


def whole(pictures: Iterable[av.VideoFrame], found: Callable[[], None]) -> Iterator[av.VideoFrame]:
    """As many pictures at the same times; those that are interlaced are made whole.

    From the first interlaced picture on they come one behind, because FFmpeg's ``bwdif`` looks at
    the pictures before and after. Those that are not interlaced pass unchanged.

    Args:
        pictures: In the order they are shown.
        found: Called when there is an interlaced one.
    """
    weaver: _Weaver | None = None
    for picture in pictures:
        if weaver is not None and not weaver.takes(picture):
            yield from weaver.finish()
            weaver = None
        if weaver is None and picture.interlaced_frame and _large(picture):
            weaver = _Weaver(picture)
            found()
        if weaver is None:
            yield picture
        else:
            yield from weaver.add(picture)
    if weaver is not None:
        yield from weaver.finish()


def _large(picture: av.VideoFrame) -> bool:
    return picture.width >= _SMALLEST[0] and picture.height >= _SMALLEST[1]


class _Weaver:
    """FFmpeg's filter for pictures of one size and format."""

    def __init__(self, first: av.VideoFrame) -> None:
        self._kind = _kind(first)
        self._waiting: deque[av.VideoFrame] = deque()
        width, height, pixel_format, matrix, reach = self._kind
        self._graph = Graph()
        self._graph.threads = 1
        described = f"video_size={width}x{height}:pix_fmt={pixel_format}:time_base=1/1"
        self._graph.link_nodes(
            self._graph.add("buffer", f"{described}:colorspace={matrix}:range={reach}"),
            self._graph.add("bwdif", "mode=send_frame:deint=interlaced"),
            self._graph.add("buffersink"),
        ).configure()

    def takes(self, picture: av.VideoFrame) -> bool:
        return _kind(picture) == self._kind

    def add(self, picture: av.VideoFrame) -> Iterator[av.VideoFrame]:
        self._waiting.append(picture)
        self._graph.vpush(picture)
        return self._ready()

    def finish(self) -> Iterator[av.VideoFrame]:
        self._graph.vpush(None)
        return self._ready()

    def _ready(self) -> Iterator[av.VideoFrame]:
        """What comes out now, with the times of what went in: the filter counts in half units."""
        while self._waiting:
            try:
                picture = self._graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            source = self._waiting.popleft()
            picture.pts, picture.dts = source.pts, source.dts
            picture.duration = source.duration
            if source.time_base:  # the last pictures of a decoder have none
                picture.time_base = source.time_base
            yield picture


def _kind(picture: av.VideoFrame) -> tuple[int, int, str, int, int]:
    """What must stay the same while one filter is at work."""
    colour = int(picture.colorspace), int(picture.color_range)
    return picture.width, picture.height, picture.format.name, *colour
