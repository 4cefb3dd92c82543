"""Pictures are made once, when they are first asked for, and must be what was promised."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from threading import Barrier

import numpy as np
import pytest

from anonymizer.data import Frame
from anonymizer.picture import Negative, shows
from tests.factories import picture

SHAPE = (4, 6)


class Counted:
    """Makes a picture and counts how often."""

    def __init__(self, shape: tuple[int, ...] = (*SHAPE, 3), kind: type = np.uint8) -> None:
        self.made, self._shape, self._kind = 0, shape, kind

    def __call__(self) -> np.ndarray:
        self.made += 1
        return np.zeros(self._shape, self._kind)


def held(develop: Counted) -> tuple[Frame, Negative]:
    negative = Negative(SHAPE, develop)
    return Frame(3, 7, Fraction(1, 25), negative), negative


def test_nothing_is_made_of_a_frame_that_nobody_looks_at():
    frame, negative = held(develop := Counted())
    assert (frame.shape, repr(frame)) == (SHAPE, "Frame(index=3, pts=7, 6x4)")
    assert shows(frame, negative)
    replaced = replace(frame, image=picture(SHAPE))
    assert not shows(replaced, negative)
    assert develop.made == 0


def test_a_picture_is_made_once_and_stays_the_same_array():
    frame, negative = held(develop := Counted())
    assert frame.image is frame.image is negative.developed()
    assert not frame.image.flags.writeable
    assert shows(frame, negative)
    assert develop.made == 1


def test_threads_that_ask_at_once_get_one_picture():
    begin = Barrier(4)
    frame, _ = held(develop := Counted())

    def asked() -> int:
        begin.wait()
        return id(frame.image)

    with ThreadPoolExecutor(4) as workers:
        seen = {done.result() for done in [workers.submit(asked) for _ in range(4)]}
    assert len(seen) == develop.made == 1


@pytest.mark.parametrize(
    "develop", [Counted((6, 4, 3)), Counted((4, 6)), Counted(kind=np.float32), Counted((4, 6, 4))]
)
def test_a_picture_that_is_not_what_was_promised_is_refused(develop):
    frame, _ = held(develop)
    with pytest.raises(ValueError, match="image must be"):
        _ = frame.image


def test_an_error_of_making_it_comes_every_time():
    def fail() -> np.ndarray:
        raise OSError("gone")

    frame = Frame(0, 0, Fraction(1), Negative(SHAPE, fail))
    for _ in range(2):
        with pytest.raises(OSError, match="gone"):
            _ = frame.image


def test_a_frame_needs_a_picture():
    with pytest.raises(TypeError, match="image"):
        Frame(0, 0, Fraction(1))
