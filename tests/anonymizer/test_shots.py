from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anonymizer.data import Chunk
from anonymizer.errors import UsageError
from anonymizer.shots import chunks, cut_indices, difference, find_cuts, signature
from anonymizer.video.source import VideoSource
from tests.factories import frame, frames, picture

SIZE = (90, 120)
TINY = np.zeros((1, 1, 3), np.uint8)


def film(*shots: tuple[int, int]) -> list[np.ndarray]:
    """Pictures of shots given as (seed, length), each a moving pattern."""
    return [
        picture(SIZE, seed=seed, shift=(t / 2, t / 4))
        for seed, length in shots
        for t in range(length)
    ]


def cuts(pictures: list[np.ndarray]) -> list[int]:
    return find_cuts([signature(image) for image in pictures])


def fade(start: np.ndarray, end: np.ndarray, length: int) -> list[np.ndarray]:
    shares = np.linspace(0, 1, length)
    return [((1 - share) * start + share * end).round().astype(np.uint8) for share in shares]


def test_hard_cuts_are_found_where_they_are():
    assert cuts(film((1, 9), (2, 5), (3, 7))) == [9, 14]


def test_shots_of_one_frame_among_others_are_found():
    assert cuts(film((1, 6), (2, 1), (3, 6))) == [6, 7]


def test_cut_at_the_very_end_and_after_the_first_frame():
    assert cuts(film((1, 1), (2, 6), (3, 1))) == [1, 7]


def test_dark_film_is_cut_as_a_bright_one():
    assert cuts([image // 3 for image in film((1, 8), (2, 8))]) == [8]


def test_flat_pictures_are_cut_by_colour():
    red, blue = np.zeros((2, *SIZE, 3), np.uint8)
    red[..., 0], blue[..., 2] = 200, 200
    assert cuts([red] * 5 + [blue] * 5) == [5]


@pytest.mark.parametrize("length", [1, 2])
@pytest.mark.parametrize("level", [0, 255])
def test_flash_is_no_cut(length, level):
    pictures = film((1, 16))
    pictures[7 : 7 + length] = [np.full((*SIZE, 3), level, np.uint8)] * length
    assert cuts(pictures) == []


def test_slow_fade_is_no_cut():
    start, end = picture(SIZE, seed=1), picture(SIZE, seed=2)
    assert cuts([start] * 5 + fade(start, end, 20) + [end] * 5) == []


def test_noise_and_brightness_steps_are_no_cuts():
    rng = np.random.default_rng(0)
    still = picture(SIZE, seed=4).astype(int)
    pictures = [still + (20 if t > 6 else 0) + rng.integers(-12, 13, (*SIZE, 3)) for t in range(14)]
    assert cuts([image.clip(0, 255).astype(np.uint8) for image in pictures]) == []


def test_fast_change_everywhere_has_no_cut_that_stands_out():
    assert cuts(film(*((seed, 1) for seed in range(12)))) == []


@pytest.mark.parametrize("pictures", [[], [TINY], [TINY] * 3], ids=["none", "one", "three"])
def test_short_films_have_no_cut(pictures):
    assert cuts(pictures) == []


def test_cuts_come_after_two_more_pictures():
    taken = []

    def feed():
        for number, image in enumerate(film((1, 6), (2, 9))):
            taken.append(number)
            yield signature(image)

    assert next(cut_indices(feed())) == 6
    assert taken[-1] == 8


def test_signature_is_small_and_leaves_the_picture_alone():
    image = picture((37, 61), seed=3)
    before = image.copy()
    made = signature(image)
    assert made.dtype == np.float32
    assert made.nbytes < 1024
    assert made[192:].sum() == pytest.approx(1)
    assert np.array_equal(image, before)


def test_signature_sees_layout_in_both_directions():
    image = picture((60, 64), seed=5)
    whole = signature(image)
    for other in (image[::-1], image[:, ::-1], image[:60, :60].transpose(1, 0, 2)):
        assert difference(whole, signature(np.ascontiguousarray(other))) > 0.2


def test_difference_is_a_symmetric_distance_from_zero():
    a, b = (signature(picture(SIZE, seed=seed)) for seed in (1, 2))
    assert difference(a, a) == 0
    assert difference(a, b) == difference(b, a) > 0.45


SEEN = {  # how many frames to read, and where a sheet of them shows a cut
    "hamilton.mp4": (230, [20, 82, 211]),
    "music.mp4": (240, []),
    "signing_640x480.mkv": (58, []),
    "talking_512.mp4": (120, []),
    "walking_608x1080.mp4": (40, []),  # stutters: frames repeat, then jump
    "woman_room_720p.mp4": (60, []),
}


@pytest.mark.footage
@pytest.mark.parametrize("name", SEEN)
def test_cuts_of_real_film(footage: Path, name):
    count, expected = SEEN[name]
    film = islice(VideoSource(footage / name), count)
    assert find_cuts([signature(shown.image) for shown in film]) == expected


def check_chunk(chunk: Chunk, starts: set[int], written: int, overlap: int) -> None:
    first = chunk.body[0].index
    begin = max((start for start in starts if start <= first), default=0)
    assert chunk.lead == min(overlap, first - begin)
    assert first == written
    assert not any(start in starts for start in range(first + 1, chunk.body[-1].index + 1))
    assert chunk.shot == sum(0 < start <= first for start in starts)


@given(
    count=st.integers(0, 40),
    starts=st.sets(st.integers(0, 45)),
    overlap=st.integers(0, 7),
    more=st.integers(1, 9),
)
def test_bodies_join_to_the_film(count, starts, overlap, more):
    film = [frame(index, image=TINY.copy()) for index in range(count)]
    written: list[int] = []
    for chunk in chunks(iter(film), starts, length=overlap + more, overlap=overlap):
        check_chunk(chunk, starts, len(written), overlap)
        assert len(chunk.body) <= overlap + more
        written += [shown.index for shown in chunk.body]
    assert written == list(range(count))


def test_chunks_are_full_unless_a_shot_ends():
    lengths = [len(chunk.body) for chunk in chunks(frames(23), {9}, length=6, overlap=2)]
    assert lengths == [6, 3, 6, 6, 2]


def test_chunks_hold_the_same_frames_not_copies():
    film = frames(5)
    first, second = chunks(film, (), length=3, overlap=2)
    assert first.frames == tuple(film[:3])
    assert second.frames == tuple(film[1:])


def test_chunks_are_made_while_the_film_is_read():
    taken = []

    def feed():
        for shown in frames(9):
            taken.append(shown.index)
            yield shown

    next(chunks(feed(), (), length=4, overlap=1))
    assert taken == [0, 1, 2, 3, 4]


@given(
    count=st.integers(1, 60),
    starts=st.sets(st.integers(1, 60)),
    left_out=st.sets(st.integers(0, 59)),
    overlap=st.integers(0, 3),
    more=st.integers(1, 9),
)
def test_chunks_have_the_same_borders_where_frames_are_left_out(
    count, starts, left_out, overlap, more
):
    film = [frame(index, image=TINY.copy()) for index in range(count)]
    options: dict[str, Any] = {"length": overlap + more, "overlap": overlap}
    home = {
        shown.index: (chunk.shot, chunk.body[0].index)
        for chunk in chunks(film, starts, **options)
        for shown in chunk.body
    }
    rest = [shown for shown in film if shown.index not in left_out]
    written = []
    for chunk in chunks([film[0], *(one for one in rest if one.index)], starts, **options):
        indices = [shown.index for shown in chunk.frames]
        assert indices == list(range(indices[0], indices[-1] + 1))
        assert len({home[shown.index] for shown in chunk.body}) == 1
        assert {home[index][0] for index in indices} == {chunk.shot}
        written += [shown.index for shown in chunk.body]
    assert written == sorted({0, *(shown.index for shown in rest)})


def test_chunks_start_at_any_index_as_shot_zero():
    (chunk,) = chunks(frames(3, start=7), {7}, length=4, overlap=0)
    assert (chunk.shot, chunk.lead, chunk.frames[0].index) == (0, 0, 7)


@pytest.mark.parametrize(
    ("length", "overlap", "message"),
    [
        (4, 6, "chunk length 4 must exceed overlap 6; lower --overlap"),
        (4, 4, "exceed"),
        (4, -1, "-1"),
    ],
)
def test_impossible_overlap_is_refused_at_once(length, overlap, message):
    with pytest.raises(UsageError, match=message):
        chunks([], (), length=length, overlap=overlap)
