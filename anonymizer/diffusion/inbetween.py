"""Frames between two painted ones, filled through a repository of pixels (MeDM)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anonymizer.diffusion.conditions import pictures

if TYPE_CHECKING:
    from anonymizer.protocols import Mediation

LEAST: Final = 1e-4
"""Share of a trajectory's pixels from which its mean says something: far below one in any chunk."""
SOFT: Final = 1.5
"""Spread in pixels of the edge between what was filled and what was painted into holes."""


def filled(
    mediation: Mediation, first: NDArray[np.uint8], last: NDArray[np.uint8], count: int
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Pictures between two, along the trajectories of what they show.

    Harmonization is linear. Where only one frame holds a picture and all others are zero, the mean
    over a trajectory divided by the same mean of ones is that frame's colour of it; where the ones
    give nothing, the frame does not show it. What both frames show is blended by distance in time.

    Args:
        mediation: of all frames, from the first to the last; it must take means over all of them.
        first: (H, W, 3) the first frame.
        last: (H, W, 3) the last frame.
        count: T, with first and last.

    Returns:
        The T - 2 pictures (T - 2, H, W, 3), holes smoothly closed, and where holes are,
        (T - 2, H, W).
    """
    start, from_start = _carried(mediation, first, 0, count)
    end, from_end = _carried(mediation, last, count - 1, count)
    later = (torch.arange(1, count - 1) / (count - 1)).view(-1, 1, 1, 1)
    share = torch.where(from_start, torch.where(from_end, later, 0.0), 1.0)
    mixed = torch.lerp(start, end, share)
    levels = ((mixed + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    holes = (~from_start & ~from_end)[:, 0].numpy()
    frames = levels.permute(0, 2, 3, 1).contiguous().numpy()
    return np.stack([_closed(*each) for each in zip(frames, holes, strict=True)]), holes


def _carried(
    mediation: Mediation, picture: NDArray[np.uint8], at: int, count: int
) -> tuple[Tensor, Tensor]:
    """What the frames between show of one frame: colours, and whether there are any."""
    height, width, _ = picture.shape
    x = torch.zeros((count, 3, height, width))
    here = torch.zeros_like(x)
    x[at], here[at] = pictures(picture[None])[0], 1.0
    shares = mediation(here, 0.0)[1:-1, :1]
    known = shares > LEAST
    return mediation(x, 0.0)[1:-1] / torch.where(known, shares, 1.0), known


def _closed(frame: NDArray[np.uint8], holes: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """A frame with its holes closed from around: what is painted there later starts from it."""
    if not holes.any():
        return frame
    if holes.all():
        return np.full_like(frame, 128)
    closed: NDArray[np.uint8] = cv2.inpaint(frame, holes.astype(np.uint8), 3, cv2.INPAINT_TELEA)
    return closed


def patched(
    frames: NDArray[np.uint8], painted: NDArray[np.uint8], holes: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Frames (N, H, W, 3) with what was painted laid over the holes (N, H, W), softly."""
    result = frames.copy()
    for frame, patch, hole in zip(result, painted, holes, strict=True):
        wider = cv2.dilate(hole.astype(np.float32), np.ones((3, 3), np.uint8))
        opacity = np.maximum(cv2.GaussianBlur(wider, (0, 0), SOFT), hole)[..., None]
        frame[:] = (frame + opacity * (patch.astype(np.float32) - frame)).round()
    return result
