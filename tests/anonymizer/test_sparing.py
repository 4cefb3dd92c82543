import subprocess
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anonymizer import sparing
from anonymizer.data import Box, Frame
from anonymizer.jobs import Anonymizer
from anonymizer.plan import Zone
from anonymizer.planfile import PlanFile
from anonymizer.rendering import Written
from anonymizer.report import SmartCopy
from anonymizer.settings import Checking, Media, Painting, Settings
from anonymizer.sparing import between, merged
from anonymizer.verify import Second
from anonymizer.video import untouched
from anonymizer.video.native import Native
from anonymizer.video.source import VideoSource
from anonymizer.video.untouched import digest_of
from tests import ffprobe
from tests.faces import MarkerDetector, find, marked
from tests.films import make_video

SIZE = (160, 120)
NOWHERE = (-9.0, -9.0, -8.0, -8.0)
GROUP = 8
ALONE = Checking(second_detector="none", embedder="none")
X264 = {"preset": "veryfast", "threads": "1", "g": str(GROUP), "bf": "2", "keyint_min": str(GROUP)}
X265 = f"log-level=none:open-gop=0:keyint={GROUP}:min-keyint={GROUP}"
HEVC: dict[str, Any] = {"codec": "libx265", "options": {"x265-params": X265}}
DISPLAY = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
CTU = {"x265-params": f"{X265}:ctu=16:sao=0:strong-intra-smoothing=0"}
HDR10: dict[str, Any] = {
    "colour": (9, 16, 9, 1),
    "pixel_format": "yuv420p10le",
    "options": {"x265-params": f"{X265}:hdr10=1:master-display={DISPLAY}:max-cll=1000,400"},
}


def film(path: Path, faces: range = range(18, 21), **what: Any) -> Path:
    """Six groups of eight pictures; a marker is in the frames of ``faces``."""

    def draw(index: int) -> np.ndarray:
        box: Box = (30.0 + index, 30.0, 66.0 + index, 74.0) if index in faces else NOWHERE
        return marked(index, box, size=(SIZE[1], SIZE[0]))

    usual: dict[str, Any] = {"frames": 48, "size": SIZE, "draw": draw, "options": X264}
    return make_video(path, **usual | what)


def veil(detector: Any = None, checking: Checking = ALONE, **media: Any) -> Anonymizer:
    painting = Painting(replace="cover")
    settings = Settings(seed=1, painting=painting, media=Media(**media), checking=checking)
    return Anonymizer(settings, detector=detector or MarkerDetector())


def packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as file:
        return [bytes(packet) for packet in file.demux(video=0) if packet.size]


def copied(source: Path, result: Path) -> list[int]:
    """Numbers of the groups whose packets are the same in both."""
    before, after = packets(source), packets(result)
    assert len(before) == len(after)
    groups = range(0, len(before), GROUP)
    return [at // GROUP for at in groups if before[at : at + GROUP] == after[at : at + GROUP]]


def shown(path: Path) -> list[Frame]:
    return list(VideoSource(path))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_only_groups_with_a_face_are_encoded_again(tmp_path, suffix):
    source, result = film(tmp_path / f"in{suffix}", audio="aac"), tmp_path / f"out{suffix}"
    report = veil().file(source, result)
    assert report.smart_copy == SmartCopy(groups=4, of=6, frames=32)  # 3 frames before, 3 after
    assert copied(source, result) == [0, 3, 4, 5]
    before, after = shown(source), shown(result)
    first = before[0].time - after[0].time
    assert [frame.time - first for frame in before] == [frame.time for frame in after]
    assert not any(find(frame.image) for frame in after)
    for one, other in zip(before, after, strict=True):
        spared = not 8 <= one.index < 24
        assert np.array_equal(one.image, other.image) == spared
        assert np.abs(one.image[:28].astype(int) - other.image[:28]).mean() < 4
    assert VideoSource(result).info.codec == "h264"


def test_lossless_films_are_copied_where_the_source_is_one(tmp_path):
    source, result = film(tmp_path / "in.mp4", options=X264 | {"qp": "0"}), tmp_path / "out.mp4"
    assert veil(lossless=True).file(source, result).smart_copy == SmartCopy(4, 6, 32)
    whole = tmp_path / "whole.mp4"
    veil(lossless=True, smart_copy=False).file(source, whole)
    for one, other in zip(shown(result), shown(whole), strict=True):
        assert np.array_equal(one.image, other.image)


@pytest.mark.ffprobe
@pytest.mark.parametrize(
    "what",
    [
        {"audio": "aac", "chapters": [(0, 900, "one"), (900, 1900, "two")]},
        {"subtitles": [(40, 200, "eins")], "rotation": 90},
        {"colour": (9, 16, 9, 1), "pixel_format": "yuv420p10le", "aspect": Fraction(4, 3)},
        HEVC | {"audio": "aac", "rotation": 90},
        HEVC | HDR10,
    ],
)
def test_ffprobe_sees_no_difference(tmp_path, what):
    source, result = film(tmp_path / "in.mp4", **what), tmp_path / "out.mp4"
    assert veil().file(source, result).smart_copy.groups
    assert ffprobe.told(source) == ffprobe.told(result)


@pytest.mark.ffprobe
@pytest.mark.parametrize("what", [{}, HEVC], ids=["H.264", "HEVC"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_another_program_plays_it_without_a_word(tmp_path, suffix, what):
    source, result = film(tmp_path / f"in{suffix}", audio="aac", **what), tmp_path / f"out{suffix}"
    assert veil().file(source, result).smart_copy.groups
    program = str(Path(ffprobe.found() or "").with_name("ffmpeg"))
    end = ["-pix_fmt", "gray", "-f", "rawvideo", "-"]
    call = [program, "-v", "error", "-i", str(result), "-fps_mode", "passthrough", *end]
    done = subprocess.run(call, capture_output=True, check=True)
    assert done.stderr == b""
    seen = np.frombuffer(done.stdout, np.uint8).reshape(-1, SIZE[1], SIZE[0])
    planes = [frame.native.planes[0] for frame in shown(result) if isinstance(frame.native, Native)]
    assert np.abs(seen.astype(int) - full_range(np.stack(planes))).max() <= 1


def full_range(luma: np.ndarray) -> np.ndarray:
    """Luma from 16 to 235 as 0 to 255."""
    return ((luma.astype(float) - 16) * 255 / 219).clip(0, 255).round().astype(int)


@pytest.mark.parametrize(
    ("what", "reorder"),
    [
        ({"options": X264 | {"bf": "0"}}, 0),
        ({"options": X264 | {"x264-params": "b-pyramid=none"}}, 1),
        ({"options": X264 | {"profile": "baseline"}}, 0),
        ({"rotation": 90}, 2),
        ({"colour": (1, 1, 1, 1)}, 2),
        ({"colour": (9, 16, 9, 2), "pixel_format": "yuv420p10le"}, 2),
        ({"pixel_format": "yuv444p"}, 2),
        ({"aspect": Fraction(4, 3)}, 2),
        ({"time_base": Fraction(1001, 30_000), "rate": 30}, 2),
        ({"pts": [index * 40 + index % 3 for index in range(48)], "rate": 1000}, 2),
    ],
)
def test_films_of_many_kinds_are_copied(tmp_path, what, reorder):
    source, result = film(tmp_path / "in.mp4", **what), tmp_path / "out.mp4"
    report = veil().file(source, result)
    assert report.smart_copy == SmartCopy(4, 6, 32)
    assert copied(source, result) == [0, 3, 4, 5]
    rateless = [replace(VideoSource(path).info, average_rate=None) for path in (source, result)]
    assert rateless[0] == rateless[1]
    before, after = shown(source), shown(result)
    assert [frame.pts for frame in before] == [frame.pts for frame in after]


@pytest.mark.parametrize(
    "what",
    [
        {},
        {"size": (158, 118)},
        {"pixel_format": "yuv444p"},
        {"aspect": Fraction(4, 3)},
        HDR10,
        {"options": {"x265-params": f"{X265}:bframes=0"}},
        {"options": {"x265-params": f"{X265}:b-pyramid=0:ctu=32:ref=1"}},
        {"options": {"x265-params": f"{X265}:slices=2:aud=1:repeat-headers=1"}},
        {"options": {"x265-params": f"{X265}:temporal-layers=2"}},
        {"options": {"x265-params": f"{X265}:hrd=1:vbv-bufsize=900:vbv-maxrate=900"}},
    ],
)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_hevc_films_of_many_kinds_are_copied(tmp_path, what, suffix):
    source, result = film(tmp_path / f"in{suffix}", **HEVC | what), tmp_path / f"out{suffix}"
    assert veil().file(source, result).smart_copy == SmartCopy(4, 6, 32)
    assert copied(source, result) == [0, 3, 4, 5]
    before, after = shown(source), shown(result)
    for one, other in zip(before, after, strict=True):
        assert np.array_equal(one.image, other.image) == (not 8 <= one.index < 24)
        assert np.abs(one.image[:28].astype(int) - other.image[:28]).mean() < 4
    assert not any(find(frame.image) for frame in after)


@pytest.mark.parametrize("what", [{}, HEVC], ids=["H.264", "HEVC"])
def test_a_film_without_faces_is_copied_as_a_whole(tmp_path, what):
    source, result = film(tmp_path / "in.mp4", range(0), audio="aac", **what), tmp_path / "out.mp4"
    assert veil().file(source, result).smart_copy == SmartCopy(6, 6, 48)
    assert packets(source) == packets(result)


def test_progress_reaches_the_end(tmp_path):
    told: list[tuple[str, int, int]] = []
    source = film(tmp_path / "in.mp4")
    veil().file(source, tmp_path / "out.mp4", progress=lambda *news: told.append(news))
    assert [count for stage, count, _ in told if stage == "paint"][-1] == 48


def test_nothing_is_left_beside_the_result(tmp_path):
    source = film(tmp_path / "in.mp4")
    veil().file(source, tmp_path / "out.mp4")
    assert {path.name for path in tmp_path.iterdir()} == {"in.mp4", "out.mp4"}


REASONS: dict[str, tuple[str, dict[str, Any], dict[str, Any], str]] = {
    "off": (".mp4", {}, {"smart_copy": False}, "it was not wanted"),
    "quality": (".mp4", {}, {"crf": 20}, "a codec, quality or preset was asked for"),
    "preset": (".mp4", {}, {"preset": "fast"}, "a codec, quality or preset was asked for"),
    "codec": (".mp4", {}, {"codec": "libx264"}, "a codec, quality or preset was asked for"),
    "everywhere": (".mp4", {"faces": range(48)}, {}, "every group of its pictures holds"),
    "AV1": (
        ".mp4",
        {"codec": "libsvtav1", "options": {"preset": "12"}},
        {},
        "only H.264 and HEVC are copied, this is libdav1d",
    ),
    "open groups": (
        ".mp4",
        {"codec": "libx265", "options": {"x265-params": "log-level=none:keyint=8:min-keyint=8"}},
        {},
        "every group of its pictures holds",
    ),
    "start codes": (".ts", {"rate": 30}, {}, "do not give lengths of four bytes"),
    "edit list": (
        ".mp4",
        {"pts": range(-5, 43), "container_options": {"avoid_negative_ts": "disabled"}},
        {},
        "the file hides pictures",
    ),
    "RGB": (
        ".mkv",
        {"codec": "libx264rgb", "pixel_format": "rgb24"},
        {},
        "what is new is encoded by libx264rgb",
    ),
    "lossless": (".mp4", {}, {"lossless": True}, "need another profile"),
    "interlaced": (
        ".mp4",
        {"options": X264 | {"x264-params": "interlaced=1"}},
        {},
        "may be interlaced",
    ),
}


@pytest.mark.parametrize("kind", REASONS)
def test_the_report_says_why_nothing_is_copied(tmp_path, kind):
    suffix, what, media, reason = REASONS[kind]
    source = film(tmp_path / f"in{suffix}", **what)
    report = veil(**media).file(source, tmp_path / "out.mkv")
    assert reason in report.smart_copy.reason
    assert (report.smart_copy.groups, report.smart_copy.frames) == (0, 0)
    assert not any(find(frame.image) for frame in shown(tmp_path / "out.mkv"))


def test_a_picture_is_not_copied(tmp_path):
    import cv2

    cv2.imwrite(str(tmp_path / "in.png"), marked(0, NOWHERE))
    report = veil().file(tmp_path / "in.png", tmp_path / "out.png")
    assert report.smart_copy == SmartCopy(0, 0, 0, "it is a picture")


# Invariants


@pytest.mark.parametrize("index", [0, 7, 8, 15, 16, 20, 23, 24, 47])
def test_p2_a_face_in_any_frame_of_a_group_has_it_encoded_again(tmp_path, index):
    source, result = film(tmp_path / "in.mp4", range(index, index + 1)), tmp_path / "out.mp4"
    report = veil().file(source, result)
    first, last = report.tracks[0].start, report.tracks[0].stop - 1
    assert first <= index <= last
    touched = set(range(first // GROUP, last // GROUP + 1))
    assert copied(source, result) == sorted(set(range(6)) - touched)
    assert not any(find(frame.image) for frame in shown(result))


def test_p2_a_face_that_is_only_filled_in_has_its_group_encoded_again(tmp_path):
    source, result = film(tmp_path / "in.mp4", range(6, 34)), tmp_path / "out.mp4"
    report = veil(MarkerDetector(blind=range(14, 26))).file(source, result)
    assert report.tracks[0].interpolated == 12
    assert copied(source, result) == [5]
    assert not any(find(frame.image) for frame in shown(result))


def planned(source: Path, **changes: Any) -> PlanFile:
    plan = veil().plan(source)
    return replace(plan, plan=replace(plan.plan, **changes))


@pytest.mark.parametrize(
    ("zone", "groups"),
    [
        (Zone("always", (4.0, 4.0, 20.0, 20.0), 33, 34), [0, 3, 5]),
        (Zone("always", (4.0, 4.0, 20.0, 20.0), 0, 999), []),
        (Zone("ignore", (4.0, 4.0, 20.0, 20.0), 33, 34), [0, 3, 4, 5]),
        (Zone("ignore", (0.0, 0.0, 160.0, 120.0), 0, 999), [0, 1, 2, 3, 4, 5]),
    ],
)
def test_p2_zones_count_as_faces_do(tmp_path, zone, groups):
    source, result = film(tmp_path / "in.mp4"), tmp_path / "out.mp4"
    plan = planned(source, zones=(zone,))
    veil().file(source, result, planned=plan)
    assert copied(source, result) == groups
    if zone.action == "always":
        assert np.abs(shown(result)[33].image[8:16, 8:16].astype(int) - 128).max() < 9


def test_tracks_that_a_person_keeps_are_copied(tmp_path):
    source, result = film(tmp_path / "in.mp4"), tmp_path / "out.mp4"
    plan = veil().plan(source)
    kept = tuple(replace(track, action="keep") for track in plan.plan.tracks)
    veil().file(source, result, planned=planned(source, tracks=kept))
    assert packets(source) == packets(result)


class Elsewhere:
    """A second detector that sees the marker, which the first one missed."""

    def detect(self, frames):
        return [find(frame.image) for frame in frames]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> None:
    second = Second("elsewhere", Elsewhere())
    monkeypatch.setattr("anonymizer.build.second", lambda settings: second)


@pytest.mark.usefixtures("seen")
def test_p5_what_a_second_look_finds_in_a_copied_group_is_covered(tmp_path):
    source, result = film(tmp_path / "in.mp4", range(18, 21)), tmp_path / "out.mp4"
    report = veil(MarkerDetector(blind=range(48))).file(source, result)
    assert report.verification.verdict == "repaired"
    assert not any(find(frame.image) for frame in shown(result))
    assert report.smart_copy == SmartCopy(4, 6, 32)
    assert copied(source, result) == [0, 3, 4, 5]


WRONG = "the film with copies did not decode as it ought to"


def harmed(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let packets that are copied lose what they show."""
    whole = untouched.Original.__iter__
    other = packets(film(source.with_name("other.mp4"), range(48)))

    def bad(self):
        for coded in whole(self):
            yield replace(coded, content=other[0]) if coded.pts == 0 else coded

    monkeypatch.setattr(untouched.Original, "__iter__", bad)


def test_p5_copies_that_do_not_decode_to_the_original_are_encoded_again(tmp_path, monkeypatch):
    source, result = film(tmp_path / "in.mp4"), tmp_path / "out.mp4"
    harmed(source, monkeypatch)
    report = veil().file(source, result)
    assert report.smart_copy == SmartCopy(0, 0, 0, WRONG)
    assert report.verification.verdict == "clean"
    assert copied(source, result) == []
    assert not any(find(frame.image) for frame in shown(result))


def test_p5_hevc_runs_that_cannot_be_renumbered_are_encoded_again(tmp_path, monkeypatch):
    from anonymizer.video.h264 import Unusual
    from anonymizer.video.hevc import Numbers

    usual = Numbers._slice

    def fail(self: Numbers, unit: bytes) -> bytes:
        if len(unit) % 7 == 0:
            raise Unusual("our encoder numbers its parameter sets in an unknown way")
        return usual(self, unit)

    monkeypatch.setattr(Numbers, "_slice", fail)
    source, result = film(tmp_path / "in.mp4", **HEVC), tmp_path / "out.mp4"
    report = veil().file(source, result)
    assert report.smart_copy.reason == "our encoder numbers its parameter sets in an unknown way"
    assert copied(source, result) == []
    assert not any(find(frame.image) for frame in shown(result))
    assert {path.name for path in tmp_path.iterdir()} == {"in.mp4", "out.mp4"}


def test_p5_hevc_slices_of_a_wrong_number_are_seen(tmp_path, monkeypatch):
    from anonymizer.video.hevc import Numbers

    monkeypatch.setattr(Numbers, "_slice", lambda self, unit: unit)  # they name the film's sets
    source, result = film(tmp_path / "in.mp4", **HEVC | {"options": CTU}), tmp_path / "out.mp4"
    assert veil().file(source, result).smart_copy == SmartCopy(0, 0, 0, WRONG)
    assert not any(find(frame.image) for frame in shown(result))


def test_p5_a_film_that_decodes_otherwise_than_its_runs_is_encoded_again(tmp_path, monkeypatch):
    monkeypatch.setattr("anonymizer.video.avc._PREDICTIVE", -1)  # FFmpeg fails at the joint
    source, result = film(tmp_path / "in.mp4"), tmp_path / "out.mp4"
    report = veil(lossless=True).file(source, result)
    assert report.smart_copy == SmartCopy(0, 0, 0, WRONG)
    before, after = shown(source), shown(result)
    assert np.array_equal(before[8].image, after[8].image)


BLACK = Frame(0, 0, Fraction(1, 25), np.zeros((4, 4, 3), np.uint8))
WHITE = replace(BLACK, image=np.full((4, 4, 3), 255, np.uint8))


@pytest.mark.parametrize(
    ("pairs", "content"),
    [
        ([(0, BLACK), (1, BLACK)], True),
        ([(0, BLACK), (1, BLACK), (2, WHITE)], True),
        ([(0, BLACK)], False),
        ([(0, WHITE), (1, BLACK)], False),
        ([(0, BLACK), (1, WHITE)], False),
    ],
)
def test_every_copied_frame_must_be_seen_and_be_right(pairs, content):
    written = Written((), (), SmartCopy(1, 1, 2), (range(2),))
    witness = sparing.Witness(written)
    for index, output in pairs:
        witness(replace(BLACK, index=index), output)
    assert witness.content is content


def test_frames_behind_a_joint_are_decoded_apart(tmp_path):
    drawn: list[int] = []

    class Noting(sparing.Witness):
        def __init__(self, made: Written) -> None:
            drawn.extend(made.drawn)
            super().__init__(made)

    source = film(tmp_path / "in.mp4", range(12, 44), frames=64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("anonymizer.jobs.Witness", Noting)
        assert veil().file(source, tmp_path / "out.mp4").smart_copy.frames == 24
    pts = [frame.pts for frame in shown(tmp_path / "out.mp4")]
    assert [pts.index(stamp) for stamp in drawn] == list(range(8, 40))


def test_every_drawn_frame_must_be_seen_and_be_right(tmp_path):
    frames = shown(film(tmp_path / "in.mp4", frames=2))
    drawn = {frame.pts: digest_of(frame) for frame in frames}
    for pairs, content in (
        ([(0, 0), (1, 1)], True),
        ([(0, 0)], False),
        ([(0, 0), (1, 0)], False),
    ):
        witness = sparing.Witness(Written((), (), SmartCopy(1, 1, 2), (), drawn))
        for one, other in pairs:
            witness(frames[one], frames[other])
        assert witness.content is content


def test_p3_a_painter_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def fail(*args: Any) -> None:
        raise RuntimeError("painted")

    job = veil()
    monkeypatch.setattr("anonymizer.pipeline._lay", fail)
    with pytest.raises(RuntimeError, match="painted"):
        job.file(film(tmp_path / "in.mp4"), tmp_path / "out.mp4")
    assert {path.name for path in tmp_path.iterdir()} == {"in.mp4"}


@given(st.lists(st.booleans(), max_size=20))
def test_ranges_and_what_is_between_them_are_all(chosen):
    ranges = merged([range(at, at + 1) for at, one in enumerate(chosen) if one])
    rest = between(ranges, len(chosen))
    assert [at for one in ranges for at in one] == [at for at, one in enumerate(chosen) if one]
    assert [at for one in rest for at in one] == [at for at, one in enumerate(chosen) if not one]
    assert all(one.stop < two.start for one, two in pairwise(ranges))
