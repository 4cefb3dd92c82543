"""Pictures that are made when they are first asked for: most frames of a film never are."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


class Negative:
    """A picture that is developed once, by whichever thread first asks for it.

    Args:
        shape: (height, width) of it in pixels.
        develop: Makes it: ``(H, W, 3)`` RGB, uint8.
    """

    __slots__ = ("_develop", "_image", "_lock", "shape")

    def __init__(self, shape: tuple[int, int], develop: Callable[[], Image]) -> None:
        self.shape = shape
        self._develop: Callable[[], Image] | None = develop
        self._image: Image | None = None
        self._lock = Lock()

    def developed(self) -> Image:
        """The picture, read-only; the very same array every time.

        Raises:
            ValueError: if it is not what was promised.
        """
        with self._lock:
            if self._image is None:
                assert self._develop is not None
                image = checked(self._develop())
                if image.shape[:2] != self.shape:
                    raise ValueError(f"image must be {self.shape}, got {image.shape[:2]}")
                self._image, self._develop = image, None
            return self._image


class Shown:
    """The field of a frame that holds its picture, or the negative of it."""

    @overload
    def __get__(self, frame: None, kind: type) -> Shown: ...
    @overload
    def __get__(self, frame: object, kind: type) -> Image: ...
    def __get__(self, frame: object | None, kind: type) -> Shown | Image:
        if frame is None:
            raise AttributeError("a frame has no picture by default")
        held = _held(frame)
        return held.developed() if isinstance(held, Negative) else held

    def __set__(self, frame: object, picture: Image | Negative) -> None:
        vars(frame)["_picture"] = picture if isinstance(picture, Negative) else checked(picture)


def _held(frame: object) -> Image | Negative:
    held: Any = vars(frame)["_picture"]
    return held  # type: ignore[no-any-return]  # what __set__ has left there


def shape_of(frame: object) -> tuple[int, int]:
    """(height, width) of the picture that a frame shows; nothing is developed."""
    height, width = _held(frame).shape[:2]
    return height, width


def shows(frame: object, negative: Negative) -> bool:
    """Whether a frame shows a picture that may not even be developed yet, untouched."""
    return _held(frame) is negative


def checked(image: Image) -> Image:
    """The picture, made read-only.

    Raises:
        ValueError: if it is not ``(H, W, 3)`` uint8.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"image must be (H, W, 3) uint8, got {image.shape} {image.dtype}")
    image.flags.writeable = False
    return image


def check_marks(marks: NDArray[np.bool_], shape: tuple[int, int]) -> None:
    """Make marks of a picture's pixels read-only.

    Raises:
        ValueError: if they are not bool, or of another shape.
    """
    if marks.shape != shape or marks.dtype != np.bool_:
        raise ValueError(f"changed must be (H, W) bool, got {marks.shape} {marks.dtype}")
    marks.flags.writeable = False
