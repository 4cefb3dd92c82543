"""Chunks, key frames and what is asked of whom; the painters here paint by rule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import mediators
from anonymizer.data import Clip, Frame
from anonymizer.diffusion import inbetween
from anonymizer.errors import UsageError
from anonymizer.retelling import Manner, Troupe, retell
from tests import factories

SIZE = (24, 40)


@dataclass
class Painting:
    """A sketch that inverts colours, and remembers what it was of."""

    clip: Clip
    patches: NDArray[np.bool_] | None = None

    @property
    def moving(self) -> Clip:
        return self.clip

    def paint(self, mediation: Any) -> NDArray[np.uint8]:
        return 255 - self.clip.pixels[self.clip.lead :]


@dataclass
class Inverting:
    """A restyler that works at half the size."""

    divisor: int = 2
    asked: list[tuple[tuple[int, ...], int, Any]] = field(default_factory=list)
    patched: list[tuple[int, ...]] = field(default_factory=list)

    def shape(self, size: tuple[int, int], shorter: int | None) -> tuple[int, int]:
        return size[0] // self.divisor, size[1] // self.divisor

    def sketch(self, clip: Clip, seed: int, given: Any = None) -> Any:
        self.asked.append((clip.indices, clip.lead, given))
        return Painting(clip)

    def patch(self, clip: Clip, seed: int, known: Any, holes: Any, given: Any = None) -> Any:
        self.patched.append(clip.indices)
        assert holes.any()
        assert known.shape == clip.pixels.shape
        return Painting(clip)


def troupe(restyler: Inverting, mediator: str = "medm") -> Troupe:
    medm, none = mediators.load("medm", {}), mediators.load("none", {})
    chosen = {"medm": medm, "none": none}[mediator]
    return Troupe(restyler, chosen, medm, none, inbetween.filled, inbetween.patched)


def film(count: int) -> list[Frame]:
    return factories.frames(count, SIZE)


def told(
    count: int,
    restyler: Inverting,
    *,
    starts: tuple[int, ...] = (0,),
    given: Iterator[Any] | None = None,
    **manner: Any,
) -> list[Frame]:
    how = Manner(1, **({"chunk": 4, "overlap": 1} | manner))
    return list(retell(film(count), starts, troupe(restyler), how, given=given))


def test_every_frame_comes_back_at_its_time_and_size_wholly_painted() -> None:
    restyler = Inverting()
    frames = told(10, restyler)
    assert [frame.index for frame in frames] == list(range(10))
    for before, after in zip(film(10), frames, strict=True):
        assert (after.pts, after.time_base) == (before.pts, before.time_base)
        assert after.image.shape == before.image.shape
        assert after.changed is not None
        assert after.changed.all()
        assert np.abs(255 - before.image.astype(int) - after.image).mean() < 3
    assert [(indices, lead) for indices, lead, _ in restyler.asked] == [
        ((0, 1, 2, 3), 0),
        ((3, 4, 5, 6, 7), 1),
        ((7, 8, 9), 1),
    ]


def test_shots_begin_afresh() -> None:
    restyler = Inverting()
    told(7, restyler, starts=(0, 3))
    assert [(indices, lead) for indices, lead, _ in restyler.asked] == [
        ((0, 1, 2), 0),
        ((3, 4, 5, 6), 0),
    ]


def test_frames_at_the_networks_own_size_are_not_resampled() -> None:
    frames = told(3, Inverting(divisor=1))
    for before, after in zip(film(3), frames, strict=True):
        assert np.array_equal(after.image, 255 - before.image)


def test_control_pictures_go_with_their_frames() -> None:
    restyler = Inverting(divisor=1)
    pictures = (np.full((*SIZE, 3), index, np.uint8) for index in range(6))
    told(6, restyler, given=pictures)
    shown = [given[:, 0, 0, 0].tolist() for _, _, given in restyler.asked]
    assert shown == [[0, 1, 2, 3], [4, 5]]


def test_too_few_control_pictures_stop_the_film() -> None:
    pictures = iter([np.zeros((*SIZE, 3), np.uint8)] * 5)
    with pytest.raises(UsageError, match="end before frame 5"):
        told(6, Inverting(), given=pictures)


@pytest.mark.parametrize("count", [1, 2, 5, 9, 10, 14])
def test_key_frames_are_diffused_and_what_lies_between_follows_them(count: int) -> None:
    restyler = Inverting(divisor=1)
    frames = told(count, restyler, keyframes=4)
    assert [frame.index for frame in frames] == list(range(count))
    diffused = sorted({index for indices, _, _ in restyler.asked for index in indices})
    assert len(diffused) <= count // 4 + 3
    assert {0, count - 1} <= set(diffused)
    for before, after in zip(film(count), frames, strict=True):
        missed = np.abs(255 - before.image.astype(int) - after.image)[4:-4, 6:-6]
        assert missed.max() == 0 if before.index in diffused else missed.mean() < 6


def test_key_frames_of_later_chunks_go_on_from_the_last() -> None:
    restyler = Inverting(divisor=1)
    told(17, restyler, keyframes=3, chunk=6)
    assert [(indices, lead) for indices, lead, _ in restyler.asked] == [
        ((0, 3, 5), 0),
        ((5, 8, 11), 1),
        ((11, 14, 16), 1),
    ]


def test_key_frames_are_shown_their_own_control_pictures() -> None:
    restyler = Inverting(divisor=1)
    pictures = (np.full((*SIZE, 3), index, np.uint8) for index in range(12))
    told(12, restyler, given=pictures, keyframes=3, chunk=6)
    shown = [given[:, 0, 0, 0].tolist() for _, _, given in restyler.asked]
    assert shown == [[0, 3, 5], [8, 11]]


def test_what_no_key_frame_shows_is_painted_in_a_second_pass() -> None:
    """One frame of another scene between key frames: nothing of it is in either."""
    restyler = Inverting(divisor=1)
    frames = film(5)
    frames[2] = factories.frame(2, SIZE, seed=9)
    how = Manner(1, chunk=4, overlap=1, keyframes=4)
    after = list(retell(frames, (0,), troupe(restyler), how))
    assert len(restyler.patched) == 1
    assert 2 in restyler.patched[0]
    assert np.abs(255 - frames[2].image.astype(int) - after[2].image).mean() < 4


def test_progress_is_told_after_every_chunk() -> None:
    seen: list[tuple[str, int, int]] = []
    how = Manner(1, chunk=4, overlap=1)
    tell = lambda *words: seen.append(words)  # noqa: E731 - as short as can be
    list(retell(film(6), (0,), troupe(Inverting(), "none"), how, progress=tell))
    assert seen == [("paint", 4, 0), ("paint", 6, 0)]
