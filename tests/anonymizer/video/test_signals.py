"""Films say the same of their colours after as before."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from av.sidedata.sidedata import Type

from anonymizer.data import Colour
from anonymizer.video.conversion import Converter
from anonymizer.video.encoding import encoding_for
from anonymizer.video.native import layout_of, planes_of
from anonymizer.video.signals import LOCATIONS, Signals, parameters, signals_in, signals_of
from anonymizer.video.sink import VideoSink
from anonymizer.video.source import VideoSource
from tests.films import make_video

PQ, HLG = (9, 16, 9, 1), (9, 18, 9, 1)
UNITS = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
NUMBERS = "G(0.265,0.69)B(0.15,0.06)R(0.68,0.32)WP(0.3127,0.329)L(1000,0.005)"
DISPLAY = tuple(
    Fraction(value)
    for value in "0.68 0.32 0.265 0.69 0.15 0.06 0.3127 0.329 0.005 1000".split()  # noqa: SIM905
)
TOLD: dict[str, dict[str, str]] = {
    "libx264": {"x264-params": f"mastering-display={UNITS}:cll=1000,400"},
    "libx265": {"x265-params": f"log-level=none:master-display={UNITS}:max-cll=1000,400"},
    "libsvtav1": {"svtav1-params": f"mastering-display={NUMBERS}:content-light=1000,400"},
}


def bright(path: Path, codec: str, colour: tuple[int, ...] = PQ) -> Path:
    """A film of 10 bits that tells of its display."""
    speed = "12" if codec == "libsvtav1" else "ultrafast"
    options = {"preset": speed, **TOLD[codec]}
    what: dict[str, Any] = {"pixel_format": "yuv420p10le", "frames": 3, "colour": colour}
    return make_video(path, codec=codec, options=options, **what)


def rewritten(source: Path, target: Path, **options: Any) -> list[str]:
    film = VideoSource(source)
    with VideoSink(target, source, film.info, preset="ultrafast", **options) as sink:
        for frame in film:
            sink.write(frame)
    return sink.warnings


@pytest.mark.parametrize("codec", TOLD)
@pytest.mark.parametrize("colour", [PQ, HLG], ids=["PQ", "HLG"])
def test_display_and_light_are_kept(tmp_path, codec, colour):
    source = bright(tmp_path / "a.mp4", codec, colour)
    before = VideoSource(source).info
    told = signals_in(before.colour)
    assert np.allclose(
        [float(a - b) for a, b in zip(told.display, DISPLAY, strict=True)], 0, atol=1e-4
    )
    assert told.light == (1000, 400)
    assert rewritten(source, tmp_path / "b.mp4") == []
    after = VideoSource(tmp_path / "b.mp4").info
    assert after.colour == before.colour
    assert (after.codec, after.pixel_format) == (before.codec, "yuv420p10le")


@pytest.mark.parametrize("codec", TOLD)
@pytest.mark.parametrize("other", TOLD)
def test_other_encoders_tell_the_same(tmp_path, codec, other):
    source = bright(tmp_path / "a.mkv", codec)
    rewritten(source, tmp_path / "b.mkv", codec=other)
    told = signals_in(VideoSource(tmp_path / "b.mkv").info.colour)
    assert np.allclose(
        [float(a - b) for a, b in zip(told.display, DISPLAY, strict=True)], 0, atol=1e-4
    )
    assert told.light == (1000, 400)


def test_what_an_encoder_cannot_tell_is_warned_of(tmp_path):
    source = bright(tmp_path / "a.mkv", "libx265")
    said = rewritten(source, tmp_path / "b.mkv", codec="ffv1")
    assert said == ["FFV1 cannot tell what display it is for; left out"]


def test_what_single_frames_tell_is_warned_of(tmp_path):
    info = VideoSource(bright(tmp_path / "a.mkv", "libx265")).info
    dynamic = replace(info, colour=replace(info.colour, signals=Signals(dynamic=True)))
    (said,) = encoding_for(Path("b.mkv"), dynamic).warnings
    assert "HDR10+" in said


def test_light_alone_is_told_too():
    colour = Colour(signals=Signals(light=(600, 0)))
    assert parameters(colour, "libx265") == {"max-cll": "600,0"}
    assert parameters(colour, "libvpx-vp9") == {}
    assert parameters(Colour(), "libx265") == {}


class Picture:
    """A decoded picture with side data, as FFmpeg lays it out."""

    def __init__(self, **told: list[int]) -> None:
        self._told = told

    @property
    def side_data(self) -> Any:
        if not self._told:
            raise ValueError("37 is not a valid Type")
        return {Type[kind]: np.array(data, np.int32) for kind, data in self._told.items()}


def told_by(**told: list[int]) -> Signals | None:
    return signals_of(Picture(**told))  # type: ignore[arg-type]  # like a picture


def test_side_data_that_cannot_be_read_tells_nothing():
    assert told_by() is None
    assert told_by(CONTENT_LIGHT_LEVEL=[600, 10]) == Signals(light=(600, 10))
    assert told_by(DYNAMIC_HDR_PLUS=[1]) == Signals(dynamic=True)


@pytest.mark.parametrize("flags", [[1, 0], [0, 1], [0, 0]])
def test_half_a_description_of_a_display_is_none(flags):
    assert told_by(MASTERING_DISPLAY_METADATA=[1, 2] * 10 + flags) is None
    assert told_by(MASTERING_DISPLAY_METADATA=[1, 0] * 10 + [1, 1]) is None
    whole = told_by(MASTERING_DISPLAY_METADATA=[1, 2] * 10 + [1, 1])
    assert whole == Signals(display=(Fraction(1, 2),) * 10)


@pytest.mark.parametrize("chroma", range(6))
@pytest.mark.parametrize(
    ("codec", "pixel_format"),
    [("libx264", "yuv420p"), ("libx264", "yuv420p10le"), ("libx265", "yuv420p10le")],
)
def test_the_place_of_chroma_is_found_and_kept(tmp_path, codec, pixel_format, chroma):
    name = {"libx264": "x264-params", "libx265": "x265-params"}[codec]
    quiet = "log-level=none:" if codec == "libx265" else ""
    options = {"preset": "ultrafast", name: f"{quiet}chromaloc={chroma}"}
    what: dict[str, Any] = {"codec": codec, "pixel_format": pixel_format, "options": options}
    source = make_video(tmp_path / "a.mkv", frames=3, **what)
    before = VideoSource(source).info
    assert signals_in(before.colour).chroma == chroma
    assert rewritten(source, tmp_path / "b.mkv", lossless=True) == []
    assert VideoSource(tmp_path / "b.mkv").info.colour == before.colour
    for one, other in zip(VideoSource(source), VideoSource(tmp_path / "b.mkv"), strict=True):
        assert np.array_equal(one.image, other.image)


@pytest.mark.parametrize("chroma", [0, 2, 4])
def test_frames_that_are_converted_keep_the_place_of_their_colours(tmp_path, chroma):
    options = {"preset": "ultrafast", "qp": "0", "x264-params": f"chromaloc={chroma}"}
    source = make_video(tmp_path / "a.mkv", frames=1, options=options)
    film = VideoSource(source)
    with VideoSink(tmp_path / "b.mkv", source, film.info, lossless=True) as sink:
        sink.write(*(replace(frame, native=None) for frame in film))
    (before,), (after,) = film, VideoSource(tmp_path / "b.mkv")
    assert np.abs(before.image.astype(int) - after.image).mean() < 1.5


@pytest.mark.parametrize(("name", "chroma"), [("left", 0), ("topleft", 2)])
def test_av1_tells_two_places_of_chroma(tmp_path, name, chroma):
    options = {"preset": "12", "svtav1-params": f"chroma-sample-position={name}"}
    source = make_video(tmp_path / "a.mkv", codec="libsvtav1", options=options, frames=3)
    assert signals_in(VideoSource(source).info.colour).chroma == chroma
    assert rewritten(source, tmp_path / "b.mkv") == []
    assert signals_in(VideoSource(tmp_path / "b.mkv").info.colour).chroma == chroma


@pytest.mark.parametrize("chroma", LOCATIONS)
def test_painted_pixels_are_converted_to_where_chroma_lies(chroma):
    """A colour that grows evenly tells where it was taken."""
    image = np.full((64, 64, 3), 128, np.uint8)
    image[..., 2] = 128 + np.add.outer(np.arange(64), np.arange(64))
    converter = Converter((64, 64), "yuv444p16le", matrix=6, full=False)
    halved = Converter((64, 64), "yuv420p16le", matrix=6, full=False, chroma=chroma)
    layouts = [layout_of(name) for name in ("yuv444p16le", "yuv420p16le")]
    assert layouts[0] is not None
    assert layouts[1] is not None
    fine = planes_of(converter(image), layouts[0])[1].astype(float)
    coarse = planes_of(halved(image), layouts[1])[1].astype(float)
    step = fine[21, 20] - fine[20, 20]
    offset = (coarse[10, 10] - fine[20, 20]) / step
    where = {"left": 0.5, "center": 1, "topleft": 0, "top": 0.5, "bottomleft": 1, "bottom": 1.5}
    assert abs(offset - where[chroma]) < 0.1


@pytest.mark.parametrize("what", [{"size": (16, 16)}, {"pixel_format": "yuv444p"}])
def test_chroma_that_cannot_be_elsewhere_is_not_looked_for(tmp_path, what):
    assert VideoSource(make_video(tmp_path / "a.mkv", **what)).info.colour == Colour()
