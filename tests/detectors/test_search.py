from __future__ import annotations

import numpy as np
import pytest

from anonymizer.data import Frame
from anonymizer.errors import UsageError
from detectors._candidates import Candidates
from detectors._search import MARGIN, MULTIPLE, Scheme, Search, spans, tiles
from tests.factories import TICK

MARK = (255, 0, 255)


class Marks:
    """A network that finds the bounding box of each magenta rectangle, in pictures it can see in.

    It is blind to what is under ``least`` pixels high or wide, and surer of what is higher.
    """

    def __init__(self, smallest: int = 1) -> None:
        self.smallest = smallest
        self.shapes: list[tuple[int, ...]] = []

    def look(self, pictures, least):
        self.shapes.append(pictures.shape)
        return [self._one(picture, least) for picture in pictures]

    def _one(self, picture, least):
        import cv2

        away = np.abs(picture.astype(int) - MARK).max(axis=2)
        _, _, stats, _ = cv2.connectedComponentsWithStats((away < 100).astype(np.uint8))
        rows = [row for row in stats[1:].tolist() if min(row[2:4]) >= self.smallest]
        rows = [row for row in rows if _score(row) > least]
        boxes = np.array([(x, y, x + w, y + h) for x, y, w, h, _ in rows], np.float64)
        points = np.array([[(x, y), (x + w, y), (x, y), (x, y), (x, y)] for x, y, w, h, _ in rows])
        return Candidates(
            boxes.reshape(-1, 4),
            np.array([_score(row) for row in rows]),
            points.reshape(-1, 5, 2).astype(np.float32),
        )


def _score(row):
    return 0.9 if row[3] > row[2] else 0.15 if row[3] == row[2] else 0.5


def picture(*marks, size=(240, 320)):
    """Grey, with magenta rectangles x0, y0, x1, y1."""
    image = np.full((*size, 3), 60, np.uint8)
    for x0, y0, x1, y1 in marks:
        image[y0:y1, x0:x1] = MARK
    return image


def faces(network, image, **options):
    return Search(network, Scheme(0.2, **options)).detect([Frame(0, 0, TICK, image)])[0]


def test_a_face_is_placed_in_the_frame_whatever_the_scale():
    image = picture((400, 200, 480, 300), size=(600, 1000))
    (face,) = faces(Marks(), image, max_side=500, second_side=1000)
    assert face.box == pytest.approx((400, 200, 480, 300), abs=2)


def test_pictures_have_a_margin_and_sides_that_fit():
    network = Marks()
    faces(network, picture(size=(123, 77)))
    ((_, height, width, _),) = network.shapes
    assert (height % MULTIPLE, width % MULTIPLE) == (0, 0)
    assert height >= 123 + 2 * MARGIN
    assert width >= 77 + 2 * MARGIN


def test_a_scheme_may_have_another_margin():
    network = Marks()
    (face,) = faces(network, picture((100, 100, 140, 160)), margin=16)
    assert face.box == pytest.approx((100, 100, 140, 160), abs=1)
    assert network.shapes[0][2] == 352  # 320 and two margins


def test_a_small_face_calls_for_a_second_search_at_a_larger_scale():
    network = Marks()
    assert len(faces(network, picture((100, 100, 110, 130)))) == 1
    assert [shape[2] for shape in network.shapes] == [384, 704]
    network = Marks()
    assert len(faces(network, picture((100, 100, 130, 150)))) == 1
    assert len(network.shapes) == 1


def test_the_second_search_looks_at_every_third_frame_of_a_film():
    image = picture((100, 100, 110, 130))
    frames = [Frame(index, index, TICK, image) for index in range(4, 11)]
    network = Marks()
    found = Search(network, Scheme(threshold=0.5)).detect(frames)
    assert [len(each) for each in found] == [1] * 7
    assert [shape[2] for shape in network.shapes].count(704) == 2  # frames 6 and 9
    network = Marks()
    Search(network, Scheme(threshold=0.5, every=1)).detect(frames)
    assert [shape[2] for shape in network.shapes].count(704) == 7


def test_faces_seen_only_in_tiles_are_found_once_and_in_place():
    marks = [(30, 40, 38, 52), (508, 300, 516, 312), (300, 590, 308, 599)]
    image = picture(*marks, size=(600, 1000))
    network = Marks(smallest=5)
    found = faces(network, image, recall="high", max_side=250, second_side=2000, tile=700)
    assert sorted(face.box for face in found) == pytest.approx(
        [pytest.approx(mark, abs=1.5) for mark in sorted(marks)]
    )
    assert len(network.shapes) > 12


def test_high_recall_finds_what_is_only_seen_turned():
    """A wide mark is unlikely, as a lying face is; it is as sure as any in a turned picture."""
    (face,) = faces(Marks(), picture((100, 100, 180, 130)), recall="high")
    assert face.box == pytest.approx((100, 100, 180, 130), abs=1)
    assert face.score == pytest.approx(0.9 * 0.8)


def test_high_recall_searches_at_half_the_scale():
    network = Marks()
    faces(network, picture(size=(400, 640)), recall="high", second_side=640)
    assert [shape[1:3] for shape in network.shapes] == [
        (480, 704),
        (288, 384),
        (704, 480),
        (480, 704),
        (704, 480),
    ]


def test_what_is_under_the_threshold_is_doubtful_and_shown_under_high_recall_only():
    image = picture((100, 100, 160, 160))
    assert faces(Marks(), image) == []
    (face,) = faces(Marks(), image, recall="high")
    assert face.doubtful
    assert faces(Marks(), image, recall="high", doubt=0.16) == []
    (face,) = faces(Marks(), picture((100, 100, 160, 190)), recall="high")
    assert not face.doubtful


def test_pictures_of_one_size_are_shown_together():
    network = Marks()
    images = [picture(size=size) for size in ((90, 120), (90, 120), (120, 90), (90, 120))]
    frames = [Frame(i, i, TICK, image) for i, image in enumerate(images)]
    assert Search(network, Scheme(0.2)).detect(frames) == [[], [], [], []]
    assert [shape[0] for shape in network.shapes] == [2, 1, 1]


def test_a_network_that_answers_with_nan_stops_the_job():
    class Mad(Marks):
        def look(self, pictures, least):
            found = super().look(pictures, least)
            found[0].boxes[0, 2] = np.nan
            return found

    with pytest.raises(FloatingPointError, match="NaN or infinity"):
        faces(Mad(), picture((100, 100, 130, 150)))


@pytest.mark.parametrize(
    ("width", "height", "side"), [(100, 70, 200), (1000, 300, 250), (99, 98, 40)]
)
def test_tiles_cover_every_pixel_and_overlap(width, height, side):
    hits = np.zeros((height, width), int)
    for x0, y0, x1, y1 in tiles(width, height, side):
        assert 0 <= x0 < x1 <= width
        assert 0 <= y0 < y1 <= height
        assert max(x1 - x0, y1 - y0) <= side + 1
        hits[y0:y1, x0:x1] += 1
    assert hits.min() >= 1
    if width > side:
        for first, second in zip(spans(width, side), spans(width, side)[1:], strict=False):
            assert first[1] - second[0] >= side / 8 - 2


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"threshold": 1}, "threshold must be between 0 and 1, got 1"),
        ({"recall": "high", "doubt": 0.0}, r"doubt must be between 0 and 1, got 0\.0"),
        ({"recall": "high", "doubt": 0.3}, r"doubt 0\.3 must not exceed threshold 0\.2"),
        ({"max_side": 32}, "max_side 32 and second_side 1280 must grow"),
        ({"max_side": 900, "second_side": 800}, "max_side 900 and second_side 800 must grow"),
        ({"tile": 20}, "tile must be from 64 to 8192 pixels, got 20"),
        ({"recall": "low"}, "recall 'low' is not one of normal, high"),
    ],
)
def test_schemes_that_make_no_sense_are_refused(options, sentence):
    with pytest.raises(UsageError, match=sentence):
        Scheme(**{"threshold": 0.2, **options})
