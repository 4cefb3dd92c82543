"""Steady a signal over time without lag: symmetric kernels on a whole shot."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

SPAN: Final = 4
"""Half width, in frames, of the smoothing kernel."""
_KERNEL: Final[NDArray[np.float64]] = np.exp(-0.5 * (np.arange(-SPAN, SPAN + 1) / 2.0) ** 2)
_QUICK: Final[NDArray[np.float64]] = np.exp(-0.5 * (np.arange(-SPAN, SPAN + 1) / 1.2) ** 2)


def steady(values: NDArray[np.float64], sides: NDArray[np.float64]) -> NDArray[np.float64]:
    """Smooth ``(T, K)`` over time without lag; true jumps, large for the face, are kept.

    The ends are continued by turning them about their last value, so steady motion passes through
    unchanged, at the ends too.
    """
    smooth = _blurred(values)
    surprise = np.abs(values - smooth).max(axis=1) / sides
    trust = ((surprise - 0.04) / 0.06).clip(0, 1)[:, None]
    kept: NDArray[np.float64] = smooth + trust * (values - smooth)
    return kept


def quiet(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Smooth numbers ``(T, K)`` about [0, 1] over time without lag; what is quick stays as it is.

    Each number by itself: a tremble is averaged away, a blink of three frames is left alone.
    """
    smooth = _blurred(values, _QUICK)
    trust = ((np.abs(values - smooth) - 0.05) / 0.07).clip(0, 1)
    kept: NDArray[np.float64] = smooth + trust * (values - smooth)
    return kept


def _blurred(
    values: NDArray[np.float64], whole: NDArray[np.float64] = _KERNEL
) -> NDArray[np.float64]:
    reach = min(SPAN, len(values) - 1)
    kernel = whole[SPAN - reach : SPAN + reach + 1]
    front = 2 * values[0] - values[reach:0:-1]
    back = 2 * values[-1] - values[-2 : -2 - reach : -1]
    padded = np.concatenate([front, values, back])
    windows = np.lib.stride_tricks.sliding_window_view(padded, len(kernel), axis=0)
    mean: NDArray[np.float64] = windows @ kernel / kernel.sum()
    return mean


def covering(smooth: NDArray[np.float64], detected: NDArray[np.float64]) -> NDArray[np.float64]:
    """Steady boxes made just large enough, smoothly in time, to hold the detected ones.

    The missing margin is raised to its maximum over the kernel's reach before it is smoothed,
    hence is never less than what is missing.
    """
    outward = np.array([-1.0, -1.0, 1.0, 1.0])
    missing = ((detected - smooth) * outward).clip(0)
    held: NDArray[np.float64] = smooth + outward * above(missing) * (1 + 1e-9)
    return held


def above(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """A smooth signal ``(T, K)`` that is nowhere less than the given one, beyond rounding.

    A value depends on the ``2 * SPAN`` frames before and after, so a window of a long signal gives
    the same in its middle as the whole.
    """
    padded = np.pad(values, ((2 * SPAN, 2 * SPAN), (0, 0)), mode="edge")
    raised = np.lib.stride_tricks.sliding_window_view(padded, 2 * SPAN + 1, axis=0).max(axis=-1)
    moving = np.lib.stride_tricks.sliding_window_view(raised, 2 * SPAN + 1, axis=0)
    level: NDArray[np.float64] = moving @ _KERNEL / _KERNEL.sum()
    return level
