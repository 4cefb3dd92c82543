"""What goes on inside painting is timed once, in every chunk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from anonymizer.bench import stages
from anonymizer.studio import Brush, Studio
from mediators.none import NoMediator


class Counting(stages.Watch):
    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any) -> Any:
            self.calls[name] += 1
            return call(*args)

        return counted


class First:
    size, provider = 128, "cpu"

    def sketch(self, clip: Any, seed: int) -> None:
        return None


class Going(First):
    def sketch(self, clip: Any, seed: int) -> None:
        self.continued(clip, seed, None)

    def acquainted(self, looks: Any, seed: int) -> None:
        return None

    def continued(self, clip: Any, seed: int, memory: Any) -> None:
        return None


@pytest.mark.parametrize(
    ("replacer", "again"),
    [(First(), lambda one: one.sketch(None, 0)), (Going(), lambda one: one.continued(None, 0, 0))],
)
def test_a_sketch_is_timed_once_whether_it_goes_on_or_not(replacer, again):
    brush, watch = Brush(replacer, NoMediator()), Counting()
    with stages._taken_apart(Studio(brush, brush, 0), watch):
        replacer.sketch(None, 0)
        assert watch.calls["of which: draw"] == 1
        again(replacer)
        assert watch.calls["of which: draw"] == 2
    again(replacer)
    assert watch.calls["of which: draw"] == 2
