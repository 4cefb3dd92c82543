"""Small deterministic values for tests; whole films come from ``tests.films``.

Pictures are asymmetric on purpose: width differs from height and no two pixels' neighbourhoods
agree, so swapped axes and mirrored pictures show.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from anonymizer.data import Box, Chunk, Clip, Face, Frame, Origin, StreamInfo, Track

TICK = Fraction(1, 25)
"""Time base of everything made here unless told otherwise."""

_FIVE_POINTS = np.array([[0.31, 0.40], [0.69, 0.38], [0.51, 0.60], [0.36, 0.78], [0.65, 0.77]])


def picture(
    size: tuple[int, int] = (32, 48), *, seed: int = 0, shift: tuple[float, float] = (0, 0)
) -> NDArray[np.uint8]:
    """A smooth coloured pattern ``(H, W, 3)`` that moves right and down by ``shift`` = (dx, dy).

    ``size`` is (height, width). Different seeds give clearly different pictures.
    """
    height, width = size
    y, x = np.mgrid[:height, :width].astype(np.float64)
    x, y = x - shift[0], y - shift[1]
    rng = np.random.default_rng(seed)
    channels = []
    for _ in range(3):
        fx, fy, phase = rng.uniform(0.05, 0.35), rng.uniform(0.05, 0.35), rng.uniform(0, 6.28)
        level = rng.uniform(90, 165)
        channels.append(level + 50 * np.sin(fx * x + phase) + 35 * np.cos(fy * y + fx * x))
    return np.stack(channels, axis=-1).clip(0, 255).round().astype(np.uint8)


def frame(
    index: int = 0,
    size: tuple[int, int] = (32, 48),
    *,
    pts: int | None = None,
    time_base: Fraction = TICK,
    image: NDArray[np.uint8] | None = None,
    seed: int = 0,
) -> Frame:
    """One frame; ``size`` is (height, width). The pattern moves by (1, 0.5) pixels per index."""
    if image is None:
        image = picture(size, seed=seed, shift=(float(index), index / 2))
    return Frame(index=index, pts=index if pts is None else pts, time_base=time_base, image=image)


def frames(
    count: int = 4, size: tuple[int, int] = (32, 48), *, start: int = 0, seed: int = 0
) -> list[Frame]:
    """Consecutive frames of one moving pattern."""
    return [frame(start + offset, size, seed=seed) for offset in range(count)]


def stream_info(size: tuple[int, int] = (32, 48), *, time_base: Fraction = TICK) -> StreamInfo:
    """What the header of a film of ``frame`` would say; ``size`` is (height, width)."""
    return StreamInfo(width=size[1], height=size[0], time_base=time_base)


def five_points(box: Box) -> NDArray[np.float32]:
    """Landmarks ``(5, 2)`` at plausible places of a face that fills the box."""
    x0, y0, x1, y1 = box
    points: NDArray[np.float64] = np.array([x0, y0]) + _FIVE_POINTS * np.array([x1 - x0, y1 - y0])
    return points.astype(np.float32)


def face(box: Box = (12.0, 4.0, 32.0, 28.0), *, score: float = 0.9, landmarks: bool = True) -> Face:
    """One face, upright and nearly frontal."""
    return Face(box=box, score=score, landmarks=five_points(box) if landmarks else None)


def track(
    length: int = 4,
    *,
    id: int = 0,
    shot: int = 0,
    start: int = 0,
    box: Box = (12.0, 4.0, 32.0, 28.0),
    velocity: tuple[float, float] = (1.0, 0.5),
    landmarks: bool = True,
    origin: Origin = "detected",
) -> Track:
    """One face that moves by ``velocity`` = (dx, dy) pixels per frame."""
    dx, dy = velocity
    x0, y0, x1, y1 = box
    faces = tuple(
        face((x0 + i * dx, y0 + i * dy, x1 + i * dx, y1 + i * dy), landmarks=landmarks)
        for i in range(length)
    )
    return Track(id=id, shot=shot, start=start, faces=faces, origins=(origin,) * length)


def chunk(
    length: int = 4,
    size: tuple[int, int] = (32, 48),
    *,
    lead: int = 0,
    start: int = 0,
    shot: int = 0,
) -> Chunk:
    """One chunk of ``frames``."""
    return Chunk(shot=shot, frames=tuple(frames(length, size, start=start)), lead=lead)


def oval(side: int, *, softness: float = 0.15) -> NDArray[np.float32]:
    """A face-shaped mask ``(side, side)``: 1 in an ellipse, falling to exactly 0 around it."""
    y, x = np.mgrid[:side, :side] / max(side - 1, 1)
    radius: NDArray[np.float64] = np.hypot((x - 0.5) / 0.30, (y - 0.53) / 0.38)
    return ((1 + softness - radius) / softness).clip(0, 1).astype(np.float32)


def clip(
    T: int = 4,  # noqa: N803 - the conventions' own symbol
    S: int = 32,  # noqa: N803 - the conventions' own symbol
    lead: int = 0,
    seed: int = 0,
    *,
    track: int = 0,
    start: int = 0,
    motion: tuple[float, float] = (1.0, 0.5),
) -> Clip:
    """T crops of side S of a pattern that moves by ``motion`` pixels per crop.

    ``context`` is grey where ``hidden``; ``hidden`` is where ``mask`` > 0; ``frame_from_crop``
    scales by 1.5 and moves with the face.
    """
    pixels = np.stack(
        [picture((S, S), seed=seed, shift=(t * motion[0], t * motion[1])) for t in range(T)]
    )
    mask = np.repeat(oval(S)[None], T, axis=0)
    hidden = mask > 0
    context = np.where(hidden[..., None], np.uint8(128), pixels)
    matrices = np.stack(
        [[[1.5, 0.0, 3.0 + t], [0.0, 1.5, 2.0 + t / 2], [0.0, 0.0, 1.0]] for t in range(T)]
    )
    points = five_points((0.2 * S, 0.15 * S, 0.8 * S, 0.91 * S)).astype(np.float64)
    return Clip(
        track=track,
        indices=tuple(range(start, start + T)),
        pixels=pixels,
        context=context,
        hidden=hidden,
        mask=mask,
        frame_from_crop=matrices.astype(np.float64),
        landmarks=np.repeat(points[None], T, axis=0),
        lead=lead,
    )
