"""Pictures for the encoder: the source's own samples wherever nothing was painted."""

from __future__ import annotations

from functools import partial
from typing import Final, cast

import av
import numpy as np
from numpy.typing import NDArray

from anonymizer.data import Frame
from anonymizer.picture import shows
from anonymizer.video.conversion import Converter
from anonymizer.video.native import Layout, Native, Samples, layout_of, planes_of
from anonymizer.video.orientation import Orientation
from anonymizer.video.packing import packing_of

_MARGIN: Final = 16
"""Pixels around what was painted that are converted with it: chroma is filtered from neighbours."""
_STEP: Final = 64
"""Pixels between places where what is converted may begin and end."""
_CONVERTERS: Final = 16
"""Sizes of pictures that can be converted without preparing for them anew."""


class Composer:
    """Makes pictures of one size and format out of frames.

    A frame that shows what was decoded is copied sample by sample. In one that was painted, luma is
    converted from RGB where a pixel was painted, and chroma where any of its pixels was, as they
    are if the whole frame is converted; alpha becomes opaque there.
    Frames whose decoded samples are not known, or are laid out otherwise, are converted as a whole.

    Args:
        size: (width, height) in pixels, as stored.
        pixel_format: FFmpeg's name of what comes out.
        orientation: What was done to what is stored to show it upright, and is undone.
        matrix: H.273 code point of the YUV matrix; one that ``matrix_for`` returned.
        full: Whether YUV uses the full range.
        chroma: Where the chroma of 4:2:0 lies, in FFmpeg's words.
    """

    def __init__(
        self,
        size: tuple[int, int],
        pixel_format: str,
        orientation: Orientation,
        *,
        matrix: int,
        full: bool,
        chroma: str = "left",
    ) -> None:
        self._size, self._orientation = size, orientation
        packing = packing_of(pixel_format) if layout_of(pixel_format) is None else None
        packed = packing is not None and packing.layout.kind == "yuv"
        self._packed = pixel_format if packed else None
        self._format = packing.layout.name if packing and packed else pixel_format
        self._layout = layout_of(self._format)
        self._converter = partial(
            Converter, pixel_format=self._format, matrix=matrix, full=full, chroma=chroma
        )
        self._converters: dict[tuple[int, int], Converter] = {}

    def __call__(self, frame: Frame) -> av.VideoFrame:
        """The picture of a frame; it has no time, and nothing of what came with the source's."""
        picture = self._composed(frame)
        return picture if self._packed is None else picture.reformat(format=self._packed)

    def _composed(self, frame: Frame) -> av.VideoFrame:
        native = frame.native
        if self._layout is None or not isinstance(native, Native):
            return self._converted(frame)
        if native.size != self._size:
            return self._converted(frame)
        if not keeps(native.layout, self._layout):
            return self._coloured(frame, native, self._layout)
        picture = av.VideoFrame(*self._size, self._format)
        places = planes_of(picture, self._layout)
        for place, samples in zip(places, _fitted(native, self._layout, places), strict=True):
            np.copyto(place, samples)
        if (painted := _painted(frame, native)) is not None:
            self._paint(places, frame, painted)
        return picture

    def _converted(self, frame: Frame) -> av.VideoFrame:
        return self._made_of(self._orientation.undo(frame.image))

    def _made_of(self, image: NDArray[np.uint8]) -> av.VideoFrame:
        size = image.shape[1], image.shape[0]
        if size not in self._converters:
            if len(self._converters) == _CONVERTERS:
                self._converters.clear()
            self._converters[size] = self._converter(size)
        return self._converters[size](image)

    def _coloured(self, frame: Frame, native: Native, layout: Layout) -> av.VideoFrame:
        """The frame in colours of another kind, with the alpha that it has."""
        picture = self._converted(frame)
        if native.layout.alpha and layout.alpha:
            place = planes_of(picture, layout)[-1]
            np.copyto(place, _deepened(native.planes[-1], native.layout.depth, layout.depth))
            if (painted := _painted(frame, native)) is not None:
                place[self._orientation.undo(painted)] = (1 << layout.depth) - 1
        return picture

    def _paint(self, places: list[Samples], frame: Frame, painted: NDArray[np.bool_]) -> None:
        """Put the RGB picture, converted, over the planes where it was painted."""
        layout = cast("Layout", self._layout)
        stored = self._orientation.undo(painted)
        if (rows_columns := _around(stored, layout.halved)) is None:
            return
        converted = planes_of(
            self._made_of(self._orientation.undo(frame.image)[rows_columns]), layout
        )
        here = stored[rows_columns]
        masks = {halved: _shared(here, halved) for halved in ((False, False), layout.halved)}
        for plane, (place, samples) in enumerate(zip(places, converted, strict=True)):
            halved = layout.is_halved(plane)
            part = tuple(map(_fewer, rows_columns, halved[::-1]))
            np.copyto(place[part], samples, where=masks[halved])


def keeps(source: Layout, target: Layout) -> bool:
    """Whether the samples of one layout have a place in the other, if perhaps in other bits."""
    if source.kind == "gray" and target.kind == "yuv":
        return True
    return (source.kind, source.chroma) == (target.kind, target.chroma)


def _painted(frame: Frame, native: Native) -> NDArray[np.bool_] | None:
    """``painted_in`` of what was decoded, which is not developed where a frame still shows it."""
    negative = native.negative
    return None if shows(frame, negative) else painted_in(frame, negative.developed())


def painted_in(frame: Frame, decoded: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
    """``(H, W)`` where samples of the source must not be used; None: nowhere.

    Pixels that look different are among them, whatever the frame says of itself.

    Args:
        frame: What is to be written.
        decoded: ``(H, W, 3)`` what was made of those samples.
    """
    if frame.image is decoded:
        return None
    if frame.changed is None:
        return np.ones(frame.image.shape[:2], np.bool_)
    different: NDArray[np.bool_] = frame.image != decoded
    painted = frame.changed.copy()
    rows = np.flatnonzero(different.reshape(len(different), -1).any(axis=1))
    if len(rows):
        here = slice(int(rows[0]), int(rows[-1]) + 1)
        for channel in range(3):
            painted[here] |= different[here, :, channel]
    return painted


def _around(painted: NDArray[np.bool_], halved: tuple[bool, bool]) -> tuple[slice, slice] | None:
    """Rows and columns of a picture that hold all that was painted, and some around it.

    They begin at multiples of `_STEP`, so that there are few sizes, and samples lie as in the whole
    picture; where half of a side is no whole number of samples all of it is taken. None where
    nothing was painted.
    """
    ends: list[slice] = []
    for axis in (1, 0):
        there = np.flatnonzero(painted.any(axis=axis))
        if not len(there):
            return None
        if painted.shape[1 - axis] % 2 and halved[axis]:
            ends.append(slice(0, painted.shape[1 - axis] + 1))
            continue
        first, last = int(there[0]) - _MARGIN, int(there[-1]) + 1 + _MARGIN
        ends.append(slice(max(0, first // _STEP * _STEP), -(-last // _STEP) * _STEP))
    return ends[0], ends[1]


def _fewer(pixels: slice, halved: bool) -> slice:
    """Samples of a plane that belong to rows or columns of pixels, the first one even."""
    return slice(pixels.start // 2, pixels.stop // 2) if halved else pixels


def _shared(painted: NDArray[np.bool_], halved: tuple[bool, bool]) -> NDArray[np.bool_]:
    """Which samples of a plane belong to any painted pixel."""
    across, down = halved
    height, width = painted.shape
    mask = np.pad(painted, ((0, height % 2 * down), (0, width % 2 * across)))
    if across:
        mask = mask[:, 0::2] | mask[:, 1::2]
    return mask[0::2] | mask[1::2] if down else mask


def _fitted(native: Native, target: Layout, places: list[Samples]) -> list[Samples]:
    """The planes of a picture in the depth and number of another layout."""
    planes = list(native.planes)
    if native.layout.alpha and not target.alpha:
        planes.pop()
    planes = [_deepened(plane, native.layout.depth, target.depth) for plane in planes]
    if native.layout.kind != target.kind:  # a grey picture has no colour
        neutral = 1 << (target.depth - 1)
        planes[1:1] = [np.full(place.shape, neutral, place.dtype) for place in places[1:3]]
    if target.alpha and not native.layout.alpha:
        planes.append(np.full(places[-1].shape, (1 << target.depth) - 1, places[-1].dtype))
    return planes


def _deepened(plane: Samples, depth: int, wanted: int) -> Samples:
    """Samples of other bits: more are shifted in, fewer are rounded to."""
    if depth == wanted:
        return plane
    if depth < wanted:
        deeper: Samples = plane.astype(np.uint16) << np.uint16(wanted - depth)
        return deeper
    lost = depth - wanted
    fewer = (plane.astype(np.uint32) + (1 << (lost - 1))) >> lost
    fits: Samples = fewer.clip(max=(1 << wanted) - 1)
    return fits.astype(np.uint8 if wanted == 8 else np.uint16)
