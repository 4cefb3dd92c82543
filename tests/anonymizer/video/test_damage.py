"""What is lost without a word from the decoder, by films that lost it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from anonymizer.errors import DamagedVideo, UnreadableVideo
from anonymizer.video.damage import Damage, Steps
from anonymizer.video.source import VideoSource
from tests.films import blank, make_video, truncate

LONG_GROUPS: dict[str, Any] = {"options": {"preset": "veryfast", "g": "250", "bf": "2"}}


def warned(path: Path) -> list[str]:
    source = VideoSource(path)
    assert list(source)
    return source.warnings


@pytest.mark.parametrize(
    ("suffix", "film"),
    [
        (".mkv", {"audio": "aac"}),
        (".webm", {"codec": "libvpx", "options": {"deadline": "realtime"}}),
        (".avi", {"codec": "mpeg4", "options": {}}),
        (".mp4", {"container_options": {"movflags": "+faststart"}}),
    ],
)
def test_a_film_that_is_cut_off_is_refused_not_shortened(tmp_path, suffix, film):
    path = truncate(make_video(tmp_path / f"a{suffix}", frames=60, **film), 0.6)
    with pytest.raises(DamagedVideo, match=r"end are missing|cut off after") as caught:
        list(VideoSource(path))
    assert "\n" not in str(caught.value)


def test_a_cut_on_the_edge_of_a_packet_is_seen_too(tmp_path):
    """FFmpeg says nothing then."""
    path = make_video(tmp_path / "a.mp4", frames=60, container_options={"movflags": "+faststart"})
    with av.open(str(path)) as file:
        places = [(packet.pos or 0) for packet in file.demux(video=0) if packet.size]
    path.write_bytes(path.read_bytes()[: places[30]])
    with pytest.raises(DamagedVideo, match="about 30 frames of its end are missing after 30"):
        list(VideoSource(path))


def test_a_few_frames_that_are_cut_off_are_worth_a_warning(tmp_path):
    path = make_video(tmp_path / "a.mkv", frames=60)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * 0.93)])
    *_, warning = warned(path)
    assert warning.endswith("bytes shorter than its header says")


def test_a_last_picture_that_stays_is_no_damage(tmp_path):
    """Matroska does not say how long the last one is shown."""
    path = make_video(tmp_path / "a.mkv", pts=[*range(30)], rate=25)
    assert warned(path) == []
    pts = [*range(20), 100]
    path = make_video(tmp_path / "a.mkv", pts=pts, time_base=Fraction(1, 25))
    assert not any("end are missing" in warning for warning in warned(path))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".ts", ".avi"])
def test_nothing_is_said_of_a_whole_film(tmp_path, suffix):
    film = {"codec": "mpeg4", "options": {"bf": "2"}} if suffix == ".avi" else LONG_GROUPS
    source = VideoSource(make_video(tmp_path / f"a{suffix}", frames=40, **film))
    assert len(list(source)) == 40
    assert (source.warnings, source.skipped) == ([], 0)


def test_a_hole_in_an_even_film_is_told(tmp_path):
    path = make_video(tmp_path / "a.mp4", pts=[*range(30), *range(50, 80)])
    assert warned(path) == ["no new picture from 1.16 s to 2.00 s, as if some were lost"]
    path = make_video(tmp_path / "b.mp4", pts=[*range(30), *range(50, 80), *range(95, 99)])
    assert warned(path)[0].endswith("as if some were lost, and so 1 times more")


def test_long_waits_are_usual_in_an_uneven_film():
    steps = Steps()
    assert steps.holes == []
    for pts in (0, 100, 103, 150, 300, 307, 360, 500):
        steps.note(pts)
    assert steps.holes == []


def without(path: Path, lost: range) -> Path:
    """The same film in TS whose picture lacks some packets, so that others cannot be decoded."""
    target = path.with_suffix(".ts")
    with av.open(str(path)) as source, av.open(str(target), "w") as file:
        stream = file.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.size]
        for number, packet in enumerate(packets):
            if number not in lost:
                packet.stream = stream
                file.mux(packet)
    return target


def test_a_recording_that_begins_between_key_frames_begins_at_the_first(tmp_path, caplog):
    film = make_video(tmp_path / "a.mkv", frames=60, options=LONG_GROUPS["options"] | {"g": "20"})
    assert list(VideoSource(film))
    source = VideoSource(without(film, range(5)))
    assert len(list(source)) == 40
    assert source.skipped == 15
    assert source.warnings == ["damaged packets were skipped: 15"]
    assert {record.message for record in caplog.records} == {"a.ts: skipping a damaged packet"}


def test_pictures_that_are_missing_without_an_error_are_an_error():
    damage = Damage(Path("a.mp4"))
    damage.silent(1)
    assert damage.total == 0
    damage.silent(7)
    damage.silent(20, tolerated=True)
    assert damage.total == 27
    with pytest.raises(DamagedVideo, match=r"a\.mp4: 8 packets in a row give no picture"):
        damage.silent(8)


def test_a_group_that_lost_its_key_frame_is_not_left_out_in_silence(tmp_path):
    film = make_video(tmp_path / "a.mp4", frames=60, options=LONG_GROUPS["options"])
    with pytest.raises(UnreadableVideo, match="not one picture can be decoded"):
        VideoSource(without(film, range(3)))
    with pytest.raises(DamagedVideo, match="in a row"):
        list(VideoSource(blank(film, [0])))
