"""Films that are transparent in places stay so."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from anonymizer.video.alpha import WARNING
from anonymizer.video.native import Native
from anonymizer.video.sink import VideoSink
from anonymizer.video.source import VideoSource

SIZE = (64, 48)


def sheer(path: Path, codec: str, pixel_format: str, *, turned: int = 0) -> Path:
    """A film whose alpha grows from left to right and from frame to frame."""
    options = {"libvpx-vp9": {"lossless": "1", "auto-alt-ref": "0"}, "prores_ks": {}, "ffv1": {}}
    options |= {"libvpx": {"auto-alt-ref": "0", "b": "1M"}, "png": {}, "qtrle": {}}
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=25, options=options[codec])
        assert isinstance(stream, av.VideoStream)
        stream.codec_context.width, stream.codec_context.height = SIZE
        stream.codec_context.pix_fmt = pixel_format
        stream.codec_context.thread_count = 1  # VP8's wait for each other by turning in circles
        if turned:
            stream.set_display_rotation(turned)
        for index in range(4):
            drawn = _packed if pixel_format in ("rgba", "argb") else _picture
            file.mux(stream.encode(drawn(index, pixel_format)))
        file.mux(stream.encode(None))
    return path


def _picture(index: int, pixel_format: str) -> av.VideoFrame:
    shown = av.VideoFrame(*SIZE, pixel_format)
    scale = 4 if pixel_format.endswith("10le") else 1
    for number, plane in enumerate(shown.planes):
        kind = np.uint16 if scale == 4 else np.uint8
        samples = np.frombuffer(plane, kind).reshape(plane.height, -1)  # type: ignore[call-overload]  # a buffer
        samples[:, : plane.width] = (100 + number + index) * scale
        if number == 3:
            samples[:, : plane.width] = (np.arange(plane.width) + 20 * index) * scale
    shown.pts = index
    return shown


def _packed(index: int, pixel_format: str) -> av.VideoFrame:
    samples = np.full((*SIZE[::-1], 4), 100 + index, np.uint8)
    samples[..., pixel_format.index("a")] = np.arange(SIZE[0]) + 20 * index
    shown = av.VideoFrame.from_ndarray(samples, pixel_format)
    shown.pts = index
    return shown


def alphas(path: Path) -> list[np.ndarray[Any, Any]]:
    """Alpha of every frame, or nothing of those that have none."""
    found = []
    for frame in VideoSource(path):
        assert isinstance(frame.native, Native)
        found += [frame.native.planes[3]] if frame.native.layout.alpha else []
    return found


def rewritten(source: Path, target: Path, **options: Any) -> list[str]:
    film = VideoSource(source)
    with VideoSink(target, source, film.info, **options) as sink:
        for frame in film:
            sink.write(frame)
    return [*film.warnings, *sink.warnings]


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format"),
    [
        ("a.webm", "libvpx-vp9", "yuva420p"),
        ("a.mkv", "libvpx-vp9", "yuva420p"),
        ("a.mkv", "ffv1", "yuva444p10le"),
    ],
)
def test_transparency_is_kept(tmp_path, name, codec, pixel_format):
    source = sheer(tmp_path / name, codec, pixel_format)
    assert VideoSource(source).info.pixel_format == pixel_format
    assert rewritten(source, tmp_path / f"b{source.suffix}", lossless=True) == []
    before, after = alphas(source), alphas(tmp_path / f"b{source.suffix}")
    assert len(before) == len(after) == 4
    assert all(map(np.array_equal, before, after))
    assert np.array_equal(before[2][0], (np.arange(64) + 40) * (4 if "10" in pixel_format else 1))


def test_transparency_of_vp8_is_kept_in_vp9(tmp_path):
    source = sheer(tmp_path / "a.webm", "libvpx", "yuva420p")
    assert VideoSource(source).info.pixel_format == "yuva420p"
    assert rewritten(source, tmp_path / "b.webm", lossless=True) == ["written as VP9, not as vp8"]
    before, after = alphas(source), alphas(tmp_path / "b.webm")
    assert len(before) == len(after) == 4
    assert all(map(np.array_equal, before, after))
    assert np.abs(before[2][0] - np.arange(64.0) - 40).max() <= 2  # VP8 is never without loss


@pytest.mark.parametrize(("codec", "pixel_format"), [("png", "rgba"), ("qtrle", "argb")])
def test_transparency_beside_rgb_is_kept_in_prores(tmp_path, codec, pixel_format):
    source = sheer(tmp_path / "a.mov", codec, pixel_format)
    said = rewritten(source, tmp_path / "b.mov")
    assert said[0] == f"written as ProRes, not as {codec}"
    for before, after in zip(alphas(source), alphas(tmp_path / "b.mov"), strict=True):
        assert np.abs(before.astype(int) * 16 - after).max() <= 20  # of 4095


def test_transparency_of_prores_is_kept(tmp_path):
    source = sheer(tmp_path / "a.mov", "prores_ks", "yuva444p10le")
    said = rewritten(source, tmp_path / "b.mov")
    assert said == ["samples of 12 bits are rounded to 10"]
    for before, after in zip(alphas(source), alphas(tmp_path / "b.mov"), strict=True):
        assert np.abs(before.astype(int) - after).max() <= 2  # of 4095: written with 10 bits


@pytest.mark.parametrize("codec", ["libx264", "libvpx-vp9"])
def test_transparency_that_finds_no_place_is_told(tmp_path, codec):
    source = sheer(tmp_path / "a.webm", "libvpx-vp9", "yuva420p")
    said = rewritten(source, tmp_path / "b.mp4", codec=codec)
    assert len([warning for warning in said if "transparency" in warning]) == 1
    assert alphas(tmp_path / "b.mp4") == []


def test_transparency_of_turned_films_is_left_out_and_told(tmp_path):
    source = sheer(tmp_path / "a.webm", "libvpx-vp9", "yuva420p", turned=90)
    film = VideoSource(source)
    assert (film.info.width, film.info.pixel_format) == (48, "yuv420p")
    assert rewritten(source, tmp_path / "b.webm") == [WARNING]
    assert alphas(tmp_path / "b.webm") == []
