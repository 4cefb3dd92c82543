import cv2
import pytest

from anonymizer.errors import UnreadableVideo, UsageError
from anonymizer.video.containers import output_suffix
from anonymizer.video.images import ImageSink, ImageSource
from anonymizer.video.media import is_image, open_sink, open_source
from anonymizer.video.sink import VideoSink
from anonymizer.video.source import VideoSource
from tests.factories import picture, stream_info
from tests.films import make_video


def test_suffix_decides_what_is_opened(tmp_path):
    cv2.imwrite(str(tmp_path / "a.PNG"), picture())
    make_video(tmp_path / "a.mp4")
    assert isinstance(open_source(tmp_path / "a.PNG"), ImageSource)
    assert isinstance(open_source(tmp_path / "a.mp4"), VideoSource)
    assert [is_image(tmp_path / name) for name in ("a.PNG", "a.mp4")] == [True, False]


def test_sink_is_of_the_same_kind_as_the_source(tmp_path):
    info = stream_info()
    image = open_sink(tmp_path / "b.webp", tmp_path / "a.jpg", info, lossless=True)
    film = open_sink(tmp_path / "b.mkv", tmp_path / "a.mp4", info, crf=30, audio="drop")
    assert isinstance(image, ImageSink)
    assert isinstance(film, VideoSink)


@pytest.mark.parametrize(("source", "target"), [("a.jpg", "b.mp4"), ("a.mp4", "b.jpg")])
def test_films_do_not_become_pictures_or_the_other_way_round(tmp_path, source, target):
    with pytest.raises(UsageError, match=r"cannot be written as"):
        open_sink(tmp_path / target, tmp_path / source, stream_info())


@pytest.mark.parametrize(
    ("suffix", "expected"), [(".mp4", ".mp4"), (".MOV", ".MOV"), (".avi", ".mkv"), ("", ".mkv")]
)
def test_container_stays_if_it_can_be_written(suffix, expected):
    assert output_suffix(suffix) == expected


@pytest.mark.parametrize("brand", [b"avif", b"heic", b"mif1", b"crx "])
def test_pictures_in_tiles_are_refused_with_advice(tmp_path, brand):
    path = tmp_path / "a.heic"
    path.write_bytes(bytes([0, 0, 0, 24]) + b"ftyp" + brand + bytes(12))
    with pytest.raises(UnreadableVideo, match="is an AVIF, HEIF or CR3 picture; convert it to"):
        open_source(path)
