"""Processes of their own, other programs, and what they take."""

import sys

import numpy as np
import pytest

from anonymizer.bench import peers, processes
from anonymizer.bench.films import given
from anonymizer.settings import Painting, Settings
from tests.films import make_video


def test_peak_memory_rises_with_what_is_held_and_stays():
    before = processes.peak_mib()
    held = np.ones(2**27, np.uint8)  # 128 MiB
    peak = processes.peak_mib()
    assert held.all()
    del held
    assert peak >= before
    assert processes.peak_mib() == pytest.approx(peak, abs=8)
    assert peak > 128


def test_a_program_is_timed_with_the_processor_it_takes():
    work = "import time\nwhile time.process_time() < 0.3: pass"
    wall, cpu = processes.command([sys.executable, "-c", work])
    assert cpu > 0.2  # counted in ticks
    assert wall > 0.2


@pytest.mark.timeout(400)
def test_growth_is_measured_on_runs_of_one_two_four_and_ten_times_the_film(tmp_path):
    film = given(make_video(tmp_path / "in.mp4", frames=2, size=(48, 32)), 2, tmp_path)
    settings = Settings(painting=Painting(replace="cover"))
    found = processes.measure(film, settings, 1, tmp_path)
    assert found.frames == {"1x": 2, "2x": 4, "4x": 8, "10x": 20}
    assert all(found.cpu_s.values())
    assert found.memory_growth is not None
    assert 0.8 < found.memory_growth.median < 1.5


def test_who_is_not_there_is_said_to_be_absent(tmp_path):
    assert peers.measure_one("no-such-program", [], [], 1, 1).skipped == "not installed"


@pytest.mark.timeout(300)
def test_deface_and_we_blur_the_same_film(tmp_path):
    film = given(make_video(tmp_path / "in.mp4", frames=3, size=(64, 48)), 3, tmp_path)
    found = peers.measure(film, 1, tmp_path)
    deface = found["deface"]
    assert deface.skipped is None
    assert deface.version
    assert deface.wall_ratio is not None
    assert (tmp_path / "own.mp4").exists()
    assert (tmp_path / "deface.mp4").exists()
    private = found["insightface-privateframe"]
    assert private.skipped or private.wall_ratio


def test_a_program_that_fails_is_told(tmp_path):
    own = [sys.executable, "-c", "pass"]
    found = peers.measure_one("deface", ["--no-such-option"], own, 1, 1)
    assert found.skipped == "it failed with exit code 2"
    broken = [sys.executable, "-c", "raise SystemExit(3)"]
    found = peers.measure_one("deface", ["--version"], broken, 1, 1)
    assert found.skipped == "anonymize run failed with exit code 3"
