import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from anonymizer import smoothing

thorough = settings(deadline=None, max_examples=60)
signals = st.integers(1, 25).flatmap(
    lambda count: arrays(np.float64, (count, 4), elements=st.floats(-100, 100))
)


def sides(values, side=50.0):
    return np.full(len(values), side)


@thorough
@given(st.integers(1, 30), st.floats(-9, 9), st.floats(-100, 100))
def test_steady_motion_passes_unchanged_at_the_ends_too(count, velocity, origin):
    line = origin + velocity * np.arange(count)[:, None] * np.array([[1.0, -2.0]])
    assert smoothing.steady(line, sides(line)) == pytest.approx(line, abs=1e-9)


def test_jitter_is_reduced():
    rng = np.random.default_rng(3)
    noise = rng.normal(0, 0.5, (400, 4))
    assert smoothing.steady(noise, sides(noise)).std() < 0.6 * noise.std()


def test_a_true_jump_is_kept_to_a_twentieth_of_a_face():
    step = np.where(np.arange(20)[:, None] < 10, 0.0, 60.0)
    assert smoothing.steady(step, sides(step)) == pytest.approx(step, abs=50 / 20)


def test_there_is_no_lag():
    wave = np.sin(np.arange(120) / 6)[:, None]
    smooth = smoothing.steady(wave, sides(wave))
    shifts = [float(wave[5:-5, 0] @ np.roll(smooth, lag)[5:-5, 0]) for lag in (-1, 0, 1)]
    assert np.argmax(shifts) == 1


@thorough
@given(signals)
def test_backwards_is_the_same_backwards(values):
    forwards = smoothing.steady(values, sides(values))
    backwards = smoothing.steady(values[::-1], sides(values))[::-1]
    assert forwards == pytest.approx(backwards, abs=1e-9)


@thorough
@given(signals)
def test_covering_boxes_hold_what_was_detected(values):
    low, extent = values[:, :2], 1 + np.abs(values[:, 2:])
    boxes = np.concatenate([low, low + extent], axis=1)
    held = smoothing.covering(smoothing.steady(boxes, sides(boxes)), boxes)
    assert (held[:, :2] <= boxes[:, :2] + 1e-9).all()
    assert (held[:, 2:] >= boxes[:, 2:] - 1e-9).all()


def test_a_bound_rises_and_falls_slowly():
    spike = np.where(np.arange(60)[:, None] == 30, 1.0, 0.0)
    assert np.abs(np.diff(smoothing.above(spike), axis=0)).max() < 0.25


def test_covering_adds_nothing_where_nothing_is_missing():
    boxes = np.tile([10.0, 20, 40, 60], (9, 1))
    assert smoothing.covering(boxes, boxes) == pytest.approx(boxes)


@thorough
@given(signals)
def test_a_bound_is_nowhere_below_and_a_window_knows_its_middle(values):
    bound = smoothing.above(values)
    assert (bound >= values - 1e-9).all()
    reach = 2 * smoothing.SPAN
    middle = len(values) // 2
    window = values[np.arange(middle - reach, middle + reach + 1).clip(0, len(values) - 1)]
    assert smoothing.above(window)[reach] == pytest.approx(bound[middle])


@thorough
@given(signals)
def test_quieting_backwards_is_the_same_backwards(values):
    assert smoothing.quiet(values) == pytest.approx(smoothing.quiet(values[::-1])[::-1], abs=1e-9)


@thorough
@given(st.integers(1, 30), st.floats(-1, 1))
def test_quieting_leaves_a_constant_and_quick_changes_alone(count, level):
    still = np.full((count, 2), level)
    assert smoothing.quiet(still) == pytest.approx(still, abs=1e-9)
    step = np.where(np.arange(20)[:, None] < 10, 0.0, 1.0)
    assert smoothing.quiet(step) == pytest.approx(step, abs=0.04)


def test_quieting_one_number_does_not_touch_another():
    rng = np.random.default_rng(2)
    tremble, jump = rng.normal(0, 0.02, 50), np.where(np.arange(50) == 25, 1.0, 0.0)
    alone = smoothing.quiet(tremble[:, None])[:, 0]
    together = smoothing.quiet(np.stack([tremble, jump], 1))
    assert together[:, 0] == pytest.approx(alone, abs=1e-12)
    assert alone.std() < 0.6 * tremble.std()
