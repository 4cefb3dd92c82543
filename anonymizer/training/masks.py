"""Protected areas for training: like those of production, but never the same twice."""

import numpy as np
from numpy.typing import NDArray


def random_area(
    rng: np.random.Generator, landmarks: NDArray[np.floating], size: int
) -> NDArray[np.bool_]:
    """A superellipse over the face, moved, stretched and grown by chance.

    Args:
        rng: source of chance.
        landmarks: (5, 2) in the crop, pixels.
        size: side of the crop.

    Returns:
        (size, size) True where production might protect a face with these landmarks.
    """
    unit = size / 128
    aside = float(landmarks[2, 0] - (landmarks[0, 0] + landmarks[1, 0]) / 2)
    turned = np.clip(aside / (12 * unit), -2, 2)
    across = rng.uniform(33, 49) * unit
    down = rng.uniform(42, 57) * unit
    middle = np.array([63.5 + rng.normal() * 2.5, 66.5 + rng.normal() * 3]) * unit
    middle[0] -= turned * rng.uniform(0, 5) * unit
    power = rng.uniform(2.0, 3.4)
    axis = np.arange(size)
    x = np.abs(axis[None] - middle[0]) / across
    y = np.abs(axis[:, None] - middle[1]) / down
    area = x**power + y**power < 1
    return np.asarray(area) | _around(landmarks, size, 9 * unit)


def random_strip(rng: np.random.Generator, size: int) -> NDArray[np.bool_]:
    """What lies past the border of the frame: mostly nothing, one time in eight one side."""
    strip = np.zeros((size, size), np.bool_)
    if rng.random() < 0.125:
        strip[: int(rng.uniform(0.05, 0.45) * size)] = True
        strip = np.rot90(strip, int(rng.integers(4))).copy()
    return strip


def _around(landmarks: NDArray[np.floating], size: int, radius: float) -> NDArray[np.bool_]:
    """Discs on the landmarks: no protected area leaves one out."""
    axis = np.arange(size)
    x = (axis[None, None] - landmarks[:, 0, None, None]) ** 2
    y = (axis[None, :, None] - landmarks[:, 1, None, None]) ** 2
    return np.asarray((x + y < radius**2).any(0))


def detail_weight(landmarks: NDArray[np.floating], size: int, cells: int) -> NDArray[np.float32]:
    """Weight (cells, cells) in [0, 1], one at the eyes and the mouth."""
    step = size / cells
    centre = (np.arange(cells) + 0.5) * step - 0.5
    points = [*landmarks[:2], (landmarks[3] + landmarks[4]) / 2]
    total = np.zeros((cells, cells))
    for (x, y), wide in zip(points, (7.0, 7.0, 9.0), strict=True):
        spread = 2 * (wide * size / 128) ** 2
        bump = np.exp(-((centre[None] - x) ** 2 + (centre[:, None] - y) ** 2) / spread)
        total = np.maximum(total, bump)
    return total.astype(np.float32)
