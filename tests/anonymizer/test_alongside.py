"""Every film of a file is anonymized, each by itself."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from anonymizer import alongside
from anonymizer.errors import Doubtful
from anonymizer.jobs import Anonymizer
from anonymizer.judging import verified
from anonymizer.settings import Checking, Media, Painting, Settings
from anonymizer.verify import Second
from anonymizer.video.packets import films_of
from anonymizer.video.source import VideoSource
from tests.faces import MarkerDetector, find, marked
from tests.films import blank, make_video

FACES = [(20.0, 12.0, 52.0, 50.0), (60.0, 20.0, 92.0, 58.0), (40.0, 6.0, 72.0, 44.0)]
SIZES = [(120, 80), (160, 96), (120, 64)]
X265 = {"preset": "ultrafast", "x265-params": "log-level=none"}
X264 = {"preset": "ultrafast", "crf": "8", "g": "10"}


def drawn(which: int, **what: Any) -> dict[str, Any]:
    """A film with a face at a place of its own, in a size of its own."""
    width, height = SIZES[which]
    x0, y0, x1, y1 = FACES[which]

    def draw(index: int) -> np.ndarray[Any, Any]:
        box = (x0 + index / 2, y0, x1 + index / 2, y1)
        return marked(index, box, size=(height, width), seed=which)

    usual: dict[str, Any] = {"size": SIZES[which], "draw": draw, "frames": 24, "options": X264}
    return usual | what


def beside(path: Path, *films: Path) -> Path:
    """One file of the streams of several."""
    sources = [av.open(str(film)) for film in films]
    with av.open(str(path), "w") as file:
        targets = [
            [file.add_stream_from_template(stream) for stream in source.streams]
            for source in sources
        ]
        for streams, source in zip(targets, sources, strict=True):
            for stream, template in zip(streams, source.streams, strict=True):
                if template.language:
                    stream.metadata["language"] = template.language
        packets = [
            (float(packet.dts * packet.time_base), number, packet)
            for number, source in enumerate(sources)
            for packet in source.demux()
            if packet.size and packet.dts is not None and packet.time_base
        ]
        for _, number, packet in sorted(packets, key=lambda entry: entry[:2]):
            packet.stream = targets[number][packet.stream_index]
            file.mux(packet)
    for source in sources:
        source.close()
    return path


def several(folder: Path, suffix: str, *what: dict[str, Any]) -> Path:
    """A file of several films."""
    films = [
        make_video(folder / f"{at}{suffix}", **drawn(at, **each)) for at, each in enumerate(what)
    ]
    path = beside(folder / f"in{suffix}", *films)
    for film in films:
        film.unlink()
    return path


def veil(**media: Any) -> Anonymizer:
    """With covers, by colour."""
    alone = Checking(second_detector="none")
    settings = Settings(painting=Painting(replace="cover"), checking=alone, media=Media(**media))
    return Anonymizer(settings, detector=MarkerDetector())


def check(source: Path, target: Path, count: int) -> None:
    """As many films at the same times, none with a face."""
    assert len(films_of(target)) == count
    for number in range(count):
        before, after = (list(VideoSource(path, number=number)) for path in (source, target))
        assert [frame.time for frame in before] == [frame.time for frame in after]
        for one, other in zip(before, after, strict=True):
            assert one.image.shape == other.image.shape
            assert find(one.image)
            assert not find(other.image)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("smart_copy", [True, False])
def test_all_films_of_a_file_lose_their_faces(tmp_path, suffix, smart_copy):
    odd = {"time_base": Fraction(1001, 30000), "rate": 30, "frames": 12, "audio": "aac"}
    if suffix == ".mkv":
        odd = {"frames": 12, "audio": "aac"}
    source = several(tmp_path, suffix, {"audio": "aac"}, odd)
    target = tmp_path / f"out{suffix}"
    report = veil(smart_copy=smart_copy).file(source, target)
    check(source, target, 2)
    assert [(s.kind, s.fate) for s in report.streams] == [
        ("video", "anonymized"),
        ("audio", "copied"),
        ("video", "anonymized"),
        ("audio", "copied"),
    ]
    (film,) = report.films
    assert (film.stream, film.frames, len(film.tracks)) == (2, 12, 1)
    assert film.verification.verdict == report.verification.verdict == "clean"
    assert report.verification.frames == 36
    assert report.verification.faces == 36
    assert report.warnings == ()
    assert "2 tracks, 36 faces replaced" in report.summary
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("suffix", "second"),
    [
        (".mkv", {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}}),
        (".mp4", {"codec": "libx265", "options": X265}),
        (".mov", {"codec": "prores_ks", "pixel_format": "yuv422p10le", "options": {}}),
        (".mkv", {"codec": "mpeg4", "options": {}}),
    ],
)
def test_every_film_keeps_its_own_codec(tmp_path, suffix, second):
    reordered = {} if suffix == ".mkv" else {"bf": "2"}  # the tests' own joining needs all dts
    source = several(tmp_path, suffix, {}, second, {"rotation": 90, "options": X264 | reordered})
    target = tmp_path / f"out{suffix}"
    report = veil().file(source, target)
    check(source, target, 3)
    infos = [[VideoSource(path, number=at).info for at in range(3)] for path in (source, target)]
    kept = [(one.codec, one.pixel_format, one.rotation) for one in infos[0]]
    if second["codec"] == "mpeg4":
        assert report.warnings == ("video stream 1: written as H.264, not as mpeg4",)
        kept[1] = ("h264", *kept[1][1:])
    assert [(one.codec, one.pixel_format, one.rotation) for one in infos[1]] == kept


def test_films_of_a_broadcast_go_to_matroska(tmp_path):
    source = several(tmp_path, ".ts", {"rate": 25}, {"rate": 25})
    report = veil().file(source, tmp_path / "out.mkv")
    assert len(films_of(tmp_path / "out.mkv")) == 2
    assert len(report.films) == 1


def test_a_film_that_cannot_be_decoded_is_left_out_with_a_warning(tmp_path):
    png = {"codec": "png", "pixel_format": "rgb24", "options": {}, "frames": 5}
    broken = make_video(tmp_path / "b.mov", **drawn(1, **png))
    blank(broken, range(5))
    first = make_video(tmp_path / "a.mov", **drawn(0))
    source = beside(tmp_path / "in.mov", first, broken)
    report = veil().file(source, tmp_path / "out.mov")
    assert films_of(tmp_path / "out.mov") == [0]
    assert [stream.fate for stream in report.streams] == ["anonymized", "dropped"]
    assert any("is left out; it was not anonymized" in warning for warning in report.warnings)


def test_what_is_seen_in_a_further_film_is_repaired_there_or_stops_all(tmp_path):
    """The first look misses the face of the second film, a second detector finds it."""

    class Narrow(MarkerDetector):
        """Blind for the larger film."""

        def detect(self, frames):
            return [[] if f.image.shape[1] == 160 else find(f.image) for f in frames]

    source = several(tmp_path, ".mp4", {}, {})
    settings = Settings(
        painting=Painting(replace="cover"), checking=Checking(second_detector="none")
    )
    anonymizer = Anonymizer(settings, detector=Narrow())
    anonymizer.crew = replace(anonymizer.crew, second=Second("marker", MarkerDetector()))
    report = anonymizer.file(source, tmp_path / "out.mp4")
    check(source, tmp_path / "out.mp4", 2)
    assert report.verification.verdict == "repaired"
    assert len(report.films[0].verification.repaired) == 24
    stop = replace(settings, checking=replace(settings.checking, on_doubt="stop"))
    anonymizer.crew = replace(anonymizer.crew, settings=stop)
    with pytest.raises(Doubtful, match="24 of 48 faces look as in the original"):
        anonymizer.file(source, tmp_path / "other.mp4")
    assert not (tmp_path / "other.mp4").exists()


def test_verify_looks_at_all_films(tmp_path):
    source = several(tmp_path, ".mp4", {}, {})
    target = tmp_path / "out.mp4"
    veil().file(source, target)
    alone = Settings(checking=Checking(second_detector="none"))
    assert verified(alone, source, target, detector=MarkerDetector()).verdict == "clean"
    seen = verified(alone, source, source, detector=MarkerDetector())
    assert (seen.frames, len(seen.doubts)) == (48, 48)
    first = make_video(tmp_path / "one.mp4", **drawn(0))
    assert verified(alone, source, first, detector=MarkerDetector()).frames == 24


def test_transparency_of_a_further_film_is_left_out_with_a_warning(tmp_path):
    sheer = {"codec": "ffv1", "pixel_format": "yuva444p", "options": {}}
    source = several(tmp_path, ".mkv", {}, sheer)
    report = veil().file(source, tmp_path / "out.mkv")
    check(source, tmp_path / "out.mkv", 2)
    assert report.warnings == ("video stream 1: transparency of a further film is left out",)


def test_people_of_two_films_do_not_share_identities(tmp_path):
    source = several(tmp_path, ".mp4", {}, {})
    crew = veil().crew
    (film,) = alongside.companions(VideoSource(source), source, "abc", crew, None)
    assert film.task.fingerprint != "abc"
