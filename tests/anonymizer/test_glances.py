"""What was seen once counts for the very same pictures, and for no others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from anonymizer.data import Face, Frame
from anonymizer.glances import Noting, Recalling
from anonymizer.video.source import VideoSource
from tests.factories import frames as made
from tests.films import make_video


class Finder:
    """Sees a face that says who saw it, and counts what it is asked."""

    provider = "paper"

    def __init__(self, score: float) -> None:
        self.score, self.asked = score, 0

    def detect(self, frames: Sequence[Frame]) -> list[list[Face]]:
        self.asked += len(frames)
        return [[Face((0, 0, 8 + frame.index, 8), self.score)] for frame in frames]


def told(found: Sequence[Sequence[Face]]) -> list[list[tuple[object, float]]]:
    return [[(face.box, face.score) for face in faces] for faces in found]


def test_both_look_and_one_is_believed():
    first, second = Finder(0.9), Finder(0.5)
    noting = Noting(first, second)
    film = made(4)
    assert told(noting.detect(film)) == told(Finder(0.9).detect(film))
    assert told([glance.faces for glance in noting.seen]) == told(Finder(0.5).detect(film))
    assert noting.provider == "paper"


def test_what_was_seen_is_not_looked_for_again():
    second, film = Finder(0.5), made(4)
    noting = Noting(Finder(0.9), second)
    noting.detect(film)
    recalling = Recalling(second, noting.seen)
    assert told(recalling.detect(film)) == told(Finder(0.5).detect(film))
    assert second.asked == 4
    assert recalling.provider == "paper"


def test_other_pictures_are_looked_at_all_the_same():
    film = made(4)
    noting = Noting(Finder(0.9), Finder(0.5))
    noting.detect(film[:3])
    other = replace(film[1], image=255 - film[1].image)
    for strange in (other, replace(film[1], pts=99), film[3]):
        again = Finder(0.1)
        batch = [film[0], strange]
        found = Recalling(again, noting.seen).detect(batch)
        assert told(found) == told(Finder(0.1).detect(batch))
        assert again.asked == 2


def test_a_glance_holds_no_picture():
    noting = Noting(Finder(0.9), Finder(0.5))
    noting.detect(made(1))
    (glance,) = noting.seen
    assert len(glance.picture) == 32
    assert not any(isinstance(getattr(glance, name), np.ndarray) for name in glance.__slots__)


def test_what_was_seen_in_quick_colours_counts_when_they_are_exact(tmp_path):
    path, second = make_video(tmp_path / "a.mp4", frames=4), Finder(0.5)
    noting = Noting(Finder(0.9), second)
    noting.detect(list(VideoSource(path, exact=False)))
    Recalling(second, noting.seen).detect(list(VideoSource(path)))
    assert second.asked == 4
