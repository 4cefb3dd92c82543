"""Display matrices: how a decoded picture is turned and mirrored before it is shown."""

from __future__ import annotations

from dataclasses import dataclass

import av
import numpy as np
from av.sidedata.sidedata import Type
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Orientation:
    """Transpose first, then mirror: all eight ways to show a picture upright."""

    transpose: bool = False
    mirror_x: bool = False
    """Left and right are exchanged."""
    mirror_y: bool = False
    """Top and bottom are exchanged."""

    @property
    def rotation(self) -> int:
        """Clockwise degrees; a mirrored picture counts as the rotation it is mirrored after."""
        if self.transpose:
            return 90 if self.mirror_x else 270
        return 180 if self.mirror_y else 0

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Turn ``(H, W, 3)`` into what is shown; contiguous."""
        if self.transpose:
            image = image.transpose(1, 0, 2)
        if self.mirror_x:
            image = image[:, ::-1]
        if self.mirror_y:
            image = image[::-1]
        return np.ascontiguousarray(image)


def orientation_of(picture: av.VideoFrame) -> Orientation:
    """What the display matrix of a decoded picture asks for, to the nearest right angle."""
    try:
        data = picture.side_data.get(Type.DISPLAYMATRIX)  # type: ignore[call-overload]  # a Mapping
    except ValueError:  # side data of a kind that PyAV has no name for
        return _rotated(picture.rotation)
    return Orientation() if data is None else orientation_from(np.frombuffer(data, np.int32))


def orientation_from(matrix: NDArray[np.int32]) -> Orientation:
    """Read a display matrix: nine fixed-point numbers by rows, acting on row vectors (x, y, 1)."""
    x_from_x, y_from_x, x_from_y, y_from_y = (int(matrix[place]) for place in (0, 1, 3, 4))
    if abs(x_from_x) + abs(y_from_y) >= abs(x_from_y) + abs(y_from_x):
        return Orientation(False, x_from_x < 0, y_from_y < 0)
    return Orientation(True, x_from_y < 0, y_from_x < 0)


def _rotated(counterclockwise: int) -> Orientation:
    turns = round(-counterclockwise / 90) % 4
    return Orientation(turns % 2 == 1, turns in (1, 2), turns in (2, 3))
