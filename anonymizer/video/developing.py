"""Decoded pictures become frames: upright, 8 bit RGB, all of one size."""

from __future__ import annotations

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from anonymizer.data import Frame, StreamInfo
from anonymizer.video.colour import SCALING, matrix_for, swscale_matrix, swscale_range
from anonymizer.video.native import Native
from anonymizer.video.orientation import Orientation
from anonymizer.video.packing import native_of


class Developer:
    """Makes frames of the pictures of one film; use it from one thread at a time.

    Args:
        info: What the film's header and its first picture say.
        orientation: What turns what is stored upright.
        size: (width, height) of the first picture as stored; others are made to fit.
    """

    def __init__(self, info: StreamInfo, orientation: Orientation, size: tuple[int, int]) -> None:
        self._info, self._orientation, self._size = info, orientation, size
        self._reformatter = VideoReformatter()

    def __call__(self, picture: av.VideoFrame, *, index: int, pts: int) -> Frame:
        """The frame of a picture, which is the film's ``index``-th and shown at ``pts``."""
        image = self._upright(picture)
        return Frame(index, pts, self._info.time_base, image, self._native(picture, image))

    def _native(self, picture: av.VideoFrame, image: NDArray[np.uint8]) -> Native | None:
        if (picture.width, picture.height) != self._size:
            return None
        return native_of(picture, image)

    def _upright(self, picture: av.VideoFrame) -> NDArray[np.uint8]:
        matrix = swscale_matrix(matrix_for(self._info.colour, self._info.height))
        full = picture.format.is_rgb or self._info.colour.full_range
        rgb = self._reformatter.reformat(
            picture,
            *self._size,
            "rgb24",
            src_colorspace=None if picture.format.is_rgb else matrix,
            src_color_range=swscale_range(full),
            dst_color_range=swscale_range(True),
            interpolation=SCALING,
            threads=1,
        )
        return self._orientation.apply(rgb.to_ndarray())  # type: ignore[arg-type]  # rgb24 is uint8
