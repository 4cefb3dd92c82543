import subprocess
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from anonymizer.data import StreamInfo
from anonymizer.errors import UnwritableOutput
from anonymizer.video.encoding import encoding_for
from anonymizer.video.joining import join
from anonymizer.video.runs import Run, write_run
from anonymizer.video.sink import VideoSink
from anonymizer.video.source import VideoSource
from anonymizer.video.stamps import decoding_times
from tests import ffprobe
from tests.films import make_video
from tests.media import VP9, X264

TICK = Fraction(1, 90_000)
VFR = [0, 7, 8, 1001, 1500, 2003, 2010, 2020, 2030, 4000, 4100, 5000, 5003, 5009, 5020, 6000]
CUTS = (0, 5, 6, 11)


def runs_of(source: Path, out: Path, borders: tuple[int, ...] = CUTS, **options: Any) -> list[Run]:
    """The film's frames as runs that begin at the borders, encoded for ``out``."""
    film = VideoSource(source)
    frames = list(film)
    encoding = encoding_for(out, film.info, **options)
    paths = []
    for start, stop in pairwise((*borders, len(frames))):
        paths.append(out.with_name(f"run{start}"))
        write_run(paths[-1], frames[start:stop], film.info, encoding)
    return [Run(path) for path in paths]


def joined(source: Path, out: Path, borders: tuple[int, ...] = CUTS, **options: Any) -> Path:
    info = VideoSource(source).info
    pieces = runs_of(source, out, borders, **options)
    join(out, source, info, encoding_for(out, info, **options), pieces)
    return out


def sunk(source: Path, out: Path, **options: Any) -> Path:
    film = VideoSource(source)
    with VideoSink(out, source, film.info, **options) as sink:
        for frame in film:
            sink.write(frame)
    return out


def described(path: Path) -> StreamInfo:
    """What a file says of itself, but for what FFmpeg works out from times of decoding."""
    return replace(VideoSource(path).info, average_rate=None, duration=None)


FILMS: dict[str, tuple[str, dict[str, Any]]] = {
    "H.264": (".mp4", {"options": X264 | {"bf": "3"}, "audio": "aac"}),
    "H.264, Matroska": (".mkv", {"options": X264, "audio": "flac"}),
    "variable rate": (".mp4", {"pts": VFR, "time_base": TICK}),
    "late start": (".mov", {"pts": range(500, 1140, 40), "rate": 1000}),
    "early start": (".mkv", {"pts": range(-120, 520, 40), "time_base": Fraction(1, 1000)}),
    "NTSC": (".mp4", {"time_base": Fraction(1001, 30_000), "rate": 30}),
    "HEVC": (".mp4", {"codec": "libx265", "options": {"x265-params": "log-level=none"}}),
    "VP9": (".webm", VP9),
    "AV1": (".mp4", {"codec": "libsvtav1", "options": {"preset": "12", "crf": "10"}}),
    "ProRes": (".mov", {"codec": "prores_ks", "pixel_format": "yuv422p10le", "options": {}}),
    "FFV1": (".mkv", {"codec": "ffv1", "options": {}}),
    "RGB": (".mkv", {"codec": "libx264rgb", "pixel_format": "rgb24"}),
    "turned": (".mp4", {"rotation": 90, "subtitles": [(40, 200, "eins")]}),
}


@pytest.mark.parametrize("kind", FILMS)
def test_runs_joined_are_the_film(tmp_path, kind):
    suffix, what = FILMS[kind]
    source = make_video(tmp_path / f"a{suffix}", **({"frames": 16} | what))
    out = joined(source, tmp_path / f"b{suffix}", preset="veryfast")
    whole = sunk(source, tmp_path / f"c{suffix}", preset="veryfast")
    one, other = list(VideoSource(out)), list(VideoSource(source))
    assert [frame.time for frame in one] == [frame.time for frame in other]
    assert described(out) == described(whole)
    for a, b in zip(one, other, strict=True):
        assert np.abs(a.image.astype(int) - b.image).mean() < 5
    assert VideoSource(out).timetable().pts.tolist() == [frame.pts for frame in one]


@pytest.mark.parametrize("kind", FILMS)
@pytest.mark.ffprobe
def test_players_find_nothing_wrong_with_it(tmp_path, kind):
    suffix, what = FILMS[kind]
    source = make_video(tmp_path / f"a{suffix}", **({"frames": 16} | what))
    out = joined(source, tmp_path / f"b{suffix}", preset="veryfast")
    program = str(Path(ffprobe.found() or "").with_name("ffmpeg"))
    call = [program, "-v", "error", "-xerror", "-i", str(out), "-f", "null", "-"]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("kind", ["H.264", "NTSC", "FFV1", "VP9", "late start"])
def test_one_run_makes_the_very_file_that_the_sink_writes(tmp_path, kind):
    suffix, what = FILMS[kind]
    source = make_video(tmp_path / f"a{suffix}", **({"frames": 16} | what))
    out = joined(source, tmp_path / f"b{suffix}", (0,))
    assert out.read_bytes() == sunk(source, tmp_path / f"c{suffix}").read_bytes()


def test_what_is_written_does_not_depend_on_who_encoded(tmp_path):
    source = make_video(tmp_path / "a.mp4", frames=16)
    for name in "xy":
        (tmp_path / name).mkdir()
    one, other = (joined(source, tmp_path / name / "b.mp4") for name in "xy")
    assert one.read_bytes() == other.read_bytes()


def test_packets_of_runs_are_written_as_they_are(tmp_path):
    source = make_video(tmp_path / "a.mkv", frames=16, codec="ffv1", options={})
    pieces = runs_of(source, tmp_path / "b.mkv")
    out = joined(source, tmp_path / "b.mkv")
    with av.open(str(out)) as file:
        written = [bytes(packet) for packet in file.demux(video=0) if packet.size]
    assert written == [coded.content for run in pieces for coded in run]


def test_sound_is_there_to_the_end(tmp_path):
    source = make_video(tmp_path / "a.mp4", frames=16, audio="aac")
    out = joined(source, tmp_path / "b.mp4")
    sound = []
    for path in (source, out):
        with av.open(str(path)) as file:
            sound.append([bytes(packet) for packet in file.demux(audio=0)])
    assert sound[0] == sound[1]


def test_parts_of_different_settings_are_not_joined(tmp_path):
    source = make_video(tmp_path / "a.mp4", frames=16)
    info, out = VideoSource(source).info, tmp_path / "b.mp4"
    one = runs_of(source, out, preset="ultrafast")[:1]
    other = runs_of(source, out, preset="medium")[1:]
    with pytest.raises(UnwritableOutput, match="its 4 parts were encoded in different ways"):
        join(out, source, info, encoding_for(out, info), [*one, *other])
    assert not out.exists()


@pytest.mark.parametrize("which", [[0, 2, 1, 3], [0, 1, 1, 2, 3]])
def test_parts_out_of_order_are_not_joined(tmp_path, which):
    source = make_video(tmp_path / "a.mp4", frames=16)
    info, out = VideoSource(source).info, tmp_path / "b.mp4"
    pieces = runs_of(source, out)
    with pytest.raises(ValueError, match=r"overlap in time|share a time"):
        join(out, source, info, encoding_for(out, info), [pieces[number] for number in which])
    assert not out.exists()


def harm(path: Path, kind: str) -> None:
    content = path.read_bytes()
    harmed = {
        "empty": b"",
        "cut": content[:-1],
        "table cut": content[: len(content) // 2],
        "lost bytes": content[10:],
        "other": b"x" * 100,
        "other format": content.replace(b"veilframe-run-1", b"veilframe-run-9"),
    }
    path.write_bytes(harmed[kind])


@pytest.mark.parametrize(
    "kind", ["empty", "cut", "table cut", "lost bytes", "other", "other format", "missing"]
)
def test_run_that_is_not_whole_is_refused(tmp_path, kind):
    source = make_video(tmp_path / "a.mp4", frames=3)
    runs_of(source, tmp_path / "b.mp4", (0,))
    path = tmp_path / "run0"
    path.unlink() if kind == "missing" else harm(path, kind)
    with pytest.raises(UnwritableOutput, match="is not a whole run of frames; make it again"):
        Run(path)


def test_run_of_no_frames(tmp_path):
    film = VideoSource(make_video(tmp_path / "a.mp4", frames=3))
    encoding = encoding_for(tmp_path / "b.mp4", film.info)
    with pytest.raises(ValueError, match="at least one frame"):
        write_run(tmp_path / "run", [], film.info, encoding)
    with pytest.raises(UnwritableOutput, match="not a whole run"):
        Run(tmp_path / "run")


def test_folder_that_does_not_exist(tmp_path):
    film = VideoSource(make_video(tmp_path / "a.mp4", frames=3))
    encoding = encoding_for(tmp_path / "b.mp4", film.info)
    with pytest.raises(UnwritableOutput, match="folder does not exist"):
        write_run(tmp_path / "none" / "run", film, film.info, encoding)


@pytest.mark.parametrize(
    ("pieces", "times"),
    [
        ([[0, 1, 2, 3]], [0, 1, 2, 3]),
        ([[0, 3, 1, 2]], [-1, 0, 1, 2]),
        ([[0, 4, 2, 1, 3]], [-2, -1, 0, 1, 2]),
        ([[5, 6], [7, 30, 20, 10], [31]], [3, 4, 5, 6, 7, 10, 20]),
        ([[9]], [9]),
    ],
)
def test_times_of_decoding(pieces, times):
    pieces = [np.array(piece) for piece in pieces]
    got = decoding_times(pieces)
    assert (got <= np.concatenate(pieces)).all()
    assert (np.diff(got) > 0).all()
    assert got.tolist() == times
