"""How YUV becomes RGB and back: matrix and range as H.273 code points.

FFmpeg's AVCOL_* numbers are those code points; swscale numbers its matrices on its own.
"""

from __future__ import annotations

from typing import Final

import av
from av.video.reformatter import ColorRange, Colorspace, Interpolation

from anonymizer.data import Colour

BT709: Final = 1
BT601: Final = 6
RGB: Final = 0
UNSPECIFIED: Final = 2
_GREY: Final = ("gray", "ya")
_SWSCALE: Final = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
}
"""Matrices that swscale can apply."""

# The default path takes the nearest chroma sample and rounds down; these flags interpolate it.
SCALING: Final = Interpolation.BICUBIC | Interpolation.FULL_CHR_H_INT | Interpolation.ACCURATE_RND
QUICK: Final = Interpolation.BICUBIC


def colour_of(picture: av.VideoFrame) -> Colour:
    """The description that a decoded picture carries; what it does not say is None.

    Grey that does not say it uses the full range, as FFmpeg has it.
    """
    full = {int(ColorRange.MPEG): False, int(ColorRange.JPEG): True}.get(int(picture.color_range))
    if full is None and picture.format.name.startswith(_GREY):
        full = True
    return Colour(
        primaries=_known(picture.color_primaries),
        transfer=_known(picture.color_trc),
        matrix=_known(picture.colorspace),
        full_range=True if picture.format.name.startswith("yuvj") else full,
    )


def _known(code: int) -> int | None:
    """A code point, or None for 2 (unspecified) and 0 (reserved; RGB for matrices)."""
    return None if code in (0, UNSPECIFIED) else int(code)


def matrix_for(colour: Colour, height: int) -> int:
    """The matrix to use: the stream's, or BT.709 from 720 displayed lines on and BT.601 below.

    The rule also replaces matrices that swscale does not know (YCgCo, ICtCp, constant luminance).
    """
    if colour.matrix in _SWSCALE:
        return int(colour.matrix or 0)
    return BT709 if height >= 720 else BT601


def swscale_matrix(matrix: int) -> int:
    """Swscale's number for an H.273 matrix that ``matrix_for`` returned."""
    return int(_SWSCALE[matrix])


def swscale_range(full: bool | None) -> int:
    """Swscale's number for a range; limited unless the stream says full."""
    return int(ColorRange.JPEG if full else ColorRange.MPEG)
