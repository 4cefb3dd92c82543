"""What surrounds and covers a head: procedural backgrounds and occluders, never photographs."""

import string
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]


def background(rng: np.random.Generator, side: int) -> Picture:
    """A picture (side, side, 3) in linear light: walls, foliage-like noise, shelves, text."""
    makers: tuple[Callable[[np.random.Generator, int], Picture], ...] = (
        _clouds, _ramp, _blocks, _shelf, _writing, _lamps,
    )  # fmt: skip
    made = makers[int(rng.choice(len(makers), p=[0.25, 0.2, 0.25, 0.12, 0.08, 0.1]))](rng, side)
    if rng.random() < 0.35:
        made = made + 0.4 * (_clouds(rng, side) - 0.5)
    grey = made.mean(-1, keepdims=True)
    made = grey + (made - grey) * np.float32(rng.uniform(0.1, 0.65))
    blur = (
        float(rng.choice([0.0, 1.0, 3.0, 6.0, 12.0], p=[0.15, 0.2, 0.25, 0.25, 0.15])) * side / 256
    )
    if blur:
        made = cv2.GaussianBlur(made, (0, 0), blur).astype(np.float32)
    return np.asarray(np.clip(made, 0, 1) ** 2.2 * rng.uniform(0.5, 1.2), np.float32)


def _colour(rng: np.random.Generator, spread: float = 0.18) -> NDArray[np.float64]:
    return np.asarray(np.clip(rng.uniform(0.05, 0.95) + rng.normal(size=3) * spread, 0, 1))


def _clouds(rng: np.random.Generator, side: int) -> Picture:
    total = np.zeros((side, side, 3), np.float32)
    fall = rng.uniform(0.45, 0.75)
    for octave in range(6):
        cells = 2 ** (octave + 1) + 1
        grid = rng.normal(size=(cells, cells, 3)).astype(np.float32)
        grid = 0.3 * grid + 0.7 * grid.mean(-1, keepdims=True) * 1.7
        total += (
            cv2.resize(grid, (side, side), interpolation=cv2.INTER_LINEAR) * 0.22 * fall**octave
        )
    return np.asarray(total * rng.uniform(0.4, 1.2) + _colour(rng), np.float32)


def _ramp(rng: np.random.Generator, side: int) -> Picture:
    turn = rng.uniform(0, 2 * np.pi)
    rows, columns = np.mgrid[0:side, 0:side] / side - 0.5
    along = np.clip(columns * np.cos(turn) + rows * np.sin(turn) + 0.5, 0, 1)[..., None]
    first = _colour(rng)
    second = np.clip(first + rng.normal() * 0.2 + rng.normal(size=3) * 0.05, 0, 1)
    return np.asarray(first * (1 - along) + second * along, np.float32)


def _blocks(rng: np.random.Generator, side: int) -> Picture:
    made = _ramp(rng, side)
    for _ in range(int(rng.integers(2, 14))):
        corner = rng.integers(-side // 4, side, 2)
        extent = rng.integers(side // 20, side // 2, 2)
        colour = _colour(rng).tolist()
        if rng.random() < 0.7:
            far = corner + extent
            cv2.rectangle(made, corner.tolist(), far.tolist(), colour, -1, cv2.LINE_AA)
        else:
            axes = (extent // 2).tolist()
            cv2.ellipse(
                made, corner.tolist(), axes, rng.uniform(0, 180), 0, 360, colour, -1, cv2.LINE_AA
            )
    return made


def _shelf(rng: np.random.Generator, side: int) -> Picture:
    made = _ramp(rng, side)
    row = int(rng.integers(side // 8, side // 3))
    for top in range(0, side, row + 6):
        left = 0
        while left < side:
            wide = int(rng.integers(4, 26))
            head = top + int(rng.integers(0, row // 3 + 1))
            cv2.rectangle(
                made, (left, head), (left + wide - 1, top + row), _colour(rng).tolist(), -1
            )
            left += wide
    return made


def _writing(rng: np.random.Generator, side: int) -> Picture:
    page = np.asarray(np.clip(_ramp(rng, side), 0, 1) * 255, np.uint8)
    letters = np.array(list(string.ascii_letters + string.digits + "  .,:"))
    colour = (255 * _colour(rng)).tolist()
    for _ in range(int(rng.integers(3, 12))):
        text = "".join(rng.choice(letters, int(rng.integers(3, 20))))
        place = rng.integers(-side // 4, side, 2).tolist()
        size = rng.uniform(0.4, 1.8)
        font, thick = int(rng.integers(0, 4)), int(rng.integers(1, 4))
        cv2.putText(page, text, place, font, size, colour, thick, cv2.LINE_AA)
    return np.asarray(page / 255, np.float32)


def _lamps(rng: np.random.Generator, side: int) -> Picture:
    made = np.asarray(_clouds(rng, side) * 0.4, np.float32)
    for _ in range(int(rng.integers(5, 30))):
        place = rng.integers(0, side, 2).tolist()
        colour = (0.5 + 0.5 * _colour(rng)).tolist()
        cv2.circle(made, place, int(rng.integers(3, side // 12)), colour, -1, cv2.LINE_AA)
    return made


def occlude(
    rng: np.random.Generator, image: Picture, skin: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Put a hand-like blob, a stick or a microphone over `image` in place; returns its opacity."""
    side = image.shape[0]
    cover = np.zeros((side, side), np.float32)
    kind = rng.random()
    if kind < 0.45:
        _hand(rng, cover)
        tone = np.asarray(skin, np.float32) * np.float32(rng.uniform(0.5, 1.2))
    elif kind < 0.7:
        _stick(rng, cover)
        tone = (_colour(rng) ** 2.2 * 0.7).astype(np.float32)
    else:
        _microphone(rng, cover)
        tone = np.full(3, rng.uniform(0.01, 0.15), np.float32)
    shade = 0.7 + 0.5 * _ramp(rng, side).mean(-1, keepdims=True) + 0.1 * rng.normal()
    cover = np.asarray(cv2.GaussianBlur(cover, (0, 0), 0.8), np.float32)
    image += cover[..., None] * (tone * np.clip(shade, 0.2, 1.6) - image)
    return cover


def _hand(rng: np.random.Generator, cover: Picture) -> None:
    """A palm and four fingers as thick rounded strokes, coming from below or the side."""
    side = cover.shape[0]
    turn = rng.uniform(-2.2, -0.9)
    along = np.array([np.cos(turn), np.sin(turn)])
    across = np.array([-along[1], along[0]])
    palm = np.array([rng.uniform(0.15, 0.85), rng.uniform(0.6, 1.0)]) * side
    wide = side * rng.uniform(0.025, 0.04)
    cv2.circle(cover, palm.astype(int).tolist(), int(3.2 * wide), 1.0, -1, cv2.LINE_AA)
    for finger in range(4):
        base = palm + across * (finger - 1.5) * 1.7 * wide + along * 2 * wide
        lean = along + across * (finger - 1.5) * rng.uniform(-0.1, 0.15)
        tip = base + lean * wide * rng.uniform(3, 7)
        cv2.line(
            cover,
            base.astype(int).tolist(),
            tip.astype(int).tolist(),
            1.0,
            int(1.6 * wide),
            cv2.LINE_AA,
        )


def _stick(rng: np.random.Generator, cover: Picture) -> None:
    side = cover.shape[0]
    middle, turn = rng.uniform(0, side, 2), rng.uniform(0, np.pi)
    reach = 2 * side * np.array([np.cos(turn), np.sin(turn)])
    ends = [(middle + sign * reach).astype(int).tolist() for sign in (-1, 1)]
    cv2.line(cover, ends[0], ends[1], 1.0, int(rng.uniform(0.015, 0.08) * side), cv2.LINE_AA)


def _microphone(rng: np.random.Generator, cover: Picture) -> None:
    side = cover.shape[0]
    head = np.array([rng.uniform(0.3, 0.7), rng.uniform(0.72, 0.95)]) * side
    foot = head + np.array([rng.normal() * 0.2, 0.6]) * side
    thick = int(rng.uniform(0.03, 0.05) * side)
    cv2.line(cover, head.astype(int).tolist(), foot.astype(int).tolist(), 1.0, thick, cv2.LINE_AA)
    cv2.circle(cover, head.astype(int).tolist(), int(1.3 * thick), 1.0, -1, cv2.LINE_AA)
