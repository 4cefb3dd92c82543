"""What the values that carry motion refuse and hide."""

from dataclasses import replace

import numpy as np
import pytest

from anonymizer.data import Face
from tests.factories import clip, five_points, frame

BOX = (10.0, 10.0, 50.0, 60.0)


def moving(values):
    return Face(box=BOX, score=0.9, landmarks=five_points(BOX), motion=np.array(values, np.float32))


@pytest.mark.parametrize("values", [[[0.1, 0.2]], [0.1, np.nan], [np.inf]])
def test_a_motion_must_be_a_finite_vector(values):
    with pytest.raises(ValueError, match=r"motion must be finite \(K,\)"):
        moving(values)


def test_a_motion_is_frozen_and_not_shown():
    face = moving([0.123, 0.456])
    with pytest.raises(ValueError, match="read-only"):
        face.motion[0] = 1
    assert "0.123" not in repr(face)
    assert "motion" not in repr(face)


@pytest.mark.parametrize("shape", [(3, 2), (4,), (4, 2, 1)])
def test_a_clip_has_one_motion_for_every_crop(shape):
    with pytest.raises(ValueError, match=r"motion must be \(4, K\)"):
        replace(clip(T=4), motion=np.zeros(shape, np.float32))


def test_the_motion_of_a_clip_is_frozen():
    moving_clip = replace(clip(T=4), motion=np.zeros((4, 22), np.float32))
    assert moving_clip.motion is not None
    assert not moving_clip.motion.flags.writeable


@pytest.mark.parametrize("changed", [np.zeros((48, 32), np.bool_), np.zeros((32, 48), np.uint8)])
def test_what_changed_in_a_frame_is_one_truth_per_pixel(changed):
    with pytest.raises(ValueError, match=r"changed must be \(H, W\) bool"):
        replace(frame(), changed=changed)


def test_what_changed_in_a_frame_is_frozen():
    marked = replace(frame(), changed=np.zeros((32, 48), np.bool_))
    assert marked.changed is not None
    assert not marked.changed.flags.writeable
