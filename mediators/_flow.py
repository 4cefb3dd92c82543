"""Where each pixel of a crop was in a neighbouring crop, and where that cannot be said.

Everything here may look at the original pixels: what comes out is geometry only (invariant P1).
Tests that hold the flow fixed replace the whole stage, because the photometric test looks too.
"""

from __future__ import annotations

from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.data import Clip, Correspondence
from anonymizer.protocols import FlowEstimator

ALPHA: Final = 0.01
"""Share of the motion that a round trip may miss (medm.md section 2)."""
BETA: Final = 0.5
"""Pixels that a round trip may miss besides."""
TAU: Final = 0.1
"""Photometric difference, mean of the channels over 3x3 pixels, as a share of full range."""


class Correspond(Protocol):
    """The replaceable stage from crops to correspondences."""

    def __call__(self, clip: Clip, target: int, source: int) -> Correspondence:
        """Where crop ``target`` finds its pixels in crop ``source``; both are places in the clip.

        The result names the frame indices.
        """
        ...


class Dis:
    """Dense inverse search (Kroeger et al. 2016) as OpenCV has it, refined at full resolution.

    On the exact scenes of the tests at 128 pixels the finest scale 0 has a mean error of 0.015 px
    on a slow pan and 0.044 px on a zoom; the preset's own scale 1 has 0.033 and 0.113.
    """

    def __call__(
        self, target: NDArray[np.uint8], source: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Flows target->source and source->target of two ``(S, S, 3)`` pictures, ``(S, S, 2)``."""
        estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        estimator.setFinestScale(0)
        a, b = (cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY) for crop in (target, source))
        return estimator.calc(a, b, None), estimator.calc(b, a, None)


class Estimated:
    """Correspondences from an estimator's two flows, tested for occlusion and for looks."""

    def __init__(self, estimator: FlowEstimator) -> None:
        self._estimator = estimator

    def __call__(self, clip: Clip, target: int, source: int) -> Correspondence:
        """See `Correspond`."""
        flows = self._estimator(clip.pixels[target], clip.pixels[source])
        return _tested(clip, target, source, *flows)

    def both(self, clip: Clip, one: int, other: int) -> tuple[Correspondence, Correspondence]:
        """Of crop ``one`` in ``other``, and of ``other`` in ``one``, for the price of either."""
        there, back = self._estimator(clip.pixels[one], clip.pixels[other])
        return _tested(clip, one, other, there, back), _tested(clip, other, one, back, there)


def _tested(
    clip: Clip,
    target: int,
    source: int,
    there: NDArray[np.float32],
    back: NDArray[np.float32],
) -> Correspondence:
    seen, past = clip.pixels[target], clip.pixels[source]
    grid = (places(*clip.shape) + there).astype(np.float32)
    with np.errstate(invalid="ignore"):  # flow that is not finite fails the comparisons
        valid = returns(there, back, grid) & alike(seen, past, grid)
    return Correspondence(clip.indices[source], clip.indices[target], grid, valid)


FLOWS: Final = {"dis": Dis}
"""Flow estimators by name."""


def estimated(flow: str) -> Correspond:
    """Correspondences by a flow estimator.

    Raises:
        ValueError: for an unknown name.
    """
    if flow not in FLOWS:
        raise ValueError(f"{flow!r} is not one of {', '.join(FLOWS)}")
    return Estimated(FLOWS[flow]())


class Remembered:
    """Correspondences of the crops of one clip, each found once, whoever asks.

    Crops are known by their frame indices.
    """

    def __init__(self, correspond: Correspond) -> None:
        self._correspond = correspond
        self._found: dict[tuple[int, int], Correspondence] = {}

    def __call__(self, clip: Clip, target: int, source: int) -> Correspondence:
        """See `Correspond`."""
        wanted = clip.indices[target], clip.indices[source]
        if wanted not in self._found:
            if isinstance(self._correspond, Estimated):
                there, back = self._correspond.both(clip, target, source)
                self._found[wanted], self._found[wanted[::-1]] = there, back
            else:
                self._found[wanted] = self._correspond(clip, target, source)
        return self._found[wanted]


def places(height: int, width: int | None = None) -> NDArray[np.float32]:
    """``(H, W, 2)``: the (x, y) of every pixel; of a square if there is no width."""
    y, x = np.mgrid[:height, : width or height].astype(np.float32)
    return np.stack([x, y], -1)


def returns(
    there: NDArray[np.float32], back: NDArray[np.float32], grid: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Whether the way there and back ends where it began (medm.md section 2), ``(S, S)``.

    The way back starts at ``p + there``, read bilinearly and zero outside the picture; norms are
    not squared. Flow that is not finite does not return.
    """
    returning = cv2.remap(back, grid, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    missed = np.linalg.norm(there + returning, axis=-1)
    length = np.linalg.norm(there, axis=-1) + np.linalg.norm(returning, axis=-1)
    return np.asarray(np.isfinite(length) & (missed <= ALPHA * length + BETA))


def alike(
    target: NDArray[np.uint8], source: NDArray[np.uint8], grid: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Whether the source looks the same there, within ``TAU``, ``(S, S)``."""
    moved = cv2.remap(source, grid, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    difference = cv2.absdiff(target, moved).astype(np.float32).mean(-1)
    return np.asarray(cv2.blur(difference, (3, 3)) <= TAU * 255)
