"""Drawn surroundings: rooms, a park, a corridor, a counter, a passing hand. No photograph.

Everything is in linear light. Panels are drawn finer than the picture and shrink smoothly.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from samples.acting import Signal
from samples.stage import FINE, Panel

Picture = NDArray[np.float32]
Extent = tuple[int, int]
"""Height and width of a panel in its own pixels."""
Tone = tuple[float, float, float]


def hang(light: Picture, size: Extent, x: Signal, y: Signal, zoom: Signal) -> Panel:
    """A wall behind a picture of `size`: centred, moved by (x, y) pixels, enlarged by `zoom`."""
    opaque = np.ones(light.shape[:2], np.float32)
    return Panel(light, opaque, motion(light.shape[:2], size, x, y, zoom))


def motion(
    panel: tuple[int, ...],
    size: Extent,
    x: Signal,
    y: Signal,
    zoom: Signal,
    turn: Signal | None = None,
) -> Callable[[float], NDArray[np.float64]]:
    """`frame_from_panel` over time: centre on centre, then moved; `turn` is in radians."""
    middle = np.array([(panel[1] - 1) / 2, (panel[0] - 1) / 2])
    centre = np.array([(size[1] - 1) / 2, (size[0] - 1) / 2])

    def matrix(time: float) -> NDArray[np.float64]:
        angle = turn(time) if turn else 0.0
        scale = zoom(time) / FINE
        linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        made = np.eye(3)
        made[:2, :2] = linear
        made[:2, 2] = centre + np.array([x(time), y(time)]) - linear @ middle
        return made

    return matrix


def library(extent: Extent, seed: int) -> Picture:
    """Shelves of books beside a pale wall, slightly out of focus."""
    rng = np.random.default_rng(seed)
    made = _wall(extent, (0.62, 0.58, 0.52), 0.25)
    height, width = extent
    left, pitch = int(0.46 * width), height // 6
    cv2.rectangle(made, (left - 14, 0), (width, height), (0.24, 0.15, 0.09), -1)
    for top in range(8, height, pitch):
        cv2.rectangle(made, (left, top), (width, top + pitch - 14), (0.07, 0.045, 0.03), -1)
        _books(rng, made, left + 4, top + pitch - 15, pitch)
    _frame(made, (int(0.08 * width), int(0.12 * height)), (int(0.24 * width), int(0.34 * height)))
    return _finish(rng, made, 2.6)


def park(extent: Extent, seed: int) -> Picture:
    """Leaves and lights far out of focus over a lawn."""
    rng = np.random.default_rng(seed)
    height, width = extent
    made = _cloud(rng, extent, (0.10, 0.22, 0.07), 0.75)
    sky = _cloud(rng, extent, (0.75, 0.85, 0.95), 0.1)
    share = np.clip((_cloud(rng, extent, (1, 1, 1), 0.7)[..., :1] - 1.15) * 3, 0, 1)
    share *= np.linspace(1.2, -0.4, height, dtype=np.float32).clip(0, 1)[:, None, None]
    made += share * (sky - made)
    lawn = int(0.72 * height)
    made[lawn:] = 0.5 * made[lawn:] + 0.5 * np.array([0.22, 0.36, 0.10], np.float32)
    for _ in range(26):
        spot = np.zeros(extent, np.float32)
        place = (int(rng.uniform(0, width)), int(rng.uniform(0, 0.7 * height)))
        cv2.circle(spot, place, int(rng.uniform(8, 22)), 1.0, -1, cv2.LINE_AA)
        made += 0.35 * spot[..., None] * rng.uniform(0.4, 1.0, 3).astype(np.float32)
    return _finish(rng, made, 5.0)


def office(extent: Extent, seed: int) -> Picture:
    """A coloured wall with pictures, a door and a plant."""
    rng = np.random.default_rng(seed)
    height, width = extent
    made = _wall(extent, (0.34, 0.42, 0.47), -0.3)
    door = (int(0.72 * width), int(0.12 * height)), (int(0.93 * width), height)
    cv2.rectangle(made, *door, (0.5, 0.36, 0.22), -1)
    cv2.circle(made, (int(0.75 * width), int(0.6 * height)), 10, (0.8, 0.75, 0.6), -1, cv2.LINE_AA)
    for left, top in ((0.08, 0.1), (0.30, 0.14), (0.52, 0.08)):
        corner = (int(left * width), int(top * height))
        _frame(made, corner, (int((left + 0.15) * width), int((top + 0.26) * height)))
    for _ in range(60):
        root = np.array([0.2 * width, 0.98 * height])
        tip = root + rng.normal(size=2) * [60, 20] - [0, rng.uniform(60, 330)]
        tone = (np.array([0.05, 0.2, 0.06]) * rng.uniform(0.5, 1.6)).tolist()
        cv2.line(made, root.astype(int).tolist(), tip.astype(int).tolist(), tone, 9, cv2.LINE_AA)
    return _finish(rng, made, 1.8)


def corridor(extent: Extent, seed: int) -> Picture:
    """A hall seen along its length: floor, walls and ceiling meet in a far wall with a window."""
    rng = np.random.default_rng(seed)
    height, width = extent
    made = np.zeros((*extent, 3), np.float32)
    far = np.array([[0.36, 0.30], [0.64, 0.30], [0.64, 0.56], [0.36, 0.56]]) * [width, height]
    near = np.array([[-0.3, -0.2], [1.3, -0.2], [1.3, 1.2], [-0.3, 1.2]]) * [width, height]
    tones = ((0.75, 0.74, 0.70), (0.46, 0.40, 0.33), (0.30, 0.25, 0.20), (0.55, 0.48, 0.40))
    for side, tone in enumerate(tones):
        after = (side + 1) % 4
        for step in np.linspace(0, 1, 9)[:-1]:
            ends = [far + (near - far) * share**1.7 for share in (step, step + 0.125)]
            quad = np.array([ends[0][side], ends[0][after], ends[1][after], ends[1][side]])
            dim = (0.75 + 0.35 * step) * (0.94 if round(step * 8) % 2 else 1.0)
            cv2.fillConvexPoly(made, quad.astype(int), (np.array(tone) * dim).tolist(), cv2.LINE_AA)
    cv2.fillConvexPoly(made, far.astype(int), (0.44, 0.46, 0.46), cv2.LINE_AA)
    low, high = (far[0] + [20, 12]).astype(int), (far[2] - [20, 60]).astype(int)
    _frame(made, (int(low[0]), int(low[1])), (int(high[0]), int(high[1])))
    return _finish(rng, made, 1.6)


def counter(extent: Extent, seed: int) -> tuple[Picture, Picture]:
    """A wooden bar across the lower part of a panel: its light and its cover."""
    rng = np.random.default_rng(seed)
    height, width = extent
    grain = rng.normal(size=(60, 5)).astype(np.float32)
    grain = cv2.resize(grain, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    made = np.array([0.20, 0.11, 0.06], np.float32) * np.exp(0.22 * grain)[..., None]
    cover = np.zeros(extent, np.float32)
    cv2.rectangle(cover, (-9, 24), (width + 9, height + 9), 1.0, -1)
    made[24:52] = made[24:52] * 1.9 + 0.05
    made[52:62] *= 0.45
    return made.astype(np.float32), np.asarray(cv2.GaussianBlur(cover, (0, 0), 1.0), np.float32)


def hand(side: int, tone: Tone, sleeve: Tone) -> tuple[Picture, Picture]:
    """A raised hand with its forearm in a square panel: light and cover; `tone` is of the skin."""
    unit = side / 100
    fingers = (
        (38, 47, 32, 15, 4.6), (45, 45, 43, 7, 5.0), (53, 45, 55, 7, 5.0), (60, 48, 66, 13, 4.4),
        (37, 62, 22, 44, 5.4),
    )  # fmt: skip
    made, cover = np.zeros((side, side, 3), np.float32), np.zeros((side, side), np.float32)
    strokes = [*fingers, (49, 56, 49, 62, 15.0), (49, 68, 50, 130, 9.5), (50, 84, 51, 140, 12.5)]
    for number, (x0, y0, x1, y1, thick) in enumerate(strokes):
        stroke = np.zeros((side, side), np.uint8)
        ends = [(int(16 * x * unit), int(16 * y * unit)) for x, y in ((x0, y0), (x1, y1))]
        cv2.line(stroke, ends[0], ends[1], 255, int(2 * thick * unit), cv2.LINE_AA, 4)
        _round(made, cover, stroke, sleeve if number == len(strokes) - 1 else tone)
    return made, np.asarray(cv2.GaussianBlur(cover, (0, 0), 0.8), np.float32)


def _round(made: Picture, cover: Picture, stroke: NDArray[np.uint8], tone: Tone) -> None:
    """Paint a stroke as a round limb lit from the upper left."""
    inside = cv2.distanceTransform((stroke > 127).astype(np.uint8), cv2.DIST_L2, 5)
    reach = max(float(inside.max()), 1.0)
    height = np.sqrt(np.clip(1 - (1 - inside / reach) ** 2, 0, 1)) * reach
    height = cv2.GaussianBlur(height, (0, 0), 0.12 * reach + 0.5)
    down, across = np.gradient(height)
    lit = (0.5 * across + 0.7 * down + 0.8) / np.sqrt(across**2 + down**2 + 1)
    share = (stroke / 255.0)[..., None].astype(np.float32)
    dim = np.clip(0.25 + 0.85 * lit, 0.12, 1.3)[..., None].astype(np.float32)
    made += share * (dim * np.array(tone, np.float32) - made)
    np.maximum(cover, share[..., 0], out=cover)


def _wall(extent: Extent, tone: Tone, slope: float) -> Picture:
    """A plain wall, brighter to the left by `slope`."""
    ramp = np.linspace(1 + slope, 1 - slope, extent[1], dtype=np.float32)[None, :, None]
    made = np.broadcast_to(ramp * np.array(tone, np.float32), (*extent, 3))
    return np.ascontiguousarray(made, np.float32)


def _books(rng: np.random.Generator, made: Picture, left: int, floor: int, pitch: int) -> None:
    place = left
    while place < made.shape[1]:
        wide, high = int(rng.integers(9, 26)), int(rng.uniform(0.55, 0.8) * pitch)
        tone = np.clip(rng.uniform(0.04, 0.5) * (1 + 0.25 * rng.normal(size=3)), 0.02, 0.8)
        cv2.rectangle(made, (place, floor - high), (place + wide - 2, floor), tone.tolist(), -1)
        band = floor - int(0.75 * high)
        cv2.rectangle(made, (place, band), (place + wide - 2, band + 5), (tone * 1.8).tolist(), -1)
        place += wide if rng.random() > 0.06 else wide + int(rng.integers(20, 60))


def _frame(made: Picture, low: tuple[int, int], high: tuple[int, int]) -> None:
    """A framed picture between two corners."""
    cv2.rectangle(made, low, high, (0.05, 0.04, 0.035), -1)
    inner = [(low[0] + 9, low[1] + 9), (high[0] - 9, high[1] - 9)]
    cv2.rectangle(made, inner[0], inner[1], (0.70, 0.72, 0.74), -1)
    middle = (inner[0][1] + 2 * inner[1][1]) // 3
    cv2.rectangle(made, (inner[0][0], middle), inner[1], (0.25, 0.32, 0.24), -1)


def _cloud(rng: np.random.Generator, extent: Extent, tone: Tone, depth: float) -> Picture:
    """Colours that wander about `tone`, by a factor of some exp(`depth`)."""
    total = np.zeros(extent, np.float32)
    for octave in range(6):
        grid = rng.normal(size=(3 * 2**octave, 4 * 2**octave)).astype(np.float32)
        total += 0.7**octave * cv2.resize(grid, extent[::-1], interpolation=cv2.INTER_CUBIC)
    wander = np.exp(depth * 0.6 * total)[..., None]
    return np.asarray(wander * np.array(tone, np.float32), np.float32)


def _finish(rng: np.random.Generator, made: Picture, blur: float) -> Picture:
    """Out of focus by `blur` panel pixels, and uneven enough for optical flow to hold on to."""
    soft = cv2.GaussianBlur(made, (0, 0), blur)
    uneven = _cloud(rng, (made.shape[0], made.shape[1]), (1, 1, 1), 0.06)
    return np.asarray(np.clip(soft * uneven, 0, 1.5), np.float32)
