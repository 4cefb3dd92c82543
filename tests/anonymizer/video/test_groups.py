from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from anonymizer.video import avc, nals
from anonymizer.video.configuration import Configuration
from anonymizer.video.encoding import encoding_for
from anonymizer.video.groups import Groups, groups_of, matching
from anonymizer.video.h264 import Bits, Look, Sps, Unusual, sps_of
from anonymizer.video.source import VideoSource
from anonymizer.video.timetable import Indivisible
from tests.films import make_video

X264 = {"preset": "veryfast", "threads": "1", "g": "5", "keyint_min": "5", "bf": "2"}


def film(path: Path, **what: Any) -> Path:
    usual: dict[str, Any] = {"frames": 20, "options": X264}
    return make_video(path, **usual | what)


def extradata(path: Path) -> bytes:
    with av.open(str(path)) as file:
        return file.streams.video[0].codec_context.extradata or b""


def described(path: Path) -> Sps:
    return sps_of(Configuration.read(extradata(path)).sps[0])


def found(path: Path) -> Groups:
    return groups_of(path, VideoSource(path).timetable())


# Parameter sets


@pytest.mark.parametrize(
    ("what", "look"),
    [
        ({}, Look(1, (8, 8), (4, 3), (0, 0, 0, 0), (0, 0), False, (2, 2, 2), 0)),
        (
            {"pixel_format": "yuv422p10le", "size": (62, 46)},
            Look(2, (10, 10), (4, 3), (0, 1, 0, 2), (0, 0), False, (2, 2, 2), 0),
        ),
        (
            {"colour": (9, 16, 9, 2), "pixel_format": "yuv444p"},
            Look(3, (8, 8), (4, 3), (0, 0, 0, 0), (0, 0), True, (9, 16, 9), 0),
        ),
        (
            {"options": X264 | {"x264-params": "sar=40/33:chromaloc=2"}},
            Look(1, (8, 8), (4, 3), (0, 0, 0, 0), (40, 33), False, (2, 2, 2), 2),
        ),
        (
            {"options": X264 | {"x264-params": "sar=7/5"}},
            Look(1, (8, 8), (4, 3), (0, 0, 0, 0), (7, 5), False, (2, 2, 2), 0),
        ),
    ],
)
def test_looks_are_read(tmp_path, what, look):
    assert described(film(tmp_path / "a.mp4", **what)).look == look


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, {"profile": 100, "number": 0, "order_type": 0, "reorder": 2, "held": 4}),
        ({"bf": "0"}, {"reorder": 0, "order_type": 2}),
        ({"profile": "baseline"}, {"profile": 66, "reorder": 0}),
        ({"profile": "main"}, {"profile": 77, "interlaced": False}),
        ({"x264-params": "sps-id=7"}, {"number": 7}),
        ({"x264-params": "interlaced=1"}, {"interlaced": True}),
        (
            {"x264-params": "nal-hrd=vbr:vbv-bufsize=900:vbv-maxrate=900:pic-struct=1"},
            {"pictures_timed": True, "reorder": 2},
        ),
        ({"x264-params": "pic-struct=1"}, {"pictures_timed": True, "delays": None}),
    ],
)
def test_the_rest_is_read(tmp_path, options, told):
    sps = described(film(tmp_path / "a.mp4", options=X264 | options))
    assert {name: getattr(sps, name) for name in told} == told
    assert (sps.delays is not None) == ("hrd" in options.get("x264-params", ""))


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_the_box_is_written_as_others_write_it(tmp_path, name):
    path = film(tmp_path / name)
    told = Configuration.read(extradata(path))
    assert told.box() == extradata(path)
    assert told.numbers == {0}
    assert Configuration.read(b"".join(b"\0\0\1" + unit for unit in told.sps + told.pps)) == told


def test_a_box_for_two_streams_promises_what_the_greater_needs(tmp_path):
    low = film(tmp_path / "a.mp4", options=X264 | {"profile": "baseline", "level": "4.0"})
    high = film(tmp_path / "b.mp4", options=X264 | {"x264-params": "sps-id=3", "level": "3.0"})
    one, other = (Configuration.read(extradata(path)) for path in (low, high))
    both = Configuration(one.sps + other.sps, one.pps + other.pps)
    box = both.box()
    assert (box[1], box[3]) == (100, 40)
    assert Configuration.read(box) == both
    assert both.numbers == {0, 3}
    alone = Configuration(one.sps, one.pps).box()
    assert alone == extradata(low)
    assert Configuration(one.sps * 2, one.pps).box()[2] == alone[2]


@pytest.mark.parametrize("box", [b"\1\x64\0\x0a\xff", b"\1\x64\0\x0a\xff\xe1\0\x09abc"])
def test_a_box_that_ends_too_early_is_not_read(box):
    with pytest.raises(Unusual, match="ends too early"):
        Configuration.read(box)


@pytest.mark.parametrize(
    ("unit", "message"),
    [
        (b"\x67\x64", "ends too early"),
        (b"\x67\x64\0\x0a", "ends too early"),
        (b"\x67\x42\0\x0a\xff", "ends too early"),
        (b"\x68\x64\0\x0a\xff\xff", "ends too early"),
        (b"\x67\xf4\0\x0a" + bytes([0b10010011, 0xFF]), "colours are coded apart"),
        (b"\x67\x64\0\x0a" + bytes([0b10101101, 0xFF]), "lists for scaling"),
    ],
)
def test_what_is_unusual_is_not_guessed(unit, message):
    with pytest.raises(Unusual, match=message):
        sps_of(unit)


def test_numbers_of_variable_length():
    bits = Bits(bytes([0b1_010_011_0, 0b0100_01_00]))
    assert [bits.unsigned() for _ in range(4)] == [0, 1, 2, 3]
    assert bits(2) == 1
    assert [Bits(bytes([code])).signed() for code in (0b10000000, 0b01000000, 0b01100000)] == [
        0,
        1,
        -1,
    ]


def test_order_type_one_is_read():
    # profile 66, number 0, 4 bits of frame numbers, order 1 with one offset, 1 reference, 4x3
    words = "1" + "1" + "010" + "0" + "1" + "1" + "010" + "1" + "010" + "0" + "00100" + "011"
    words += "1" + "0" + "0" + "0" + "1"
    content = int(words.ljust(-(-len(words) // 8) * 8, "0"), 2).to_bytes(-(-len(words) // 8), "big")
    sps = sps_of(b"\x67\x42\0\x0a" + content)
    assert (sps.order_type, sps.references, sps.look.size) == (1, 1, (4, 3))


# Groups


def test_groups_are_closed_and_join(tmp_path):
    told = found(film(tmp_path / "a.mp4"))
    assert [(group.frames.start, group.frames.stop) for group in told.groups] == [
        (0, 5), (5, 10), (10, 15), (15, 20),
    ]  # fmt: skip
    assert all(group.plain for group in told.groups)
    assert sorted(told.pts.tolist()) == VideoSource(tmp_path / "a.mp4").timetable().pts.tolist()


def test_open_groups_are_parts_of_closed_ones(tmp_path):
    options = X264 | {"x264-params": "open-gop=1:keyint=5:min-keyint=1:scenecut=0"}
    told = found(film(tmp_path / "a.mp4", options=options))
    assert [len(group.frames) for group in told.groups] == [20]


def rewritten(source: Path, target: Path, change: Callable[[int, bytes], bytes]) -> Path:
    """A copy of a film whose packets are changed by their numbers."""
    with av.open(str(source)) as before, av.open(str(target), "w") as after:
        stream = after.add_stream_from_template(before.streams.video[0], opaque=True)
        for number, packet in enumerate(one for one in before.demux(video=0) if one.size):
            copy: Any = av.Packet(change(number, bytes(packet)))
            copy.stream, copy.time_base = stream, packet.time_base
            copy.pts, copy.dts, copy.duration = packet.pts, packet.dts, packet.duration
            copy.is_keyframe = packet.is_keyframe
            after.mux(copy)
    return target


def counted(*units: bytes) -> bytes:
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)


def message(kind: int, content: bytes) -> bytes:
    return bytes([6, kind, len(content)]) + content + b"\x80"


PLACE = message(5, b"\x17" * 16 + b"+51.5-000.1")
ADDED: dict[str, tuple[bytes, bool]] = {
    "where it was": (PLACE, False),
    "captions": (message(4, b"\xb5\0\x31GA94"), False),
    "both in one": (message(1, b"")[:-1] + PLACE[1:], False),
    "of nobody": (message(200, b"abc"), False),
    "second view": (b"\x74abc", False),
    "other units": (b"\x13abc", False),
    "unit for itself": (b"\x18abc", False),
    "words as filling": (b"\x0chidden\x80", False),
    "filling": (b"\x0c\xff\xff\xff\x80", True),
    "x264": (message(5, bytes.fromhex("dc45e9bde6d948b7962cd820d923eeef") + b"x264"), True),
    "brightness": (message(144, b"\0\1\0\1"), True),
    "mark": (b"\x09\x10", True),
    "timing": (message(1, b"\x12"), True),
}


@pytest.mark.parametrize("kind", ADDED)
def test_packets_that_hold_more_than_pictures_are_not_copied(tmp_path, kind):
    unit, plain = ADDED[kind]
    source = film(tmp_path / "a.mp4")
    added = rewritten(
        source, tmp_path / "b.mp4", lambda n, packet: counted(unit) * (n == 7) + packet
    )
    assert [group.plain for group in found(added).groups] == [True, plain, True, True]


@pytest.mark.parametrize(
    ("shown", "tells"),
    [("0000" + "0", False), ("0000" + "1", True), ("0011" + "00", False), ("0011" + "01", True),
     ("1000" + "000", False), ("1000" + "001", True), ("1001" + "0", True), ("00", True)],
)  # fmt: skip
@pytest.mark.parametrize("delays", [None, (10, 7)])
def test_times_of_a_clock_are_not_copied(tmp_path, shown, tells, delays):
    more = "nal-hrd=vbr:vbv-bufsize=900:vbv-maxrate=900:" * bool(delays)
    options = X264 | {"x264-params": f"{more}pic-struct=1"}
    source = film(tmp_path / "a.mp4", options=options)
    lengths = described(source).delays or ()
    bits = "1" * sum(lengths) + shown
    content = int(bits.ljust(-(-len(bits) // 8) * 8, "1" if tells else "0"), 2)
    told = message(1, content.to_bytes(-(-len(bits) // 8), "big"))
    if len(bits) < 5 and tells:
        told = message(1, b"")
    added = rewritten(
        source, tmp_path / "b.mp4", lambda n, packet: counted(told) * (n == 7) + packet
    )
    plain = [group.plain for group in found(added).groups]
    assert (plain[1], plain[0]) == (not tells, True)


def test_parameter_sets_that_are_known_may_come_again(tmp_path):
    source = film(tmp_path / "a.mp4")
    known = Configuration.read(extradata(source))
    again = rewritten(
        source,
        tmp_path / "b.mp4",
        lambda n, packet: counted(*known.sps, *known.pps) * (n == 5) + packet,
    )
    assert all(group.plain for group in found(again).groups)
    changed = rewritten(
        source,
        tmp_path / "c.mp4",
        lambda n, packet: counted(known.sps[0][:-1] + b"\x77") * (n == 5) + packet,
    )
    with pytest.raises(Indivisible, match="parameter sets change inside"):
        found(changed)


def test_damaged_packets_are_not_copied(tmp_path):
    source = film(tmp_path / "a.mp4")
    broken = rewritten(
        source, tmp_path / "b.mp4", lambda n, packet: packet[:-1] if n == 7 else packet
    )
    with pytest.raises(Indivisible, match="packets are damaged"):
        groups_of(broken, VideoSource(source).timetable())


def test_a_table_of_another_film_fits_no_groups(tmp_path):
    source = film(tmp_path / "a.mp4")
    other = film(tmp_path / "b.mp4", frames=19)
    with pytest.raises(Indivisible, match="does not begin with a whole group"):
        groups_of(source, VideoSource(other).timetable())
    late = film(tmp_path / "c.mp4", pts=range(3, 23))
    with pytest.raises(Indivisible, match="overlap in time"):
        groups_of(source, VideoSource(late).timetable())


def test_streams_that_do_not_say_how_far_they_reorder(tmp_path):
    sps = described(film(tmp_path / "a.mp4"))
    silent = replace(sps, reorder=None)
    assert avc._reorder(sps, np.array([0, 2, 1])) == 2
    assert avc._reorder(silent, np.array([0, 1, 2])) == 0
    assert avc._reorder(replace(silent, order_type=2), np.array([0, 2, 1])) == 0
    with pytest.raises(Unusual, match="does not say how far"):
        avc._reorder(silent, np.array([0, 2, 1]))


# Encoders


def matched(source: Path, out: Path, **options: Any) -> dict[str, str]:
    info = VideoSource(source).info
    encoding = matching(encoding_for(out, info, **options), info, found(source))
    return dict(part.split("=") for part in encoding.options["x264-params"].split(":"))


@pytest.mark.parametrize(
    ("options", "wishes"),
    [
        ({}, {"sps-id": "1", "dpb-size": "4"}),
        ({"x264-params": "sps-id=1"}, {"sps-id": "0", "dpb-size": "4"}),
        (
            {"bf": "0", "refs": "1"},
            {"sps-id": "1", "bframes": "0", "ref": "1", "dpb-size": "1"},
        ),
        (
            {"x264-params": "b-pyramid=none"},
            {"sps-id": "1", "b-pyramid": "none", "dpb-size": "2", "ref": "2"},
        ),
    ],
)
def test_our_encoder_is_told_to_write_what_fits(tmp_path, options, wishes):
    source = film(tmp_path / "a.mp4", options=X264 | options)
    asked = matched(source, tmp_path / "b.mp4")
    assert asked == {"mbtree": "0"} | wishes


def test_pictures_that_look_otherwise_do_not_fit(tmp_path):
    source = film(tmp_path / "a.mp4", options=X264 | {"x264-params": "sar=40/33"})
    other = film(tmp_path / "b.mp4")
    info = VideoSource(other).info
    with pytest.raises(Indivisible, match="described otherwise"):
        matching(encoding_for(other, info), info, found(source))


def test_encoders_that_cannot_be_told_do_not_fit(tmp_path):
    source = film(tmp_path / "a.mp4")
    info = VideoSource(source).info
    encoding = encoding_for(source, info)
    broken = replace(encoding, options=encoding.options | {"preset": "none"})
    with pytest.raises(Indivisible, match="our encoder cannot write"):
        matching(broken, info, found(source))


def test_streams_that_have_used_up_all_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(avc, "_NUMBERS", 1)
    with pytest.raises(Indivisible, match="no number for another"):
        matched(film(tmp_path / "a.mp4"), tmp_path / "b.mp4")


def test_units_are_parted_as_packets_say():
    assert nals.units(counted(b"\x65a", b"\x41b"), 4) == [b"\x65a", b"\x41b"]
