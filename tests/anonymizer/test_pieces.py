import pickle
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anonymizer import pieces
from anonymizer.data import Box, Clip
from anonymizer.errors import SourceChanged, UnwritableOutput
from anonymizer.jobs import Anonymizer
from anonymizer.plan import Plan
from anonymizer.planfile import PlanFile, text_of
from anonymizer.report import Report
from anonymizer.settings import Checking, Media, Painting, Settings
from anonymizer.video.source import VideoSource
from tests.faces import Counted, Counting, MarkerDetector, black, find, forgetting, marked
from tests.films import make_video
from tests.media import X264

SIZE = (160, 120)
CUTS = (20, 34)
ALONE = Checking(second_detector="none", embedder="none")


def box_at(index: int) -> Box:
    return 30 + index, 30, 66 + index, 74


def draw(index: int) -> np.ndarray:
    seed = 7 * sum(index >= cut for cut in CUTS)
    box = (-9.0, -9.0, -8.0, -8.0) if 20 <= index < 28 else box_at(index)
    return marked(index, box, size=(SIZE[1], SIZE[0]), seed=seed)


def film(folder: Path, suffix: str = ".mp4", **what: Any) -> Path:
    usual: dict[str, Any] = {"frames": 50, "size": SIZE, "draw": draw, "options": X264 | {"g": "9"}}
    return make_video(folder / f"in{suffix}", **usual | what)


def veil(replaced: str = "cover", **what: Any) -> Anonymizer:
    painting = Painting(replace=replaced, mediator="none")  # type: ignore[arg-type]
    settings = Settings(seed=4, painting=painting, checking=ALONE, **what)
    return Anonymizer(settings, detector=MarkerDetector(blind=range(6, 14)))


def through_pickle(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


def searched(job: Anonymizer, source: Path, frames: int) -> PlanFile:
    ranges = pieces.to_search(source, frames=frames)
    found = [through_pickle(pieces.searched(job, source, part)) for part in ranges]
    return pieces.planned(job, source, found[::-1])


def in_pieces(job: Anonymizer, source: Path, destination: Path, frames: int) -> Report:
    plan = searched(job, source, frames)
    parts = {}
    for part in reversed(pieces.to_paint(plan, frames=frames)):
        parts[part] = destination.with_name(f"{destination.stem}.{part.start}")
        pieces.painted(job, source, through_pickle(plan), part, parts[part], destination)
    return job.file(source, destination, planned=plan, parts=parts)


@pytest.mark.parametrize("frames", [5, 16, 17, 24, 1000])
def test_ranges_to_search_join_and_begin_with_batches(tmp_path, frames):
    ranges = pieces.to_search(film(tmp_path), frames=frames)
    assert [index for part in ranges for index in part] == list(range(50))
    assert all(part.start % 8 == 0 for part in ranges)
    assert len(ranges) == {5: 7, 16: 4, 17: 3, 24: 3, 1000: 1}[frames]
    assert max(map(len, ranges)) <= max(8, frames + 8)


@pytest.mark.parametrize("frames", [8, 24])
def test_the_plan_is_the_one_that_reading_the_whole_film_gives(tmp_path, frames):
    source = film(tmp_path)
    plan = searched(veil(), source, frames)
    assert text_of(plan) == text_of(veil().plan(source))
    assert plan.plan.starts == (0, *CUTS)
    assert "interpolated" in plan.plan.tracks[0].origins


def test_every_detector_sees_the_batches_that_it_sees_in_the_whole_film(tmp_path):
    seen: list[tuple[int, ...]] = []

    class Noting(MarkerDetector):
        def detect(self, frames):
            seen.append(tuple(frame.index for frame in frames))
            return super().detect(frames)

    source = film(tmp_path)
    job = Anonymizer(Settings(painting=Painting(replace="cover")), detector=Noting())
    job.plan(source)
    whole, seen[:] = list(seen), []
    searched(job, source, 16)
    assert seen == whole


@pytest.mark.parametrize(
    ("frames", "ranges"),
    [(1, [(0, 20), (20, 34), (34, 50)]), (15, [(0, 20), (20, 50)]), (30, [(0, 50)])],
)
def test_ranges_to_paint_end_at_cuts(tmp_path, frames, ranges):
    plan = veil().plan(film(tmp_path))
    assert [(r.start, r.stop) for r in pieces.to_paint(plan, frames=frames)] == ranges


@pytest.mark.parametrize("replaced", ["cover", "blur"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_pieces_show_what_the_whole_film_shows(tmp_path, replaced, suffix):
    source = film(tmp_path, suffix, audio="aac")
    exact = {"media": Media(lossless=True)}
    one, other = tmp_path / f"one{suffix}", tmp_path / f"other{suffix}"
    report = in_pieces(veil(replaced, **exact), source, one, 1)
    whole = veil(replaced, **exact).file(source, other)
    a, b = list(VideoSource(one)), list(VideoSource(other))
    assert [frame.pts for frame in a] == [frame.pts for frame in b]
    assert all(np.array_equal(x.image, y.image) for x, y in zip(a, b, strict=True))
    assert replaced == "blur" or not any(find(frame.image) for frame in a)
    plainly: dict[str, Any] = {"destination": "", "output_sha256": None, "seconds": {}}
    again = replace(report, warnings=whole.warnings, smart_copy=whole.smart_copy, **plainly)
    assert again == replace(whole, **plainly)
    assert set(report.seconds) == {"find", "paint", "check"}


def test_pieces_know_as_much_of_what_comes_later_as_the_whole_film(tmp_path):
    class Foreseeing(Counting):
        """Paints how much is known of a track."""

        def continued(self, clip: Clip, seed: int, memory: list[int]) -> Counted:
            done = super().continued(clip, seed, memory)
            return replace(done, pixels=np.full_like(done.pixels, min(255, 60 * len(memory))))

    settings = Settings(seed=4, checking=ALONE, media=Media(lossless=True))
    source, shown = film(tmp_path, frames=80), []  # 46 in the last shot
    for name in ("one", "other"):
        job = Anonymizer(settings, detector=MarkerDetector(), studio=black(Foreseeing()))
        out = tmp_path / f"{name}.mp4"
        if name == "one":
            in_pieces(job, source, out, 1)
        else:
            job.file(source, out)
        shown.append([frame.image for frame in VideoSource(out)])
    assert all(np.array_equal(*pair) for pair in zip(*shown, strict=True))
    x0, y0, x1, y1 = map(int, box_at(0))
    level = shown[0][0][(y0 + y1) // 2, (x0 + x1) // 2].mean()
    assert level == pytest.approx(60 * 2, abs=8)


def test_p5_where_a_face_was_left_only_that_piece_is_painted_again(tmp_path):
    def drawn(index: int) -> np.ndarray:
        seed = 7 * sum(index >= cut for cut in CUTS)
        return marked(index, box_at(index), size=(SIZE[1], SIZE[0]), seed=seed, secret=4)

    source = film(tmp_path, draw=drawn)
    leaky = Anonymizer(
        Settings(seed=4, checking=ALONE), detector=MarkerDetector(), studio=forgetting(25)
    )
    plan = searched(leaky, source, 16)
    parts = {}
    for part in pieces.to_paint(plan, frames=10):
        parts[part] = tmp_path / str(part.start)
        pieces.painted(leaky, source, plan, part, parts[part], tmp_path / "out.mp4")
    assert list(parts) == [range(20), range(20, 34), range(34, 50)]
    before = {path: path.read_bytes() for path in parts.values()}
    told: list[tuple[str, int]] = []
    report = leaky.file(
        source,
        tmp_path / "out.mp4",
        planned=plan,
        parts=parts,
        progress=lambda stage, done, _: told.append((stage, done)),
    )
    assert [doubt.frame for doubt in report.verification.repaired] == [25]
    assert report.verification.verdict == "repaired"
    assert {done for stage, done in told if stage == "paint"} == {34}
    assert {path: path.read_bytes() for path in parts.values()} == before
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"in.mp4", "out.mp4", "0", "20", "34"}
    assert not any(find(frame.image) for frame in VideoSource(tmp_path / "out.mp4"))


def test_bytes_do_not_depend_on_who_did_it(tmp_path):
    source = film(tmp_path, audio="aac")
    first = in_pieces(veil(), source, tmp_path / "a.mp4", 1)
    second = in_pieces(veil(), source, tmp_path / "b.mp4", 1)
    assert first.output_sha256 == second.output_sha256


def test_p4_what_is_written_meanwhile_is_private(tmp_path):
    source = film(tmp_path)
    plan, part = veil().plan(source), tmp_path / "part"
    pieces.painted(veil(), source, plan, range(20, 34), part, tmp_path / "out.mp4")
    assert stat.S_IMODE(part.stat().st_mode) == 0o600


def test_what_was_found_in_another_film_makes_no_plan(tmp_path):
    source, job = film(tmp_path), veil()
    found = [pieces.searched(job, source, part) for part in pieces.to_search(source, frames=25)]
    with pytest.raises(SourceChanged, match="is not the film that was searched"):
        pieces.planned(job, source, found[:1])


def test_a_film_that_changed_is_not_painted(tmp_path):
    source = film(tmp_path)
    plan = veil().plan(source)
    shifted: Plan = replace(plan.plan, pts=plan.plan.pts + 1)
    with pytest.raises(SourceChanged, match="read differently the second time"):
        pieces.painted(
            veil(),
            source,
            replace(plan, plan=shifted),
            range(20, 34),
            tmp_path / "part",
            tmp_path / "out.mp4",
        )


def test_p3_parts_that_are_not_all_of_the_film_are_not_published(tmp_path):
    source = film(tmp_path)
    plan, out = veil().plan(source), tmp_path / "out.mp4"
    parts = {}
    for part in pieces.to_paint(plan, frames=1):
        parts[part] = tmp_path / f"part{part.start}"
        pieces.painted(veil(), source, plan, part, parts[part], out)
    del parts[range(20, 34)]
    with pytest.raises(UnwritableOutput, match="its parts are not all of it"):
        veil().file(source, out, planned=plan, parts=parts)
    assert not out.exists()


def test_what_cannot_be_done_in_pieces_says_why(tmp_path):
    import cv2

    picture = tmp_path / "in.png"
    cv2.imwrite(str(picture), draw(0))
    with pytest.raises(pieces.Indivisible, match="it is a picture"):
        pieces.to_search(picture, frames=5)
    source = make_video(
        tmp_path / "in.mkv", codec="ffv1", pixel_format="yuva420p", options={}, frames=3
    )
    plan = veil().plan(source)
    job = veil(media=Media(codec="libvpx-vp9"))
    with pytest.raises(pieces.Indivisible, match="its transparency is written beside"):
        pieces.painted(job, source, plan, range(3), tmp_path / "part", tmp_path / "out.webm")
