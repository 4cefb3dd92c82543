"""The drawn head does what the face did, and nothing when that was not read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from anonymizer.diffusion import inpainter
from anonymizer.diffusion.faces import FaceReplacer
from anonymizer.head.canonical import MEAN_LANDMARKS, scaled
from anonymizer.head.expression import MOTION
from anonymizer.settings import Painting
from tests import factories
from tests.anonymizer.diffusion import tiny


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> FaceReplacer:
    folder = tiny.write_builtin(tmp_path_factory.mktemp("builtin"))
    return inpainter.builtin(Painting(), torch.device("cpu"), folder)


def clip(*jaws: float):
    """Crops of a frontal face whose jaw hangs as low as told."""
    still = factories.clip(T=len(jaws), S=tiny.SIZE)
    motion = np.zeros((len(jaws), len(MOTION)), np.float32)
    motion[:, MOTION.index("jawOpen")] = jaws
    points = np.repeat(scaled(MEAN_LANDMARKS, tiny.SIZE)[None], len(jaws), 0)
    return replace(still, motion=motion, landmarks=points)


def mouth(guide):
    x, y = scaled(MEAN_LANDMARKS, tiny.SIZE)[3:].mean(0).round().astype(int)
    reach = tiny.SIZE // 16
    return guide.colour[y - reach // 2 : y + 2 * reach, x - reach : x + reach]


def test_the_mouth_opens_in_the_frames_in_which_it_was_open(face):
    shut, opened, again = face.guides(clip(0.0, 0.6, 0.0), seed=5)
    np.testing.assert_array_equal(shut.colour, again.colour)
    assert mouth(opened).min() < mouth(shut).min() - 0.05
    assert mouth(opened).mean() < mouth(shut).mean() - 0.03


def test_without_motion_the_face_is_at_rest(face):
    at_rest, neutral = clip(0.0, 0.0), replace(clip(0.7, 0.7), motion=None)
    for one, other in zip(face.guides(at_rest, 5), face.guides(neutral, 5), strict=True):
        np.testing.assert_array_equal(one.colour, other.colour)


def test_the_eyes_look_where_they_were_looking(face):
    looking = clip(0.0, 0.0)
    motion = looking.motion.copy()
    motion[:, MOTION.index("gazeX")] = -0.4, 0.4
    left, right = face.guides(replace(looking, motion=motion), 5)
    change = np.abs(left.colour - right.colour).max(-1)
    eyes = scaled(MEAN_LANDMARKS, tiny.SIZE)[:2]
    y, x = np.nonzero(change > 0.03)
    near = np.hypot(x[:, None] - eyes[:, 0], y[:, None] - eyes[:, 1]).min(1)
    assert len(near) >= 4
    assert near.max() < tiny.SIZE / 10


def skin(face, shade, seed):
    """Mean colour of the drawn face over a film of one shade."""
    still = clip(0.0, 0.0)
    film = np.broadcast_to(np.array(shade, np.uint8), still.context.shape)
    context = np.where(still.hidden[..., None], np.uint8(128), film)
    guide = face.sketch(replace(still, context=context), seed).guides[0]
    return guide.colour[guide.coverage > 0.9].mean(0)


def test_the_tone_of_the_skin_follows_the_film_or_only_the_seed(face):
    pale, brown = (224, 180, 156), (120, 78, 56)
    by_chance = replace(face, match="none")
    assert np.ptp([skin(face, tone, 5).mean() for tone in (pale, brown)]) > 0.1
    np.testing.assert_array_equal(skin(by_chance, pale, 5), skin(by_chance, brown, 5))
    drawn = [skin(by_chance, pale, seed).mean() for seed in range(6)]
    assert np.ptp(drawn) > 0.2
    assert np.ptp(drawn) > 1.5 * np.ptp([skin(face, pale, seed).mean() for seed in range(6)])


def test_the_setting_decides_who_decides_the_tone(tmp_path):
    folder = tiny.write_builtin(tmp_path)
    for match in ("tone", "none"):
        built = inpainter.builtin(Painting(match=match), torch.device("cpu"), folder)
        assert built.match == match
        larger = inpainter.enlarged(built)
        assert isinstance(larger, FaceReplacer)
        assert larger.match == match
