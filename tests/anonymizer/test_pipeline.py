import threading
from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

import mediators
from anonymizer import live, pipeline, plain
from anonymizer.crops import GREY
from anonymizer.data import Box, Clip, Frame
from anonymizer.pipeline import PlanMismatch
from anonymizer.plan import Plan, Zone
from anonymizer.protocols import Mediation
from anonymizer.studio import Brush, Studio
from tests.faces import Black, Counting, MarkerDetector, black, film, find
from tests.factories import TICK, frame, track

RIGHT = 3.0


def moving(index: int) -> Box:
    """A marker of 36x44 pixels that walks to the right."""
    return 30 + RIGHT * index, 30, 66 + RIGHT * index, 74


def studio(replace: str = "cover") -> Studio:
    brush = Brush(plain.build(replace), mediators.load("none", {}))
    return Studio(face=brush, small=brush, min_face=0)


def identity(track: int) -> int:
    return track


def test_sketches_of_a_track_go_on_from_chunk_to_chunk_and_end_with_it():
    counting = Counting()
    rendered(film(20, moving, cuts=(13,)), black(counting), chunk=6, overlap=2)
    first, second, third, after_cut, last = counting.told
    assert first[1:] == (0, [])
    assert second == (first[0], 6, list(range(6)))
    assert third == (first[0], 12, list(range(12)))
    assert after_cut[1:] == (13, [])
    assert last == (after_cut[0], 19, list(range(13, 19)))


def test_a_track_goes_on_where_no_frames_are_shown_again():
    counting = Counting()
    rendered(film(9, moving), black(counting), chunk=6, overlap=0)
    assert [told[1:] for told in counting.told] == [(0, []), (6, list(range(6)))]


def rendered(frames: list[Frame], parts: Studio | None = None, **kwargs: int) -> list[Frame]:
    plan = pipeline.analyse(frames, MarkerDetector())
    sizes = {"chunk": 16, "overlap": 4} | kwargs
    return list(
        pipeline.render(
            frames,
            plan,
            parts or studio(),
            identity,
            chunk=sizes["chunk"],
            overlap=sizes["overlap"],
        )
    )


def test_every_frame_comes_out_once_and_without_its_face():
    frames = film(21, moving)
    out = rendered(frames, chunk=8, overlap=2)
    assert [frame.index for frame in out] == list(range(21))
    assert [frame.pts for frame in out] == [frame.pts for frame in frames]
    assert not any(find(frame.image) for frame in out)


@pytest.mark.parametrize(("chunk", "overlap"), [(1, 0), (5, 0), (5, 4), (16, 4), (64, 8)])
def test_chunking_does_not_change_what_is_covered(chunk, overlap):
    frames = film(12, moving)
    out = rendered(frames, black(Black()), chunk=chunk, overlap=overlap)
    whole = rendered(frames, black(Black()), chunk=12, overlap=0)
    for ours, theirs in zip(out, whole, strict=True):
        np.testing.assert_array_equal(ours.image, theirs.image)


def test_pixels_far_from_faces_stay_as_they_were():
    frames = film(6, moving)
    for before, after in zip(frames, rendered(frames), strict=True):
        np.testing.assert_array_equal(before.image[:8], after.image[:8])


def test_painted_pixels_are_marked_and_the_decoded_samples_passed_on():
    decoded = object()
    frames = [replace(frame, native=decoded) for frame in film(6, moving)]
    zone = Zone("always", (2.0, 3.0, 9.0, 8.0), 0, 3)
    plan = replace(pipeline.analyse(frames, MarkerDetector()), zones=(zone,))
    out = pipeline.render(frames, plan, studio(), identity)
    for before, after in zip(frames, out, strict=True):
        assert after.native is decoded
        assert after.changed is not None
        different = (before.image != after.image).any(-1)
        assert different.any()
        assert not (different & ~after.changed).any()
        assert after.changed[3:8, 2:9].all() == (after.index < 3)
        assert after.changed.mean() < 0.5


def test_a_pixel_that_is_painted_in_its_own_colour_is_marked():
    """Whether it is marked must not depend on the original (P1)."""
    grey = np.full((48, 64, 3), GREY, np.uint8)
    after = pipeline.covered(frame(image=grey), [Zone("always", (2.0, 3.0, 9.0, 8.0), 0, 3)])
    assert (after.image == GREY).all()
    assert after.changed is not None
    assert after.changed.sum() == 5 * 7


def test_a_face_that_the_detector_misses_for_a_while_is_covered():
    frames = film(30, moving, size=(120, 220))
    plan = pipeline.analyse(frames, MarkerDetector(blind=range(10, 18)))
    out = list(pipeline.render(frames, plan, studio(), identity))
    assert not any(find(frame.image) for frame in out)


def test_a_face_is_covered_a_little_before_and_after_it_was_seen():
    frames = film(24, moving, size=(120, 220))
    blind = {*range(3), *range(21, 24)}
    plan = pipeline.analyse(frames, MarkerDetector(blind=blind))
    out = list(pipeline.render(frames, plan, studio(), identity))
    assert not any(find(frame.image) for frame in out)


def test_tracks_end_at_cuts():
    frames = film(24, moving, size=(120, 220), cuts=[12])
    plan = pipeline.analyse(frames, MarkerDetector())
    assert plan.starts == (0, 12)
    assert [(track.start, track.stop) for track in plan.tracks] == [(0, 12), (12, 24)]
    assert len({track.id for track in plan.tracks}) == 2


def test_no_frames_give_an_empty_plan():
    plan = pipeline.analyse([], MarkerDetector())
    assert (plan.starts, plan.tracks, len(plan.pts)) == ((), (), 0)
    assert list(pipeline.render([], plan, studio(), identity)) == []


def test_one_frame_is_a_film():
    frames = film(1, moving)
    (out,) = rendered(frames)
    assert not find(out.image)


def test_frames_without_a_face_pass_unchanged():
    frames = film(5, lambda _: None)
    for before, after in zip(frames, rendered(frames), strict=True):
        np.testing.assert_array_equal(before.image, after.image)


@pytest.mark.parametrize("second", [slice(0, 4), slice(0, 6), slice(1, 5)])
def test_other_frames_than_those_planned_are_refused(second):
    frames = film(6, moving)
    plan = pipeline.analyse(frames[:5], MarkerDetector())
    with pytest.raises(PlanMismatch):
        list(pipeline.render(frames[second], plan, studio(), identity))


class Numbered(Black):
    """Paints every track in a grey of its own."""

    def sketch(self, clip: Clip, seed: int) -> plain.Painted:
        black = super().sketch(clip, seed)
        return plain.Painted(clip, black.pixels + np.uint8(20 * (1 + clip.track)))


NEAR, FAR = (50.0, 40.0, 90.0, 90.0), (30.0, 40.0, 58.0, 74.0)


@pytest.mark.parametrize(
    ("boxes", "covered", "on_top"),
    [((NEAR, FAR), None, 0), ((FAR, NEAR), None, 1), ((NEAR, FAR), 1, 1), ((FAR, NEAR), 0, 0)],
)
def test_the_larger_of_two_faces_lies_on_top_and_what_is_covered_over_both(boxes, covered, on_top):
    pair = [track(8, id=at, box=box, velocity=(0, 0)) for at, box in enumerate(boxes)]
    pair = [replace(one, action="cover") if one.id == covered else one for one in pair]
    plan = Plan(np.arange(8), (0,), tuple(pair))
    parts = replace(black(Numbered()), cover=black(Numbered()).face)
    for painted in pipeline.render(film(8, moving), plan, parts, identity, chunk=5):
        assert (painted.image[58, 55] == 20 * (1 + on_top)).all()


def test_a_painter_that_fails_lets_no_frame_of_the_chunk_out():
    class Broken:
        size = 64

        def sketch(self, clip, seed):
            raise RuntimeError("no paint")

    brush = Brush(Broken(), mediators.load("none", {}))
    frames = film(6, moving)
    plan = pipeline.analyse(frames, MarkerDetector())
    out = pipeline.render(frames, plan, Studio(brush, brush, 0), identity)
    with pytest.raises(RuntimeError):
        next(out)


class Slow:
    """Paints a chunk only when the next one is sketched."""

    def __init__(self, sketches: int) -> None:
        self.black, self.size = Black(), Black.size
        self.sketched, self.painted, self.most = 0, 0, 0
        self.further = threading.Condition()
        self.all = sketches

    def sketch(self, clip: Clip, seed: int) -> "Waiting":
        done = self.black.sketch(clip, seed)
        with self.further:
            self.sketched += 1
            self.most = max(self.most, self.sketched - self.painted)
            self.further.notify_all()
        return Waiting(self, done.moving, done.pixels)


@dataclass
class Waiting:
    """What `Slow` sketched."""

    slow: Slow
    moving: Clip
    pixels: NDArray[np.uint8]

    def paint(self, mediation: Mediation) -> NDArray[np.uint8]:
        slow = self.slow
        with slow.further:
            slow.painted += 1
            wanted = min(slow.painted + 1, slow.all)
            assert slow.further.wait_for(lambda: slow.sketched >= wanted, timeout=20)
        return self.pixels


def test_the_next_face_is_sketched_while_one_is_painted_and_no_more():
    frames = film(20, moving)
    patient = Slow(sketches=4)
    done = rendered(frames, black(patient), chunk=5, overlap=2)
    usual = rendered(frames, black(Black()), chunk=5, overlap=2)
    assert patient.painted == 4
    assert patient.most <= 2
    for one, other in zip(done, usual, strict=True):
        np.testing.assert_array_equal(one.image, other.image)


def test_small_faces_get_the_other_brush():
    large, small = Black(), Black()
    none = mediators.load("none", {})
    frames = film(4, moving)
    plan = pipeline.analyse(frames, MarkerDetector())
    for limit, used, unused in ((20, large, small), (60, small, large)):
        used.tracks, unused.tracks = [], []
        chosen = Studio(Brush(large, none), Brush(small, none), limit)
        list(pipeline.render(frames, plan, chosen, identity))
        assert used.tracks
        assert not unused.tracks


def test_large_faces_get_the_large_brush_where_there_is_one():
    usual, large, small = Black(), Black(), Black()
    none = mediators.load("none", {})
    frames = film(4, moving)
    plan = pipeline.analyse(frames, MarkerDetector())
    for limit, least, used in ((40, 20, large), (60, 20, usual), (40, 60, small)):
        usual.tracks, large.tracks, small.tracks = [], [], []
        face, other, more = (Brush(painter, none) for painter in (usual, small, large))
        chosen = Studio(face, other, least, more, large_face=limit)
        list(pipeline.render(frames, plan, chosen, identity))
        assert [painter for painter in (usual, large, small) if painter.tracks] == [used]


def test_progress_counts_frames_and_faces():
    told: list[tuple[str, int, int]] = []
    frames = film(10, moving)
    plan = pipeline.analyse(frames, MarkerDetector(), progress=lambda *news: told.append(news))
    list(
        pipeline.render(frames, plan, studio(), identity, progress=lambda *news: told.append(news))
    )
    assert [news for news in told if news[0] == "find"] == [("find", 8, 8), ("find", 10, 2)]
    assert [news for news in told if news[0] == "paint"] == [("paint", 10, 10)]


class TestLive:
    def stream(self, frames: list[Frame], detector: MarkerDetector, **kwargs: int) -> list[Frame]:
        return list(live.stream(frames, detector, studio(), identity, **kwargs))

    def test_covers_what_the_two_readings_cover(self):
        frames = film(40, moving, size=(120, 260))
        out = self.stream(frames, MarkerDetector(), chunk=8, overlap=2, horizon=12)
        assert [frame.index for frame in out] == list(range(40))
        assert not any(find(frame.image) for frame in out)

    def test_bridges_gaps_within_the_horizon(self):
        frames = film(40, moving, size=(120, 260))
        detector = MarkerDetector(blind={0, 1, 2, *range(14, 22), 38, 39})
        out = self.stream(frames, detector, chunk=4, overlap=2, horizon=16)
        assert not any(find(frame.image) for frame in out)

    def test_a_track_keeps_its_identity_over_chunks_and_not_over_cuts(self):
        noting = Black()
        frames = film(40, moving, size=(120, 260), cuts=[20])
        list(
            live.stream(
                frames,
                MarkerDetector(),
                black(noting),
                identity,
                chunk=5,
                overlap=2,
                horizon=8,
            )
        )
        assert noting.seeds == [0] * 4 + [1] * 4

    def test_reads_no_further_than_it_must(self):
        detector = MarkerDetector()
        frames = film(60, moving, size=(120, 300))
        out = live.stream(frames, detector, studio(), identity, chunk=4, overlap=2, horizon=10)
        next(out)
        assert max(detector.seen) == 13

    def test_an_empty_film_gives_nothing(self):
        assert self.stream([], MarkerDetector()) == []


def test_doubts_that_no_track_confirms_are_counted_and_not_hidden():
    class Doubting(MarkerDetector):
        def detect(self, frames):
            found = super().detect(frames)
            return [[replace(face, doubtful=True) for face in faces] for faces in found]

    seen = film(16, lambda index: moving(index) if index in (2, 3, 10) else None, cuts=(8,))
    plan = pipeline.analyse(seen, Doubting())
    assert (plan.tracks, plan.unconfirmed) == ((), 3)
    assert pipeline.analyse(seen, MarkerDetector()).unconfirmed == 0


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ((48, 60), "picture 1 is 60x48, expected 64x48"),
        ((0, 0), "picture 1 is 0x0, expected 64x48"),
    ],
)
def test_a_stream_is_of_one_size(second, said):
    images = [np.zeros((48, 64, 3), np.uint8), np.zeros((*second, 3), np.uint8)]
    frames = (Frame(at, at, TICK, image) for at, image in enumerate(images))
    with pytest.raises(ValueError, match=said):
        list(live.stream(frames, MarkerDetector(), studio(), identity))


def test_a_stream_has_pixels():
    nothing = Frame(0, 0, TICK, np.zeros((5, 0, 3), np.uint8))
    with pytest.raises(ValueError, match="picture 0 is 0x5, expected some pixels"):
        list(live.stream([nothing], MarkerDetector(), studio(), identity))
