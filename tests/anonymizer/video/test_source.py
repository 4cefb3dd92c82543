import socket
import threading
from collections.abc import Callable
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest

from anonymizer.data import Colour, Frame
from anonymizer.errors import DamagedVideo, UnreadableVideo
from anonymizer.video.developing import Developer
from anonymizer.video.source import Clock, VideoSource
from tests.factories import picture
from tests.films import blank, make_sound, make_video, truncate


def read(path: Path) -> list[Frame]:
    return list(VideoSource(path))


def close(a: np.ndarray, b: np.ndarray) -> float:
    """Mean difference of two pictures in 8-bit steps."""
    assert a.shape == b.shape
    return float(np.abs(a.astype(int) - b).mean())


def test_frames_are_those_that_were_written(tmp_path):
    path = make_video(tmp_path / "a.mp4", frames=7, size=(64, 48))
    got = read(path)
    assert [frame.index for frame in got] == list(range(7))
    assert got[0].image.shape == (48, 64, 3)
    assert not got[0].image.flags.writeable
    for frame in got:
        assert close(frame.image, picture((48, 64), shift=(frame.index, frame.index / 2))) < 4


def test_info_says_what_the_file_is(tmp_path):
    path = make_video(tmp_path / "a.mp4", frames=5, size=(64, 48), rate=50, audio="aac")
    info = VideoSource(path).info
    assert (info.width, info.height, info.frames, info.rotation) == (64, 48, 5, 0)
    assert (info.average_rate, info.duration) == (Fraction(50), Fraction(1, 10))
    assert (info.codec, info.pixel_format, info.has_audio) == ("h264", "yuv420p", True)
    assert info.colour == Colour()
    assert info.sample_aspect_ratio is None


def test_unknown_is_none(tmp_path):
    info = VideoSource(make_video(tmp_path / "a.mkv")).info
    assert info.frames is None
    assert not info.has_audio


def test_variable_rate_times_are_exact(tmp_path):
    pts = [0, 7, 8, 1001, 5000, 5003]
    path = make_video(tmp_path / "a.mp4", pts=pts, time_base=Fraction(1, 90_000))
    assert [frame.time for frame in read(path)] == [Fraction(p, 90_000) for p in pts]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_late_start_is_kept(tmp_path, suffix):
    path = make_video(tmp_path / f"a{suffix}", pts=[500, 540, 580], time_base=Fraction(1, 1000))
    assert [frame.time for frame in read(path)] == [Fraction(p, 1000) for p in (500, 540, 580)]


def test_reordered_frames_come_in_the_order_shown(tmp_path):
    path = make_video(tmp_path / "a.mp4", frames=30, options={"preset": "medium", "bf": "3"})
    with av.open(str(path)) as file:
        stamps = [packet.pts or 0 for packet in file.demux(video=0) if packet.size]
    assert stamps != sorted(stamps)
    assert [frame.pts for frame in read(path)] == sorted(stamps)


def test_a_source_can_be_read_again(tmp_path):
    source = VideoSource(make_video(tmp_path / "a.mp4"))
    first, second = list(source), list(source)
    assert [frame.pts for frame in first] == [frame.pts for frame in second]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(first, second, strict=True))


def test_stopping_early_leaves_no_thread_and_no_open_file(tmp_path):
    path = make_video(tmp_path / "a.mp4", frames=40)
    before = threading.active_count()
    frames = iter(VideoSource(path, prefetch=2))
    assert len(list(islice(frames, 3))) == 3
    frames.close()  # type: ignore[attr-defined]  # a generator
    assert threading.active_count() == before
    path.unlink()


@pytest.mark.parametrize("size", [(63, 47), (1, 1), (17, 64)])
def test_odd_sizes(tmp_path, size):
    path = make_video(tmp_path / "a.mp4", size=size, pixel_format="yuv444p", frames=3)
    for frame in read(path):
        shift = (frame.index, frame.index / 2)
        assert close(frame.image, picture(size[::-1], shift=shift)) < 3


def test_one_frame(tmp_path):
    assert len(read(make_video(tmp_path / "a.mp4", frames=1))) == 1


def test_ten_bit_is_read_as_eight(tmp_path):
    path = make_video(tmp_path / "a.mkv", pixel_format="yuv420p10le", frames=2)
    assert close(read(path)[0].image, picture((48, 64))) < 4


# What a player shows, made from the stored picture by NumPy alone.
TURNED = {
    0: lambda image: image,
    90: lambda image: np.rot90(image, -1),
    180: lambda image: np.rot90(image, 2),
    270: lambda image: np.rot90(image, 1),
}


@pytest.mark.parametrize("rotation", TURNED)
@pytest.mark.parametrize("mirrored", [False, True])
def test_display_rotation_is_applied(tmp_path, rotation, mirrored):
    path = make_video(
        tmp_path / "a.mp4", frames=1, size=(64, 48), rotation=rotation, mirrored=mirrored
    )
    expected = TURNED[rotation](picture((48, 64)))
    expected = expected[:, ::-1] if mirrored else expected
    source = VideoSource(path)
    (frame,) = source
    assert close(frame.image, expected) < 4
    assert (source.info.height, source.info.width) == expected.shape[:2]
    if not mirrored:
        assert source.info.rotation == rotation


def test_pixel_shape_turns_with_the_picture(tmp_path):
    path = make_video(tmp_path / "a.mp4", frames=1, aspect=Fraction(4, 3), rotation=90)
    assert VideoSource(path).info.sample_aspect_ratio == Fraction(3, 4)


WEIGHTS = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}


def encoded(rgb: tuple[int, int, int], matrix: int, full: bool) -> tuple[int, int, int]:
    """Y'CbCr of one colour by the definitions in H.273."""
    kr, kb = WEIGHTS[matrix]
    red, green, blue = (value / 255 for value in rgb)
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    cb, cr = (blue - luma) / (2 - 2 * kb), (red - luma) / (2 - 2 * kr)
    if full:
        return round(255 * luma), round(128 + 255 * cb), round(128 + 255 * cr)
    return round(16 + 219 * luma), round(128 + 224 * cb), round(128 + 224 * cr)


def flat_film(path: Path, planes: tuple[int, int, int], size: tuple[int, int], **labels) -> Path:
    """A film of one colour, given as the bytes of its planes; nothing converts it."""
    width, height = size
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=25, options={"crf": "0", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv444p"
        for name, value in labels.items():
            setattr(stream.codec_context, name, value)
        frame = av.VideoFrame(width, height, "yuv444p")
        for plane, value in zip(frame.planes, planes, strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("colour", [(200, 30, 60), (20, 180, 90), (40, 60, 220), (128, 128, 128)])
@pytest.mark.parametrize("matrix", [1, 6, 9])
@pytest.mark.parametrize("full", [False, True])
def test_matrix_and_range_of_the_stream_are_honoured(tmp_path, colour, matrix, full):
    labels = {"colorspace": matrix, "color_range": 2 if full else 1}
    path = flat_film(tmp_path / "a.mp4", encoded(colour, matrix, full), (16, 16), **labels)
    source = VideoSource(path)
    (frame,) = source
    assert np.abs(frame.image.astype(int) - colour).max() <= 2
    assert (source.info.colour.matrix, source.info.colour.full_range) == (matrix, full)


@pytest.mark.parametrize(("height", "matrix"), [(718, 6), (720, 1)])
def test_untagged_film_is_hd_from_720_lines_on(tmp_path, height, matrix):
    colour = (200, 30, 60)
    path = flat_film(tmp_path / "a.mp4", encoded(colour, matrix, False), (16, height))
    (frame,) = VideoSource(path)
    assert np.abs(frame.image.astype(int) - colour).max() <= 2


def test_colour_description_is_reported(tmp_path):
    path = make_video(tmp_path / "a.mp4", frames=1, colour=(9, 16, 9, 1))
    assert VideoSource(path).info.colour == Colour(9, 16, 9, False)


def test_rgb_film_is_read_as_it_is(tmp_path):
    path = make_video(tmp_path / "a.mkv", codec="ffv1", pixel_format="bgr0", options={}, frames=2)
    assert np.array_equal(read(path)[0].image, picture((48, 64)))


def test_attached_picture_is_not_the_film(tmp_path):
    path = make_video(tmp_path / "a.mp4", cover=True, frames=4)
    assert len(read(path)) == 4


def test_missing_times_are_continued(tmp_path):
    path = make_video(tmp_path / "a.avi", codec="mpeg4", options={"bf": "2"}, frames=12)
    pts = [frame.pts for frame in read(path)]
    assert pts == list(range(pts[0], pts[0] + 12))


def stamped(pts: int | None, dts: int | None = None, duration: int = 0) -> av.VideoFrame:
    frame = av.VideoFrame(2, 2)
    frame.pts, frame.duration = pts, duration
    frame.dts = dts
    return frame


@pytest.mark.parametrize(
    ("stamps", "expected"),
    [
        ([(5, None), (9, None)], [5, 9]),
        ([(None, 3), (None, 6)], [3, 6]),
        ([(None, None), (None, None)], [0, 1]),
        ([(10, None), (20, None), (None, None), (None, None)], [10, 20, 30, 40]),
        ([(10, None), (10, None), (9, None), (12, None)], [10, 11, 12, 13]),
        ([(-4, None), (-2, None)], [-4, -2]),
    ],
)
def test_clock_gives_strictly_increasing_times(stamps, expected):
    clock = Clock()
    assert [clock.pts(stamped(*stamp)) for stamp in stamps] == expected
    moved = (10, None) in stamps[1:]
    assert clock.warnings == ["3 times were moved on, as some repeat or step back"] * moved


def test_clock_uses_the_duration_where_it_knows_no_step():
    clock = Clock()
    assert [clock.pts(stamped(None, None, 40)) for _ in range(3)] == [0, 40, 80]


def test_a_few_damaged_packets_are_skipped_and_counted(tmp_path, caplog):
    path = make_video(tmp_path / "a.mov", codec="png", pixel_format="rgb24", options={}, frames=20)
    blank(path, [5, 6, 7, *range(9, 16)])
    source = VideoSource(path)
    frames = list(source)
    assert source.skipped == 10
    assert len(frames) == 10
    assert [frame.index for frame in frames] == list(range(10))
    assert [record.message for record in caplog.records] == ["a.mov: skipping a damaged packet"]


def test_damage_at_the_end_loses_no_other_frame(tmp_path, caplog):
    path = blank(png_film(tmp_path / "a.mov", 6), [3, 5])
    source = VideoSource(path)
    assert [frame.pts for frame in source] == [0, 512, 1024, 2048]
    assert source.skipped == 2
    assert len(caplog.records) == 1


def test_a_good_packet_ends_a_row_of_damaged_ones(tmp_path):
    path = blank(png_film(tmp_path / "a.mov", 20), [*range(1, 8), *range(9, 16)])
    assert len(read(path)) == 6


def test_eight_damaged_packets_in_a_row_end_the_reading(tmp_path):
    path = make_video(tmp_path / "a.mov", codec="png", pixel_format="rgb24", options={}, frames=20)
    blank(path, range(5, 13))
    source = VideoSource(path)
    with pytest.raises(DamagedVideo, match=r"a\.mov: 8 damaged packets in a row"):
        list(source)
    assert source.skipped == 8


def test_film_cut_off_behind_its_index_is_refused_not_shortened(tmp_path):
    path = make_video(tmp_path / "a.mp4", frames=60, container_options={"movflags": "+faststart"})
    source = VideoSource(truncate(path, 0.7))
    with pytest.raises(DamagedVideo, match=r"is cut off after \d+ of 60 frames"):
        list(source)


def test_last_packet_cut_is_tolerated(tmp_path):
    path = make_video(tmp_path / "a.mp4", frames=20, container_options={"movflags": "+faststart"})
    source = VideoSource(truncate(path, 0.999))
    assert 12 < len(list(source)) < 20
    assert source.skipped >= 1


def test_unknown_codec_is_named_as_the_reason(tmp_path):
    path = make_video(tmp_path / "a.avi", codec="mpeg4", options={})
    path.write_bytes(path.read_bytes().replace(b"FMP4", b"ZQZQ"))
    with pytest.raises(UnreadableVideo, match="its codec is unknown here"):
        VideoSource(path)


def test_frames_of_another_size_are_made_to_fit_the_first(tmp_path):
    small, large = (make_video(tmp_path / f"{w}.h264", size=(w, 48), frames=3) for w in (64, 96))
    joined = tmp_path / "a.h264"
    joined.write_bytes(small.read_bytes() + large.read_bytes())
    assert {frame.image.shape for frame in read(joined)} == {(48, 64, 3)}


def png_film(path: Path, frames: int) -> Path:
    return make_video(path, codec="png", pixel_format="rgb24", options={}, frames=frames)


def playlist(path: Path) -> None:
    film = make_video(path.with_name("part.ts"))
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{film.name}\n")


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "no such file"),
    "folder": (Path.mkdir, "is a folder; expected a video or picture file"),
    "empty": (Path.touch, "is empty (0 bytes)"),
    "text": (lambda path: path.write_text("a film, honest\n" * 500), "is not a video, or is"),
    "sound": (make_sound, "has no video stream"),
    "cover": (lambda path: make_sound(path, cover=True), "has no video stream"),
    "truncated": (lambda path: truncate(make_video(path, frames=50), 0.5), "is not a video, or is"),
    "device": (lambda path: path.symlink_to("/dev/null"), "is not a regular file"),
    "loop": (lambda path: path.symlink_to(path), "too many levels of symbolic links"),
    "playlist": (playlist, "is not a video"),
    "hollow": (lambda path: blank(png_film(path, 20), range(20)), "8 damaged packets in a row"),
    "blank": (lambda path: blank(png_film(path, 3), range(3)), "not one picture can be decoded"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_no_film_is_refused_in_one_line_naming_it(tmp_path, kind):
    make, reason = BROKEN[kind]
    path = tmp_path / "a.mp4"
    make(path)
    with pytest.raises((UnreadableVideo, DamagedVideo)) as caught:
        VideoSource(path)
    assert str(caught.value).startswith(f"{path}: {reason}")
    assert "\n" not in str(caught.value)


def test_text_is_not_drawn_as_a_film(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("FFmpeg would draw this.\n" * 50)
    with pytest.raises(UnreadableVideo, match="is not a video"):
        VideoSource(path)


@pytest.mark.parametrize("name", ["a.nfo", "a.ans"])
def test_text_art_is_no_film(tmp_path, name):
    (tmp_path / name).write_text("FFmpeg would draw this.\n" * 50)
    with pytest.raises(UnreadableVideo, match="but text or a list of files"):
        VideoSource(tmp_path / name)


@pytest.mark.parametrize("name", ["concat:a.mp4", "http:a.mp4", "ä ö?*.mp4", "-i.mp4"])
def test_file_names_are_never_addresses(tmp_path, monkeypatch, name):
    make_video(tmp_path / "a.mp4", frames=2).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert len(read(Path(name))) == 2


def test_a_playlist_makes_no_connection(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/part.ts"
        path = tmp_path / "a.m3u8"
        path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{address}\n")
        with pytest.raises(UnreadableVideo, match="but text or a list of files"):
            VideoSource(path)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_a_file_that_vanishes_between_readings(tmp_path):
    path = make_video(tmp_path / "a.mp4")
    source = VideoSource(path)
    path.unlink()
    with pytest.raises(UnreadableVideo, match="no such file"):
        list(source)


def test_lazily_read_frames_are_the_same_and_made_where_they_are_asked_for(tmp_path, monkeypatch):
    source = make_video(tmp_path / "a.mp4", frames=6)
    whole = [frame.image for frame in VideoSource(source)]
    made: list[int] = []
    usual = Developer._upright

    def counted(self: Developer, picture: av.VideoFrame) -> np.ndarray:
        made.append(1)
        return usual(self, picture)

    monkeypatch.setattr(Developer, "_upright", counted)
    film = VideoSource(source, developed=False)
    for reading in (film, film.lazily(), film.part(range(6), lazily=True)):
        frames, before = list(reading), len(made)
        assert np.array_equal(frames[2].image, whole[2])
        assert len(made) == before + 1
    assert len(made) == 3
    assert len(list(film.part(range(6)))) == 6
    assert len(made) == 3
    assert len(list(VideoSource(source).part(range(6)))) == 6
    assert len(made) == 9


def test_what_is_only_looked_at_has_nearly_the_colours_of_what_is_painted(tmp_path):
    source = make_video(tmp_path / "a.mp4", frames=6)
    exact = np.stack([frame.image for frame in VideoSource(source)]).astype(int)
    film = VideoSource(source, exact=False)
    for looked_at in (film, film.part(range(6))):
        off = np.abs(np.stack([frame.image for frame in looked_at]) - exact)
        assert 0 < off.mean() < 8
    for painted in (film.lazily(), film.part(range(6), lazily=True)):
        assert np.array_equal(np.stack([frame.image for frame in painted]), exact)


def test_a_picture_that_cannot_be_made_is_the_films_fault_whoever_asks_for_it(
    tmp_path, monkeypatch
):
    source = make_video(tmp_path / "a.mp4", frames=2)
    frames = list(VideoSource(source).lazily())

    def fail(full: bool | None) -> int:
        raise av.error.ArgumentError(22, "Invalid argument")

    monkeypatch.setattr("anonymizer.video.developing.swscale_range", fail)
    with pytest.raises(UnreadableVideo, match="cannot be read"):
        _ = frames[1].image
