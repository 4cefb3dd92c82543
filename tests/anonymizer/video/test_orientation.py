from itertools import product
from typing import Any

import av
import numpy as np
import pytest

from anonymizer.video.orientation import (
    Orientation,
    orientation_for,
    orientation_from,
    orientation_of,
)

ONE = 1 << 16
CASES = {
    (ONE, 0, 0, ONE): (Orientation(), 0),
    (0, ONE, -ONE, 0): (Orientation(True, True, False), 90),
    (-ONE, 0, 0, -ONE): (Orientation(False, True, True), 180),
    (0, -ONE, ONE, 0): (Orientation(True, False, True), 270),
    (-ONE, 0, 0, ONE): (Orientation(False, True, False), 0),
    (0, ONE, ONE, 0): (Orientation(True, False, False), 270),
    (ONE - 9, 900, -900, ONE - 9): (Orientation(), 0),
}


@pytest.mark.parametrize("parts", CASES)
def test_matrix_is_read(parts):
    a, b, c, d = parts
    matrix = np.array([a, b, 0, c, d, 0, 0, 0, 1 << 30], np.int32)
    orientation, rotation = CASES[parts]
    assert orientation_from(matrix) == orientation
    assert orientation.rotation == rotation


@pytest.mark.parametrize("parts", CASES)
def test_a_point_goes_where_the_matrix_sends_it(parts):
    """Follow one pixel of a 2x3 picture through the matrix, as row vectors, by hand."""
    a, b, c, d = (round(part / ONE) for part in parts)
    image = np.zeros((2, 3, 3), np.uint8)
    image[1, 2] = 255  # (x, y) = (2, 1)
    corners = np.array([(x, y) for x in (0, 2) for y in (0, 1)]) @ [[a, b], [c, d]]
    x, y = np.array([2, 1]) @ [[a, b], [c, d]] - corners.min(axis=0)
    matrix = np.array([*parts[:2], 0, *parts[2:], 0, 0, 0, 1], np.int32)
    shown = orientation_from(matrix).apply(image)
    assert list(shown.shape[1::-1]) == (np.ptp(corners, axis=0) + 1).tolist()
    assert shown[y, x].tolist() == [255] * 3
    assert shown.flags.c_contiguous


ALL = [Orientation(*flags) for flags in product((False, True), repeat=3)]


@pytest.mark.parametrize("orientation", ALL)
def test_every_orientation_can_be_undone_named_and_asked_for(orientation):
    image = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    shown = orientation.apply(image)
    assert np.array_equal(orientation.undo(shown), image)
    assert orientation.undo(shown).flags.c_contiguous
    assert orientation.size(shown.shape[1::-1]) == (3, 2)
    assert orientation_from(np.array(orientation.matrix, np.int32)) == orientation
    named = orientation_for(orientation.rotation, mirrored=orientation.mirrored)
    assert named == orientation


@pytest.mark.parametrize("turns", range(4))
def test_rotation_is_clockwise_and_mirroring_is_none_of_it(turns):
    image = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    shown = orientation_for(90 * turns, mirrored=False).apply(image)
    assert np.array_equal(shown, np.rot90(image, -turns))
    mirrored = orientation_for(90 * turns, mirrored=True)
    assert not any(np.array_equal(mirrored.apply(image), np.rot90(image, k)) for k in range(4))


def test_picture_without_a_matrix_is_upright():
    assert orientation_of(av.VideoFrame(4, 2)) == Orientation()


class Unnamed:
    """A picture whose other side data PyAV cannot name, as newer FFmpegs make them."""

    def __init__(self, rotation: int) -> None:
        self.rotation = rotation

    @property
    def side_data(self) -> Any:
        raise ValueError("37 is not a valid Type")


@pytest.mark.parametrize(
    ("counterclockwise", "rotation"), [(0, 0), (-90, 90), (180, 180), (-180, 180), (90, 270)]
)
def test_rotation_is_known_when_side_data_cannot_be_read(counterclockwise, rotation):
    found = orientation_of(Unnamed(counterclockwise))  # type: ignore[arg-type]  # like a picture
    assert found.rotation == rotation
