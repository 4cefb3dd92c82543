from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from anonymizer.video.extent import Reach, promised_bytes
from anonymizer.video.packets import open_input, picture_stream
from tests.films import make_video, truncate

FILMS = {
    ".mp4": {"audio": "aac"},
    ".mov": {"container_options": {"movflags": "+faststart"}},
    ".mkv": {"audio": "aac", "subtitles": [(0, 80, "eins")]},
    ".webm": {"codec": "libvpx", "options": {"deadline": "realtime"}},
    ".avi": {"codec": "mpeg4", "options": {}},
    ".flv": {"audio": "aac"},
    ".ts": {"codec": "mpeg2video", "options": {}},
}


def missing(path: Path) -> int:
    """As the reader asks: while the film is open."""
    with open_input(path) as container:
        found = Reach(container, picture_stream(container, path))
        for packet in container.demux():
            if packet.size:
                found.note(packet)
        return found.missing_frames


@pytest.mark.parametrize("suffix", FILMS)
def test_a_whole_film_is_as_long_as_it_says(tmp_path, suffix):
    path = make_video(tmp_path / f"a{suffix}", frames=50, **FILMS[suffix])  # type: ignore[arg-type]
    size = path.stat().st_size
    assert promised_bytes(path) == (None if suffix in (".flv", ".ts") else size)
    assert missing(path) == 0


@pytest.mark.parametrize("suffix", [".mov", ".mkv", ".webm", ".avi", ".flv"])
def test_what_is_missing_from_a_cut_film_is_known(tmp_path, suffix):
    path = make_video(tmp_path / f"a{suffix}", frames=50, **FILMS[suffix])  # type: ignore[arg-type]
    size = path.stat().st_size
    truncate(path, 0.6)
    assert promised_bytes(path) == (None if suffix == ".flv" else size)
    assert 10 < missing(path) < 50


def test_a_film_that_begins_late_is_not_short(tmp_path):
    for suffix in (".mp4", ".mkv"):
        pts = range(500, 530)
        assert missing(make_video(tmp_path / f"a{suffix}", pts=pts, frames=30)) == 0


def test_a_last_picture_that_stays_is_not_missing_from_mp4(tmp_path):
    film = {"pts": [0, 1, 2, 200], "time_base": Fraction(1, 25)}
    assert missing(make_video(tmp_path / "a.mp4", **film)) == 0


EBML = bytes.fromhex("1A45DFA3 80")
SEGMENT = bytes.fromhex("18538067")


@pytest.mark.parametrize(
    ("content", "end"),
    [
        (EBML + SEGMENT + b"\x85", 15),
        (EBML + SEGMENT + b"\x40\x05", 16),
        (EBML + SEGMENT + b"\x01" + bytes(6) + b"\x05", 22),
        (EBML + SEGMENT + b"\xff", None),
        (EBML + SEGMENT + b"\x01" + b"\xff" * 7, None),
        (EBML + SEGMENT, None),
        (EBML + b"\xec\x80" + SEGMENT, None),
        (b"\x1a\x45\xdf\xa3\x00", None),
        (b"RIFF\x10\0\0\0AVI " + bytes(12) + b"RIFF\x20\0\0\0AVIX", 64),
        (b"RIFF\0\0\0\0AVI ", None),
        (b"RIFF\x04\0\0\0AVI junk", 12),
        (b"\0\0\0\x0cftypmp42\0\0\0\x20mdat", 44),
        (b"\0\0\0\x01mdat\0\0\0\0\0\0\1\0", 256),
        (b"\0\0\0\x0cftypmp42\0\0\0\0mdat" + bytes(9), 12),
        (b"\0\0\0\0mdat" + bytes(9), None),
        (b"", None),
        (b"no film at all", None),
    ],
)
def test_boxes_say_where_they_end(tmp_path, content, end):
    path = tmp_path / "a"
    path.write_bytes(content)
    assert promised_bytes(path) == end


def test_bytes_behind_the_last_packet_are_known(tmp_path):
    path = make_video(tmp_path / "a.mkv", frames=20)
    with open_input(path) as container:
        found = Reach(container, picture_stream(container, path))
        assert found.unread() == 1
        packets = [packet for packet in container.demux() if packet.size]
        found.note(packets[len(packets) // 2])
        assert 0.1 < found.unread() < 0.9
        found.note(packets[-1])
        assert found.unread() < 0.05
