"""HEVC's parameter sets are read, renumbered and boxed as others read and box them."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anonymizer.video import hevc, hvc, nals
from anonymizer.video.encoding import encoding_for
from anonymizer.video.groups import groups_of, matching
from anonymizer.video.h264 import Look, Unusual
from anonymizer.video.hevc import PPS, PPS_NUMBERS, SPS, VPS, Numbers, number_of, sps_of
from anonymizer.video.hvc import Hvc, box, units_of
from anonymizer.video.source import VideoSource
from anonymizer.video.timetable import Indivisible
from tests.anonymizer.video.test_groups import counted, extradata, rewritten
from tests.films import make_video

CLOSED = "log-level=none:open-gop=0:keyint=5:min-keyint=5"


def film(path: Path, more: str = "", **what: Any) -> Path:
    usual: dict[str, Any] = {"codec": "libx265", "frames": 20, "size": (64, 48)}
    return make_video(path, **usual | {"options": {"x265-params": f"{CLOSED}{more}"}} | what)


def sets(path: Path) -> dict[int, bytes]:
    return {hevc.kind(unit): unit for unit in units_of(extradata(path))}


@pytest.mark.parametrize(
    ("more", "what", "look", "reorder"),
    [
        ("", {}, Look(1, (8, 8), (64, 48), (0, 0, 0, 0), (0, 0), False, (2, 2, 2), 0), 2),
        (
            ":bframes=0:ctu=16",
            {"pixel_format": "yuv422p10le", "size": (62, 46)},
            Look(2, (10, 10), (64, 48), (0, 1, 0, 2), (0, 0), False, (2, 2, 2), 0),
            0,
        ),
        (
            ":b-pyramid=0:chromaloc=2",
            {"colour": (9, 16, 9, 2), "aspect": Fraction(4, 3)},
            Look(1, (8, 8), (64, 48), (0, 0, 0, 0), (4, 3), True, (9, 16, 9), 2),
            1,
        ),
        (
            ":bframes=8:ref=6:hrd=1:vbv-bufsize=900:vbv-maxrate=900:scenecut=0",
            {"pixel_format": "yuv444p12le"},
            Look(3, (12, 12), (64, 48), (0, 0, 0, 0), (0, 0), False, (2, 2, 2), 0),
            2,
        ),
        (
            ":temporal-layers=2",
            {"pixel_format": "gray"},
            Look(0, (8, 8), (64, 48), (0, 0, 0, 0), (0, 0), False, (2, 2, 2), 0),
            2,
        ),
    ],
)
def test_looks_are_read(tmp_path, more, what, look, reorder):
    sps = sps_of(sets(film(tmp_path / "a.mp4", more, **what))[SPS])
    assert (sps.look, sps.reorder, sps.number, sps.fields) == (look, reorder, 0, False)


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le", "yuv444p12le", "gray"])
def test_the_box_is_written_as_others_write_it(tmp_path, pixel_format):
    told = extradata(film(tmp_path / "a.mp4", pixel_format=pixel_format))
    units = units_of(told)
    first, rest = units[:3], units[3:]
    mine = box(first, rest)
    assert units_of(mine) == units
    assert mine[:23] == told[:23]
    with av.open(str(tmp_path / "a.mp4")) as file:
        assert [stream.codec_context.name for stream in file.streams] == ["hevc"]


def test_a_box_for_two_streams_promises_what_the_greater_needs(tmp_path):
    low = sets(film(tmp_path / "a.mp4"))
    high = sets(film(tmp_path / "b.mp4", size=(640, 480)))
    both = box([low[SPS], high[SPS]], [])
    assert both[12] == max(sps_of(each[SPS]).level for each in (low, high)) > sps_of(low[SPS]).level


@pytest.mark.parametrize("content", [b"\1" * 23, b"\1" * 23 + b"\xa1\0\1\0\x09abc"])
def test_a_box_that_says_too_little_is_not_read(content):
    with pytest.raises(Unusual, match=r"ends too early|does not say"):
        Hvc(content)


def test_a_set_that_ends_too_early_is_not_read(tmp_path):
    sps = sets(film(tmp_path / "a.mp4"))[SPS]
    for end in range(2, 20):
        with pytest.raises(Unusual, match="ends too early"):
            sps_of(sps[:end])


# Numbers


@pytest.mark.parametrize("pps", PPS_NUMBERS)
@pytest.mark.parametrize("number", [1, 5, 15])
def test_sets_get_other_numbers_and_say_the_same(tmp_path, pps, number):
    before = sets(film(tmp_path / "a.mp4", ":hrd=1:vbv-bufsize=900:vbv-maxrate=900"))
    after = {kind: Numbers(number, number, pps).given_to(unit) for kind, unit in before.items()}
    assert [number_of(after[kind]) for kind in (VPS, SPS, PPS)] == [number, number, pps]
    bits = {kind: _bits(unit) for kind, unit in after.items()}
    assert int(bits[SPS][:4], 2) == number  # the set of layers that it belongs to
    assert bits[VPS][4:] == _bits(before[VPS])[4:]
    assert _rest(bits[PPS], 2) == _rest(_bits(before[PPS]), 2)
    assert _rest(bits[SPS][104:], 1) == _rest(_bits(before[SPS])[104:], 1)


def _bits(unit: bytes) -> str:
    content = nals.unescaped(unit[2:])
    return f"{int.from_bytes(content, 'big'):0{8 * len(content)}b}".rstrip("0")


def _rest(bits: str, numbers: int) -> str:
    """What follows numbers of variable length."""
    for _ in range(numbers):
        zeros = len(bits) - len(bits.lstrip("0"))
        bits = bits[2 * zeros + 1 :]
    return bits


@given(st.binary(max_size=40), st.sampled_from([1, 19, 20, 21, 0]), st.sampled_from(PPS_NUMBERS))
def test_slices_get_longer_by_a_byte_and_need_no_new_escapes(rest, kind, pps):
    first = 0b10110000 if kind >= 16 else 0b11000000
    unit = nals.escaped(bytes([kind << 1, 1, first]) + rest)
    longer = Numbers(1, 1, pps).given_to(unit)
    assert len(longer) == len(unit) + 1
    assert longer == nals.escaped(nals.unescaped(longer))
    before, after = _bits(unit + b"\x80"), _bits(longer + b"\x80")
    at = 2 if kind >= 16 else 1
    assert after[:at] == before[:at]
    assert _rest(after[at:], 1) == _rest(before[at:], 1)


@given(st.binary(max_size=60) | st.lists(st.sampled_from(b"\0\1\3\xff"), max_size=30).map(bytes))
def test_what_is_escaped_holds_no_start_code_and_comes_back(content):
    made = nals.escaped(content)
    assert b"\0\0\0" not in made
    assert b"\0\0\1" not in made
    assert b"\0\0\2" not in made
    assert nals.unescaped(made) == content


@pytest.mark.parametrize("unit", [b"\x02\x01\x80abc", b"\x26\x01\x90abc"])
def test_slices_of_an_unknown_number_are_not_renumbered(unit):
    with pytest.raises(Unusual, match="in an unknown way"):
        Numbers(1, 1, 16).given_to(unit)


def test_sets_of_another_number_are_not_renumbered(tmp_path):
    twice = Numbers(1, 1, 16)
    for unit in sets(film(tmp_path / "a.mp4")).values():
        if hevc.kind(unit) in (VPS, SPS, PPS):
            with pytest.raises(Unusual, match="in an unknown way"):
                twice.given_to(twice.given_to(unit))


def test_numbers_are_those_that_the_film_does_not_use(tmp_path):
    source = film(tmp_path / "a.mp4")
    units = [unit for unit in units_of(extradata(source)) if hevc.kind(unit) in (VPS, SPS, PPS)]
    assert hvc._free(units) == Numbers(1, 1, 16)
    more = [Numbers(1, 2, 16).given_to(unit) for unit in units]
    assert hvc._free([*units, *more]) == Numbers(2, 1, 18)
    full = [Numbers(number, number, 16).given_to(units[1]) for number in range(1, 16)]
    with pytest.raises(Unusual, match="no number for another"):
        hvc._free([*units, *full])


# Groups


def message(kind: int, content: bytes, unit: int = 39) -> bytes:
    return bytes([unit << 1, 1, kind, len(content)]) + content + b"\x80"


ADDED: dict[str, tuple[bytes, bool]] = {
    "where it was": (message(5, b"\x17" * 16 + b"+51.5-000.1"), False),
    "captions": (message(4, b"\xb5\0\x31GA94"), False),
    "captions behind": (message(4, b"\xb5\0\x31GA94", 40), False),
    "times of a clock": (message(136, b"\x50\0\0\0"), False),
    "both in one": (message(1, b"")[:-1] + message(4, b"abcd")[2:], False),
    "Dolby Vision": (b"\x7c\x01abc", False),
    "end": (b"\x48\x01\x80", False),
    "a finer layer": (b"\x02\x09\xd0abc", False),
    "transparency": (b"\x28\x09\xa0abc", False),
    "words as filling": (b"\x4c\x01hidden\x80", False),
    "filling": (b"\x4c\x01\xff\xff\x80", True),
    "x265": (message(5, bytes.fromhex("2ca2de09b51747dbbb55a4fe7fc2fc4e") + b"x265"), True),
    "brightness": (message(144, b"\0\1\0\1"), True),
    "a checksum": (message(132, b"\0" * 17, 40), True),
    "mark": (b"\x46\x01\x10", True),
}


@pytest.mark.parametrize("kind", ADDED)
def test_packets_that_hold_more_than_pictures_are_not_copied(tmp_path, kind):
    unit, plain = ADDED[kind]
    source = film(tmp_path / "a.mp4")
    table = VideoSource(source).timetable()
    added = rewritten(
        source, tmp_path / "b.mp4", lambda n, packet: packet + counted(unit) * (n == 7)
    )
    told = groups_of(added, table).groups
    assert [group.frames.start for group in told] == [0, 5, 10, 15]
    assert [group.plain for group in told] == [True, plain, True, True]


def test_groups_that_hide_what_came_before_are_not_copied(tmp_path):
    def hiding(number: int, packet: bytes) -> bytes:
        units = nals.units(packet, 4)
        if number == 10:
            units = [unit[:2] + bytes([unit[2] | 64]) + unit[3:] for unit in units]
        return counted(*units)

    source = film(tmp_path / "a.mp4")
    told = groups_of(rewritten(source, tmp_path / "b.mp4", hiding), VideoSource(source).timetable())
    assert [group.plain for group in told.groups] == [True, True, False, True]


def test_messages_beside_the_sets_are_kept_if_they_are_harmless(tmp_path):
    units = units_of(extradata(film(tmp_path / "a.mp4")))
    place = message(5, b"\x17" * 16 + b"+51.5-000.1")
    light = message(144, b"\0\1\0\1")
    told = Hvc(box(units[:3], [place, light]))
    assert units_of(told.said(None)) == [*units[:3], light]


def test_parameter_sets_that_change_inside_the_film(tmp_path):
    source = film(tmp_path / "a.mp4")
    table, sps = VideoSource(source).timetable(), sets(source)[SPS]
    again = rewritten(source, tmp_path / "b.mp4", lambda n, p: counted(sps) * (n == 5) + p)
    assert all(group.plain for group in groups_of(again, table).groups)
    other = sps[:-1] + bytes([sps[-1] ^ 0x40])
    changed = rewritten(source, tmp_path / "c.mp4", lambda n, p: counted(other) * (n == 5) + p)
    with pytest.raises(Indivisible, match="parameter sets change inside"):
        groups_of(changed, table)


def matched(source: Path, info_of: Path) -> str:
    info = VideoSource(info_of).info
    groups = groups_of(source, VideoSource(source).timetable())
    encoding = matching(encoding_for(Path("b.mp4"), info), info, groups)
    return encoding.options["x265-params"]


@pytest.mark.parametrize(
    ("more", "wish"), [("", ""), (":bframes=0", ":bframes=0"), (":b-pyramid=0", ":b-pyramid=0")]
)
def test_our_encoder_is_told_to_write_what_fits(tmp_path, more, wish):
    source = film(tmp_path / "a.mp4", more)
    usual = encoding_for(Path("b.mp4"), VideoSource(source).info).options["x265-params"]
    assert matched(source, source) == usual + wish


@pytest.mark.parametrize(
    ("what", "reason"),
    [({"aspect": Fraction(4, 3)}, "described otherwise"), ({"size": (96, 48)}, "otherwise")],
)
def test_pictures_that_look_otherwise_do_not_fit(tmp_path, what, reason):
    source, other = film(tmp_path / "a.mp4", **what), film(tmp_path / "b.mp4")
    with pytest.raises(Indivisible, match=reason):
        matched(source, other)
