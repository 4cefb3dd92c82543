"""TIFF files: what cameras, scanners and laboratories write, read and written without loss."""

from __future__ import annotations

import io
import logging
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, cast

import av
import numpy as np
import tifffile
from numpy.typing import NDArray
from tifffile import TiffPage

from anonymizer.video.labels import DAMAGED, Labels, NotRead, cleaned, turned
from anonymizer.video.native import Samples

STARTS: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_REDUCED: Final = 1
"""Bit of a page that is another one in small."""
_PLAIN: Final = {1, 8, 32773, 32946}
"""Compressions that tifffile reads alone: none, Deflate, PackBits, Deflate by its old number."""
_LZW: Final = 5
_INVERTED, _GREY, _RGB, _PALETTE = range(4)
"""Ways to say what a sample means (TIFF 6.0, PhotometricInterpretation)."""
_ASSOCIATED, _ALONE = 1, 2
"""Kinds of alpha: colours multiplied by it, or not."""
_LARGEST: Final = 1 << 30
"""Samples."""
logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # damage becomes an error of ours
_ADVICE: Final = "save it as 8 or 16 bits of grey or RGB, with LZW or Deflate"


def read(data: bytes) -> tuple[Samples, Labels]:
    """Samples ``(H, W, C)`` as they are stored, and what else the file says.

    Raises:
        NotRead: if it is damaged, has several pages, or is of a kind that is not read.
    """
    with _damaged(), tifffile.TiffFile(io.BytesIO(data)) as file:
        page = _page(file)
        _check(page, len(data))
        samples = _decoded(page, data)
        if samples.shape[:2] != (page.imagelength, page.imagewidth):
            raise NotRead(DAMAGED)
        return _meant(samples, page), _labels(page)


def file_of(samples: Samples, labels: Labels) -> bytes:
    """A TIFF file, compressed without loss.

    Args:
        samples: ``(H, W, C)`` of 8 or 16 bits: grey or RGB, perhaps with alpha.
        labels: What to say of its colours.
    """
    channels = samples.shape[2]
    alpha = ["assocalpha" if labels.premultiplied else "unassalpha"] * (channels in (2, 4))
    written = io.BytesIO()
    tifffile.imwrite(
        written,
        samples if channels > 1 else samples[..., 0],
        photometric="rgb" if channels > 2 else "minisblack",
        planarconfig="contig" if channels > 1 else None,
        extrasamples=alpha or None,
        compression="zlib",
        predictor=True,
        iccprofile=labels.profile,
        metadata=None,
        software=False,
    )
    return written.getvalue()


@contextmanager
def _damaged() -> Iterator[None]:
    """Turn what may be found in a damaged file into NotRead."""
    try:
        yield
    except (
        tifffile.TiffFileError,
        av.error.FFmpegError,
        zlib.error,
        struct.error,
        ArithmeticError,
        AttributeError,
        LookupError,
        MemoryError,
        TypeError,
        ValueError,
    ) as error:
        raise NotRead(DAMAGED) from error


def _page(file: tifffile.TiffFile) -> TiffPage:
    """The one page that is not another one in small."""
    pages = [cast("TiffPage", page) for page in file.pages]
    whole = [page for page in pages if not int(page.subfiletype) & _REDUCED] or pages[:1]
    if not whole:
        raise NotRead(DAMAGED)
    if len(whole) > 1:
        raise NotRead(f"has {len(whole)} pages; save each as a picture of its own")
    return whole[0]


def _check(page: TiffPage, size: int) -> None:
    """Refuse what is not read, and what lies outside of a file of ``size`` bytes."""
    meaning, extra = int(page.photometric), len(page.extrasamples)
    colours = {_INVERTED: 1, _GREY: 1, _RGB: 3, _PALETTE: 1}.get(meaning)
    if page.bitspersample not in (8, 16):
        raise NotRead(f"has samples of {page.bitspersample} bits; {_ADVICE}")
    if meaning == 5:
        raise NotRead("has colours for print (CMYK); convert it to RGB first")
    if colours is None or page.samplesperpixel != colours + extra or extra > 1:
        raise NotRead(f"has samples of a kind that is not read; {_ADVICE}")
    if page.dtype not in (np.uint8, np.uint16) or (extra and not _alpha(page)):
        raise NotRead(f"has samples of a kind that is not read; {_ADVICE}")
    lines = not page.is_tiled and int(page.planarconfig) == 1
    known = _PLAIN | {_LZW} if lines else _PLAIN
    if int(page.compression) not in known:
        raise NotRead(f"is compressed in a way that is not read; {_ADVICE}")
    if page.imagelength * page.imagewidth * page.samplesperpixel > _LARGEST:
        raise NotRead(f"is too large: {page.imagewidth}x{page.imagelength}")
    ends = zip(page.dataoffsets, page.databytecounts, strict=True)
    if max((start + length for start, length in ends), default=size + 1) > size:
        raise NotRead(DAMAGED)


def _alpha(page: TiffPage) -> int:
    """Which kind it is; 0 where the samples beside the colours are something else."""
    kinds = [int(kind) for kind in page.extrasamples]
    return kinds[0] if kinds and kinds[0] in (_ASSOCIATED, _ALONE) else 0


def _decoded(page: TiffPage, data: bytes) -> Samples:
    if int(page.compression) == _LZW:
        return _by_ffmpeg(page, data)
    samples = page.asarray()
    if samples.ndim == 3 and int(page.planarconfig) == 2:
        samples = np.moveaxis(samples, 0, -1)
    return cast("Samples", np.atleast_3d(samples))


def _by_ffmpeg(page: TiffPage, data: bytes) -> Samples:
    """FFmpeg reads LZW, of a file with one page."""
    with av.open(io.BytesIO(data), "r", format="tiff_pipe") as file:
        (picture,) = file.decode(video=0)
    assert isinstance(picture, av.VideoFrame)
    kind = f"{'>' if picture.format.name.endswith('be') else '<'}u{page.dtype.itemsize}"  # type: ignore[union-attr]  # checked
    lines = np.frombuffer(bytes(picture.planes[0]), kind).reshape(picture.height, -1)
    lines = lines[:, : picture.width * page.samplesperpixel]
    samples = lines.reshape(picture.height, picture.width, page.samplesperpixel)
    return cast("Samples", samples.astype(page.dtype))


def _meant(samples: Samples, page: TiffPage) -> Samples:
    """Light is more; palettes are looked up."""
    meaning = int(page.photometric)
    if meaning == _INVERTED:
        samples = samples.copy()
        samples[..., 0] = np.iinfo(samples.dtype).max - samples[..., 0]
    if meaning == _PALETTE:
        table = cast("NDArray[np.uint16]", page.colormap)
        samples = (table.T[samples[..., 0]] >> 8).astype(np.uint8)
    return samples


def _labels(page: TiffPage) -> Labels:
    profile, warnings = cleaned(page.iccprofile)
    orientation = page.tags.valueof("Orientation")
    return Labels(
        "tiff",
        turned(None if orientation is None else int(orientation)),
        profile,
        premultiplied=_alpha(page) == _ASSOCIATED,
        warnings=warnings,
    )
