from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from anonymizer.data import Clip
from anonymizer.training.evaluate import Alone, clips, influence


@dataclass
class Flat:
    """Paints one level: four times the person plus the first number of the noise."""

    person: int = 0

    def sketch(self, clip: Clip, seed: int) -> Flat:
        return Flat(seed)

    def paint(self, mediation: Alone) -> np.ndarray:
        first = float(mediation.noise((1, 1, 1, 1), 99).ravel()[0])
        return np.full((1, 16, 16, 3), 100 + 4.0 * self.person + first)


def shard(count: int = 3, side: int = 64) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    points = np.array([[22, 26], [42, 26], [32, 36], [24, 46], [40, 46]], np.float32)
    images = rng.integers(0, 256, (count, side, side, 3), np.uint8)
    return {"image": images, "landmarks": np.stack([points] * count)}


def test_code_and_noise_are_told_apart():
    cut = [next(clips(shard(side=16), 1))]
    figures = influence(Flat(), cut * 3)  # type: ignore[arg-type]
    zero, one = (float(Alone(s).noise((1,), 0)) for s in (0, 1))
    assert figures["code"] == pytest.approx(4 / 255)
    assert figures["noise"] == pytest.approx(abs(one - zero) / 255)
    assert figures["ratio"] == pytest.approx(4 / abs(one - zero))


def test_held_out_pictures_are_blanked_where_they_are_protected():
    cut = list(clips(shard(), 2))
    assert len(cut) == 2
    for clip in cut:
        assert 0.1 < clip.hidden.mean() < 0.9
        assert (clip.context[clip.hidden] == 128).all()
        assert np.array_equal(clip.context[~clip.hidden], clip.pixels[~clip.hidden])
