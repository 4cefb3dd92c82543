"""Likeness tells an original that an encoder has been over from another face."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from anonymizer.data import Box
from anonymizer.likeness import ALIKE, SAME, likeness
from tests.factories import picture

BOX: Box = (31, 17, 91, 97)
"""Asymmetric on purpose: swapped axes would compare other pixels."""


def textured(seed: int) -> NDArray[np.uint8]:
    return picture((120, 160), seed=seed)


def with_face(image: NDArray[np.uint8], other: NDArray[np.uint8], box: Box = BOX):
    x0, y0, x1, y1 = map(int, box)
    result = image.copy()
    result[y0:y1, x0:x1] = other[y0:y1, x0:x1]
    return result


def squeezed(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """After an encoder that loses detail."""
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


@pytest.mark.parametrize("quality", [90, 40, 15])
def test_an_original_that_was_encoded_is_recognised(quality):
    image = textured(1)
    value = likeness(image, squeezed(image, quality), BOX)
    assert value is not None
    assert value > ALIKE


def test_another_face_is_not_recognised_whatever_surrounds_it():
    value = likeness(textured(1), with_face(textured(1), textured(2)), BOX)
    assert value is not None
    assert value < 0.5


@pytest.mark.parametrize(
    "half", [(31, 17, 91, 57), (31, 57, 91, 97), (31, 17, 61, 97), (61, 17, 91, 97)]
)
def test_half_a_face_is_enough_to_be_recognised(half):
    replaced = with_face(textured(1), textured(2))
    value = likeness(textured(1), with_face(replaced, textured(1), half), BOX)
    assert value is not None
    assert value > ALIKE


def test_light_and_contrast_do_not_hide_a_face():
    image = textured(1)
    dimmed = (image // 2 + 60).astype(np.uint8)
    value = likeness(image, dimmed, BOX)
    assert value is not None
    assert value > 0.95


def test_another_size_is_another_scale():
    image = textured(1)
    wide = cv2.resize(image, (240, 90), interpolation=cv2.INTER_AREA)
    value = likeness(image, np.asarray(wide, np.uint8), BOX)
    assert value is not None
    assert value > ALIKE


def test_strong_blur_is_not_recognised():
    image = textured(1)
    blurred = np.asarray(cv2.GaussianBlur(image, (0, 0), 12), np.uint8)
    value = likeness(image, with_face(image, blurred), BOX)
    assert value is not None
    assert value < ALIKE


@pytest.mark.parametrize(("gap", "same"), [(SAME - 1, True), (SAME + 1, False)])
def test_a_face_without_structure_is_judged_by_its_colour(gap, same):
    flat = np.full((120, 160, 3), (30, 20, 25), np.uint8)
    other = (flat + int(gap)).astype(np.uint8)
    assert likeness(flat, other, BOX) == (1.0 if same else 0.0)


def test_a_colour_of_equal_luma_is_another_colour():
    """Magenta and the grey of the same luma differ."""
    magenta = np.full((120, 160, 3), (255, 0, 255), np.uint8)
    grey = np.full((120, 160, 3), 105, np.uint8)
    assert likeness(magenta, grey, BOX) == 0.0


def test_a_solid_cover_is_like_nothing():
    flat = np.full((120, 160, 3), 128, np.uint8)
    assert likeness(textured(1), with_face(textured(1), flat), BOX) == 0.0


@pytest.mark.parametrize(
    "box", [(-50, 5, -10, 40), (170, 5, 200, 40), (5, -90, 40, -1), (5, 125, 40, 160)]
)
def test_outside_of_the_picture_there_is_nothing_to_say(box):
    assert likeness(textured(1), textured(1), box) is None


@given(
    x=st.floats(-40, 155), y=st.floats(-40, 115), width=st.floats(1, 200), height=st.floats(1, 200)
)
def test_a_film_is_always_like_itself(x, y, width, height):
    value = likeness(textured(3), textured(3), (x, y, x + width, y + height))
    assert value is None or value > ALIKE
