"""Every pixel format that FFmpeg knows: its samples are kept, or it is told that they are not."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
import pytest
from av.video import format as formats
from av.video.format import VideoFormat
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from anonymizer.data import Frame, StreamInfo
from anonymizer.errors import UnreadableVideo
from anonymizer.picture import Negative
from anonymizer.video.composing import keeps
from anonymizer.video.encoding import encoding_for
from anonymizer.video.native import Native, planes_of
from anonymizer.video.packing import converted, native_of, packing_of
from anonymizer.video.sink import VideoSink
from anonymizer.video.source import VideoSource
from tests.factories import picture

SIZE: Final = (48, 32)
CARDS: Final = {
    *("amf", "cuda", "d3d11", "d3d11va_vld", "d3d12", "drm_prime", "dxva2_vld", "mediacodec"),
    *("mmal", "ohcodec", "opencl", "qsv", "vaapi", "vdpau", "videotoolbox_vld", "vulkan"),
}
"""Not samples but handles of them; FFmpeg's own decoders give none unless asked to."""
FORMATS: Final = sorted(set(vars(formats)["names"]) - CARDS)
UNPACKED: Final = [name for name in FORMATS if packing_of(name) is not None]
FLAGS: Final = Interpolation.POINT | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


def noisy(name: str) -> av.VideoFrame:
    """A picture of a format, made by FFmpeg of samples that use all bits."""
    start = "gray16le" if name.startswith(("gray", "ya")) else "rgba64le"
    if name.startswith(("yuv", "nv", "p0", "p2", "p4", "y2", "uy", "yv", "vuy", "ayuv", "xv")):
        start = "yuva444p16le"
    whole = av.VideoFrame(*SIZE, start)
    rng = np.random.default_rng(3)
    for plane in whole.planes:
        plane.update(rng.integers(0, 256, plane.buffer_size, np.uint8).tobytes())
    return whole.reformat(format=name, interpolation=FLAGS)


JUDGED: Final = [
    name
    for name in UNPACKED
    if not name.startswith(("ya", "yuvj")) and name not in ("y210be", "y212be", "y216be")
]
"""Grey with alpha has no planar twin, the next are twins of others with another range, and the last
FFmpeg cannot write."""


@pytest.mark.parametrize("name", JUDGED)
def test_samples_are_found_where_ffmpeg_finds_them(name):
    """Its conversion to the planar twin moves samples and, but for some of RGB, changes none."""
    packing = packing_of(name)
    assert packing is not None
    shown = noisy(name)
    twin = shown.reformat(format=packing.layout.name, interpolation=FLAGS)
    found, expected = packing.planes_of(shown), planes_of(twin, packing.layout)
    assert len(found) == len(expected) == packing.layout.count
    for plane, other in zip(found, expected, strict=True):
        assert (plane.shape, plane.dtype) == (other.shape, other.dtype)
        assert len(np.unique(other)) > 100
        difference = np.abs(plane.astype(int) - other)
        assert difference.max() <= 2 * ("msb" in name)


@pytest.mark.parametrize(("name", "kind"), [("ya8", "u1"), ("ya16le", "<u2"), ("ya16be", ">u2")])
def test_grey_and_alpha_follow_each_other(name, kind):
    shown = av.VideoFrame(*SIZE, name)
    (plane,) = shown.planes
    plane.update(np.arange(plane.buffer_size // np.dtype(kind).itemsize).astype(kind).tobytes())
    packing = packing_of(name)
    assert packing is not None
    grey, alpha = packing.planes_of(shown)
    assert grey[0, :3].tolist() == [0, 2, 4]
    assert alpha[0, :3].tolist() == [1, 3, 5]


def test_what_is_not_taken_apart_is_told_or_whole_in_eight_bits():
    """The second are those whose RGB in 8 bits holds all that they hold."""
    unknown = set(FORMATS) - set(UNPACKED)
    silent = {name for name in unknown if not converted(name)}
    palettes = {"pal8", "bgr8", "rgb8", "bgr4", "rgb4", "bgr4_byte", "rgb4_byte", "monob", "monow"}
    small = {
        f"{o}{bits}{end}"
        for o in ("rgb", "bgr")
        for bits in (444, 555, 565)
        for end in ("le", "be")
    }
    assert silent == palettes | small
    for name in unknown - silent:
        assert name in converted(name)


def test_nothing_is_said_of_what_is_kept():
    assert {converted(name) for name in (*UNPACKED, "")} == {""}


@pytest.mark.parametrize("name", sorted(set(FORMATS) - set(UNPACKED)))
def test_an_encoding_says_what_is_not_kept(name):
    info = StreamInfo(48, 32, Fraction(1, 25), codec="rawvideo", pixel_format=name)
    said = encoding_for(Path("a.mkv"), info, lossless=True).warnings
    assert converted(name) in ("", *said)


CARRIED: Final = (".nut", ".mkv", ".avi")


def raw(path: Path, name: str) -> Path | None:
    """An uncompressed film of a format; None if it is read as another one, or not at all."""
    try:
        with av.open(str(path), "w") as file:
            stream = file.add_stream("rawvideo", rate=25)
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height = SIZE
            stream.pix_fmt = name
            for index in range(2):
                shown = noisy(name)
                shown.pts = index
                file.mux(stream.encode(shown))
            file.mux(stream.encode(None))
        with av.open(str(path)) as file:
            return path if next(file.decode(video=0)).format.name == name else None
    except (av.error.FFmpegError, OSError, ValueError, StopIteration):
        return None


def painted(frame: Frame) -> Frame:
    """The frame with one corner painted."""
    image, changed = frame.image.copy(), np.zeros(frame.image.shape[:2], np.bool_)
    image[:8, :8], changed[:8, :8] = picture((8, 8)), True
    return Frame(frame.index, frame.pts, frame.time_base, image, frame.native, changed)


def test_lossless_films_of_all_formats_are_kept_or_it_is_told(tmp_path):
    """Uncompressed, in the containers that can tell the format; what comes out is read anew."""
    kept: dict[str, str] = {}
    for name in FORMATS:
        made = (raw(tmp_path / f"{name}{suffix}", name) for suffix in CARRIED)
        source = next((path for path in made if path), None)
        if source is None:
            continue
        try:
            kept[name] = outcome(source, tmp_path / "out.mkv")
        except UnreadableVideo as error:
            kept[name] = error.reason
    assert {name: said for name, said in kept.items() if said.startswith("BAD")} == {}
    assert sum(said == "kept" for said in kept.values()) > 130
    told = {name for name, said in kept.items() if said != "kept"}
    assert told <= {name for name in FORMATS if converted(name)} | ALPHA_LOST | UNREAD


ALPHA_LOST: Final = {"ya8"}
"""Grey with alpha; grey without it is nearer than what has more samples."""


UNREAD: Final = {"bgr4", "rgb4"}
"""FFmpeg's own conversion does not know them."""


def outcome(source: Path, target: Path) -> str:
    """What becomes of a film with one corner painted."""
    film = VideoSource(source)
    with VideoSink(target, source, film.info, lossless=True) as sink:
        before = list(film)
        for frame in before:
            sink.write(painted(frame))
    return judged(before, list(VideoSource(target)), [*film.warnings, *sink.warnings])


def judged(before: list[Frame], after: list[Frame], said: list[str]) -> str:
    """``kept``, what was said, or what is wrong."""
    usual = ("written as", ".mkv holds times")
    lost = [words for words in said if not words.startswith(usual)]
    if lost:
        return "; ".join(lost)
    for one, other in zip(before, after, strict=True):
        assert isinstance(other.native, Native)
        if isinstance(one.native, Native) and keeps(one.native.layout, other.native.layout):
            depths = other.native.layout.depth, one.native.layout.depth
            pairs = zip(one.native.planes, other.native.planes, strict=False)
            same: list[NDArray[Any]] = [
                (a[8:].astype(int) << depths[0] - depths[1]) - b[8:] for a, b in pairs
            ]
        else:  # the planes of what is RGB, made by FFmpeg
            same = [one.image[8:].astype(int) - other.image[8:]]
        if difference := max(np.abs(part).max() for part in same):
            return f"BAD differs by {difference}"
    return "kept"


@pytest.mark.parametrize("name", ["gray", "gray10le"])
def test_grey_without_a_word_on_its_range_uses_all_of_it(tmp_path, name):
    """As FFmpeg shows it; as YUV it would look paler unless that is said."""
    source = raw(tmp_path / "a.nut", name)
    assert source is not None
    film = VideoSource(source)
    assert film.info.colour.full_range
    with VideoSink(tmp_path / "b.mkv", source, film.info, lossless=True) as sink:
        for frame in film:
            sink.write(frame)
    for before, after in zip(film, VideoSource(tmp_path / "b.mkv"), strict=True):
        assert np.abs(before.image.astype(int) - after.image).max() <= 1


@pytest.mark.parametrize("name", ["nv12", "p010le", "yuyv422", "rgba64be", "ya8", "y210le"])
def test_what_is_taken_apart_cannot_be_written_to(name):
    shown = noisy(name)
    native = native_of(shown, Negative(SIZE[::-1], lambda: picture(SIZE[::-1])))
    assert native is not None
    assert not any(plane.flags.writeable for plane in native.planes)
    assert VideoFormat(native.layout.name, 16, 16).name == native.layout.name
