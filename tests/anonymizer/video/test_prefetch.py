import inspect
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from itertools import count, islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizer.video.prefetch import prefetch


@settings(max_examples=40)
@given(st.lists(st.integers() | st.none()), st.integers(1, 6))
def test_gives_the_same_items_in_the_same_order(items, depth):
    assert list(prefetch(items, depth)) == items


@settings(max_examples=40)
@given(st.integers(0, 9), st.integers(1, 5))
def test_error_comes_in_the_place_of_its_item(good, depth):
    def fails():
        yield from range(good)
        raise LookupError("worker")

    ahead = prefetch(fails(), depth)
    assert [next(ahead) for _ in range(good)] == list(range(good))
    with pytest.raises(LookupError, match="worker"):
        next(ahead)


def test_works_in_another_thread():
    names = list(prefetch((threading.current_thread().name for _ in range(3)), 2))
    assert all(name.startswith("prefetch") for name in names)


def stop(items: Iterator[Any]) -> None:
    assert isinstance(items, Generator)
    items.close()


def note(seen: list[int], items: Iterable[int]) -> Iterator[int]:
    """Pass items on and note each."""
    for item in items:
        seen.append(item)
        yield item


@pytest.mark.parametrize("depth", [1, 3])
def test_pulls_at_most_depth_ahead(depth):
    pulled: list[int] = []
    ahead = prefetch(note(pulled, count()), depth)
    for expected in range(5):
        assert next(ahead) == expected
    time.sleep(0.05)  # long enough for a worker that does not stop to be seen
    assert 5 <= len(pulled) <= 5 + depth
    stop(ahead)


def test_early_stop_closes_the_items_and_leaves_no_thread():
    closed = []

    def endless():
        try:
            yield from count()
        finally:
            closed.append(threading.current_thread())

    before = threading.active_count()
    items = endless()
    ahead = prefetch(items, 4)
    assert list(islice(ahead, 3)) == [0, 1, 2]
    stop(ahead)
    assert len(closed) == 1
    assert inspect.getgeneratorstate(items) == inspect.GEN_CLOSED
    assert threading.active_count() == before


def test_early_stop_does_not_read_on():
    pulled: list[int] = []
    ahead = prefetch(note(pulled, range(1000)), 2)
    next(ahead)
    stop(ahead)
    assert len(pulled) < 10


def test_nothing_happens_before_the_first_item_is_wanted():
    pulled: list[int] = []
    prefetch(note(pulled, range(3)), 2)
    assert pulled == []


def test_depth_below_one_is_refused_at_once():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        prefetch([], 0)


def test_an_interrupt_while_the_thread_starts_still_closes_the_source(monkeypatch):
    """The pool then does not know its thread, and does not wait for it."""
    closed = threading.Event()

    def slow():
        try:
            for item in range(9):
                time.sleep(0.05)
                yield item
        finally:
            closed.set()

    start = threading.Thread.start

    def interrupted(thread):
        start(thread)
        time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        next(prefetch(slow(), 2))
    assert closed.is_set()
