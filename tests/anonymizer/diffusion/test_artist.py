"""Control pictures: in the right place, of the new person, and of geometry alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
import torch

from anonymizer.diffusion.artist import Artist
from anonymizer.head.expression import MOTION
from anonymizer.head.model import HeadModel
from anonymizer.networks import FaceControl
from tests import factories

KINDS = get_args(FaceControl)
HEAD = HeadModel.load()
SIZE = 96


def clip(**changes: Any) -> Any:
    return replace(factories.clip(T=3, S=SIZE, lead=1), **changes)


def drawn(kind: Any, of: Any = None, seed: int = 3) -> torch.Tensor:
    return Artist(HEAD, kind).pictures(clip() if of is None else of, seed)


@pytest.mark.parametrize("kind", KINDS)
def test_p1_pictures_know_nothing_of_the_film(kind: str) -> None:
    usual = clip()
    other = replace(usual, pixels=255 - usual.pixels, context=255 - usual.context)
    assert torch.equal(drawn(kind, usual), drawn(kind, other))


@pytest.mark.parametrize("kind", KINDS)
def test_one_picture_for_each_new_crop_that_follows_the_landmarks(kind: str) -> None:
    usual = clip()
    moved = replace(usual, landmarks=usual.landmarks + np.array([6.0, -4.0]))
    here, there = drawn(kind, usual), drawn(kind, moved)
    assert here.shape == (2, 3, SIZE, SIZE)
    assert here.dtype == torch.float32
    assert 0 <= here.min() < here.max() <= 1
    shifted = torch.roll(here, (-4, 6), (2, 3))
    inner = np.s_[:, :, 10:-10, 10:-10]
    assert (there[inner] - shifted[inner]).abs().mean() < 0.4 * (
        there[inner] - here[inner]
    ).abs().mean()


@pytest.mark.parametrize("kind", KINDS)
def test_the_person_is_the_seeds_except_in_bare_landmarks(kind: str) -> None:
    assert torch.equal(drawn(kind, seed=3), drawn(kind, seed=3))
    assert torch.equal(drawn(kind, seed=3), drawn(kind, seed=4)) == (kind == "landmarks")


@pytest.mark.parametrize("kind", ["mesh", "normals", "edges"])
def test_an_open_mouth_is_drawn_open(kind: str) -> None:
    motion = np.zeros((3, len(MOTION)), np.float32)
    motion[:, [name.startswith("jaw") for name in MOTION]] = 1
    assert not torch.equal(drawn(kind), drawn(kind, clip(motion=motion)))


def test_landmarks_are_dots_in_their_own_colours() -> None:
    usual = clip()
    picture = drawn("landmarks", usual)[0]
    x, y = usual.landmarks[1, 0].round().astype(int)
    assert picture[:, y, x].tolist() == [1, 0, 0]
    assert len(torch.unique(picture.flatten(1), dim=1).T) == 6  # five, and black


@pytest.mark.parametrize("kind", KINDS)
def test_landmarks_that_are_not_finite_are_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="finite"):
        drawn(kind, clip(landmarks=np.full((3, 5, 2), np.nan)))
