"""Decoded pictures become frames: upright, 8 bit RGB, all of one size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Final

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from anonymizer.data import Frame, StreamInfo
from anonymizer.picture import Negative
from anonymizer.video.colour import QUICK, SCALING, matrix_for, swscale_matrix, swscale_range
from anonymizer.video.failures import reading
from anonymizer.video.native import Native
from anonymizer.video.orientation import Orientation
from anonymizer.video.packing import native_of


@dataclass(frozen=True, slots=True)
class Manner:
    """How RGB pictures are made of decoded ones."""

    ahead: bool = True
    """At once; else where they are first asked for, which for most is never."""
    exact: bool = True
    """In exact colours; else, of most formats, chroma is that of the nearest sample and levels are
    up to two too low, by the format. swscale does that up to 18 times as fast. It is for finding
    faces, not for comparing colours."""


LAZILY: Final = Manner(ahead=False)
"""For those who paint some of the pictures."""


class Developer:
    """Makes frames of the pictures of one film; they may be developed by any thread.

    Args:
        path: The film, for errors.
        info: What the film's header and its first picture say.
        orientation: What turns what is stored upright.
        size: (width, height) of the first picture as stored; others are made to fit.
        manner: How RGB pictures are made.
    """

    def __init__(
        self,
        path: Path,
        info: StreamInfo,
        orientation: Orientation,
        size: tuple[int, int],
        manner: Manner,
    ) -> None:
        self._path = path
        self._info, self._orientation, self._size = info, orientation, size
        self._manner = manner
        self._reformatter, self._lock = VideoReformatter(), Lock()

    def __call__(self, picture: av.VideoFrame, *, index: int, pts: int) -> Frame:
        """The frame of a picture, which is the film's ``index``-th and shown at ``pts``."""
        shape = self._info.height, self._info.width
        negative = Negative(shape, partial(self._upright, picture))
        if self._manner.ahead:
            negative.developed()
        return Frame(index, pts, self._info.time_base, negative, self._native(picture, negative))

    def _native(self, picture: av.VideoFrame, negative: Negative) -> Native | None:
        if (picture.width, picture.height) != self._size:
            return None
        return native_of(picture, negative)

    def _upright(self, picture: av.VideoFrame) -> NDArray[np.uint8]:
        matrix = swscale_matrix(matrix_for(self._info.colour, self._info.height))
        full = picture.format.is_rgb or self._info.colour.full_range
        with self._lock, reading(self._path):
            rgb = self._reformatter.reformat(
                picture,
                *self._size,
                "rgb24",
                src_colorspace=None if picture.format.is_rgb else matrix,
                src_color_range=swscale_range(full),
                dst_color_range=swscale_range(True),
                interpolation=SCALING if self._manner.exact else QUICK,
                threads=1,
            )
        return self._orientation.apply(rgb.to_ndarray())  # type: ignore[arg-type]  # rgb24 is uint8
