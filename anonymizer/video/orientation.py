"""Display matrices: how a decoded picture is turned and mirrored before it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import av
import numpy as np
from av.sidedata.sidedata import Type
from numpy.typing import NDArray

_Sample = TypeVar("_Sample", bound=np.generic)

_ONE = 1 << 16
"""In the fixed point of display matrices."""


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

    @property
    def mirrored(self) -> bool:
        """Whether no rotation alone would do."""
        return self.transpose == (self.mirror_x == self.mirror_y)

    def apply(self, image: NDArray[_Sample]) -> NDArray[_Sample]:
        """Turn ``(H, W, C)`` into what is shown; contiguous."""
        if self.transpose:
            image = image.swapaxes(0, 1)
        if self.mirror_x:
            image = image[:, ::-1]
        if self.mirror_y:
            image = image[::-1]
        return np.ascontiguousarray(image)

    def undo(self, shown: NDArray[_Sample]) -> NDArray[_Sample]:
        """Turn what is shown, ``(H, W, ...)``, back into how it is stored; contiguous."""
        if self.mirror_y:
            shown = shown[::-1]
        if self.mirror_x:
            shown = shown[:, ::-1]
        return np.ascontiguousarray(shown.swapaxes(0, 1) if self.transpose else shown)

    def size(self, shown: tuple[int, int]) -> tuple[int, int]:
        """The stored (width, height) of what is shown with this one."""
        return shown[::-1] if self.transpose else shown

    @property
    def matrix(self) -> list[int]:
        """The display matrix that asks for it, as ``orientation_from`` reads it."""
        x, y = (-_ONE if mirrored else _ONE for mirrored in (self.mirror_x, self.mirror_y))
        turned = [0, y, 0, x, 0, 0] if self.transpose else [x, 0, 0, 0, y, 0]
        return [*turned, 0, 0, 1 << 30]


def orientation_of(picture: av.VideoFrame) -> Orientation:
    """What the display matrix of a decoded picture asks for, to the nearest right angle."""
    try:
        data = picture.side_data.get(Type.DISPLAYMATRIX)  # type: ignore[call-overload]  # a Mapping
    except ValueError:  # side data of a kind that PyAV has no name for
        return _rotated(picture.rotation)
    return Orientation() if data is None else orientation_from(np.frombuffer(data, np.int32))


def orientation_for(rotation: int, *, mirrored: bool) -> Orientation:
    """The orientation whose ``rotation`` and ``mirrored`` these are."""
    if rotation % 180:
        return Orientation(True, rotation == 90, (rotation == 90) == mirrored)
    return Orientation(False, (rotation == 180) != mirrored, rotation == 180)


def orientation_from(matrix: NDArray[np.int32]) -> Orientation:
    """Read a display matrix: nine fixed-point numbers by rows, acting on row vectors (x, y, 1)."""
    x_from_x, y_from_x, x_from_y, y_from_y = (int(matrix[place]) for place in (0, 1, 3, 4))
    if abs(x_from_x) + abs(y_from_y) >= abs(x_from_y) + abs(y_from_x):
        return Orientation(False, x_from_x < 0, y_from_y < 0)
    return Orientation(True, x_from_y < 0, y_from_x < 0)


def _rotated(counterclockwise: int) -> Orientation:
    turns = round(-counterclockwise / 90) % 4
    return Orientation(turns % 2 == 1, turns in (1, 2), turns in (2, 3))
