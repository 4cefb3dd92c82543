"""Interlaced films are made whole, and said to be."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from anonymizer.video.fields import WARNING, whole
from anonymizer.video.sink import VideoSink
from anonymizer.video.source import VideoSource
from tests.factories import picture
from tests.films import make_video

SIZE = (64, 48)
INTERLACED: dict[str, dict[str, Any]] = {
    ".mp4": {"options": {"crf": "4", "preset": "ultrafast", "x264-params": "interlaced=1"}},
    ".ts": {"codec": "mpeg2video", "options": {"flags": "+ildct+ilme", "b": "4000000"}},
    ".mkv": {
        "pixel_format": "yuv422p10le",
        "options": {"crf": "4", "preset": "ultrafast", "x264-params": "interlaced=1"},
    },
}


def at(moment: float) -> NDArray[np.uint8]:
    """A grey picture: chroma of woven 4:2:0 would belong to both moments."""
    return np.repeat(picture(SIZE[::-1], shift=(moment, 0.0))[..., :1], 3, axis=2)


def woven(index: int) -> NDArray[np.uint8]:
    """Even lines of one moment, odd lines of a later one; 3 pixels lie between them."""
    image = at(6.0 * index)
    image[1::2] = at(6.0 * index + 3)[1::2]
    return image


def comb(image: NDArray[np.uint8]) -> float:
    """How much lines differ from the mean of those above and below."""
    lines = image.astype(float)
    return float(np.abs(lines[1:-1] - (lines[:-2] + lines[2:]) / 2).mean())


@pytest.mark.parametrize("suffix", INTERLACED)
@pytest.mark.parametrize("count", [1, 2, 7])
def test_interlaced_films_are_made_whole_at_the_same_times(tmp_path, suffix, count):
    path = make_video(tmp_path / f"a{suffix}", draw=woven, frames=count, **INTERLACED[suffix])
    with av.open(str(path)) as file:
        decoded = list(file.decode(video=0))
    assert all(shown.interlaced_frame for shown in decoded)
    film = VideoSource(path)
    frames = list(film)
    assert film.warnings == [WARNING]
    assert [frame.pts for frame in frames] == [shown.pts for shown in decoded]
    assert comb(woven(3)) > 3 * comb(at(18))
    for index, frame in enumerate(frames[1:-1], 1):
        assert comb(frame.image) < comb(woven(index)) / 2
        moments = (at(6.0 * index), at(6.0 * index + 3))
        apart = [float(np.abs(frame.image.astype(int) - shown).mean()) for shown in moments]
        assert min(apart) < 5 < max(apart)


def test_what_is_written_is_not_interlaced_and_not_made_whole_again(tmp_path):
    source = make_video(tmp_path / "a.mkv", draw=woven, **INTERLACED[".mkv"])
    film, target = VideoSource(source), tmp_path / "b.mkv"
    with VideoSink(target, source, film.info, lossless=True) as sink:
        for frame in film:
            sink.write(frame)
    again = VideoSource(target)
    for before, after in zip(film, again, strict=True):
        assert np.array_equal(before.image, after.image)
    assert again.warnings == []
    assert again.info.pixel_format == "yuv422p10le"


def test_films_that_are_not_interlaced_pass_as_they_are(tmp_path):
    path = make_video(tmp_path / "a.mp4")
    with av.open(str(path)) as file:
        decoded = list(file.decode(video=0))
    called: list[int] = []
    assert list(whole(decoded, lambda: called.append(1))) == decoded
    assert not called
    assert VideoSource(path).warnings == []


def pictures(path: Path, **what: Any) -> list[av.VideoFrame]:
    with av.open(str(make_video(path, **what))) as file:
        return list(file.decode(video=0))


def test_pictures_before_between_and_of_another_size_keep_their_place(tmp_path):
    plain = pictures(tmp_path / "a.mp4", frames=3)
    fields = pictures(tmp_path / "b.mp4", draw=woven, frames=3, **INTERLACED[".mp4"])
    small = pictures(tmp_path / "c.mp4", frames=2, size=(32, 16))
    called: list[int] = []
    shown = list(whole([*plain, *fields, *small], lambda: called.append(1)))
    assert shown[:3] == plain
    assert [each.pts for each in shown[3:6]] == [each.pts for each in fields]
    assert not any(each.interlaced_frame for each in shown)
    assert shown[6:] == small
    assert called == [1]


def test_pictures_too_small_for_the_filter_pass(tmp_path):
    class Tiny:
        width, height, interlaced_frame = 2, 2, True

    tiny = Tiny()
    shown: list[Any] = list(whole([tiny], pytest.fail))  # type: ignore[list-item]  # like one
    assert shown == [tiny]


def test_pictures_without_a_time_stay_without(tmp_path):
    fields = pictures(tmp_path / "b.mp4", draw=woven, frames=3, **INTERLACED[".mp4"])
    fields[1].pts = None
    shown = list(whole(fields, lambda: None))
    assert [each.pts for each in shown] == [0, None, 1024]
    assert {each.time_base for each in shown[:2]} == {Fraction(1, 12_800)}
