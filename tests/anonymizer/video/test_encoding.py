"""Which encoder a film gets, and that its result is the same twice."""

import os
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import av
import pytest

from anonymizer import settings
from anonymizer.data import StreamInfo
from anonymizer.errors import UsageError
from anonymizer.video import encoders
from anonymizer.video.cards import CARDS
from anonymizer.video.encoders import ENCODERS, PRESETS
from anonymizer.video.encoding import encoding_for
from anonymizer.video.native import Layout
from anonymizer.video.sink import VideoSink
from anonymizer.video.source import VideoSource
from tests.films import make_video


def info(codec: str = "h264", pixel_format: str = "yuv420p", **what: Any) -> StreamInfo:
    size = {"width": 64, "height": 48} | what
    return StreamInfo(time_base=Fraction(1, 25), codec=codec, pixel_format=pixel_format, **size)


def chosen(suffix: str, source: StreamInfo, **options: Any) -> tuple[str, str]:
    encoding = encoding_for(Path(f"film{suffix}"), source, **options)
    return encoding.codec, encoding.pixel_format


def warnings(suffix: str, source: StreamInfo, **options: Any) -> tuple[str, ...]:
    return encoding_for(Path(f"film{suffix}"), source, **options).warnings


@pytest.mark.parametrize(
    ("suffix", "source", "expected"),
    [
        (".mp4", info(), ("libx264", "yuv420p")),
        (".mp4", info(pixel_format="yuvj420p"), ("libx264", "yuv420p")),
        (".mp4", info(pixel_format="yuv422p10le"), ("libx264", "yuv422p10le")),
        (".mkv", info(pixel_format="gray10le"), ("libx264", "gray10le")),
        (".mkv", info(pixel_format="gbrp"), ("libx264rgb", "rgb24")),
        (".mov", info("hevc"), ("libx265", "yuv420p")),
        (".mp4", info("hevc", "yuv420p10le"), ("libx265", "yuv420p10le")),
        (".mp4", info("hevc", "gbrp12le"), ("libx265", "gbrp12le")),
        (".webm", info("vp9"), ("libvpx-vp9", "yuv420p")),
        (".webm", info("vp9", "yuva420p"), ("libvpx-vp9", "yuva420p")),
        (".mkv", info("libdav1d", "yuv420p10le"), ("libsvtav1", "yuv420p10le")),
        (".mp4", info("av1"), ("libsvtav1", "yuv420p")),
        (".mov", info("prores", "yuv422p10le"), ("prores_ks", "yuv422p10le")),
        (".mkv", info("ffv1", "yuva444p12le"), ("ffv1", "yuva444p12le")),
        (".mkv", info("ffv1", "bgr0"), ("ffv1", "gbrp9le")),
        (".mkv", info("hevc", "p010le"), ("libx265", "yuv420p10le")),
        (".mp4", info("h264", "nv12"), ("libx264", "yuv420p")),
    ],
)
def test_a_film_is_written_as_what_it_is(suffix, source, expected):
    assert chosen(suffix, source) == expected
    assert warnings(suffix, source) == ()


@pytest.mark.parametrize(
    ("suffix", "source", "expected", "warned"),
    [
        (".mkv", info("mpeg2video"), ("libx264", "yuv420p"), "written as H.264, not as mpeg2video"),
        (".mp4", info("ffv1", "yuv422p"), ("libx264", "yuv422p"), "as H.264, not as ffv1"),
        (".webm", info("vp8"), ("libvpx-vp9", "yuv420p"), "written as VP9, not as vp8"),
        (".webm", info("vp9", "yuv420p10le"), ("libsvtav1", "yuv420p10le"), "as AV1, not as vp9"),
        (".mp4", info("vp9", "yuv420p10le"), ("libx264", "yuv420p10le"), "as H.264, not as vp9"),
        (".mp4", info("hevc", width=8), ("libx264", "yuv420p"), "written as H.264, not as hevc"),
        (".mov", info("hevc", "yuv444p16le"), ("libx265", "yuv444p12le"), "16 bits are rounded"),
        (".mov", info("prores", "yuva444p12le"), ("prores_ks", "yuva444p10le"), "rounded to 10"),
        (".mkv", info("hevc", "yuva420p"), ("libx265", "yuv420p"), "HEVC holds no transparency"),
        (".webm", info("prores", "yuv444p12le"), ("libvpx-vp9", "yuv444p"), "rounded to 8"),
        (".mkv", info("av1", "yuv444p"), ("libx264", "yuv444p"), "written as H.264, not as av1"),
        (".mov", info("png", "rgba"), ("prores_ks", "yuva444p10le"), "as ProRes, not as png"),
        (".mkv", info("gif", "bgra"), ("libvpx-vp9", "yuva420p"), "coarser than in the source"),
        (".mp4", info("qtrle", "rgb24"), ("libx264", "yuv420p"), "coarser than in the source"),
        (".mov", info("png", "rgb48be"), ("libx265", "gbrp12le"), "16 bits are rounded to 12"),
        (".mkv", info("jpeg2000", "xyz12le"), ("libx264", "yuv420p"), "samples of 12 bits (xyz12"),
        (".mkv", info("dvvideo", "yuv411p"), ("libx264", "yuv420p"), "converted from yuv411p"),
    ],
)
def test_what_cannot_be_kept_is_told(suffix, source, expected, warned):
    assert chosen(suffix, source) == expected
    assert any(warned in warning for warning in warnings(suffix, source))


@pytest.mark.parametrize(
    ("suffix", "source", "expected"),
    [
        (".mov", info("prores", "yuv422p10le"), ("libx264", "yuv422p10le")),
        (".mov", info("prores", "yuv444p12le"), ("libx265", "yuv444p12le")),
        (".mkv", info("prores", "yuva444p12le"), ("ffv1", "yuva444p12le")),
        (".mp4", info("png", "rgb24"), ("libx264rgb", "rgb24")),
        (".webm", info("png", "rgba"), ("libvpx-vp9", "gbrp")),
        (".mp4", info("", ""), ("libx264rgb", "rgb24")),
        (".webm", info("vp9", "yuv420p10le"), ("libsvtav1", "yuv420p10le")),
    ],
)
def test_lossless_prefers_what_keeps_every_sample(suffix, source, expected):
    assert chosen(suffix, source, lossless=True) == expected


@pytest.mark.parametrize(
    ("suffix", "expected"),
    [(".mp4", "yuv444p"), (".mkv", "yuv444p"), (".webm", "yuv420p")],
)
def test_odd_sizes_keep_whole_chroma_where_it_cannot_be_halved(suffix, expected):
    assert chosen(suffix, info(width=63))[1] == expected
    turned = info("h264", "yuv422p", height=63, rotation=90)
    assert chosen(".mp4", turned)[1] == "yuv444p"
    assert chosen(".mp4", info("h264", "yuv422p", height=63))[1] == "yuv422p"


@pytest.mark.parametrize("encoder", ENCODERS, ids=lambda encoder: encoder.name)
def test_every_encoder_can_be_asked_for_and_writes(tmp_path, encoder):
    source = make_video(tmp_path / "a.mkv", frames=3)
    for suffix in encoder.containers:
        film, target = VideoSource(source), tmp_path / f"b{suffix}"
        options = {"codec": encoder.name, "preset": "ultrafast"}
        with VideoSink(target, source, film.info, **options) as sink:
            for frame in film:
                sink.write(frame)
        with av.open(str(target)) as file:
            assert file.streams.video[0].codec_context.codec.canonical_name == encoder.family
            assert len(list(file.decode(video=0))) == 3


def test_apples_players_are_told_of_hevc_by_the_tag_they_know(tmp_path):
    for name in ("b.mp4", "b.mov"):
        written(tmp_path, "libx265", name, preset="ultrafast")
        with av.open(str(tmp_path / name)) as file:
            assert file.streams.video[0].codec_tag == "hvc1"


@pytest.mark.parametrize("frames", [1, 2, 3])
@pytest.mark.parametrize("encoder", ENCODERS[:4], ids=lambda encoder: encoder.name)
def test_the_shortest_films_have_times_too(tmp_path, encoder, frames):
    """HEVC's encoder gives films of one or two frames times of no meaning, now and then."""
    source = make_video(tmp_path / "a.mp4", pts=[700, 740, 781][:frames], frames=frames)
    for _ in range(5):
        written(tmp_path, encoder.name, "b.mp4", source=source)
        shown = [frame.time for frame in VideoSource(tmp_path / "b.mp4")]
        assert shown == [frame.time for frame in VideoSource(source)]


@pytest.mark.parametrize(
    ("suffix", "options", "message"),
    [
        (".webm", {"codec": "prores_ks"}, r"\.webm cannot hold prores_ks; use one of libvpx-vp9"),
        (".mkv", {"codec": "divx"}, "codec 'divx' is not one of libx264, libx265"),
        (".mov", {"codec": "prores_ks", "lossless": True}, "prores_ks cannot be lossless"),
    ],
)
def test_what_cannot_be_is_refused(suffix, options, message):
    with pytest.raises(UsageError, match=message):
        encoding_for(Path(f"film{suffix}"), info(), **options)


def test_a_quality_that_an_encoder_does_not_take_is_told():
    said = warnings(".mov", info("prores", "yuv422p10le"), crf=20)
    assert said == ("ProRes has no constant rate factor; --crf is not used",)
    assert warnings(".mov", info(), crf=20) == ()


def test_an_encoder_that_this_pyav_does_not_have_is_passed_over(monkeypatch):
    def layouts(name: str, _: object) -> dict[Layout, str]:
        return {} if name == "libx265" else LAYOUTS

    monkeypatch.setattr(encoders, "_layouts", layouts)
    assert chosen(".mp4", info("hevc"))[0] == "libx264"
    with pytest.raises(UsageError, match="this PyAV cannot write libx265"):
        encoding_for(Path("film.mp4"), info("hevc"), codec="libx265")


LAYOUTS = ENCODERS[0].layouts


def test_settings_offer_what_there_is():
    assert get_args(settings.Codec) == tuple(encoder.name for encoder in (*ENCODERS, *CARDS))
    assert get_args(settings.Preset) == PRESETS


def test_unknown_encoders_take_nothing():
    assert encoders._layouts("libnothing", ()) == {}


def test_better_quality_takes_more_room(tmp_path):
    for encoder in ENCODERS[:4]:
        sizes = [written(tmp_path, encoder.name, crf=crf) for crf in (10, 40)]
        assert len(sizes[0]) > 1.3 * len(sizes[1])


def written(
    folder: Path, codec: str, name: str = "b.mkv", *, source: Path | None = None, **options: Any
) -> bytes:
    """What becomes of one film."""
    source = source or folder / "a.mkv"
    if not source.exists():
        make_video(source, frames=12, size=(192, 128))
    film = VideoSource(source)
    with VideoSink(folder / name, source, film.info, codec=codec, **options) as sink:
        for frame in film:
            sink.write(frame)
    return (folder / name).read_bytes()


@pytest.mark.parametrize("encoder", ENCODERS, ids=lambda encoder: encoder.name)
def test_the_same_film_gives_the_same_bytes_on_any_number_of_cores(tmp_path, encoder):
    suffix = encoder.containers[-1]
    cores = os.sched_getaffinity(0)
    try:
        results = []
        for count in (1, len(cores)):
            os.sched_setaffinity(0, sorted(cores)[:count])
            name = f"{count}{suffix}"
            results.append(written(tmp_path, encoder.name, name, preset="veryfast"))
    finally:
        os.sched_setaffinity(0, cores)
    assert results[0] == results[-1]


def test_presets_are_obeyed_by_all_that_have_some(tmp_path):
    assert PRESETS[0] == "ultrafast"
    for encoder in ENCODERS[:4]:
        options = [
            encoding_for(Path("a.mkv"), info(), codec=encoder.name, preset=preset).options
            for preset in ("ultrafast", "slow")
        ]
        assert options[0] != options[1]


def test_encoders_say_nothing_on_the_screen(tmp_path, capfd):
    for encoder in ENCODERS:
        written(tmp_path, encoder.name, preset="ultrafast")
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")
