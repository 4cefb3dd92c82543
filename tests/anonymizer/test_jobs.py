import json
import os
import pickle
import stat
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import mediators
from anonymizer import pipeline, plain, planfile
from anonymizer.data import Box
from anonymizer.errors import (
    Doubtful,
    JobError,
    SourceChanged,
    UnreadablePlan,
    UnreadableVideo,
    UnwritableOutput,
    UsageError,
)
from anonymizer.head.expression import MOTION
from anonymizer.identities import identities
from anonymizer.jobs import Anonymizer
from anonymizer.settings import Checking, Media, Painting, Settings
from anonymizer.studio import Brush, Studio
from anonymizer.verify import Second
from anonymizer.video.media import open_sink, open_source
from anonymizer.video.native import layout_of, planes_of
from tests.faces import Counting, MarkerDetector, black, find, forgetting, marked
from tests.films import Film, blank

SIZE = (160, 120)


def box_at(index: int) -> Box:
    return 40 + 2 * index, 30, 76 + 2 * index, 74


def draw(index: int) -> np.ndarray:
    return marked(index, box_at(index), size=(SIZE[1], SIZE[0]))


def film(path: Path, **kwargs: Any) -> Path:
    usual: dict[str, Any] = {"frames": 12, "size": SIZE, "draw": draw, "audio": "aac"}
    return Film(**usual | kwargs).write(path)


def veil(settings: Settings | None = None, detector: MarkerDetector | None = None) -> Anonymizer:
    settings = settings or Settings(painting=Painting(replace="cover"))
    return Anonymizer(settings, detector=detector or MarkerDetector())


def packets(path: Path, kind: str) -> list[tuple[int | None, bytes]]:
    with av.open(str(path)) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        return [(packet.pts, bytes(packet)) for packet in container.demux(stream) if packet.size]


def test_the_same_film_comes_out_without_its_face(tmp_path):
    source = film(tmp_path / "in.mp4", pts=[0, 1, 2, 4, 7, 8, 9, 10, 13, 14, 15, 20])
    destination = tmp_path / "out.mp4"
    report = veil().file(source, destination)
    before, after = open_source(source), open_source(destination)
    assert [frame.time for frame in after] == [frame.time for frame in before]
    assert (after.info.width, after.info.height) == SIZE
    assert not any(find(frame.image) for frame in after)
    assert packets(source, "audio") == packets(destination, "audio")
    assert (report.frames, report.shots, len(report.tracks)) == (12, 1, 1)
    assert report.tracks[0].detected == 12


def test_a_picture_is_a_film_of_one_frame(tmp_path):
    import cv2

    source = tmp_path / "in.png"
    cv2.imwrite(str(source), draw(0)[..., ::-1])
    report = veil().file(source, tmp_path / "out.png")
    (frame,) = open_source(tmp_path / "out.png")
    assert report.frames == 1
    assert not find(frame.image)
    np.testing.assert_array_equal(frame.image[:10], draw(0)[:10])


def test_the_report_is_plain_and_keeps_no_secret(tmp_path):
    key = tmp_path / "key"
    key.write_bytes(b"0123456789abcdef")
    settings = Settings(secret_file=key, painting=Painting(replace="cover"))
    report = veil(settings).file(film(tmp_path / "in.mp4"), tmp_path / "out.mp4")
    text = json.dumps(asdict(report))
    assert "0123456789abcdef" not in text
    assert str(key) not in text
    assert report.non_interference
    assert report.source == "in.mp4"
    assert set(report.seconds) == {"find", "paint", "check"}


@pytest.mark.parametrize(("expression", "names"), [("on", MOTION), ("off", ())])
def test_the_report_names_the_numbers_that_were_read_and_keeps_none(tmp_path, expression, names):
    given: list[Any] = []

    class Noting:
        size = 32

        def sketch(self, clip, seed):
            given.append(clip.motion)
            return plain.build("cover").sketch(clip, seed)

    brush = Brush(Noting(), mediators.load("none", {}))
    settings = Settings(painting=Painting(expression=expression))
    studio = Studio(brush, brush, min_face=0)
    job = Anonymizer(settings, detector=MarkerDetector(), studio=studio)
    report = job.file(film(tmp_path / "in.mp4", frames=3), tmp_path / "out.mp4")
    assert report.motion == names
    assert asdict(report)["settings"]["painting"]["expression"] == expression
    (motion,) = given
    if not names:
        assert motion is None
    else:
        assert motion.shape == (3, len(MOTION))
        text = json.dumps(asdict(report))
        assert not any(f"{value:.4f}" in text for value in motion.ravel())


def moved_by_noise(settings: Settings) -> Anonymizer:
    """Paints what the seed of the track decides."""

    class Seeded:
        size = 48

        def sketch(self, clip, seed):
            rng = np.random.default_rng(seed)
            shape = (len(clip.indices) - clip.lead, 48, 48, 3)
            return plain.Painted(clip, np.broadcast_to(rng.integers(0, 256, 3, np.uint8), shape))

    brush = Brush(Seeded(), mediators.load("none", {}))
    return Anonymizer(settings, detector=MarkerDetector(), studio=Studio(brush, brush, min_face=0))


def test_render_by_a_plan_is_bit_for_bit_what_run_does(tmp_path):
    source, plan = film(tmp_path / "in.mp4", frames=21), tmp_path / "plan.json"
    job = moved_by_noise(Settings(seed=5))
    job.file(source, tmp_path / "run.mp4")
    plan.write_text(planfile.text_of(job.plan(source)))
    blind = Anonymizer(
        Settings(seed=5), detector=Failing(RuntimeError("looked")), studio=job.crew.studio
    )
    blind.file(source, tmp_path / "render.mp4", planned=planfile.read(plan))
    assert (tmp_path / "render.mp4").read_bytes() == (tmp_path / "run.mp4").read_bytes()


def test_a_plan_of_another_film_is_refused(tmp_path):
    one, other = film(tmp_path / "1.mp4"), film(tmp_path / "2.mp4", frames=5)
    planned = veil().plan(one)
    with pytest.raises(UnreadablePlan, match=r"2\.mp4: is not the film"):
        veil().file(other, tmp_path / "out.mp4", planned=planned)
    assert not (tmp_path / "out.mp4").exists()


def test_p1_faces_are_not_painted_after_the_picture_itself(tmp_path):
    source = Film(frames=1, size=SIZE, draw=draw).write(tmp_path / "in.mp4")
    example = {"networks.ip_adapter": "a.safetensors", "networks.ip_adapter_image": str(source)}
    job = veil(Settings(painting=Painting(replace="cover")).with_values(example))
    with pytest.raises(UsageError, match=r"in\.mp4: is the ip-adapter-image too"):
        job.file(source, tmp_path / "out.mp4")
    other = Film(frames=2, size=SIZE, draw=draw).write(tmp_path / "other.mp4")
    assert job.file(other, tmp_path / "out.mp4").frames == 2
    source.unlink()
    with pytest.raises(JobError, match="cannot be read"):
        job.file(other, tmp_path / "out.mp4", overwrite=True)


def test_prompts_of_tracks_want_a_painter_that_takes_them(tmp_path):
    source = film(tmp_path / "in.mp4", frames=3)
    planned = planfile.decided(veil().plan(source), {}, {0: "an old man"})
    with pytest.raises(UsageError, match="track 0 has a prompt, which only a model with prompts"):
        veil().file(source, tmp_path / "out.mp4", planned=planned)
    assert not (tmp_path / "out.mp4").exists()


def test_the_report_says_what_became_of_every_track(tmp_path):
    source = film(tmp_path / "in.mp4", frames=3)
    planned = planfile.decided(veil().plan(source), {0: "keep"})
    report = veil().file(source, tmp_path / "out.mp4", planned=planned)
    assert [track.action for track in report.tracks] == ["keep"]
    assert "0 faces replaced, 1 tracks kept" in report.summary
    assert "3 faces replaced, " in veil().file(source, tmp_path / "all.mp4").summary
    assert all(find(frame.image) for frame in open_source(tmp_path / "out.mp4"))
    with pytest.raises(UsageError, match="no track 7; tracks: 0"):
        planfile.decided(planned, {7: "cover"})


def test_the_result_has_an_ordinary_mode(tmp_path):
    veil().file(film(tmp_path / "in.mp4"), tmp_path / "out.mp4")
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((tmp_path / "out.mp4").stat().st_mode) == 0o666 & ~mask


def drawn_with_structure(index: int) -> np.ndarray:
    return marked(index, box_at(index), size=(SIZE[1], SIZE[0]), secret=4)


def test_p5_a_face_that_was_left_is_covered_before_the_film_is_published(tmp_path):
    source = film(tmp_path / "in.mp4", draw=drawn_with_structure, frames=30)
    job = Anonymizer(Settings(), detector=MarkerDetector(), studio=forgetting(17))
    told: list[tuple[str, int]] = []
    report = job.file(
        source, tmp_path / "out.mp4", progress=lambda stage, done, _: told.append((stage, done))
    )
    assert [stage for stage, done in told if done == 30] == ["find", *2 * ["paint", "check"]]
    assert report.verification.verdict == "repaired"
    assert [doubt.frame for doubt in report.verification.repaired] == [17]
    assert report.verification.doubts == ()
    assert not any(find(frame.image) for frame in open_source(tmp_path / "out.mp4"))
    repair = report.tracks[-1]
    assert (repair.action, repair.repaired) == ("cover", repair.stop - repair.start)
    assert [span.origin for span in repair.spans] == ["repaired"]
    assert "1 repaired, repaired, " in report.summary


def test_p5_on_doubt_stop_publishes_nothing(tmp_path):
    source = film(tmp_path / "in.mp4", draw=drawn_with_structure)
    settings = Settings(checking=Checking(on_doubt="stop"))
    job = Anonymizer(settings, detector=MarkerDetector(), studio=forgetting(5))
    with pytest.raises(Doubtful, match=r"out\.mp4: not published: 1 of 12 .* in 1 frame: 5"):
        job.file(source, tmp_path / "out.mp4")
    assert list(tmp_path.iterdir()) == [source]


def test_p5_a_doubt_that_a_cover_does_not_end_publishes_nothing(tmp_path):
    """The brush that covers leaves the face as well."""
    source = film(tmp_path / "in.mp4", draw=drawn_with_structure)
    job = Anonymizer(Settings(), detector=MarkerDetector(), studio=forgetting(5, wrong=True))
    with pytest.raises(Doubtful, match="not published") as caught:
        job.file(source, tmp_path / "out.mp4")
    assert {doubt.frame for doubt in caught.value.verification.doubts} == {5}
    assert list(tmp_path.iterdir()) == [source]
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_what_a_second_detector_finds_is_covered(tmp_path, monkeypatch):
    """The first one is blind in the middle of the film, longer than a gap may be."""
    source = film(tmp_path / "in.mp4", draw=drawn_with_structure, frames=55, rate=10)
    monkeypatch.setattr(
        "anonymizer.build.second", lambda settings: Second("marker", MarkerDetector())
    )
    blind = MarkerDetector(blind=range(12, 40))
    job = Anonymizer(Settings(), detector=blind, studio=forgetting(-1))
    report = job.file(source, tmp_path / "out.mp4")
    assert not any(find(frame.image) for frame in open_source(tmp_path / "out.mp4"))
    checked = report.verification
    assert (checked.verdict, checked.second) == ("repaired", "marker")
    assert {doubt.frame for doubt in checked.repaired} == set(range(15, 37))


class Failing(MarkerDetector):
    def __init__(self, error: BaseException, after: int = 0) -> None:
        super().__init__()
        self.error, self.after = error, after

    def detect(self, frames):
        if len(self.seen) >= self.after:
            raise self.error
        return super().detect(frames)


@pytest.mark.parametrize("error", [RuntimeError("x"), KeyboardInterrupt(), MemoryError()])
def test_p3_a_failure_leaves_nothing(tmp_path, error):
    source = film(tmp_path / "in.mp4")
    for after in (0, 8):
        with pytest.raises(type(error)):
            veil(detector=Failing(error, after)).file(source, tmp_path / "out.mp4")
        assert list(tmp_path.iterdir()) == [source]


def test_p3_a_failing_painter_leaves_the_old_result(tmp_path):
    class Broken:
        size = 64

        def sketch(self, clip, seed):
            raise FloatingPointError("NaN")

    source, destination = film(tmp_path / "in.mp4"), tmp_path / "out.mp4"
    destination.write_bytes(b"old")
    brush = Brush(Broken(), mediators.load("none", {}))
    broken = Anonymizer(
        Settings(), detector=MarkerDetector(), studio=Studio(brush, brush, min_face=0)
    )
    with pytest.raises(FloatingPointError):
        broken.file(source, destination, overwrite=True)
    assert destination.read_bytes() == b"old"
    assert sorted(tmp_path.iterdir()) == [source, destination]


def test_p4_the_unfinished_file_is_private_and_beside_the_destination(tmp_path):
    modes: set[int] = set()

    class Looking(MarkerDetector):
        def detect(self, frames):
            found = [p for p in tmp_path.iterdir() if p.name.startswith(".")]
            modes.update(stat.S_IMODE(p.stat().st_mode) for p in found)
            return super().detect(frames)

    veil(detector=Looking()).file(film(tmp_path / "in.mp4"), tmp_path / "out.mp4")
    assert modes == {0o600}


def test_p4_metadata_that_says_who_or_where_is_gone(tmp_path):
    told = {"location": "+51.5-000.1/", "comment": "at home", "artist": "Jane Roe"}
    source = film(tmp_path / "in.mov", metadata=told)
    with av.open(str(source)) as container:
        assert "+51.5-000.1/" in container.metadata.values()  # the test would see it
    veil().file(source, tmp_path / "out.mov")
    data = (tmp_path / "out.mov").read_bytes()
    assert not any(value.encode() in data for value in told.values())


def test_a_source_that_changes_meanwhile_is_refused(tmp_path):
    source = film(tmp_path / "in.mp4")

    class Meddling(MarkerDetector):
        def detect(self, frames):
            with source.open("ab") as file:
                file.write(b"\0")
            return super().detect(frames)

    with pytest.raises(SourceChanged, match="changed while it was read"):
        veil(detector=Meddling()).file(source, tmp_path / "out.mp4")
    assert list(tmp_path.iterdir()) == [source]


def test_a_source_that_gets_shorter_meanwhile_is_refused(tmp_path):
    source = film(tmp_path / "in.mp4")
    shorter = film(tmp_path / "shorter.mp4", frames=5).read_bytes()

    class Swapping(MarkerDetector):
        def detect(self, frames):
            source.write_bytes(shorter)
            return super().detect(frames)

    with pytest.raises((SourceChanged, UnreadableVideo)):
        veil(detector=Swapping()).file(source, tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_an_existing_result_is_kept_unless_told(tmp_path):
    source, destination = film(tmp_path / "in.mp4"), tmp_path / "out.mp4"
    destination.write_bytes(b"old")
    with pytest.raises(UnwritableOutput, match="exists; pass --overwrite"):
        veil().file(source, destination)
    assert destination.read_bytes() == b"old"
    veil().file(source, destination, overwrite=True)
    assert open_source(destination).info.width == SIZE[0]


def test_what_was_written_is_decoded_and_compared(tmp_path, monkeypatch):
    source = film(tmp_path / "in.mp4")

    def forgetful(*args, **kwargs):
        sink = open_sink(*args, **kwargs)
        write = sink.write
        monkeypatch.setattr(
            sink, "write", lambda frame: write(frame) if frame.index != 5 else None, raising=False
        )
        return sink

    monkeypatch.setattr("anonymizer.rendering.open_sink", forgetful)
    with pytest.raises(JobError, match=r"was written at|instead of 12"):
        veil().file(source, tmp_path / "out.mp4")
    assert list(tmp_path.iterdir()) == [source]


def test_lossless_changes_nothing_but_faces(tmp_path):
    source = film(tmp_path / "in.mp4")
    settings = Settings(painting=Painting(replace="cover"), media=Media(lossless=True))
    veil(settings).file(source, tmp_path / "out.mp4")
    for before, after in zip(open_source(source), open_source(tmp_path / "out.mp4"), strict=True):
        np.testing.assert_array_equal(before.image[:8], after.image[:8])
        assert (before.image != after.image).any()


def samples(path: Path) -> list[list[np.ndarray]]:
    """The planes of every picture as they are stored, read without our source."""
    layout = layout_of(open_source(path).info.pixel_format)
    assert layout is not None
    with av.open(str(path)) as file:
        decoded = list(file.decode(video=0))
        return [[plane.copy() for plane in planes_of(shown, layout)] for shown in decoded]


def painted(source: Path) -> list[np.ndarray]:
    """Where the frames of a film are painted."""
    parts = veil()
    plan = parts.plan(source).plan
    frames = pipeline.render(open_source(source), plan, parts.crew.studio, lambda track: track)
    return [frame.changed for frame in frames if frame.changed is not None]


@pytest.mark.parametrize("rotation", [0, 90])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le", "yuv422p10le", "yuv444p"])
def test_lossless_keeps_every_sample_outside_of_protected_areas(tmp_path, pixel_format, rotation):
    def upright(index: int) -> np.ndarray:
        return np.ascontiguousarray(np.rot90(draw(index), rotation // 90))

    size = SIZE[::-1] if rotation else SIZE
    what = {"pixel_format": pixel_format, "rotation": rotation, "size": size, "draw": upright}
    source, target = film(tmp_path / "in.mp4", **what), tmp_path / "out.mp4"
    settings = Settings(painting=Painting(replace="cover"), media=Media(lossless=True))
    report = veil(settings).file(source, target)
    assert report.tracks
    assert report.warnings == ()
    areas = painted(source)
    assert len(areas) == 12
    for area, before, after in zip(areas, samples(source), samples(target), strict=True):
        stored = np.rot90(area, rotation // 90)
        assert 0.05 < stored.mean() < 0.5
        for old, new in zip(before, after, strict=True):
            down, across = (-(-a // b) for a, b in zip(stored.shape, old.shape, strict=True))
            inside = stored.reshape(old.shape[0], down, old.shape[1], across).any((1, 3))
            assert np.array_equal(old[~inside], new[~inside])
            assert (old != new).any()


def test_what_cannot_be_written_is_refused_before_faces_are_looked_for(tmp_path):
    class Idle(MarkerDetector):
        def detect(self, frames: Any) -> Any:
            raise AssertionError("looked for faces")

    settings = Settings(painting=Painting(replace="cover"), media=Media(codec="libx264"))
    with pytest.raises(UsageError, match=r"\.webm cannot hold libx264"):
        veil(settings, Idle()).file(film(tmp_path / "in.mp4"), tmp_path / "out.webm")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4"]


@pytest.mark.parametrize(
    ("codec", "family"), [("libx265", "hevc"), ("libvpx-vp9", "vp9"), ("ffv1", "ffv1")]
)
def test_the_encoder_that_is_asked_for_is_used(tmp_path, codec, family):
    media = Media(codec=codec, preset="ultrafast")
    settings = Settings(painting=Painting(replace="cover"), media=media)
    veil(settings).file(film(tmp_path / "in.mkv"), tmp_path / "out.mkv")
    assert open_source(tmp_path / "out.mkv").info.codec == family


def test_arrays_go_in_and_come_out(tmp_path):
    images = [draw(index) for index in range(20)]
    out = list(veil().frames(iter(images)))
    assert len(out) == 20
    assert not any(find(image) for image in out)
    assert all(image.flags.writeable for image in images)


def test_p6_identities_differ_between_runs_and_repeat_with_a_secret(tmp_path):
    first, second = (Anonymizer(Settings(painting=Painting(replace="cover"))) for _ in range(2))
    assert first.crew.secret != second.crew.secret
    seeds = [identities(b"k" * 32, "file")(track) for track in range(100)]
    assert len(set(seeds)) == 100
    assert seeds == [identities(b"k" * 32, "file")(track) for track in range(100)]
    assert seeds[0] != identities(b"k" * 32, "other")(0)
    assert seeds[0] != identities(b"l" * 32, "file")(0)
    assert all(0 <= seed < 2**63 for seed in seeds)


@pytest.mark.parametrize(("content", "message"), [(None, "cannot be read"), (b"short", "needs 16")])
def test_a_bad_secret_file_is_refused(tmp_path, content, message):
    key = tmp_path / "key"
    if content is not None:
        key.write_bytes(content)
    with pytest.raises(UsageError, match=message):
        veil(Settings(secret_file=key, painting=Painting(replace="cover")))


def test_the_time_base_of_the_source_is_kept(tmp_path):
    source = film(
        tmp_path / "in.mp4", rate=30, time_base=Fraction(1, 90000), pts=range(0, 36036, 3003)
    )
    veil().file(source, tmp_path / "out.mp4")
    assert open_source(tmp_path / "out.mp4").info.time_base == Fraction(1, 90000)


def test_blur_and_mosaic_smooth_the_face_away(tmp_path):
    def draw_pattern(index: int) -> np.ndarray:
        return marked(index, box_at(index), size=(SIZE[1], SIZE[0]), secret=5)

    source = film(tmp_path / "in.mp4", frames=3, draw=draw_pattern)
    for name in ("blur", "mosaic"):
        brush = Brush(plain.build(name), mediators.load("none", {}))
        other = Anonymizer(
            Settings(painting=Painting(replace=name)),
            detector=MarkerDetector(),
            studio=Studio(brush, brush, 0),
        )
        report = other.file(source, tmp_path / f"{name}.mp4")
        assert not report.non_interference
        for before, after in zip(
            open_source(source), open_source(tmp_path / f"{name}.mp4"), strict=True
        ):
            inner = np.s_[44:60, 52:66, 1]
            assert after.image[inner].std() < before.image[inner].std() / 2


def test_what_is_damaged_is_told_of_the_reading_that_was_painted(tmp_path):
    """Another one ran ahead of it, and ended before the film did."""
    source = film(tmp_path / "in.mov", frames=150, codec="png", pixel_format="rgb24", options={})
    blank(source, [5, 80, 140, 145])
    job = Anonymizer(Settings(seed=1), detector=MarkerDetector(), studio=black(Counting()))
    report = job.file(source, tmp_path / "out.mp4")
    assert report.skipped_packets == 4
    assert "damaged packets were skipped: 4" in report.warnings
