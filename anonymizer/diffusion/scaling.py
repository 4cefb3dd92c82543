"""Clips and guides at a fraction of their size: large faces are cut large and painted small."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer import geometry
from anonymizer.data import Clip
from anonymizer.head.guide import Guide
from anonymizer.head.raster import ONES


def smaller_clip(clip: Clip, factor: int) -> Clip:
    """The same clip in crops of `size / factor` pixels a side.

    A pixel is hidden, or protected, as soon as one of those it is made of is.

    Raises:
        ValueError: if the factor does not divide the size.
    """
    if clip.size % factor:
        raise ValueError(f"crops of {clip.size} pixels cannot be shrunk {factor} times")
    if factor == 1:
        return clip
    wider = geometry.similarity(scale=factor, shift=((factor - 1) / 2,) * 2)
    return replace(
        clip,
        pixels=_means(clip.pixels, factor),
        context=_means(clip.context, factor),
        hidden=np.asarray(_blocks(clip.hidden, factor).any((2, 4))),
        mask=_blocks(clip.mask, factor).max((2, 4)),
        frame_from_crop=clip.frame_from_crop @ wider,
        landmarks=(clip.landmarks + 0.5) / factor - 0.5,
    )


def smaller_guide(guide: Guide, factor: int) -> Guide:
    """The same drawing at a fraction of its size; colours count by their coverage."""
    if factor == 1:
        return guide
    drawn = guide.head[..., None]
    shares = np.stack([guide.coverage, guide.framed], -1)
    planes = [guide.colour * drawn, guide.normals, shares, drawn]
    side = len(guide.coverage) // factor
    mean = cv2.resize(
        np.concatenate(planes, -1, dtype=np.float32), (side, side), interpolation=cv2.INTER_AREA
    )
    length = np.sqrt(np.square(mean[..., 3:6]) @ ONES)[..., None]
    return Guide(
        colour=mean[..., :3] / np.maximum(mean[..., 8:], 1e-6),
        normals=mean[..., 3:6] / np.maximum(length, 1e-6),
        coverage=np.ascontiguousarray(mean[..., 6]),
        framed=np.ascontiguousarray(mean[..., 7]),
    )


def larger(image: NDArray[np.floating | np.uint8], factor: int) -> NDArray[np.float32]:
    """A picture (S, S, 3) at `factor` times the size, smoothly."""
    side = len(image) * factor
    picture = np.asarray(image, np.float32)
    return np.asarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_CUBIC), np.float32)


def _means(images: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    side = images.shape[1] // factor
    return np.stack(
        [cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA) for image in images]
    )


def _blocks(planes: NDArray[np.generic], factor: int) -> NDArray[np.generic]:
    """(T, S, S) as (T, S / factor, factor, S / factor, factor)."""
    count, side = len(planes), planes.shape[1] // factor
    return planes.reshape(count, side, factor, side, factor)
