"""Medians, ranges and ratios of rounds."""

import math

import pytest

from anonymizer.bench.figures import Figure, figure, quotients


def test_a_figure_is_the_median_and_the_range_of_what_is_known():
    assert figure([3.0, math.nan, 1.0, 10.0]) == Figure(3.0, 1.0, 10.0)
    assert figure([math.nan]) is None


@pytest.mark.parametrize(
    ("value", "shown"), [(0.1234, "0.12"), (12.34, "12.3"), (123.4, "123"), (4321.0, "4321")]
)
def test_three_digits_say_enough(value, shown):
    assert str(Figure(value, value, value)) == f"{shown} ({shown} to {shown})"


def test_ratios_are_taken_within_rounds():
    assert quotients([2.0, 9.0], [1.0, 3.0]) == [2.0, 3.0]
    assert math.isnan(quotients([1.0], [0.0])[0])
