"""Encoders that are chips: used where they are, refused in one line where they are not."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import pytest

from anonymizer.errors import UsageError
from anonymizer.video.cards import CARDS, insist_on
from anonymizer.video.encoders import PRESETS, X264, Encoder, Request
from anonymizer.video.encoding import encoding_for
from anonymizer.video.native import Layout
from anonymizer.video.sink import VideoSink
from anonymizer.video.source import VideoSource
from tests.anonymizer.video.test_encoding import info
from tests.films import make_video
from tests.test_cli import anonymize

SIZE = (320, 192)
NAMED = pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
USUAL = Layout("yuv", "420")


def works(card: Encoder) -> bool:
    """Whether this machine has such a chip, asked of FFmpeg."""
    try:
        context = av.CodecContext.create(card.name, "w")
        assert isinstance(context, av.VideoCodecContext)
        context.width, context.height = SIZE
        context.pix_fmt, context.framerate = "yuv420p", Fraction(25)
        context.open()
    except (av.error.FFmpegError, OSError, ValueError):
        return False
    return True


@NAMED
def test_a_film_is_written_by_the_chip_or_refused_in_a_line_before_the_work(tmp_path, card):
    source = make_video(tmp_path / "a.mp4", size=SIZE, frames=5)
    film, target = VideoSource(source), tmp_path / "b.mp4"
    if not works(card):
        with pytest.raises(UsageError, match=r"cannot (be opened on this machine|write)") as caught:
            VideoSink(target, source, film.info, codec=card.name)
        assert "\n" not in str(caught.value)
        assert "choose" in str(caught.value)
        assert not target.exists()
        return
    with VideoSink(target, source, film.info, codec=card.name) as sink:
        for frame in film:
            sink.write(frame)
    assert VideoSource(target).info.codec == card.family
    assert [frame.pts for frame in VideoSource(target)] == [frame.pts for frame in film]


def test_the_command_says_so_and_writes_nothing(tmp_path):
    make_video(tmp_path / "a.mp4", size=SIZE, frames=2)
    if works(CARDS[0]):
        assert anonymize("run", str(tmp_path / "a.mp4"), "--codec", "h264_nvenc")[0] == 0
        return
    code, said, errors = anonymize("run", str(tmp_path / "a.mp4"), "--codec", "h264_nvenc")
    assert (code, said) == (1, "")
    assert errors.count("\n") == 1
    assert "h264_nvenc cannot be opened on this machine" in errors
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_a_chip_is_never_chosen_without_being_asked_for():
    for suffix in (".mp4", ".mov", ".mkv", ".webm"):
        for family in ("h264", "hevc", "av1", "mpeg2video"):
            codec = encoding_for(Path(f"a{suffix}"), info(family)).codec
            assert codec not in {card.name for card in CARDS}


def test_encoders_that_are_programs_are_not_opened():
    insist_on(X264, (1, 1), "no format at all", {})


@NAMED
def test_chips_are_asked_for_the_quality_that_is_wanted(card):
    usual, best, worst = (
        {
            name: float(value)
            for name, value in card.options(Request(crf), USUAL).items()
            if value.isdigit()
        }
        for crf in (None, 0, 51)
    )
    if "nvenc" in card.name:
        assert (usual["cq"], best["cq"], worst["cq"]) == (19, 1, 51)
    else:
        quality = [options["global_quality"] / 118 for options in (worst, usual, best)]
        assert quality == [1, 65, 100]


def test_presets_of_nvenc_go_from_1_to_7():
    presets = [CARDS[0].options(Request(preset=name), USUAL)["preset"] for name in PRESETS]
    assert presets == sorted(presets)
    assert (presets[0], presets[-1]) == ("p1", "p7")


@NAMED
def test_chips_cannot_be_lossless_and_do_not_fit_everywhere(card):
    with pytest.raises(UsageError, match="cannot be lossless; use one of libx264"):
        encoding_for(Path("a.mkv"), info(), codec=card.name, lossless=True)
    if card.family != "av1":
        with pytest.raises(UsageError, match=f"cannot hold {card.name}; use one of"):
            encoding_for(Path("a.webm"), info(), codec=card.name)


def test_what_a_chip_is_given():
    deep = next(card for card in CARDS if card.name == "hevc_nvenc").layouts
    assert deep == {} or deep[Layout("yuv", "420", 10)] == "p010le"
    assert json.dumps(sorted(deep.values())) in ("[]", '["p010le", "yuv420p", "yuv444p"]')
