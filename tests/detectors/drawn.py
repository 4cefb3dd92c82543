"""A cartoon that face detectors take for a face."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

SKIN, HAIR, DARK = (216, 172, 142), (60, 45, 35), (70, 50, 40)


def scene(
    faces: list[tuple[float, float, float]], size: tuple[int, int] = (240, 320)
) -> NDArray[np.uint8]:
    """A plain wall with faces at (x, y, half height); ``size`` is (height, width)."""
    image = np.full((*size, 3), (96, 110, 120), np.uint8)
    for x, y, radius in faces:
        image = _face(image, x, y, radius / 60)
    shade = 1 + 0.1 * np.linspace(0.5, -0.5, size[1])
    return (image * shade[None, :, None]).clip(0, 255).astype(np.uint8)


def _face(image: NDArray[np.uint8], x: float, y: float, scale: float) -> NDArray[np.uint8]:
    """Draw at unit scale on a patch around the face, then shrink it to sub-pixel place."""
    patch = np.zeros((440, 300, 4), np.uint8)

    def oval(
        dx: int, dy: int, a: int, b: int, colour: tuple[int, int, int], line: int = -1
    ) -> None:
        cv2.ellipse(
            patch, (150 + 2 * dx, 200 + 2 * dy), (2 * a, 2 * b), 0, 0, 360, (*colour, 255), line
        )

    oval(0, -8, 56, 68, HAIR)
    cv2.rectangle(patch, (106, 280), (194, 400), (190, 145, 115, 255), -1)
    oval(0, 0, 46, 62, SKIN)
    cv2.ellipse(patch, (150, 108), (92, 52), 0, 180, 360, (*HAIR, 255), -1)
    for side in (-19, 19):
        oval(side, -10, 9, 5, (240, 238, 235))
        oval(side, -10, 4, 4, HAIR)
        cv2.ellipse(patch, (150 + 2 * side, 174), (20, 10), 0, 180, 360, (80, 50, 40, 255), 4)
        cv2.ellipse(patch, (150 + 2 * side, 160), (24, 10), 0, 190, 350, (*DARK, 255), 6)
    cv2.ellipse(patch, (150, 224), (16, 12), 0, 0, 180, (170, 120, 95, 255), 4)
    oval(0, 34, 17, 6, (170, 80, 80))
    cv2.line(patch, (118, 268), (182, 268), (120, 50, 50, 255), 3)
    patch = cv2.GaussianBlur(patch, (0, 0), 2.4)
    half = scale / 2
    matrix = np.array([[half, 0, x - 150 * half], [0, half, y - 200 * half]])
    small = cv2.warpAffine(
        cv2.GaussianBlur(patch, (0, 0), 0.4 / half), matrix, image.shape[1::-1]
    ).astype(float)
    alpha = small[..., 3:] / 255
    mixed: NDArray[np.float64] = image * (1 - alpha) + small[..., :3]
    return mixed.clip(0, 255).astype(np.uint8)
