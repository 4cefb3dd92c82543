"""Who is drawn: nobody is the mean head, and everybody as unusual as others."""

from itertools import combinations

import numpy as np
import pytest

from anonymizer.head.model import HeadModel
from anonymizer.head.person import PARTS, UNUSUAL, person_for, sample_person


def codes(count: int, length: int = 64) -> np.ndarray:
    drawn = (np.random.default_rng(seed) for seed in range(count))
    return np.stack([sample_person(rng, code_length=length).identity for rng in drawn])


@pytest.mark.parametrize("length", [1, 4, 5, 20, 64])
def test_each_part_of_a_code_is_as_far_from_the_mean_for_everybody(length):
    for code in codes(4, length):
        assert code.shape == (length,)
        for part in np.split(code, [at for at in PARTS if at < length]):
            assert np.sqrt(np.square(part).mean()) == pytest.approx(UNUSUAL)


def test_codes_point_anywhere():
    drawn = codes(60)
    assert np.abs(drawn.mean(0)).max() < 4 * UNUSUAL / np.sqrt(60)
    assert (drawn.std(0) > 0.7 * UNUSUAL).all()


def test_heads_differ_from_the_mean_and_from_each_other():
    head = HeadModel.load()
    faces = head.mean[:, 2] > 4
    mean = head.vertices(np.zeros(head.code_length, np.float32))[faces]
    drawn = [head.vertices(person_for(head, seed).identity)[faces] for seed in range(8)]
    away = [np.sqrt(np.square(face - mean).sum(1).mean()) for face in drawn]
    assert max(away) < 2 * min(away)
    for one, other in combinations(drawn, 2):
        assert np.sqrt(np.square(one - other).sum(1).mean()) > 0.5 * min(away)
