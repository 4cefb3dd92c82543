"""Streams that are dropped unless they are named, and what comes of naming them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from anonymizer.errors import UsageError
from anonymizer.settings import Media
from anonymizer.video.sink import VideoSink
from anonymizer.video.source import VideoSource
from tests.films import make_video
from tests.media import _with_font
from tests.test_cli import COVER, anonymize


def rewritten(source: Path, target: Path, *named: int) -> VideoSink:
    film = VideoSource(source)
    with VideoSink(target, source, film.info, named=named) as sink:
        for frame in film:
            sink.write(frame)
    return sink


def fates(sink: VideoSink) -> list[tuple[str, str, str]]:
    return [(stream.kind, stream.fate, stream.reason) for stream in sink.streams]


@pytest.mark.parametrize(("first", "second"), [(".mp4", ".mp4"), (".mp4", ".mkv")])
def test_an_attached_picture_is_kept_if_it_is_named(tmp_path, first, second):
    source = make_video(tmp_path / f"a{first}", cover=True)
    with av.open(str(source)) as file:
        index = next(s.index for s in file.streams.video if s.disposition & 0x400)
    sink = rewritten(source, tmp_path / f"b{second}", index)
    assert ("video", "copied", "kept by name") in fates(sink)
    assert not any("stream" in warning for warning in sink.warnings)
    assert np.array_equal(cover(source), cover(tmp_path / f"b{second}"))
    plain = rewritten(source, tmp_path / f"c{second}")
    assert ("video", "dropped", "may show or tell who was filmed") in fates(plain)
    with pytest.raises(StopIteration):
        cover(tmp_path / f"c{second}")


def cover(path: Path) -> np.ndarray[Any, Any]:
    """The attached picture."""
    with av.open(str(path)) as file:
        stream = next(s for s in file.streams.video if s.disposition & 0x400)
        content = next(bytes(packet) for packet in file.demux(stream) if packet.size)
    return np.asarray(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR))


def test_data_is_kept_if_it_is_named(tmp_path):
    source = make_video(tmp_path / "a.mp4", data=True)
    with av.open(str(source)) as file:
        index = next(s.index for s in file.streams if s.type == "data")
    sink = rewritten(source, tmp_path / "b.mp4", index)
    assert ("data", "copied", "kept by name") in fates(sink)
    assert b"latitude 51.5" in (tmp_path / "b.mp4").read_bytes()
    rewritten(source, tmp_path / "c.mp4")
    assert b"latitude 51.5" not in (tmp_path / "c.mp4").read_bytes()
    unfit = rewritten(source, tmp_path / "d.mkv", index)
    assert any("does not fit matroska; left out" in warning for warning in unfit.warnings)


def test_a_font_is_kept_if_it_is_named(tmp_path):
    source = _with_font(tmp_path)
    sink = rewritten(source, tmp_path / "b.mkv", 1)
    assert fates(sink)[1] == ("attachment", "copied", "kept by name")
    with av.open(str(tmp_path / "b.mkv")) as file:
        (kept,) = file.streams.attachments
        assert (kept.name, kept.mimetype) == ("font.ttf", "application/x-truetype-font")
        assert kept.data == b"\0\1\0\0" * 30
    unfit = rewritten(source, tmp_path / "c.mp4", 1)
    assert any("does not fit mp4; left out" in warning for warning in unfit.warnings)


def test_a_film_is_never_kept_as_it_is(tmp_path):
    source = make_video(tmp_path / "a.mkv", second_film=True)
    for number in (0, 1):
        with pytest.raises(UsageError, match=f"stream {number} is a film; none is kept as it is"):
            rewritten(source, tmp_path / "b.mkv", number)
    assert not (tmp_path / "b.mkv").exists()


def test_a_number_that_does_not_exist_is_refused_before_the_work(tmp_path):
    source = make_video(tmp_path / "a.mp4", audio="aac")
    film = VideoSource(source)
    with pytest.raises(UsageError, match="has no stream 7; they end with 1"):
        VideoSink(tmp_path / "b.mp4", source, film.info, named=[7])


def test_negative_numbers_are_refused():
    with pytest.raises(UsageError, match="keep-stream must be at least 0, got -1"):
        Media(keep_stream=(-1,))


def test_the_command_keeps_what_is_named_and_the_report_says_so(tmp_path):
    source = make_video(tmp_path / "a.mp4", data=True, audio="aac")
    with av.open(str(source)) as file:
        index = next(s.index for s in file.streams if s.type == "data")
    assert anonymize("run", str(source), *COVER, "--keep-stream", str(index))[0] == 0
    report = json.loads((tmp_path / "a_anonymized.report.json").read_text())
    assert report["settings"]["media"]["keep_stream"] == [index]
    assert report["streams"][index]["fate"] == "copied"
    assert report["streams"][index]["reason"] == "kept by name"
    assert b"latitude 51.5" in (tmp_path / "a_anonymized.mp4").read_bytes()


def test_sound_that_begins_before_zero_moves_no_picture_in_matroska(tmp_path):
    source = make_video(tmp_path / "a.mp4", audio="aac")
    assert stamps(source, "audio")[0] < 0
    sink = rewritten(source, tmp_path / "b.mkv")
    assert stamps(tmp_path / "b.mkv", "video") == stamps(source, "video")
    later = [time for time in stamps(source, "audio") if time >= 0]
    assert stamps(tmp_path / "b.mkv", "audio") == pytest.approx(later, abs=1e-3)
    assert [warning for warning in sink.warnings if "begins before 0" in warning]
    whole = rewritten(source, tmp_path / "c.mp4")
    assert stamps(tmp_path / "c.mp4", "audio") == stamps(source, "audio")
    assert not any("begins before 0" in warning for warning in whole.warnings)


def stamps(path: Path, kind: str) -> list[float]:
    """Seconds of all packets of the stream of a kind, in order of presentation."""
    with av.open(str(path)) as file:
        stream = next(stream for stream in file.streams if stream.type == kind)
        return sorted(float((p.pts or 0) * p.time_base) for p in file.demux(stream) if p.size)
