"""Work ahead in one thread, in order."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import GeneratorType
from typing import Final, TypeVar, cast

T = TypeVar("T")

_END: Final = object()


def prefetch(items: Iterable[T], depth: int) -> Iterator[T]:
    """The same items in the same order, pulled by one thread at most ``depth`` ahead.

    An error of ``items`` is raised where the item would have come. Nothing blocks on a full queue:
    a pull is only begun when there is room for its result, so stopping early waits for one pull at
    most and then closes ``items`` if it is a generator.

    Raises:
        ValueError: if ``depth`` is below 1.
    """
    if depth < 1:
        raise ValueError(f"depth must be at least 1, got {depth}")
    return _ahead(iter(items), depth)


def _ahead(source: Iterator[T], depth: int) -> Iterator[T]:
    pending: deque[Future[object]] = deque()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="prefetch") as worker:
        try:
            pending.extend(worker.submit(next, source, _END) for _ in range(depth))
            while (item := pending.popleft().result()) is not _END:
                pending.append(worker.submit(next, source, _END))
                yield cast("T", item)
        finally:
            worker.shutdown(wait=True, cancel_futures=True)
            if isinstance(source, GeneratorType):
                while source.gi_running:  # an interrupt as the thread starts escapes shutdown
                    time.sleep(0.005)
                source.close()
