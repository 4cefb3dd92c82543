"""Work left behind for one thread, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Final, ParamSpec, Self

P = ParamSpec("P")

_BEHIND: Final = 4
"""Calls that may wait."""


class Behind:
    """Calls made by one thread, a few behind; a context manager.

    Errors of a call are raised by a later one or by ``finish``. Leaving the context waits for the
    call that is being made and forgets those that wait.
    """

    def __init__(self, name: str) -> None:
        self._worker = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._pending: deque[Future[object]] = deque()

    def __enter__(self) -> Self:
        return self

    def __call__(self, work: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Have ``work`` called after all that was given before."""
        self._pending.append(self._worker.submit(work, *args, **kwargs))
        while len(self._pending) > _BEHIND:
            self._pending.popleft().result()

    def finish(self) -> None:
        """Wait until all is done."""
        while self._pending:
            self._pending.popleft().result()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._worker.shutdown(wait=True, cancel_futures=True)
