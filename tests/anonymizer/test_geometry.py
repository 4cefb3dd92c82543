import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizer import geometry

thorough = settings(deadline=None, max_examples=60)
numbers = st.floats(-200, 200)
sides = st.floats(0.5, 150)
boxes = st.builds(lambda x, y, w, h: (x, y, x + w, y + h), numbers, numbers, sides, sides)
transforms = st.builds(
    lambda scale, angle, x, y: geometry.similarity(scale=scale, angle=angle, shift=(x, y)),
    st.floats(0.05, 20),
    st.floats(-3.2, 3.2),
    numbers,
    numbers,
)


def counted(box, size=(40, 30)):
    """Pixels of a picture inside a box, by the convention's own words."""
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    return (box[0] <= x) & (x < box[2]) & (box[1] <= y) & (y < box[3])


@thorough
@given(*[st.integers(0, 30)] * 2, *[st.integers(1, 12)] * 4, *[st.integers(0, 25)] * 2)
def test_overlap_and_union_over_whole_pixels_are_counts(ax, ay, aw, ah, bw, bh, bx, by):
    a, b = (ax, ay, ax + aw, ay + ah), (bx, by, bx + bw, by + bh)
    first, second = counted(a, (60, 60)), counted(b, (60, 60))
    shared = (first & second).sum()
    assert geometry.overlaps(a, b)[0, 0] == shared
    assert geometry.iou(a, b)[0, 0] == pytest.approx(shared / (first | second).sum())


def test_pairs_keep_their_order():
    a = [(0, 0, 4, 2), (10, 0, 14, 2), (2, 0, 6, 2)]
    b = [(0, 0, 4, 2), (100, 100, 104, 102)]
    assert geometry.iou(a, b).tolist() == [[1, 0], [0, 0], [pytest.approx(1 / 3), 0]]


def test_nothing_overlaps_with_no_box_and_an_empty_box_has_no_area():
    assert geometry.iou(np.zeros((0, 4)), [(0, 0, 1, 1)]).shape == (0, 1)
    assert geometry.iou((3, 3, 3, 3), (3, 3, 3, 3))[0, 0] == 0
    assert geometry.area((3, 3, 2, 9)) == 0


@thorough
@given(boxes, st.floats(0.1, 5))
def test_expanding_keeps_the_middle_and_scales_the_sides(box, factor):
    larger = geometry.expand(box, factor)
    assert geometry.centre(larger) == pytest.approx(geometry.centre(box), abs=1e-9)
    assert larger[2] - larger[0] == pytest.approx(factor * (box[2] - box[0]))
    assert larger[3] - larger[1] == pytest.approx(factor * (box[3] - box[1]))


@thorough
@given(boxes, boxes)
def test_a_union_is_the_least_box_that_holds_both(a, b):
    whole = geometry.union(a, b)
    for box in (a, b):
        assert geometry.overlaps(whole, box)[0, 0] == pytest.approx(geometry.area(box))
    assert {whole[0], whole[1], whole[2], whole[3]} <= {*a, *b}


def test_the_middle_of_one_pixel_is_its_centre():
    assert geometry.centre((4, 7, 5, 8)) == (4, 7)


@pytest.mark.parametrize(
    ("box", "inside"),
    [
        ((-3, -2, 5, 4), (0, 0, 5, 4)),
        ((35, 25, 90, 90), (35, 25, 40, 30)),
        ((50, 50, 60, 60), (40, 30, 40, 30)),
        ((1, 2, 3, 4), (1, 2, 3, 4)),
    ],
)
def test_clipping_keeps_the_last_row_and_column(box, inside):
    assert geometry.clip(box, 40, 30) == inside


@thorough
@given(transforms, numbers, numbers)
def test_a_transform_and_its_inverse_cancel(b_from_a, x, y):
    there = geometry.apply(b_from_a, (x, y))
    back = geometry.apply(geometry.inverse(b_from_a), there)
    assert back == pytest.approx((x, y), abs=1e-6)


@thorough
@given(transforms, transforms, numbers, numbers)
def test_a_product_of_matrices_applies_the_right_one_first(c_from_b, b_from_a, x, y):
    at_once = geometry.apply(c_from_b @ b_from_a, (x, y))
    in_turn = geometry.apply(c_from_b, geometry.apply(b_from_a, (x, y)))
    assert at_once == pytest.approx(in_turn, rel=1e-9, abs=1e-6)


def test_a_similarity_turns_from_x_towards_y():
    quarter = geometry.similarity(scale=2, angle=np.pi / 2, shift=(10, 20))
    assert geometry.apply(quarter, [(1, 0), (0, 1)]) == pytest.approx(np.array([(10, 22), (8, 20)]))
    assert geometry.scale_of(quarter) == pytest.approx(2)


@pytest.mark.parametrize("matrix", [np.diag([1.0, 0, 1]), np.full((3, 3), np.nan)])
def test_what_cannot_be_inverted_is_refused(matrix):
    with pytest.raises(ValueError, match="cannot be inverted"):
        geometry.inverse(matrix)


@thorough
@given(boxes)
def test_the_bounds_of_a_boxs_corners_are_the_box(box):
    assert geometry.bounds(geometry.corners(box)) == pytest.approx(box)


def test_corners_lie_half_a_pixel_outside_the_pixel_centres():
    assert geometry.corners((4, 7, 5, 8)).tolist() == [
        [3.5, 6.5],
        [4.5, 6.5],
        [4.5, 7.5],
        [3.5, 7.5],
    ]
