"""The alignment every part shares."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anonymizer.head.canonical import (
    CENTRE,
    EYE_DISTANCE,
    MEAN_LANDMARKS,
    crop_from_frame,
    scaled,
)


def moved(points, angle, scale, shift):
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return points @ turn.T + shift


def applied(matrix, points):
    return points @ matrix[:2, :2].T + matrix[:2, 2]


def test_the_mean_face_has_the_promised_measures():
    eyes, mouth = MEAN_LANDMARKS[:2], MEAN_LANDMARKS[3:]
    assert eyes[1, 0] - eyes[0, 0] == pytest.approx(EYE_DISTANCE)
    middle = (eyes.mean(0) + mouth.mean(0)) / 2
    np.testing.assert_allclose(middle + 0.5, CENTRE, atol=1e-9)


@given(
    st.floats(-np.pi, np.pi),
    st.floats(0.05, 20),
    st.tuples(st.floats(-500, 500), st.floats(-500, 500)),
)
def test_any_similar_face_lands_on_the_same_place(angle, scale, shift):
    found = moved(MEAN_LANDMARKS, angle, scale, shift)
    np.testing.assert_allclose(
        applied(crop_from_frame(found, 128), found), MEAN_LANDMARKS, atol=1e-6
    )


def test_a_larger_crop_splits_every_pixel():
    found = moved(MEAN_LANDMARKS, 0.3, 2.0, (40, 7))
    small, large = (applied(crop_from_frame(found, size), found) for size in (128, 256))
    np.testing.assert_allclose((small + 0.5) * 2 - 0.5, large, atol=1e-9)
    np.testing.assert_allclose(scaled(small, 256), large, atol=1e-9)


def test_a_turned_head_keeps_its_size():
    squeezed = (MEAN_LANDMARKS - 63.5) * (0.4, 1.0) + 63.5
    matrix = crop_from_frame(squeezed, 128)
    assert np.hypot(*matrix[0, :2]) == pytest.approx(2 ** (1 / 6), rel=1e-2)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (np.zeros((4, 2)), "must be"),
        (np.full((5, 2), np.nan), "finite"),
        (np.ones((5, 2)), "no direction"),
        (MEAN_LANDMARKS[[0, 1, 2, 0, 1]] * (1, 1) * 0 + 3, "no direction"),
    ],
)
def test_landmarks_that_say_nothing_are_refused(points, message):
    with pytest.raises(ValueError, match=message):
        crop_from_frame(points, 128)
