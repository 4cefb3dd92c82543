"""What is not painted comes back as the samples it was, whatever their format."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from anonymizer.data import Frame
from anonymizer.picture import Negative
from anonymizer.video.composing import Composer
from anonymizer.video.native import Layout, Native, layout_of, planes_of
from anonymizer.video.orientation import Orientation
from anonymizer.video.packing import native_of, packing_of
from anonymizer.video.sink import VideoSink
from anonymizer.video.source import VideoSource
from tests.films import make_video

SIZE = (64, 48)
BOX = np.s_[11:30, 17:40]
"""Rows and columns that are painted; no edge falls between pairs of pixels only."""

LIMITED, FULL = (1, 1, 1, 1), (6, 6, 6, 2)


def painted(frame: Frame, value: int = 200, *, marked: bool = True) -> Frame:
    """The frame with a flat box on it."""
    image, changed = frame.image.copy(), np.zeros(frame.image.shape[:2], np.bool_)
    image[BOX], changed[BOX] = value, True
    return replace(frame, image=image, changed=changed if marked else None)


def samples(path: Path, decoder: str | None = None) -> list[list[np.ndarray[Any, Any]]]:
    """The planes of every picture of a film as they are decoded, without our source."""
    with av.open(str(path)) as file:
        pictures = list(file.decode(video=0))
        layout = layout_of(pictures[0].format.name)
        assert layout is not None
        return [[plane.copy() for plane in planes_of(picture, layout)] for picture in pictures]


def rewritten(source: Path, target: Path, paint: Any = painted, **options: Any) -> VideoSink:
    film = VideoSource(source)
    with VideoSink(target, source, film.info, **options) as sink:
        for frame in film:
            sink.write(paint(frame))
    return sink


def touched(shape: tuple[int, ...], size: tuple[int, int] = SIZE) -> np.ndarray[Any, Any]:
    """Samples of a plane of this shape of which any pixel is in the box."""
    width, height = size
    down, across = -(-height // shape[0]), -(-width // shape[1])
    mask = np.zeros((shape[0] * down, shape[1] * across), bool)
    mask[BOX] = True
    return np.asarray(mask.reshape(shape[0], down, shape[1], across).any((1, 3)))


FILMS: dict[str, dict[str, Any]] = {
    "8 bit": {"pixel_format": "yuv420p"},
    "8 bit 4:2:2": {"pixel_format": "yuv422p"},
    "8 bit 4:4:4": {"pixel_format": "yuv444p"},
    "10 bit": {"pixel_format": "yuv420p10le"},
    "10 bit 4:2:2": {"pixel_format": "yuv422p10le"},
    "10 bit 4:4:4": {"pixel_format": "yuv444p10le"},
    "HEVC 10 bit": {"codec": "libx265", "pixel_format": "yuv420p10le"},
    "HEVC 12 bit 4:4:4": {"codec": "libx265", "pixel_format": "yuv444p12le"},
    "HEVC grey": {"codec": "libx265", "pixel_format": "gray10le"},
    "FFV1 16 bit with alpha": {"codec": "ffv1", "pixel_format": "yuva444p16le", "options": {}},
    "FFV1 of an odd size": {"codec": "ffv1", "size": (63, 47), "options": {}},
    "AV1": {"codec": "libsvtav1", "pixel_format": "yuv420p10le", "options": {"preset": "12"}},
    "VP9 4:2:2": {"codec": "libvpx-vp9", "pixel_format": "yuv422p", "options": {"cpu-used": "8"}},
}


@pytest.mark.parametrize("colour", [LIMITED, FULL], ids=["limited", "full"])
@pytest.mark.parametrize("kind", FILMS)
def test_lossless_keeps_every_sample_outside_of_what_is_painted(tmp_path, kind, colour):
    what = {"colour": colour, "frames": 3, "size": SIZE} | FILMS[kind]
    source = make_video(tmp_path / "a.mkv", **what)
    sink = rewritten(source, tmp_path / "b.mkv", lossless=True)
    before, after = VideoSource(source).info, VideoSource(tmp_path / "b.mkv").info
    assert (after.pixel_format, after.codec) == (before.pixel_format, before.codec)
    assert after.colour == before.colour
    assert not [warning for warning in sink.warnings if "rounded" not in warning]
    for old, new in zip(samples(source), samples(tmp_path / "b.mkv"), strict=True):
        for ours, theirs in zip(new, old, strict=True):
            inside = touched(ours.shape, what["size"])
            assert np.array_equal(ours[~inside], theirs[~inside])
        assert (new[0] != old[0])[touched(new[0].shape, what["size"])].mean() > 0.9


@pytest.mark.parametrize("rotation", [90, 180, 270])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p10le"])
def test_turned_films_keep_their_samples_too(tmp_path, pixel_format, rotation):
    what = {"rotation": rotation, "mirrored": True, "frames": 2}
    source = make_video(tmp_path / "a.mp4", pixel_format=pixel_format, **what)
    rewritten(source, tmp_path / "b.mp4", lossless=True)
    shown = [[frame.image for frame in VideoSource(tmp_path / name)] for name in ("a.mp4", "b.mp4")]
    for before, after in zip(*shown, strict=True):
        assert (np.abs(after[BOX].astype(int) - 200)[4:-4, 4:-4] <= 2).all()
        far = np.ones(before.shape[:2], bool)
        far[3:38, 9:48] = False  # chroma is interpolated from further away
        assert np.array_equal(before[far], after[far])


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p10le", "yuv444p"])
def test_frames_that_show_what_was_decoded_are_not_converted(tmp_path, pixel_format):
    source = make_video(tmp_path / "a.mkv", pixel_format=pixel_format)
    rewritten(source, tmp_path / "b.mkv", lambda frame: frame, lossless=True)
    for old, new in zip(samples(source), samples(tmp_path / "b.mkv"), strict=True):
        assert all(map(np.array_equal, old, new))


def composer(pixel_format: str = "yuv420p", size: tuple[int, int] = SIZE) -> Composer:
    return Composer(size, pixel_format, Orientation(), matrix=6, full=False)


def film(tmp_path: Path, **what: Any) -> Frame:
    """A frame as it is decoded."""
    return next(iter(VideoSource(make_video(tmp_path / "a.mkv", frames=1, **what))))


def composed(frame: Frame, pixel_format: str = "yuv420p") -> list[np.ndarray[Any, Any]]:
    layout = layout_of(pixel_format)
    assert layout is not None
    return [np.array(plane) for plane in planes_of(composer(pixel_format)(frame), layout)]


def test_a_picture_that_does_not_say_what_changed_keeps_no_sample(tmp_path):
    """Nobody knows then whether a pixel is new, though it looks the same."""
    frame = film(tmp_path)
    new = replace(frame, image=frame.image.copy())
    for ours, theirs in zip(composed(new), composed(replace(new, native=None)), strict=True):
        assert np.array_equal(ours, theirs)
    assert not all(map(np.array_equal, composed(new), composed(frame)))


def test_what_looks_different_is_never_taken_from_the_source(tmp_path):
    """Even if the frame claims that it was not painted there."""
    frame = film(tmp_path)
    lying = replace(painted(frame, 255), changed=np.zeros(SIZE[::-1], np.bool_))
    honest = painted(frame, 255)
    for ours, theirs in zip(composed(lying), composed(honest), strict=True):
        assert np.array_equal(ours, theirs)


def test_p1_what_was_under_the_paint_leaves_no_trace(tmp_path):
    """Samples inside of what is painted do not depend on the source, whatever its bits."""
    frame = film(tmp_path, pixel_format="yuv420p10le")
    assert isinstance(frame.native, Native)
    other = tuple(plane.copy() for plane in frame.native.planes)
    for plane in other:
        plane[touched(plane.shape)] ^= 3  # below what 8 bits show
    hidden = painted(replace(frame, native=replace(frame.native, planes=other)), 90)
    for ours, theirs in zip(
        composed(hidden, "yuv420p10le"), composed(painted(frame, 90), "yuv420p10le"), strict=True
    ):
        assert np.array_equal(ours, theirs)


def test_alpha_is_opaque_where_something_was_painted(tmp_path):
    def clear(index: int) -> np.ndarray[Any, Any]:
        return np.full((48, 64, 3), 90, np.uint8)

    what = {"codec": "ffv1", "pixel_format": "yuva420p", "options": {}, "draw": clear}
    frame = film(tmp_path, **what)
    assert isinstance(frame.native, Native)
    sheer = (*frame.native.planes[:3], np.full((48, 64), 7, np.uint8))
    frame = replace(frame, native=replace(frame.native, planes=sheer))
    alpha = composed(painted(frame), "yuva420p")[3]
    assert (alpha[BOX] == 255).all()
    alpha[BOX] = 7
    assert (alpha == 7).all()
    assert len(composed(frame)) == 3  # where there is no place for it


def test_samples_fit_encoders_of_other_depths(tmp_path):
    frame = film(tmp_path, pixel_format="yuv420p10le")
    assert isinstance(frame.native, Native)
    ten = frame.native.planes[0].astype(int)
    assert np.array_equal(composed(frame, "yuv420p12le")[0], ten * 4)
    assert np.array_equal(composed(frame)[0], (ten + 2) // 4)


def test_a_grey_film_stays_grey_in_a_format_with_colour(tmp_path):
    frame = film(tmp_path, codec="ffv1", pixel_format="gray", options={})
    luma, blue, red = composed(frame, "yuv420p10le")
    assert isinstance(frame.native, Native)
    assert np.array_equal(luma, frame.native.planes[0].astype(int) * 4)
    assert (blue == 512).all()
    assert (red == 512).all()


@pytest.mark.parametrize("pixel_format", ["yuv410p", "yuv411p"])
def test_formats_that_are_not_known_are_converted(tmp_path, pixel_format):
    frame = film(tmp_path, codec="ffv1", pixel_format=pixel_format, options={})
    assert frame.native is None
    converted = composed(replace(frame, native=object()))
    assert all(map(np.array_equal, converted, composed(frame)))


def test_what_is_kept_cannot_be_written_to_and_shows_nothing(tmp_path):
    native = film(tmp_path).native
    assert isinstance(native, Native)
    assert not any(plane.flags.writeable for plane in native.planes)
    assert "[" not in repr(native)


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("yuv420p", Layout("yuv", "420")),
        ("yuvj422p", Layout("yuv", "422")),
        ("yuva444p12le", Layout("yuv", "444", 12, True)),
        ("yuv440p10le", Layout("yuv", "440", 10)),
        ("gray", Layout("gray")),
        ("gray16le", Layout("gray", "", 16)),
        ("gbrp9le", Layout("gbr", "", 9)),
        ("gbrap", Layout("gbr", "", 8, True)),
    ],
)
def test_names_of_formats_are_understood_and_given(name, layout):
    assert layout_of(name) == layout
    assert layout.name == name.replace("yuvj", "yuv")


@pytest.mark.parametrize("name", ["", "rgb24", "yuv411p", "yuv420p10be", "p010le", "grayf32le"])
def test_other_formats_have_no_layout(name):
    assert layout_of(name) is None


@pytest.mark.parametrize(
    ("source", "target"), [("yuv420p10le", "p010le"), ("yuv420p", "nv12"), ("p010le", "p010le")]
)
def test_encoders_that_mix_planes_get_the_same_samples(source, target):
    shown = av.VideoFrame(*SIZE, "yuv420p16le")
    for plane in shown.planes:
        plane.update(
            np.random.default_rng(1).integers(0, 256, plane.buffer_size, np.uint8).tobytes()
        )
    shown = shown.reformat(format=source)
    image = shown.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
    native = native_of(shown, negative := Negative(SIZE[::-1], lambda: image))
    assert native is not None
    compose = Composer(SIZE, target, Orientation(), matrix=6, full=False)
    made = compose(Frame(0, 0, Fraction(1), negative, native))
    packing = packing_of(target)
    assert packing is not None
    assert made.format.name == target
    assert all(map(np.array_equal, packing.planes_of(made), native.planes))


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p", "yuv444p10le", "yuv440p", "gbrp"])
@pytest.mark.parametrize("size", [(517, 291), (516, 292)])
@pytest.mark.parametrize(
    "place",
    [np.s_[:1, :1], np.s_[180:221, 401:402], np.s_[65:127, 64:128], np.s_[280:, 500:], np.s_[:, :]],
)
def test_what_is_painted_becomes_what_the_whole_picture_would(place, size, pixel_format):
    """Only a part around it is converted."""
    rng = np.random.default_rng(3)
    shown = av.VideoFrame(size[0], size[1], pixel_format)
    layout = layout_of(pixel_format)
    assert layout is not None
    for plane in planes_of(shown, layout):
        plane[:] = rng.integers(0, 256, plane.shape)
    negative = Negative(size[::-1], lambda: rng.integers(0, 256, (*size[::-1], 3), np.uint8))
    frame = Frame(0, 0, Fraction(1), negative, native_of(shown, negative))
    image, changed = frame.image.copy(), np.zeros(size[::-1], np.bool_)
    image[place], changed[place] = rng.integers(0, 256, 3), True
    compose = composer(pixel_format, size)
    part = planes_of(compose(replace(frame, image=image, changed=changed)), layout)
    whole = planes_of(compose(Frame(0, 0, Fraction(1), image)), layout)
    for number, (mine, all_of_it, kept) in enumerate(
        zip(part, whole, planes_of(shown, layout), strict=True)
    ):
        across, down = (1 + halved for halved in layout.is_halved(number))
        marks = np.pad(changed, ((0, -size[1] % down), (0, -size[0] % across)))
        mask = marks.reshape(mine.shape[0], down, mine.shape[1], across).any((1, 3))
        assert np.array_equal(mine, np.where(mask, all_of_it, kept))
