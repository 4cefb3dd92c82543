"""Control pictures: in the right place, of the new person, and of geometry alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
import torch

from anonymizer.diffusion import artist
from anonymizer.diffusion.artist import Artist, Cast
from anonymizer.head import guide
from anonymizer.head.expression import MOTION
from anonymizer.head.lids import shutting_of
from anonymizer.head.model import HeadModel
from anonymizer.head.pose import Pose, rotation
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


def test_eyes_shut_as_far_as_this_person_needs() -> None:
    motion = np.zeros((3, len(MOTION)), np.float32)
    motion[:, MOTION.index("eyeBlink_L")] = 1
    for seed in (10, 13):
        cast = Cast.of(HEAD, clip(motion=motion), seed)
        weights, _ = cast.faces[0]
        shut = shutting_of(HEAD, cast.person)
        assert weights[HEAD.expression_names.index("eyeBlink_L")] == pytest.approx(shut)
        assert abs(shut - 1) > 0.1


def test_whoever_nods_keeps_their_eyes_on_the_level() -> None:
    still = Cast.of(HEAD, clip(), 3)
    where = Pose(rotation(0.0, -0.4), still.poses[0].scale, np.array([SIZE / 2, SIZE / 2]))
    shown = HEAD.vertices(still.person.identity, still.faces[0][0])
    seen = np.repeat(where.project(HEAD.marked_landmarks(shown))[None, :, :2], 3, 0)
    (_, gaze), *_ = Cast.of(HEAD, clip(landmarks=seen), 3).faces
    assert gaze == pytest.approx((0.0, -np.sin(0.4) / 2), abs=0.03)


def test_a_mouth_that_opens_does_not_turn_the_head() -> None:
    """Landmarks of one head that speaks, turned by 20 degrees, and what was read of its mouth."""
    motion = np.zeros((3, len(MOTION)), np.float32)
    motion[:, MOTION.index("jawOpen")] = 0.0, 0.35, 0.7
    still = Cast.of(HEAD, clip(motion=motion), 3)
    where = Pose(rotation(0.35, 0.0), still.poses[0].scale, np.array([SIZE / 2, SIZE / 2]))
    shown = [HEAD.vertices(still.person.identity, weights) for weights, _ in still.faces]
    seen = np.stack([where.project(HEAD.marked_landmarks(each))[:, :2] for each in shown])
    speaking = Cast.of(HEAD, clip(motion=motion, landmarks=seen), 3)
    turns = speaking.poses.rotation
    for at in range(3):
        np.testing.assert_allclose(turns[at], turns[0], atol=0.02)
        found = speaking.poses[at].project(HEAD.marked_landmarks(shown[at]))[:, :2]
        np.testing.assert_allclose(found, seen[at], atol=0.7)


def test_what_chunks_share_is_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    poses: list[Any] = []

    def counted(head: Any, person: Any, pose: Any, *rest: Any, **named: Any) -> Any:
        poses.append(pose)
        return guide.draw_guide(head, person, pose, *rest, **named)

    monkeypatch.setattr(artist, "draw_guide", counted)
    whole = factories.clip(T=6, S=SIZE)
    spots = whole.landmarks + np.random.default_rng(5).normal(0, 1, (6, 1, 2))
    first, second = (
        Cast.of(HEAD, replace(factories.clip(T=4, S=SIZE), landmarks=spots[part]), 3)
        for part in (slice(0, 4), slice(2, 6))
    )
    before = [first.guide(at, SIZE) for at in range(4)]
    assert len(poses) == 4
    after = [second.guide(at, SIZE) for at in range(4)]
    assert len(poses) == 6
    assert after[0] is before[2]
    assert after[1] is before[3]
    person, (face, gaze) = second.person, second.faces[3]
    alone = guide.draw_guide(HEAD, person, second.poses[3], face, size=SIZE, gaze=gaze)
    np.testing.assert_array_equal(after[3].colour, alone.colour)
    np.testing.assert_array_equal(after[3].normals, alone.normals)
    second.guide(0, SIZE // 2)
    assert len(poses) == 7


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
