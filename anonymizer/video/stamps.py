"""Times of packets that are made anew."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from anonymizer.data import StreamInfo


def decoding_times(pieces: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """When each packet of a film is decoded: strictly increasing, none after it is shown.

    As many packets ahead of showing as the piece that reorders most needs, everywhere; before the
    first frame is shown, in its own steps.

    Args:
        pieces: Times of showing, in order of decoding.

    Raises:
        ValueError: if times repeat, or a piece does not follow the one before it.
    """
    pts = np.concatenate(pieces)
    shown = np.sort(pts)
    bounds = np.cumsum([0, *map(len, pieces)])
    for piece, start, stop in zip(pieces, bounds[:-1], bounds[1:], strict=True):
        if not np.array_equal(np.sort(piece), shown[start:stop]):
            raise ValueError("parts of a film overlap in time")
    if (np.diff(shown) <= 0).any():
        raise ValueError("frames of a film share a time")
    count = len(pts)
    ahead = int((np.arange(count) - np.searchsorted(shown, pts)).max())
    head = shown[:ahead] - (shown[ahead] - shown[0])
    times: NDArray[np.int64] = np.concatenate([head, shown[: count - ahead]])
    return times


def usual_step(info: StreamInfo) -> int:
    """Time base units per frame, from the header."""
    return max(1, round(1 / (info.average_rate * info.time_base))) if info.average_rate else 1
