"""Into how many pieces a film is divided: that depends on the film alone."""

from __future__ import annotations

from math import ceil
from pathlib import Path
from typing import Final

from anonymizer import pieces
from anonymizer.video.timetable import Indivisible

MOST: Final = 64
"""Pieces of one film, about: for each the film's packets are read from the start."""


def size(frames: int, split_frames: int) -> int:
    """Frames of a piece of a film of so many frames."""
    return max(split_frames, ceil(frames / MOST))


def ranges(source: Path, split_frames: int) -> tuple[range, ...]:
    """Ranges of a film that are searched apart; none if it is done as a whole.

    Args:
        source: The film.
        split_frames: Films of more frames are divided; 0 for none.
    """
    if not split_frames:
        return ()
    try:
        found = pieces.to_search(source, frames=split_frames)
        frames = found[-1].stop if found else 0
        if frames <= split_frames:
            return ()
        return pieces.to_search(source, frames=size(frames, split_frames))
    except Indivisible:
        return ()
