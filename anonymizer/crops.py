"""From frame to aligned crop and back: blanked context, feathered paste.

Where a face lies and what of it is protected is said in ``anonymizer.alignment``.

What may be generated from is cut from a copy of the frame in which P of every face is blanked
first, so that no interpolation can carry anything out of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer import geometry
from anonymizer.alignment import place, place_in, protected_mask
from anonymizer.data import Box, Clip, Frame, Track
from anonymizer.geometry import Matrix

__all__ = [
    "GREY",
    "cut_clip",
    "paste",
    "place",
    "protected_mask",
    "ring",
]

_Number = TypeVar("_Number", np.uint8, np.float32)

GREY: Final = 128
"""Value of blanked and missing pixels in ``Clip.context``."""
SOLID: Final = 0.995
"""Opacity above which nothing of the frame is mixed in."""


def cut_clip(
    frames: Sequence[Frame], track: Track, everyone: Sequence[Track], *, size: int, lead: int
) -> Clip:
    """Cut one face out of consecutive frames.

    Args:
        frames: Frames in all of which the track has a face.
        track: The face to cut.
        everyone: All tracks near; what they protect is blanked in ``context``.
        size: Side of the crops.
        lead: Number of frames at the front that are already written.

    Raises:
        ValueError: if the track has no face in one of the frames.
    """
    crops = [_cut(frame, track, everyone, size) for frame in frames]
    pixels, context, hidden, mask, matrices, landmarks = map(np.stack, zip(*crops, strict=True))
    faces = [track.faces[frame.index - track.start] for frame in frames]
    motions = [face.motion for face in faces if face.motion is not None]
    return Clip(
        track=track.id,
        indices=tuple(frame.index for frame in frames),
        pixels=pixels,
        context=context,
        hidden=hidden,
        mask=mask,
        frame_from_crop=matrices,
        landmarks=landmarks,
        lead=lead,
        motion=np.stack(motions) if len(motions) == len(faces) else None,
        wording=track.wording,
    )


def _cut(
    frame: Frame, track: Track, everyone: Sequence[Track], size: int
) -> tuple[NDArray[np.generic], ...]:
    """(pixels, context, hidden, mask, frame_from_crop, landmarks) of one face in one frame."""
    placement, mask = place_in(track, frame.index, size)
    frame_from_crop = placement.frame_from_crop
    step = max(1, int(geometry.scale_of(frame_from_crop)))
    area = _around(frame_from_crop, _whole(size), step)
    canvas, outside = _canvas(frame.image, area)
    blank = _support(mask, placement.crop_from_frame, area)
    for other in everyone:
        if other.id != track.id:
            blank |= _protected(other, frame.index, size, area)
    blank = cv2.dilate(blank, np.ones((3, 3), np.uint8))
    blanked = np.where(blank[..., None] > 0, np.uint8(GREY), canvas)
    unseen = np.where(blank | outside, np.float32(1), np.float32(0))
    matrix = geometry.similarity(shift=(-area[0], -area[1])) @ frame_from_crop
    return (
        _shrunk(canvas, matrix, size, step),
        _shrunk(blanked, matrix, size, step),
        _shrunk(unseen, matrix, size, step) > 1e-6,
        mask,
        frame_from_crop,
        placement.landmarks,
    )


Area = tuple[int, int, int, int]
"""``(x0, y0, x1, y1)`` whole frame pixels, half-open; may reach past the frame."""


def _around(frame_from_crop: Matrix, box: Box, step: int) -> Area:
    """Frame pixels that a box of a crop draws on, with sides that are multiples of ``step``."""
    outline = geometry.corners(box)
    x0, y0, x1, y1 = geometry.bounds(geometry.apply(frame_from_crop, outline))
    left, top = int(np.floor(x0)) - 2 * step, int(np.floor(y0)) - 2 * step
    width, height = int(np.ceil(x1)) - left + 2 * step, int(np.ceil(y1)) - top + 2 * step
    return left, top, left + width + -width % step, top + height + -height % step


def _whole(size: int) -> Box:
    return 0.0, 0.0, float(size), float(size)


def _canvas(image: NDArray[np.uint8], area: Area) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The area of a frame, and 1 where it lies outside; there the picture is grey."""
    x0, y0, x1, y1 = area
    canvas = np.full((y1 - y0, x1 - x0, 3), GREY, np.uint8)
    outside = np.ones((y1 - y0, x1 - x0), np.uint8)
    left, top, right, bottom = _inside(area, image.shape)
    if left < right and top < bottom:
        here = np.s_[top - y0 : bottom - y0, left - x0 : right - x0]
        canvas[here] = image[top:bottom, left:right]
        outside[here] = 0
    return canvas, outside


def _inside(area: Area, size: tuple[int, ...]) -> Area:
    height, width = size[:2]
    return max(area[0], 0), max(area[1], 0), min(area[2], width), min(area[3], height)


def _protected(track: Track, index: int, size: int, area: Area) -> NDArray[np.uint8]:
    """1 where the face that the track has in a frame protects the pixels of the area."""
    face = track.at(index)
    if face is None or not _near(place(face, size).frame_from_crop, size, area):
        return np.zeros((area[3] - area[1], area[2] - area[0]), np.uint8)
    placement, mask = place_in(track, index, size)
    return _support(mask, placement.crop_from_frame, area)


def _near(frame_from_crop: Matrix, size: int, area: Area) -> bool:
    """Whether a crop, or two of its pixels around it, touch the area."""
    step = int(geometry.scale_of(frame_from_crop)) + 1
    x0, y0, x1, y1 = _around(frame_from_crop, _whole(size), step)
    return x0 < area[2] and area[0] < x1 and y0 < area[3] and area[1] < y1


def _support(mask: NDArray[np.float32], crop_from_frame: Matrix, area: Area) -> NDArray[np.uint8]:
    support: NDArray[np.uint8] = (_warped(mask, crop_from_frame, area) > 0).astype(np.uint8)
    return support


def _shrunk(
    canvas: NDArray[_Number], canvas_from_crop: Matrix, size: int, step: int
) -> NDArray[_Number]:
    """Sample a crop from a canvas; blocks of ``step`` squared pixels are averaged first."""
    if step > 1:
        height, width = canvas.shape[0] // step, canvas.shape[1] // step
        canvas = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    matrix = _coarser(step) @ canvas_from_crop
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    crop: NDArray[_Number] = cv2.warpAffine(
        canvas, matrix[:2], (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    return crop


def _coarser(step: int) -> Matrix:
    """Pixels of a picture shrunk by ``step`` from pixels of the picture."""
    return geometry.similarity(scale=1 / step, shift=((1 / step - 1) / 2,) * 2)


def _warped(
    crop: NDArray[_Number], crop_from_frame: Matrix, area: Area, *, cubic: bool = False
) -> NDArray[_Number]:
    """A crop as it looks in an area of the frame; 0 beyond its edge."""
    step = max(1, int(geometry.scale_of(crop_from_frame)))
    if step > 1:
        pad = -crop.shape[0] % step
        padded = cv2.copyMakeBorder(crop, 0, pad, 0, pad, cv2.BORDER_REPLICATE)
        side = padded.shape[0] // step
        crop = cv2.resize(padded, (side, side), interpolation=cv2.INTER_AREA)
    matrix = _coarser(step) @ crop_from_frame @ geometry.similarity(shift=(area[0], area[1]))
    flags = (cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR) | cv2.WARP_INVERSE_MAP
    size = (area[2] - area[0], area[3] - area[1])
    border = cv2.BORDER_REPLICATE if cubic else cv2.BORDER_CONSTANT
    warped: NDArray[_Number] = cv2.warpAffine(
        crop, matrix[:2], size, flags=flags, borderMode=border
    )
    return warped


def paste(
    image: NDArray[np.uint8],
    pixels: NDArray[np.uint8],
    mask: NDArray[np.float32],
    frame_from_crop: Matrix,
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A copy of a frame with one crop laid over it, and the pixels that it was laid over.

    Where the opacity is 1 nothing of the frame remains; where it is 0 nothing changes. Faces are
    pasted one after another; a later feather then blends with an earlier painting.

    Args:
        image: ``(H, W, 3)``.
        pixels: ``(S, S, 3)`` painted crop.
        mask: ``(S, S)`` its opacity.
        frame_from_crop: Where it lies.

    Returns:
        ``(H, W, 3)``, and ``(H, W)`` which of its pixels have an opacity above 0, whatever they
        look like.

    Raises:
        ValueError: if an opacity is no number from 0 to 1: what it is for would stay as it was.
    """
    if not 0 <= mask.min() <= mask.max() <= 1:
        raise ValueError(f"opacities must lie in [0, 1], got {mask.min()} to {mask.max()}")
    result, laid = image.copy(), np.zeros(image.shape[:2], np.bool_)
    (x0, y0, x1, y1), opacity = _opacity(mask, frame_from_crop, image.shape[:2])
    if not opacity.size:
        return result, laid
    here = np.s_[y0:y1, x0:x1]
    area = x0, y0, x1, y1
    painted = _warped(pixels, geometry.inverse(frame_from_crop), area, cubic=True)
    laid[here] = opacity > 0
    feather = laid[here] & (opacity <= SOLID)
    share, under = opacity[feather][:, None], result[here][feather].astype(np.float32)
    blended = under + share * (painted[feather] - under)
    np.copyto(result[here], painted, where=(opacity > SOLID)[..., None])
    result[here][feather] = blended.round().astype(np.uint8)
    return result, laid


def _opacity(
    mask: NDArray[np.float32], frame_from_crop: Matrix, size: tuple[int, ...]
) -> tuple[Area, NDArray[np.float32]]:
    """The part of a frame of (height, width) ``size`` that a crop may cover, and how much it does.

    The opacity of a crop that lies outside of the frame, or is nowhere opaque, is empty.
    """
    x, y, width, height = cv2.boundingRect((mask > 0).astype(np.uint8))
    # what is shrunk by blocks reaches one and a half of them farther
    reach = 2 * max(1.0, 1 / geometry.scale_of(frame_from_crop))
    box = x - reach, y - reach, x + width + reach, y + height + reach
    area = _inside(_around(frame_from_crop, box, 1), size)
    if not width or area[0] >= area[2] or area[1] >= area[3]:
        return area, np.empty((0, 0), np.float32)
    return area, _warped(mask, geometry.inverse(frame_from_crop), area)


def ring(mask: NDArray[np.float32], hidden: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Visible pixels around the protected area, ``(T, S, S)``: a tenth of the crop wide."""
    reach = max(1, mask.shape[-1] // 10)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    near = np.stack([cv2.dilate((each > 0).astype(np.uint8), kernel) for each in mask]) > 0
    around: NDArray[np.bool_] = near & (mask == 0) & ~hidden
    return around
