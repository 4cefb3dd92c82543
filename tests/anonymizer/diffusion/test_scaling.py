from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from anonymizer import geometry
from anonymizer.diffusion import scaling
from anonymizer.head.guide import Guide
from tests import factories


def test_a_smaller_clip_lies_in_the_same_place() -> None:
    clip = factories.clip(T=3, S=32, lead=1)
    small = scaling.smaller_clip(clip, 2)
    assert small.size == 16
    assert small.lead == 1
    for big, less in zip(clip.frame_from_crop, small.frame_from_crop, strict=True):
        edges = np.array([[-0.5, -0.5], [31.5, 15.5]])  # the same edges in both crops
        halves = np.array([[-0.5, -0.5], [15.5, 7.5]])
        np.testing.assert_allclose(geometry.apply(big, edges), geometry.apply(less, halves))
    at_big = geometry.apply(clip.frame_from_crop[0], clip.landmarks[0])
    np.testing.assert_allclose(geometry.apply(small.frame_from_crop[0], small.landmarks[0]), at_big)


def test_one_hidden_or_protected_pixel_hides_and_protects_the_smaller_one() -> None:
    base = factories.clip(T=1, S=32)
    hidden, mask = np.zeros((1, 32, 32), bool), np.zeros((1, 32, 32), np.float32)
    hidden[0, 5, 8], mask[0, 21, 30] = True, 0.25
    small = scaling.smaller_clip(replace(base, hidden=hidden, mask=mask), 2)
    assert np.argwhere(small.hidden).tolist() == [[0, 2, 4]]
    assert np.argwhere(small.mask > 0).tolist() == [[0, 10, 15]]
    assert small.mask.max() == 0.25


def test_a_factor_of_one_changes_nothing_and_one_that_does_not_divide_is_refused() -> None:
    clip = factories.clip(T=1, S=32)
    assert scaling.smaller_clip(clip, 1) is clip
    with pytest.raises(ValueError, match="32 pixels cannot be shrunk 3 times"):
        scaling.smaller_clip(clip, 3)


def test_colours_of_a_smaller_guide_count_by_what_is_drawn() -> None:
    colour, normals = np.zeros((8, 8, 3), np.float32), np.zeros((8, 8, 3), np.float32)
    coverage = np.zeros((8, 8), np.float32)
    colour[:, :3], normals[:, :3, 2], coverage[:, :3] = 0.6, 1, 1
    guide = Guide(colour, coverage, normals, coverage * np.float32(0.5))
    small = scaling.smaller_guide(guide, 2)
    assert small.colour[0, :, 0].tolist() == pytest.approx([0.6, 0.6, 0, 0])
    assert small.coverage[0].tolist() == pytest.approx([1, 0.5, 0, 0])
    assert small.framed[0].tolist() == pytest.approx([0.5, 0.25, 0, 0])
    assert small.normals[0, :, 2].tolist() == pytest.approx([1, 1, 0, 0])
    assert scaling.smaller_guide(guide, 1) is guide


def test_larger_keeps_means_and_edges() -> None:
    picture = factories.picture((12, 12)).astype(np.float32)
    big = scaling.larger(picture, 2)
    assert big.shape == (24, 24, 3)
    flat = scaling.larger(np.full((4, 4, 3), 7.0), 3)
    np.testing.assert_allclose(flat, 7, atol=1e-5)
