"""Single pictures with all that they hold: samples of 8 or 16 bits, grey or RGB, and alpha."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.data import Frame
from anonymizer.video import jpegs, pngs, tiffs, webps
from anonymizer.video.composing import painted_in
from anonymizer.video.labels import DAMAGED, Labels, NotRead
from anonymizer.video.native import Samples

DEEP: Final = (".png", ".tif", ".tiff")
"""Suffixes of files that can hold 16 bits."""
_TIFF: Final = (".tif", ".tiff")
_OPAQUE: Final = (".jpg", ".jpeg", ".bmp")
_LUMA: Final = np.array([0.299, 0.587, 0.114])
"""Of red, green and blue in grey (ITU-R BT.601), as JPEG has it."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Still:
    """One decoded picture, upright."""

    samples: Samples
    """``(H, W, C)``: grey, grey and alpha, RGB, or RGB and alpha; read-only."""
    image: NDArray[np.uint8]
    """``(H, W, 3)`` RGB made of it."""
    labels: Labels

    @property
    def alpha(self) -> bool:
        """Whether there is transparency."""
        return self.samples.shape[2] in (2, 4)


def still_of(data: bytes) -> Still:
    """Decode a file; what it is decides, not what it is called.

    Raises:
        NotRead: if that is not possible, or there is more than one picture.
    """
    if data.startswith(tiffs.STARTS):
        samples, labels = tiffs.read(data)
    else:
        labels = _labels_of(data)
        samples = _decoded(data, labels)
    samples = labels.orientation.apply(samples)
    samples.flags.writeable = False
    return Still(samples, _rgb(samples), labels)


def _labels_of(data: bytes) -> Labels:
    if data.startswith(pngs.START):
        return pngs.labels_of(data)
    if data.startswith(jpegs.START):
        return jpegs.labels_of(data)
    if webps.is_webp(data):
        return webps.labels_of(data)
    if data.startswith(b"BM"):
        return Labels("bmp")
    raise NotRead(DAMAGED)


def _decoded(data: bytes, labels: Labels) -> Samples:
    try:
        read = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise NotRead("is not a picture that can be decoded") from error
    if read is None or read.dtype not in (np.uint8, np.uint16):
        raise NotRead(DAMAGED)
    samples = cast("Samples", read[..., None] if read.ndim == 2 else read)
    if samples.shape[2] >= 3:
        samples = samples[..., [2, 1, 0, 3][: samples.shape[2]]]
    if labels.grey and samples.shape[2] == 4:
        samples = samples[..., [0, 3]]
    if labels.clear is not None and samples.shape[2] == 1:
        opaque = (samples != labels.clear) * np.iinfo(samples.dtype).max
        samples = np.dstack([samples, opaque.astype(samples.dtype)])
    return samples


def _rgb(samples: Samples) -> NDArray[np.uint8]:
    colours = samples[..., :3] if samples.shape[2] > 2 else samples[..., [0, 0, 0]]
    return np.ascontiguousarray(_shallow(colours))


def _shallow(samples: Samples) -> NDArray[np.uint8]:
    """In 8 bits, rounded."""
    if samples.dtype == np.uint8:
        return samples.astype(np.uint8, copy=False)
    return ((samples.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)


def composed(frame: Frame) -> Still:
    """What a frame shows, in the samples of the file it comes from wherever it was not painted.

    What was painted is opaque: the edge of transparency around a face may tell whose it is.
    """
    still = frame.native
    if not isinstance(still, Still) or still.image.shape != frame.image.shape:
        return Still(frame.image, frame.image, Labels("bmp"))
    painted = painted_in(frame, still.image)
    if painted is None:
        return still
    samples = still.samples.copy()
    colours = frame.image[painted]
    if samples.shape[2] < 3:
        colours = (colours @ _LUMA)[:, None].round().astype(np.uint8)
    factor = 257 if samples.dtype == np.uint16 else 1
    samples[painted, : colours.shape[1]] = colours.astype(samples.dtype) * factor
    if still.alpha:
        samples[painted, -1] = np.iinfo(samples.dtype).max
    return replace(still, samples=samples, image=frame.image)


def file_of(still: Still, suffix: str, *, lossless: bool = False) -> tuple[bytes, tuple[str, ...]]:
    """A file of that suffix, and what of the picture is lost in it, in words.

    Raises:
        NotRead: if it does not fit the format.
    """
    samples, labels, said = still.samples, still.labels, []
    if samples.dtype == np.uint16 and suffix not in DEEP:
        said.append("samples of 16 bits are rounded to 8")
        samples = _shallow(samples)
    if labels.premultiplied and still.alpha and suffix not in _TIFF:
        samples = _divided(samples)
    if still.alpha and suffix in _OPAQUE:
        said.append(f"{suffix} holds no transparency; left out")
        samples = samples[..., :-1]
    content = _written(np.ascontiguousarray(samples), labels, suffix, lossless=lossless)
    return content, tuple(said)


def _written(samples: Samples, labels: Labels, suffix: str, *, lossless: bool) -> bytes:
    if suffix == ".png":
        return pngs.file_of(samples, labels)
    if suffix in _TIFF:
        return tiffs.file_of(samples, labels)
    if suffix == ".webp":
        exact = lossless or (labels.lossless and labels.kind == "webp")
        return webps.file_of(_coloured(samples), labels, lossless=exact)
    if suffix == ".bmp":
        return cv2.imencode(suffix, samples[..., ::-1])[1].tobytes()
    return jpegs.file_of(samples, labels)


def _coloured(samples: Samples) -> Samples:
    """Grey as RGB, for formats that know no grey."""
    if samples.shape[2] > 2:
        return samples
    return np.ascontiguousarray(samples[..., [0, 0, 0, 1][: samples.shape[2] + 2]])


def _divided(samples: Samples) -> Samples:
    """Colours that were multiplied by alpha as they are without."""
    most = np.iinfo(samples.dtype).max
    alpha = np.maximum(samples[..., -1:], 1).astype(np.float64)
    colours = (samples[..., :-1] * (most / alpha)).round().clip(0, most)
    return np.dstack([colours.astype(samples.dtype), samples[..., -1]])
