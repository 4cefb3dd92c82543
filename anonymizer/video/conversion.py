"""RGB pictures into what an encoder takes."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import av
import numpy as np
from av.filter import Graph
from av.video.format import VideoFormat
from numpy.typing import NDArray

from anonymizer.video.native import layout_of

_MATRICES: Final = {1: "bt709", 4: "fcc", 5: "bt601", 6: "bt601", 7: "smpte240m", 9: "bt2020"}
_FLAGS: Final = "bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"


class Converter:
    """Converts pictures of one size, all the same way.

    Halved chroma is taken at the left of each pair of pixels, where H.264 and VP9 decoders expect
    it unless told otherwise; PyAV's own ``reformat`` takes it from between them, which moves
    colours by half a pixel.

    Args:
        size: (width, height) in pixels.
        pixel_format: FFmpeg's name of what comes out.
        matrix: H.273 code point of the YUV matrix; one that ``matrix_for`` returned.
        full: Whether YUV uses the full range.
        chroma: Where the chroma of 4:2:0 lies, in FFmpeg's words.
    """

    def __init__(
        self,
        size: tuple[int, int],
        pixel_format: str,
        *,
        matrix: int,
        full: bool,
        chroma: str = "left",
    ) -> None:
        options = f"flags={_FLAGS}:out_range={'pc' if full else 'tv'}"
        layout = layout_of(pixel_format)
        if layout is not None and layout.kind != "gbr":
            options += f":out_color_matrix={_MATRICES[matrix]}"
            if layout.halved[0]:
                options += f":out_chroma_loc={chroma if layout.halved[1] else 'left'}"
        self._graph = Graph()
        self._graph.link_nodes(
            self._graph.add_buffer(
                width=size[0], height=size[1], format=VideoFormat("rgb24"), time_base=Fraction(1)
            ),
            self._graph.add("scale", options),
            self._graph.add("format", f"pix_fmts={pixel_format}"),
            self._graph.add("buffersink"),
        ).configure()

    def __call__(self, image: NDArray[np.uint8]) -> av.VideoFrame:
        """Convert ``(H, W, 3)`` RGB; the result has no time."""
        self._graph.push(av.VideoFrame.from_ndarray(image, "rgb24"))
        picture = self._graph.pull()
        assert isinstance(picture, av.VideoFrame)
        return picture
