from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from anonymizer.errors import DamagedVideo
from anonymizer.video import nals
from anonymizer.video.source import VideoSource
from anonymizer.video.timetable import Indivisible, _Listing, _table
from tests.films import blank, make_video, truncate
from tests.media import VP9

SHORT = {"preset": "veryfast", "g": "7", "keyint_min": "1", "sc_threshold": "0", "threads": "1"}
OPEN = SHORT | {"bf": "2", "x264-params": "open-gop=1:keyint=7:min-keyint=1:scenecut=0"}
X265 = "log-level=none:keyint=7:min-keyint=1:pools=1:frame-threads=1:open-gop="
SVT = {"preset": "12", "g": "8", "svtav1-params": "lp=1"}
MPEG2 = {"codec": "mpeg2video", "options": {"g": "6", "bf": "2"}, "rate": 30}
VFR = [0, 7, 8, 1001, 1500, 2003, 2010, 2020, 2030, 4000, 4100, 5000, 5003, 5009, 5020, 6000]

ZOO: dict[str, tuple[str, dict[str, Any]]] = {
    "closed groups": (".mp4", {"options": SHORT | {"bf": "2"}}),
    "open groups": (".mp4", {"options": OPEN}),
    "open groups, MPEG-TS": (".ts", {"options": OPEN, "rate": 30}),
    "open groups, Matroska": (".mkv", {"options": OPEN}),
    "variable rate": (".mp4", {"options": OPEN, "pts": VFR, "time_base": Fraction(1, 90_000)}),
    "late start": (".mkv", {"options": OPEN, "pts": range(500, 1300, 40), "rate": 1000}),
    "hidden beginning": (
        ".mp4",
        {
            "pts": range(-5, 20),
            "options": SHORT,
            "container_options": {"avoid_negative_ts": "disabled"},
        },
    ),
    "AVI": (".avi", {"codec": "mpeg4", "options": {"g": "5", "threads": "1"}}),
    "AVI, reordered": (".avi", {"codec": "mpeg4", "options": {"g": "5", "bf": "2"}}),
    "MPEG-2, reordered": (".ts", MPEG2),
    "HEVC": (".mp4", {"codec": "libx265", "options": {"x265-params": X265 + "0"}}),
    "HEVC, open groups": (".mkv", {"codec": "libx265", "options": {"x265-params": X265 + "1"}}),
    "VP9": (".webm", VP9 | {"options": VP9["options"] | {"g": "6"}}),
    "AV1": (".mp4", {"codec": "libsvtav1", "options": SVT}),
    "ProRes": (".mov", {"codec": "prores_ks", "pixel_format": "yuv422p10le", "options": {}}),
    "FFV1": (".mkv", {"codec": "ffv1", "options": {"g": "5"}}),
    "turned": (".mp4", {"options": SHORT, "rotation": 90}),
    "one frame": (".mp4", {"frames": 1}),
}  # fmt: skip


def cut_anywhere(count: int) -> list[range]:
    """Ranges that join to all frames, of many lengths, with borders at odd places."""
    borders = sorted({0, count, *(at for at in (1, 4, 7, 8, 13, 17, 20) if at < count)})
    return [range(*pair) for pair in pairwise(borders)]


@pytest.mark.parametrize("kind", ZOO)
def test_parts_joined_are_the_film(tmp_path, kind):
    suffix, what = ZOO[kind]
    frames = len(what["pts"]) if "pts" in what else 25
    path = make_video(tmp_path / f"a{suffix}", **({"frames": frames} | what))
    film = VideoSource(path)
    whole = list(film)
    ranges = cut_anywhere(len(whole))
    parts = [frame for part in ranges for frame in film.part(part)]
    assert [frame.index for frame in parts] == list(range(len(whole)))
    assert [frame.pts for frame in parts] == [frame.pts for frame in whole]
    assert film.timetable().pts.tolist() == [frame.pts for frame in whole]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(parts, whole, strict=True))
    assert all((a.native is None) == (b.native is None) for a, b in zip(parts, whole, strict=True))
    assert list(film.timetable().warnings) == film.warnings


@pytest.mark.parametrize("kind", [kind for kind in ZOO if kind != "one frame"])
def test_there_is_more_than_one_place_to_begin(tmp_path, kind):
    suffix, what = ZOO[kind]
    path = make_video(tmp_path / f"a{suffix}", **({"frames": 25} | what))
    assert len(VideoSource(path).timetable().entries) > 1


def repeated(folder: Path) -> Path:
    """Matroska with two pictures at one time."""
    path = make_video(folder / "a.mkv", codec="ffv1", pixel_format="bgr0", options={}, frames=9)
    with av.open(str(path)) as file:
        places = [packet.pos or 0 for packet in file.demux(video=0) if packet.size]
    content = bytearray(path.read_bytes())
    place = content.index(b"\x81", places[4])  # behind the track comes the time
    content[place + 1 : place + 3] = (120).to_bytes(2, "big")
    path.write_bytes(content)
    return path


def transparent(folder: Path) -> Path:
    return make_video(
        folder / "a.webm",
        pixel_format="yuva420p",
        codec=VP9["codec"],
        options=VP9["options"] | {"auto-alt-ref": "0"},
    )


def untimed(folder: Path) -> Path:
    return make_video(folder / "a.h264", options=SHORT | {"bf": "2"}, frames=20)


def rare(folder: Path) -> Path:
    return make_video(folder / "a.avi", codec="huffyuv", pixel_format="yuv422p", options={})


def beheaded(folder: Path) -> Path:
    """A recording that begins between two key frames."""
    path = make_video(folder / "b.ts", options=SHORT, frames=20, rate=30)
    with av.open(str(path)) as file, av.open(str(folder / "a.ts"), "w") as cut:
        stream = cut.add_stream_from_template(file.streams.video[0], opaque=True)
        for packet in [packet for packet in file.demux(video=0) if packet.size][3:]:
            packet.stream = stream
            cut.mux(packet)
    return folder / "a.ts"


REFUSED = {
    "times that repeat": (repeated, "frames share a time"),
    "transparency": (transparent, "its transparency is a film of its own"),
    "packets without times": (untimed, "does not say when it is shown"),
    "unknown codec": (rare, "nothing is known of where decoding of huffyuv can begin"),
    "no key frame first": (beheaded, "does not begin with a key frame"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_where_packets_do_not_tell_the_film_is_indivisible(tmp_path, kind):
    make, reason = REFUSED[kind]
    film = VideoSource(make(tmp_path))
    with pytest.raises(Indivisible, match=reason):
        film.part(range(1))


def test_end_that_is_cut_off_is_told_as_ever(tmp_path):
    path = make_video(tmp_path / "a.mp4", frames=60, container_options={"movflags": "+faststart"})
    film = VideoSource(truncate(path, 0.7))
    with pytest.raises((DamagedVideo, Indivisible), match=r"cut off|damaged"):
        film.timetable()


def test_damage_in_a_part_is_not_passed_over(tmp_path):
    path = make_video(tmp_path / "a.mov", codec="png", pixel_format="rgb24", options={}, frames=20)
    film = VideoSource(blank(path, [5]))
    assert len(list(film.part(range(5)))) == 5
    with pytest.raises(Indivisible, match="it is damaged"):
        list(film.part(range(3, 8)))


def test_pictures_that_never_come_are_missed(tmp_path):
    path = make_video(tmp_path / "a.mp4", frames=20, options=SHORT)
    film = VideoSource(blank(path, [9, 10]))
    with pytest.raises(Indivisible):
        list(film.part(range(8, 20)))


def doctored(path: Path, **changes: Any) -> VideoSource:
    """A film whose timetable is not that of its packets."""
    film = VideoSource(make_video(path, frames=20, options=SHORT))
    film._table = replace(film.timetable(), **changes)
    return film


def test_pictures_at_other_times_than_packets_say_are_not_taken_for_them(tmp_path):
    pts = VideoSource(make_video(tmp_path / "b.mp4", frames=20, options=SHORT)).timetable().pts
    film = doctored(tmp_path / "a.mp4", pts=pts + (np.arange(20) == 9))
    assert len(list(film.part(range(7, 9)))) == 2
    with pytest.raises(Indivisible, match="frame 9 is shown at another time"):
        list(film.part(range(7, 12)))
    film = doctored(tmp_path / "a.mp4", pts=np.append(pts, pts[-1] + 9))
    with pytest.raises(Indivisible, match="no picture comes for frame 20"):
        list(film.part(range(18, 21)))


def test_pictures_before_the_entry_are_left_to_the_part_before(tmp_path):
    film = doctored(tmp_path / "a.mp4", entries=np.array([0, 3]), packets=np.array([0, 0]))
    assert [frame.index for frame in film.part(range(4, 6))] == [4, 5]


@pytest.mark.parametrize(
    ("pts", "entries", "reason"),
    [
        ([], [], "it has no frame"),
        ([0, 1, 2, 3], [(0, 0), (3, 1), (2, 2)], "key frames are out of order"),
    ],
)
def test_packets_that_make_no_timetable(pts, entries, reason):
    with pytest.raises(Indivisible, match=reason):
        _table(_Listing(pts, entries))


def test_interlaced_pictures_are_not_read_in_parts(tmp_path):
    options = {"preset": "ultrafast", "x264-params": "interlaced=1:tff=1"}
    path = make_video(tmp_path / "a.mp4", size=(64, 64), options=options)
    with pytest.raises(Indivisible, match="interlaced"):
        list(VideoSource(path).part(range(2, 4)))


@pytest.mark.parametrize("frames", [range(0), range(3, 3), range(-1, 2), range(5, 11)])
def test_frames_that_are_not_there(tmp_path, frames):
    film = VideoSource(make_video(tmp_path / "a.mp4"))
    with pytest.raises(ValueError, match="of 10"):
        film.part(frames)


def test_a_part_can_be_read_again_and_left_early(tmp_path):
    film = VideoSource(make_video(tmp_path / "a.mp4", frames=20, options=SHORT))
    part = film.part(range(9, 15))
    assert part.info == film.info
    assert [frame.index for frame in part] == [frame.index for frame in part] == [*range(9, 15)]
    first = iter(part)
    assert next(first).index == 9
    first.close()  # type: ignore[attr-defined]  # a generator


def test_warnings_are_known_without_decoding(tmp_path):
    path = make_video(tmp_path / "a.mp4", pts=[*range(30), *range(60, 90)], options=SHORT)
    film = VideoSource(path)
    assert film.warnings == []
    film.timetable()
    told = film.warnings
    list(film)
    assert told == film.warnings
    assert "no new picture" in told[0]


IDR, SLICE, HEVC_IDR, HEVC_SLICE = b"\x65abc", b"\x41abc", b"\x26\1abc", b"\x02\1abc"
RECOVERY, INEXACT, SLOW = b"\x06\x06\1\xc4\x80", b"\x06\x06\1\x84\x80", b"\x06\x06\1\x50\x80"


def counted(*units: bytes) -> bytes:
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)


def marked(*units: bytes) -> bytes:
    return b"".join(b"\0\0\0\1" + unit for unit in units)


@pytest.mark.parametrize(
    ("codec", "units", "entry"),
    [
        ("h264", [IDR], True),
        ("h264", [b"\x09\x10", b"\x67s", b"\x68p", IDR, IDR], True),
        ("h264", [SLICE], False),
        ("h264", [RECOVERY, SLICE], True),
        ("h264", [INEXACT, SLICE], False),
        ("h264", [SLOW, SLICE], False),
        ("h264", [b"\x06\xff\x06\1x\x80", SLICE], False),
        ("h264", [b"\x06\5\3abc\6\1\xc4\x80", SLICE], True),
        ("h264", [b"\x06\5\xff\xff", SLICE], False),
        ("hevc", [b"\x40\1v", HEVC_IDR], True),
        ("hevc", [HEVC_SLICE, HEVC_IDR], False),
        ("hevc", [b"\x40\1v"], False),
    ],
)
def test_where_decoding_can_begin(codec, units, entry):
    assert nals.is_entry(codec, counted(*units), 4) is entry
    assert nals.is_entry(codec, marked(*units), 0) is entry
    assert nals.units(marked(*units), 0) == nals.units(counted(*units), 4) == units


@pytest.mark.parametrize("packet", [b"\0\0\0\x09abc", b"\0\0\0\0\0\0\0\1a", b"\0\0\1"])
def test_lengths_that_do_not_fit_are_no_entry(packet):
    with pytest.raises(ValueError, match="ends beyond a packet of"):
        nals.units(packet, 4)
    assert not nals.is_entry("h264", packet, 4)


def test_how_units_are_parted_is_said_by_the_container():
    avcc = b"\x01\x64\0\x1f\xfd\xe1"
    assert nals.length_size("h264", avcc) == 2
    assert nals.length_size("hevc", b"\x01" + bytes(20) + b"\xff\0") == 4
    for told in (None, b"", b"\0\0\0\1\x67abc", b"\x01\x64"):
        assert nals.length_size("h264", told) == 0
