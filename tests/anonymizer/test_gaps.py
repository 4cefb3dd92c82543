"""Faces are followed where nobody saw them, and only where that can be believed."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from anonymizer import gaps, geometry, pipeline
from anonymizer.data import Box, Face, Frame
from anonymizer.gaps import Gap
from anonymizer.linking import Piece
from tests.factories import TICK, five_points, picture

SIZE = (120, 200)
COUNT = 25
FACE = np.random.default_rng(3).integers(0, 255, (9, 7, 3), np.uint8)


def bounce(index: int) -> tuple[float, float, float]:
    """Middle (x, y) and width of a face that jumps up and comes down again, growing a little."""
    share = index / (COUNT - 1)
    return 60 + 40 * share, 85 - 50 * np.sin(np.pi * share), 36 + 6 * share


def box_at(index: int) -> Box:
    x, y, width = bounce(index)
    return x - width / 2, y - width * 0.65, x + width / 2, y + width * 0.65


def scene(index: int, *, hidden: bool = False) -> np.ndarray:
    """A blotched face before a background that stands still."""
    image = picture(SIZE, seed=2)
    x0, y0, x1, y1 = box_at(index)
    across, down = (x1 - x0) / 7, (y1 - y0) / 9
    matrix = np.array([[across, 0, x0 + across / 2], [0, down, y0 + down / 2]])
    blotches = cv2.warpAffine(FACE, matrix, SIZE[::-1], flags=cv2.INTER_LINEAR)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    inside = np.hypot((2 * x - x0 - x1) / (x1 - x0), (2 * y - y0 - y1) / (y1 - y0)) < 1
    if not hidden:
        image[inside] = blotches[inside]
    return image


def film(count: int = COUNT, *, hidden: range = range(0)) -> list[Frame]:
    return [Frame(at, at, TICK, scene(at, hidden=at in hidden)) for at in range(count)]


def face(index: int) -> Face:
    box = box_at(index)
    return Face(box, 0.9, five_points(box))


class Blind:
    """Knows where the face is, but not in the middle of the film."""

    def __init__(self, sees) -> None:
        self.sees = sees

    def detect(self, frames):
        return [[face(frame.index)] if frame.index in self.sees else [] for frame in frames]


ENDS = (0, 1, 2, COUNT - 3, COUNT - 2, COUNT - 1)


def overlap(box: Box, index: int) -> float:
    return float(geometry.iou([box], [box_at(index)])[0, 0])


def test_a_face_that_moves_on_a_curve_is_followed():
    plan = pipeline.analyse(film(), Blind(ENDS))
    (track,) = plan.tracks
    assert track.origins == ("detected",) * 3 + ("interpolated",) * (COUNT - 6) + ("detected",) * 3
    assert min(overlap(track.faces[at].box, at) for at in range(COUNT)) > 0.7
    straight = pipeline.analyse(iter(film()), Blind(ENDS)).tracks[0]
    assert overlap(straight.faces[COUNT // 2].box, COUNT // 2) < 0.2


def test_landmarks_go_with_the_box_and_what_the_face_does_is_not_made_up():
    before = Face(box_at(0), 0.9, five_points(box_at(0)), np.ones(3, np.float32))
    gap = Gap(0, COUNT - 1, before, face(COUNT - 1))
    piece = Piece((0, COUNT - 1), (gap.before, gap.after))
    whole = gaps.closed(piece, 0, [gap], gaps.follow(film(), [gap]))
    assert whole.frames == tuple(range(COUNT))
    assert whole.carried == frozenset(range(1, COUNT - 1))
    middle = whole.faces[COUNT // 2]
    assert middle.motion is None
    assert middle.landmarks is not None
    np.testing.assert_allclose(middle.landmarks, five_points(box_at(COUNT // 2)), atol=4)


def test_the_same_film_backwards_gives_the_same_boxes():
    there = [gaps._small(frame.image)[0] for frame in film()]
    forward = gaps.between(there, box_at(0), box_at(COUNT - 1))
    backward = gaps.between(there[::-1], box_at(COUNT - 1), box_at(0))
    assert forward is not None
    assert backward is not None
    np.testing.assert_allclose(forward, backward[::-1], atol=1e-3)


def test_what_passes_in_front_leaves_the_straight_line():
    hidden = film(hidden=range(8, 16))
    plan, straight = (pipeline.analyse(frames, Blind(ENDS)) for frames in (hidden, iter(hidden)))
    for one, other in zip(plan.tracks[0].faces, straight.tracks[0].faces, strict=True):
        np.testing.assert_allclose(one.box, other.box)


def test_a_way_that_is_lost_or_leads_elsewhere_is_none():
    grays = [gaps._small(frame.image)[0] for frame in film()]
    first, last = box_at(0), box_at(COUNT - 1)
    assert gaps.between(grays, first, last) is not None
    assert gaps.between([np.full_like(grays[0], 128), *grays[1:]], first, last) is None
    x0, y0, x1, y1 = last
    assert gaps.between(grays, first, (x0 + 40, y0, x1 + 40, y1)) is None


def test_wide_pictures_are_followed_at_a_smaller_scale():
    wide = [Frame(f.index, f.pts, TICK, cv2.resize(f.image, None, fx=5, fy=5)) for f in film()]
    big = [np.multiply(box_at(at), 5).tolist() for at in (0, COUNT - 1)]
    gap = Gap(0, COUNT - 1, *(Face((x0, y0, x1, y1), 0.9) for x0, y0, x1, y1 in big))
    boxes = gaps.follow(wide, [gap])[gap]
    assert boxes.shape == (COUNT - 2, 4)
    x0, y0, x1, y1 = (boxes[COUNT // 2 - 1] / 5).tolist()
    assert overlap((x0, y0, x1, y1), COUNT // 2) > 0.7


@pytest.mark.parametrize("missing", [gaps.LEAST - 1, gaps.LEAST])
def test_short_gaps_are_not_worth_a_look(missing):
    piece = Piece((0, missing + 1), (face(0), face(missing + 1)))
    assert len(gaps.gaps(piece, 50)) == (missing >= gaps.LEAST)
    for gap in gaps.gaps(piece, 50):
        assert (gap.start, gap.stop) == (50, 51 + missing)


def test_a_film_without_gaps_is_read_once():
    class Once:
        def __init__(self):
            self.read = 0

        def __iter__(self):
            self.read += 1
            return iter(film())

    for sees, readings in ((range(COUNT), 1), (ENDS, 2)):
        once = Once()
        pipeline.analyse(once, Blind(sees))
        assert once.read == readings


def test_pictures_are_held_for_the_longest_gap_only():
    """And nothing is read beyond the last one."""
    read: list[int] = []

    def reading():
        for frame in film():
            read.append(frame.index)
            yield frame

    gap = Gap(3, 9, face(3), face(9))
    assert list(gaps.follow(reading(), [gap])) == [gap]
    assert read == list(range(11))
    assert gaps.follow(reading(), []) == {}
    assert read == list(range(11))
