import os
import resource
import signal
import threading
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from anonymizer.data import Colour, Frame
from anonymizer.errors import UnreadableVideo, UnwritableOutput, UsageError
from anonymizer.video.sink import VideoSink
from anonymizer.video.source import VideoSource
from tests.factories import frame
from tests.films import make_sound, make_video

FAST = "ultrafast"
LOSSLESS = (".mp4", ".mov", ".mkv", ".webm")


def copy(source: Path, target: Path, **options: Any) -> VideoSink:
    """Read a film and write it again, unchanged."""
    film = VideoSource(source)
    with VideoSink(target, source, film.info, preset=FAST, **options) as sink:
        for shown in film:
            sink.write(shown)
    return sink


def times(path: Path) -> list[Fraction]:
    """Presentation times of the picture's packets, read without our source."""
    with av.open(str(path)) as file:
        packets = [packet for packet in file.demux(video=0) if packet.size]
        return sorted((packet.pts or 0) * packet.time_base for packet in packets)


def other_packets(path: Path) -> list[tuple[Any, ...]]:
    """All of every packet of sound and subtitles, stream by stream."""
    with av.open(str(path)) as file:
        streams = [stream for stream in file.streams if stream.type in ("audio", "subtitle")]
        packets = [p for p in file.demux(streams) if p.size] if streams else []
        facts = [(p.stream.type, p.pts, p.dts, p.time_base, p.duration, bytes(p)) for p in packets]
    return sorted(facts, key=lambda fact: fact[0])


def pictures(path: Path) -> list[np.ndarray]:
    return [shown.image for shown in VideoSource(path)]


def raw(path: Path) -> list[np.ndarray]:
    """The samples as they are stored."""
    with av.open(str(path)) as file:
        return [picture.to_ndarray() for picture in file.decode(video=0)]


SOURCES: dict[str, dict[str, Any]] = {
    "plain": {},
    "one frame": {"frames": 1},
    "variable rate": {"pts": [0, 7, 8, 1001, 5000, 5003], "time_base": Fraction(1, 90_000)},
    "late start": {"pts": [700, 740, 781], "time_base": Fraction(1, 1000)},
    "late start with sound": {
        "pts": [700, 740, 781],
        "time_base": Fraction(1, 1000),
        "audio": "aac",
    },
    "late start between milliseconds": {
        "pts": [12_345, 15_346],
        "time_base": Fraction(1, 90_000),
        "container_options": {"movie_timescale": "90000"},
    },
    "coarse unit": {
        "pts": [0, 25, 50],
        "time_base": Fraction(1, 600),
        "container_options": {"video_track_timescale": "600"},
    },
    "late sound": {"audio": "aac", "audio_start": 0.24},
    "ntsc": {"time_base": Fraction(1001, 30_000), "rate": 30},
    "sound and text": {"audio": "aac", "subtitles": [(40, 200, "eins"), (240, 360, "zwei")]},
    "reordered": {"frames": 30, "options": {"preset": "medium", "bf": "3"}},
    "nanoseconds": {"pts": [0, 333_333_333, 700_000_001], "time_base": Fraction(1, 10**9)},
}


@pytest.mark.parametrize("kind", SOURCES)
def test_times_and_other_packets_are_the_source_s(tmp_path, kind):
    source, target = make_video(tmp_path / "a.mp4", **SOURCES[kind]), tmp_path / "b.mp4"
    sink = copy(source, target)
    assert times(target) == times(source)
    assert other_packets(target) == other_packets(source)
    assert sink.warnings == []
    assert VideoSource(target).info == VideoSource(source).info


@pytest.mark.parametrize("kind", ["plain", "late start", "sound and text"])
@pytest.mark.parametrize("suffix", [".mkv", ".mov"])
def test_other_containers_keep_times_and_packets(tmp_path, suffix, kind):
    what = SOURCES[kind] | {"subtitles": ()} if suffix == ".mov" else SOURCES[kind]
    source, target = make_video(tmp_path / f"a{suffix}", **what), tmp_path / f"b{suffix}"
    copy(source, target)
    assert times(target) == times(source)
    assert other_packets(target) == other_packets(source)


def test_last_frame_is_shown_as_long_as_before(tmp_path):
    film = {"pts": [0, 40, 80], "time_base": Fraction(1, 1000), "rate": 2}
    source, target = make_video(tmp_path / "a.mp4", **film), tmp_path / "b.mp4"
    copy(source, target)
    assert VideoSource(target).info.duration == VideoSource(source).info.duration


def test_much_sound_beside_few_frames(tmp_path):
    film = {"pts": [0, 2000, 4000], "time_base": Fraction(1, 1000), "audio": "aac"}
    source, target = make_video(tmp_path / "a.mp4", **film), tmp_path / "b.mp4"
    copy(source, target)
    assert other_packets(target) == other_packets(source)


@pytest.mark.parametrize("suffix", LOSSLESS)
@pytest.mark.parametrize("size", [(64, 48), (63, 47)])
def test_lossless_gives_back_the_very_frames_of_a_film_in_rgb(tmp_path, suffix, size):
    rgb = {"codec": "libx264rgb", "pixel_format": "rgb24"}
    source = make_video(tmp_path / "a.mkv", size=size, frames=5, **rgb)
    target = tmp_path / f"b{suffix}"
    film, rng = VideoSource(source), np.random.default_rng(0)
    noise = [rng.integers(0, 256, (size[1], size[0], 3), np.uint8) for _ in range(5)]
    with VideoSink(target, source, film.info, lossless=True, preset=FAST) as sink:
        for shown, image in zip(film, noise, strict=True):
            sink.write(replace(shown, image=image))
    assert all(np.array_equal(a, b) for a, b in zip(pictures(target), noise, strict=True))


@pytest.mark.parametrize("colour", [(1, 1, 1, 1), (9, 16, 9, 1), (6, 6, 6, 2), None])
@pytest.mark.parametrize("lossless", [False, True])
def test_colour_description_and_picture_are_kept(tmp_path, colour, lossless):
    source = make_video(tmp_path / "a.mp4", colour=colour, frames=3)
    target = tmp_path / "b.mp4"
    copy(source, target, crf=None if lossless else 4, lossless=lossless)
    before, after = VideoSource(source), VideoSource(target)
    assert after.info.colour == before.info.colour
    for a, b in zip(before, after, strict=True):
        assert np.abs(a.image.astype(int) - b.image).mean() < (1e-9 if lossless else 3)


@pytest.mark.parametrize(("pixel_format", "matrix"), [("", 6), ("yuv420p", 14)])
def test_matrix_that_cannot_be_applied_is_claimed_of_kept_samples_only(
    tmp_path, pixel_format, matrix
):
    source = make_video(tmp_path / "a.mp4", frames=1)
    film = VideoSource(source)
    info = replace(film.info, colour=Colour(matrix=14), pixel_format=pixel_format)
    with VideoSink(tmp_path / "b.mp4", source, info) as sink:
        sink.write(*film)
    assert VideoSource(tmp_path / "b.mp4").info.colour.matrix == matrix


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
@pytest.mark.parametrize("size", [(63, 48), (64, 47), (63, 47), (1, 1)])
def test_odd_sizes_are_kept(tmp_path, suffix, size):
    source = make_video(tmp_path / "a.mkv", size=size, pixel_format="yuv444p", frames=3)
    copy(source, tmp_path / f"b{suffix}")
    info = VideoSource(tmp_path / f"b{suffix}").info
    assert (info.width, info.height) == size


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
def test_display_is_the_same_and_samples_are_not_turned(tmp_path, suffix, rotation, mirrored):
    aspect = Fraction(1) if suffix == ".webm" else Fraction(4, 3)
    turned = {"rotation": rotation, "mirrored": mirrored, "aspect": aspect}
    source = make_video(tmp_path / "a.mp4", frames=2, **turned)
    target = tmp_path / f"b{suffix}"
    copy(source, target, lossless=True)
    before, after = VideoSource(source), VideoSource(target)
    assert (after.info.width, after.info.height) == (before.info.width, before.info.height)
    shapes = [film.info.sample_aspect_ratio or 1 for film in (before, after)]
    assert shapes[0] == shapes[1]
    assert (after.info.rotation, after.info.mirrored) == (before.info.rotation, mirrored)
    assert all(map(np.array_equal, raw(source), raw(target)))


def test_pixel_shape_that_webm_cannot_hold_is_warned_of(tmp_path):
    source = make_video(tmp_path / "a.mkv", aspect=Fraction(16, 11), frames=1)
    sink = copy(source, tmp_path / "b.webm")
    assert sink.warnings[1:] == ["VP9 films hold square pixels only; shown as if they were"]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_pixel_shape_is_kept(tmp_path, suffix):
    source = make_video(tmp_path / "a.mkv", aspect=Fraction(16, 11), frames=1)
    copy(source, tmp_path / f"b{suffix}")
    assert VideoSource(tmp_path / f"b{suffix}").info.sample_aspect_ratio == Fraction(16, 11)


def test_default_quality_is_close_to_the_source(tmp_path):
    source = make_video(tmp_path / "a.mp4", size=(128, 96))
    copy(source, tmp_path / "b.mp4")
    for a, b in zip(pictures(source), pictures(tmp_path / "b.mp4"), strict=True):
        error = np.square(a.astype(float) - b).mean()
        assert 10 * np.log10(255**2 / error) > 36  # decibels


def test_crf_is_obeyed(tmp_path):
    source = make_video(tmp_path / "a.mp4", size=(128, 96))
    for crf in (10, 40):
        copy(source, tmp_path / f"{crf}.mp4", crf=crf)
    assert (tmp_path / "10.mp4").stat().st_size > 1.5 * (tmp_path / "40.mp4").stat().st_size


SECRET = "51.5-000.1"
SECRETS = {
    "location": f"+{SECRET}/",
    "comment": f"seen at {SECRET}",
    "title": SECRET,
    "creation_time": "2020-01-02T03:04:05Z",
    "com.apple.quicktime.model": SECRET,
}


def labels(path: Path) -> str:
    """All that the container says in words, but for what is the same in every file."""
    with av.open(str(path)) as file:
        return repr([file.metadata, file.chapters(), [s.metadata for s in file.streams]])


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_nothing_tells_where_when_or_by_whom_p4(tmp_path, suffix):
    extra = {"data": True, "cover": True} if suffix == ".mp4" else {}
    told = ["51.5", "2020", *(["latitude", "GoPro"] if suffix == ".mp4" else ["someone", SECRET])]
    source = make_video(
        tmp_path / f"a{suffix}",
        metadata=SECRETS,
        audio="aac",
        chapters=[(0, 200, "one")],
        second_film=True,
        **extra,
    )
    target = tmp_path / f"b{suffix}"
    sink = copy(source, target)
    content = target.read_bytes()
    for word in told:
        assert word in labels(source) or word.encode() in source.read_bytes()
        assert word.encode() not in content
        assert word not in labels(target)
    with av.open(str(target)) as file:
        assert [stream.type for stream in file.streams if stream.type != "data"] == [
            "video",
            "audio",
        ]
    assert any("video stream" in stream for stream in sink.dropped)
    assert sink.kept == [stream for stream in sink.kept if stream.startswith("audio stream")] != []


def test_chapters_languages_and_dispositions_are_kept(tmp_path):
    source = make_video(
        tmp_path / "a.mkv",
        audio="aac",
        subtitles=[(40, 200, "eins")],
        chapters=[(0, 200, "one"), (200, 400, "two")],
    )
    target = tmp_path / "b.mkv"
    sink = copy(source, target)
    with av.open(str(source)) as before, av.open(str(target)) as after:
        facts = [[(s.type, s.language, s.disposition) for s in f.streams] for f in (before, after)]
        assert facts[0] == facts[1]
        spans = [
            [(c["start"], c["end"], c["metadata"]["title"]) for c in f.chapters()]
            for f in (before, after)
        ]
        assert spans[0] == spans[1]
        assert len(spans[1]) == 2
    assert sink.kept == ["audio stream 1 (aac, deu)", "subtitle stream 2 (srt, fra)"]


def test_audio_can_be_dropped(tmp_path):
    source = make_video(tmp_path / "a.mkv", audio="aac", subtitles=[(40, 200, "eins")])
    sink = copy(source, tmp_path / "b.mkv", audio="drop")
    assert {fact[0] for fact in other_packets(tmp_path / "b.mkv")} == {"subtitle"}
    assert sink.dropped == ["audio stream 1 (aac, deu)"]


def test_stream_that_does_not_fit_is_left_out_with_a_warning(tmp_path):
    source = make_video(tmp_path / "a.mkv", audio="aac", subtitles=[(40, 200, "eins")])
    sink = copy(source, tmp_path / "b.mp4")
    assert sink.warnings == ["subtitle stream 2 (srt, fra) does not fit mp4; left out"]
    assert {fact[0] for fact in other_packets(tmp_path / "b.mp4")} == {"audio"}


def test_times_that_matroska_must_round_are_warned_of(tmp_path):
    sink = copy(make_video(tmp_path / "a.mp4", rate=30), tmp_path / "b.mkv")
    assert sink.warnings == [".mkv holds times in milliseconds only; rounded"]
    assert len(times(tmp_path / "b.mkv")) == 10


def test_the_same_file_whatever_the_number_of_cores(tmp_path):
    """What workers of different size write must be the same."""
    source = make_video(tmp_path / "a.mkv", size=(320, 240), frames=30)
    cores = os.sched_getaffinity(0)
    try:
        for name, count in (("b.mkv", 1), ("c.mkv", len(cores))):
            os.sched_setaffinity(0, sorted(cores)[:count])
            copy(source, tmp_path / name)
    finally:
        os.sched_setaffinity(0, cores)
    assert (tmp_path / "b.mkv").read_bytes() == (tmp_path / "c.mkv").read_bytes()


def test_same_run_same_file(tmp_path):
    source = make_video(tmp_path / "a.mkv", audio="aac")
    for name in ("b.mkv", "c.mkv"):
        copy(source, tmp_path / name)
    assert (tmp_path / "b.mkv").read_bytes() == (tmp_path / "c.mkv").read_bytes()


def opened(tmp_path: Path, **options: Any) -> VideoSink:
    source = make_video(tmp_path / "a.mp4", size=(48, 32), frames=3)
    return VideoSink(tmp_path / "b.mp4", source, VideoSource(source).info, **options)


def shown(index: int, **changes: Any) -> Frame:
    timed: dict[str, Any] = {"pts": index * 512, "time_base": Fraction(1, 12_800)}
    return frame(index, **(timed | changes))


def write_all(
    sink: VideoSink, frames: Iterable[Frame], error: type[BaseException] | None = None
) -> None:
    with sink:
        for each in frames:
            sink.write(each)
        if error:
            raise error


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([shown(0), shown(1, size=(33, 48))], "frame 1 is 48x33, the film 48x32"),
        ([shown(0), shown(1, time_base=Fraction(1, 25))], "time base is 1/25, the film's 1/12800"),
        ([shown(1), shown(1)], "pts must increase, got 512 after 512"),
    ],
)
def test_frame_that_does_not_belong_is_refused_and_no_file_is_left(tmp_path, frames, message):
    with pytest.raises(ValueError, match=message):
        write_all(opened(tmp_path), frames)
    assert not (tmp_path / "b.mp4").exists()


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt])
@pytest.mark.parametrize("count", [0, 1, 60])
def test_no_file_and_no_thread_after_an_error(tmp_path, error, count):
    before = threading.active_count()
    with pytest.raises(error):
        write_all(opened(tmp_path), map(shown, range(count)), error)
    assert not (tmp_path / "b.mp4").exists()
    assert threading.active_count() == before


def test_film_of_no_frames_is_an_error(tmp_path):
    with pytest.raises(UnwritableOutput, match="not one frame"), opened(tmp_path):
        pass
    assert not (tmp_path / "b.mp4").exists()


def limited(frames: Iterable[Frame], sink: VideoSink) -> None:
    """Write frames where no file may grow beyond 4 kB, so that the system itself refuses."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, old[1]))
    try:
        write_all(sink, frames)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("count", [3, 400])
def test_disk_error_while_or_after_writing_leaves_no_file(tmp_path, count):
    rng = np.random.default_rng(0)
    noise = (shown(i, image=rng.integers(0, 256, (32, 48, 3), np.uint8)) for i in range(count))
    with pytest.raises(UnwritableOutput, match="size limit"):
        limited(noise, opened(tmp_path, crf=0, preset=FAST))
    assert not (tmp_path / "b.mp4").exists()


def test_sound_whose_times_run_backward_is_refused_with_advice(tmp_path):
    source = make_video(tmp_path / "a.ts", audio="mp2", codec="mpeg2video", options={})
    source.write_bytes(source.read_bytes() * 2)
    with pytest.raises(UnwritableOutput, match=r"its audio does not fit; try --audio drop"):
        copy(source, tmp_path / "b.mp4")
    assert not (tmp_path / "b.mp4").exists()
    copy(source, tmp_path / "b.mp4", audio="drop")


def fail() -> None:
    raise OSError(28, "No space left on device")


def broken_last(sink: VideoSink) -> None:
    with sink:
        sink.write(shown(0))
        sink._behind(fail)


def test_error_of_the_last_frames_is_raised_at_the_end(tmp_path):
    with pytest.raises(UnwritableOutput, match="the disk is full"):
        broken_last(opened(tmp_path))
    assert not (tmp_path / "b.mp4").exists()


def test_folder_that_does_not_exist(tmp_path):
    source = make_video(tmp_path / "a.mp4")
    sink = VideoSink(tmp_path / "none" / "b.mp4", source, VideoSource(source).info)
    with pytest.raises(UnwritableOutput, match="folder does not exist"):
        write_all(sink, VideoSource(source))


def test_source_that_is_no_film_is_named(tmp_path):
    sound = make_sound(tmp_path / "a.m4a")
    sink = VideoSink(tmp_path / "b.mp4", sound, opened(tmp_path)._info)
    with pytest.raises(UnreadableVideo, match=r"a\.m4a: has no video stream"), sink:
        pass
    assert not (tmp_path / "b.mp4").exists()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("b.avi", {}, r"cannot write '.avi'; use .mp4, .m4v, .mov, .mkv, .webm"),
        ("b", {}, "cannot write 'no suffix'"),
        ("b.webm", {"codec": "libx264"}, r"\.webm cannot hold libx264"),
    ],
)
def test_impossible_container_is_refused_before_anything_is_written(
    tmp_path, name, options, message
):
    sink = opened(tmp_path)
    with pytest.raises(UsageError, match=message):
        VideoSink(tmp_path / name, sink._source, sink._info, **options)
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("name", ["b.m4v", "b.MP4"])
def test_suffixes_are_understood(tmp_path, name):
    copy(make_video(tmp_path / "a.mp4"), tmp_path / name)
    assert len(times(tmp_path / name)) == 10


def test_names_of_results_are_never_addresses(tmp_path, monkeypatch):
    make_video(tmp_path / "a.mp4")
    monkeypatch.chdir(tmp_path)
    copy(Path("a.mp4"), Path("tcp:b.mp4"))
    assert len(times(tmp_path / "tcp:b.mp4")) == 10


def test_vp9_can_be_asked_for(tmp_path):
    copy(make_video(tmp_path / "a.mp4"), tmp_path / "b.mkv", codec="libvpx-vp9")
    assert VideoSource(tmp_path / "b.mkv").info.codec == "vp9"


def test_every_stream_of_the_source_has_an_outcome(tmp_path):
    source = make_video(
        tmp_path / "a.mp4", audio="aac", second_film=True, cover=True, subtitles=[(0, 99, "eins")]
    )
    fates = {
        (stream.kind, stream.fate, stream.language, stream.reason)
        for stream in copy(source, tmp_path / "b.webm", audio="drop").streams
    }
    assert fates == {
        ("video", "anonymized", "ita", ""),
        ("audio", "dropped", "deu", "sound was not wanted"),
        ("video", "dropped", "ita", "it was not anonymized"),
        ("video", "dropped", None, "may show or tell who was filmed"),
        ("subtitle", "dropped", "fra", "does not fit webm"),
    }
    kept = copy(source, tmp_path / "b.mp4").streams
    assert [stream.index for stream in kept] == list(range(len(kept)))
    assert [stream.codec for stream in kept if stream.fate == "copied"] == ["aac", "mov_text"]


def test_a_stream_without_a_codec_has_an_outcome_too(tmp_path):
    source = make_video(tmp_path / "a.mp4", data=True)
    (told,) = [s for s in copy(source, tmp_path / "b.mp4").streams if s.kind == "data"]
    assert (told.fate, told.codec) == ("dropped", "")
    assert told.reason == "may show or tell who was filmed"
