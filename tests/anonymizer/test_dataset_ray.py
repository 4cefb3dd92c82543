"""Workers of a Ray cluster are workers like others."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from anonymizer import clusters, dataset
from anonymizer.dataset import Actors
from anonymizer.errors import MissingWeights, UsageError
from anonymizer.orders import STATE
from anonymizer.workers import Trade
from tests.anonymizer.test_dataset import ROOT, Bench, Inline, command, mixed, timeless
from tests.anonymizer.test_units import CHEAP
from tests.anonymizer.test_workers import Clerk, done_by, trade
from tests.films import Film

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning:ray"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # Ray leaves sockets and logs open
    pytest.mark.timeout(300),
]


COVERS = ("--replace", "cover", "--expression", "off", "--second-detector", "none")
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


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of a cluster of two cores, which is nobody's child and asks for no token."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    port = _free_port()
    words = (f"--port={port}", "--num-cpus=2", "--include-dashboard=false")
    with _started("start", "--head", *words):
        _await_port(port)
        yield f"127.0.0.1:{port}"


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def _started(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A machine of a cluster, in a process that ends with the block."""
    machine = subprocess.Popen(
        [str(Path(sys.executable).with_name("ray")), *words, "--block"],
        env=os.environ | {"RAY_USAGE_STATS_ENABLED": "0"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield machine
    finally:
        machine.terminate()
        machine.wait()


def _await_port(port: int) -> None:
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    pytest.fail("no cluster")


@pytest.mark.slow
def test_a_cluster_outlives_a_driver_that_is_killed_and_serves_the_next(tmp_path, cluster):
    bench = Bench(tmp_path)
    for number in range(4):
        Film(frames=40 + number, size=(96, 64), cuts=(20,)).write(bench.source / f"{number}.mp4")
    words = ("--engine", "ray", "--address", cluster, "--workers", "2", "--split-frames", "20")
    first = subprocess.Popen(command(bench, "--seed", "1", "--quiet", *words), cwd=ROOT)
    state = bench.destination / STATE
    while not any(files for *_, files in os.walk(state / "work")):
        assert first.poll() is None
        time.sleep(0.05)
    first.kill()
    first.wait()
    again = subprocess.run(
        command(bench, "--seed", "1", "--json", *words),
        cwd=ROOT,
        check=False,
        stdout=subprocess.PIPE,
    )
    assert again.returncode == 0
    assert json.loads(again.stdout)["verdicts"] == {"clean": 4}
    assert not (state / "work").exists()
    assert len(bench.files()) == 4


@pytest.mark.slow
def test_the_cluster_of_the_page_runs(tmp_path, monkeypatch):
    """Two machines, which are both this one, and GPUs in name only."""
    page = (ROOT / "docs" / "datasets.md").read_text(encoding="utf-8")
    (block,) = (text for text in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) if "HEAD" in text)
    first, other, run = (shlex.split(line, comments=True)[1:] for line in block.splitlines())
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    folder, port = Path(tempfile.mkdtemp()), _free_port()  # sockets want short names
    monkeypatch.setenv("RAY_TMPDIR", str(folder))
    (tmp_path / "recordings").mkdir()
    mixed(tmp_path / "recordings", films=1)
    here = ("--num-cpus=2", "--num-gpus=4", "--include-dashboard=false")
    address = [word.replace("HEAD:6379", f"127.0.0.1:{port}") for word in other]
    with _started(*first, f"--port={port}", *here), ExitStack() as stack:
        _await_port(port)
        deadline = time.monotonic() + 60
        while not (folder / "ray" / "ray_current_cluster").exists():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        stack.enter_context(_started(*address, *here[:2]))
        fewer = [{"16": "3"}.get(word, word) for word in run]
        words = [sys.executable, "-m", "anonymizer", *fewer, *COVERS, "--json"]
        path = {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            words, cwd=tmp_path, env=os.environ | path, check=False, stdout=subprocess.PIPE
        )
    shutil.rmtree(folder)
    assert json.loads(done.stdout)["verdicts"] == {
        "clean": 3, "copied": 1, "failed": 1, "skipped": 1,
    }  # fmt: skip


def test_a_cluster_that_is_not_there_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))  # where no other cluster left its address
    with pytest.raises(UsageError, match="no Ray cluster at"):
        Actors(NOBODY, 1, address="auto", gpus=0)


@pytest.mark.parametrize("given", ["auto", "by name", "by variable", "odd port"])
def test_a_cluster_that_is_no_more_is_said_at_once(tmp_path, monkeypatch, given):
    """Ray tries for minutes to reach the one whose address it finds in a file."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        last = f"127.0.0.1:{free.getsockname()[1] if given != 'odd port' else 99999}"
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    if given == "auto":
        (tmp_path / "ray").mkdir()
        (tmp_path / "ray" / "ray_current_cluster").write_text(last)
    if given == "by variable":
        monkeypatch.setenv("RAY_ADDRESS", last)
    address = "auto" if given in ("auto", "by variable") else last
    with pytest.raises(UsageError, match=rf"Ray cluster at {address}: nobody.* {last}.*ray stop"):
        Actors(NOBODY, 1, address=address, gpus=0)


def machines(*resources: dict[str, float]) -> Any:
    return lambda: [{"Alive": True, "Resources": has} for has in resources]


BOTH = machines({"CPU": 2.0, "GPU": 2.0, "memory": 1e9}, {"CPU": 3.0})


@pytest.mark.parametrize(
    ("nodes", "gpus", "room"),
    [
        (BOTH, 0.0, 5),
        (BOTH, 0.5, 2),
        (machines({"CPU": 9.0, "GPU": 2.0}), 0.6, 2),
        (machines({"CPU": 9.0, "GPU": 2.0}), 0.4, 4),
        (machines({"CPU": 200.0, "GPU": 7.0}), 0.07, 98),
        (machines({"CPU": 9.0, "GPU": 5.0}), 2.0, 2),
        (machines({"CPU": 8.0}, {"CPU": 1.0, "GPU": 4.0}), 0.5, 1),
        (lambda: [{"Alive": False, "Resources": {"CPU": 4.0}}], 0.0, 0),
        (list, 0.0, 0),
    ],
)
def test_as_many_workers_as_machines_hold_and_no_more(nodes, gpus, room):
    if room:
        clusters.insist_on_room(nodes, room, gpus, wait_s=0)
    advice = f"--workers {room}, or more machines" if room else "try more machines"
    with pytest.raises(ValueError, match=rf"no room for {room + 1} workers .*{advice}"):
        clusters.insist_on_room(nodes, room + 1, gpus, wait_s=0)


def test_machines_that_join_late_are_waited_for():
    joined = iter([[], machines({"CPU": 1.0})(), machines({"CPU": 1.0}, {"CPU": 2.0})()])
    clusters.insist_on_room(lambda: next(joined), 2, 0)
    assert next(joined, None) is None


def test_shares_of_a_gpu_that_ray_does_not_know_are_refused():
    with pytest.raises(ValueError, match=r"1\.5 GPUs a worker"):
        clusters.insist_on_room(machines({"CPU": 2.0, "GPU": 4.0}), 1, 1.5)


def test_a_share_of_a_gpu_that_is_not_there_is_refused_and_not_waited_for(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(dataset, "insist_on_room", partial(clusters.insist_on_room, wait_s=0))
    with pytest.raises(UsageError, match="Ray: no room for 1 workers"):
        Actors(NOBODY, 1, address=None, gpus=0.5)
    Actors(NOBODY, 1, address=None, gpus=0).close()


def test_without_ray_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"pip install 'veilframe\[ray\]'"):
        Actors(NOBODY, 1, address=None, gpus=0)


def test_an_actor_gives_back_what_concerns_all_work(tmp_path):
    actor = dataset._Actor(partial(Clerk, tmp_path), "me")  # type: ignore[arg-type]
    assert str(actor.do("a")).startswith("a ")  # type: ignore[arg-type]
    assert isinstance(actor.do("refuse"), MissingWeights)  # type: ignore[arg-type]
