"""Workers of a Ray cluster are workers like others."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from anonymizer import dataset
from anonymizer.dataset import Actors
from anonymizer.errors import MissingWeights, UsageError
from anonymizer.workers import Trade
from tests.anonymizer.test_dataset import Bench, Inline, mixed, timeless
from tests.anonymizer.test_units import CHEAP
from tests.anonymizer.test_workers import Clerk, done_by, trade

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning:ray"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # Ray leaves sockets and logs open
    pytest.mark.timeout(300),
]


NOBODY: Trade[Any, Any] = Trade(make=lambda _: pytest.fail("works"))


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Any]:
    made = Actors(trade(tmp_path, limit_s=1), 2, address=None, gpus=0)  # type: ignore[arg-type]
    yield made
    made.close()


def test_workers_that_die_or_stick_are_replaced(two, tmp_path):
    tasks = iter(["a", "once x", "b", "die y", "stuck z", "c"])
    results = done_by(two, tasks)
    done = [result.rpartition(" ")[0] for result in results]
    assert sorted(done) == ["a", "b", "c", "die y", "once x", "stuck z"]
    assert {"die y lost", "stuck z late"} <= set(results)
    assert two.idle == 2
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("worker-*"))) != 2 and time.monotonic() < deadline:
        time.sleep(0.05)  # those who came last are starting
    assert len(list(tmp_path.glob("worker-*"))) == 2
    with pytest.raises(MissingWeights, match="absent"):
        done_by(two, iter(["refuse"]))


def test_the_engine_does_not_change_the_result(tmp_path, monkeypatch):
    bench = Bench(tmp_path)
    mixed(bench.source, films=1)
    bench.run(CHEAP, engine="ray", workers=2)
    files, rows = bench.files(), bench.rows()
    bench.destination = tmp_path / "other"
    monkeypatch.setattr(dataset, "_crew", lambda _, trade: Inline(trade))
    bench.run(CHEAP)
    assert bench.files() == files
    assert timeless(bench.rows()) == timeless(rows)


def test_a_cluster_that_is_not_there_is_said():
    with pytest.raises(UsageError, match="no Ray cluster at"):
        Actors(NOBODY, 1, address="auto", gpus=0)


def test_without_ray_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"pip install 'veilframe\[ray\]'"):
        Actors(NOBODY, 1, address=None, gpus=0)


def test_an_actor_gives_back_what_concerns_all_work(tmp_path):
    actor = dataset._Actor(partial(Clerk, tmp_path), "me")  # type: ignore[arg-type]
    assert str(actor.do("a")).startswith("a ")  # type: ignore[arg-type]
    assert isinstance(actor.do("refuse"), MissingWeights)  # type: ignore[arg-type]
