"""Frames into shots, shots into overlapping chunks.

A cut is looked for on small signatures of the source, never on what was painted. Frame t begins a
new shot when every one of the three pictures before it differs from every one of the three from it
on: a flash or a broken frame leaves a pair that agrees across it. The difference must also stand
out from what neighbouring frames do to each other, so that pans, shakes and fades are no cuts.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from itertools import chain, pairwise, product, repeat
from statistics import median_low
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anonymizer.data import Chunk, Frame
from anonymizer.errors import UsageError

Signature = NDArray[np.float32]
"""What ``signature`` returns: 240 numbers, 960 bytes."""

_ROWS: Final = 12
_COLUMNS: Final = 16
_LAYOUT: Final = _ROWS * _COLUMNS
_ROW_SAMPLES: Final = 60
_COLUMN_SAMPLES: Final = 64
_LUMA: Final = np.array([0.299, 0.587, 0.114], np.float32) / 255
_LEVELS: Final = (4, 4, 3)
"""Of red, green and blue in the histogram."""

_REACH: Final = 3
"""Pictures on either side of a cut that are compared."""
_LEAST: Final = 0.45
"""Difference that makes a cut. Measured on real film: cuts 0.88 to 1.05, motion up to 0.30."""
_RATIO: Final = 3.0
"""How far a cut stands out from the usual difference of neighbours."""
_FLAT: Final = 0.02
"""Contrast (standard deviation of luma in [0, 1]) below which layout means nothing."""


def signature(image: NDArray[np.uint8]) -> Signature:
    """Coarse layout and colours of a picture ``(H, W, 3)``.

    192 block means of luma less their mean, then the shares of 48 colours. Pictures smaller than
    the grid repeat pixels.
    """
    height, width, _ = image.shape
    rows = np.linspace(0, height - 1, _ROW_SAMPLES).round().astype(np.intp)
    columns = np.linspace(0, width - 1, _COLUMN_SAMPLES).round().astype(np.intp)
    small = image[rows[:, None], columns]
    blocks = (small @ _LUMA).reshape(_ROWS, -1, _COLUMNS, _COLUMN_SAMPLES // _COLUMNS)
    layout = blocks.mean(axis=(1, 3)).ravel()
    red, green, blue = ((small[..., i].astype(np.intp) * n) >> 8 for i, n in enumerate(_LEVELS))
    colours = (red * _LEVELS[1] + green) * _LEVELS[2] + blue
    counts = np.bincount(colours.ravel(), minlength=int(np.prod(_LEVELS)))
    return np.concatenate([layout - layout.mean(), counts / colours.size]).astype(np.float32)


def difference(a: Signature, b: Signature) -> float:
    """How much two pictures differ: 0 if not at all, about 1 if they have nothing in common.

    The first part compares layouts relative to their contrast, so that a dark film counts as much
    as a bright one; the second is the share of pixels that change colour, at most 1.
    """
    energy = float(np.square(a[:_LAYOUT]).mean() + np.square(b[:_LAYOUT]).mean()) + 2 * _FLAT**2
    layout = float(np.square(a[:_LAYOUT] - b[:_LAYOUT]).mean()) / energy
    return layout + float(np.abs(a[_LAYOUT:] - b[_LAYOUT:]).sum()) / 2


def cut_indices(signatures: Iterable[Signature]) -> Iterator[int]:
    """Positions of the pictures that begin a new shot, not the first; looks two pictures ahead."""
    window: deque[Signature | None] = deque(maxlen=2 * _REACH)
    for count, item in enumerate(chain(signatures, repeat(None, _REACH - 1)), start=1):
        window.append(item)
        known = [picture for picture in window if picture is not None]
        ahead = _REACH - (len(window) - len(known))
        if count > _REACH and _is_cut(known[:-ahead], known[-ahead:]):
            yield count - _REACH


def find_cuts(signatures: Iterable[Signature]) -> list[int]:
    """All positions of ``cut_indices``."""
    return list(cut_indices(signatures))


def _is_cut(before: list[Signature], after: list[Signature]) -> bool:
    least = min(difference(a, b) for a, b in product(before, after))
    beside = [difference(a, b) for a, b in chain(pairwise(before), pairwise(after))]
    return least >= max(_LEAST, _RATIO * median_low(beside or [0.0]))


def chunks(
    frames: Iterable[Frame], starts: Collection[int], *, length: int = 16, overlap: int = 4
) -> Iterator[Chunk]:
    """Cut a film into chunks of at most ``length`` new frames that never cross a cut.

    Each begins with as many frames of its shot, at most ``overlap``, as the chunks before it hold;
    the bodies joined are the film. No more than one chunk is held. Borders depend on where the shot
    begins alone: where frames are left out chunks end, and go on in the same steps behind.

    Args:
        frames: Frames of increasing index, from one shot's first on or from any.
        starts: Indices of the frames that begin a new shot.
        length: New frames per chunk.
        overlap: Frames shown again as context.

    Raises:
        UsageError: unless ``length`` exceeds ``overlap`` and ``overlap`` is not negative.
    """
    if overlap < 0:
        raise UsageError(f"overlap must not be negative, got {overlap}")
    if length <= overlap:
        raise UsageError(f"chunk length {length} must exceed overlap {overlap}; lower --overlap")
    return _chunks(iter(frames), sorted(starts), length, overlap)


def _chunks(
    frames: Iterator[Frame], starts: list[int], length: int, overlap: int
) -> Iterator[Chunk]:
    lead: list[Frame] = []
    body: list[Frame] = []
    for number, frame in enumerate(frames):
        here = bisect_right(starts, frame.index)
        if number == 0:
            first, shot, begin = here, here, starts[here - 1] if here else frame.index
        if body:
            next_one = here == shot and frame.index == body[-1].index + 1
            if not next_one or (frame.index - begin) % length == 0:
                yield Chunk(shot - first, (*lead, *body), len(lead))
                lead, body = _tail(lead + body, overlap) if next_one else [], []
        if here != shot:
            shot, begin = here, starts[here - 1]
        body.append(frame)
    if body:
        yield Chunk(shot - first, (*lead, *body), len(lead))


def _tail(frames: list[Frame], count: int) -> list[Frame]:
    return frames[len(frames) - count :] if count < len(frames) else frames
