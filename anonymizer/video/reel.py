"""Films of pictures that were made here, for measurements."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.container import OutputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from anonymizer.video.failures import writing

RATE: Final = 25
"""Pictures per second."""
_OPTIONS: Final = {"crf": "14", "preset": "veryfast"}


def write_reel(path: Path, pictures: Iterable[NDArray[np.uint8]]) -> None:
    """Write pictures ``(H, W, 3)`` of one size as a film in H.264, one after the other.

    Raises:
        UnwritableOutput: if the file cannot be written.
    """
    with writing(path), av.open(str(path), "w") as file:
        stream: VideoStream | None = None
        for picture in pictures:
            stream = stream or _stream(file, picture.shape[0], picture.shape[1])
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            file.mux(stream.encode(frame))
        if stream is not None:
            file.mux(stream.encode())


def _stream(file: OutputContainer, height: int, width: int) -> VideoStream:
    stream = file.add_stream("libx264", rate=RATE, options=dict(_OPTIONS))
    stream.height, stream.width = height, width
    stream.pix_fmt = "yuv444p" if height % 2 or width % 2 else "yuv420p"
    return stream
