"""Unfinished files of killed processes go; those of living ones stay."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from anonymizer.video import temporary
from anonymizer.video.publish import atomic_output
from anonymizer.video.temporary import PREFIX, sweep, unfinished

ROOT = Path(__file__).resolve().parents[3]
KILLED = """
import os, signal, sys
from pathlib import Path
from anonymizer.video import publish
from anonymizer.video.publish import atomic_output
before = {BEFORE}
def dies(*args):
    os.kill(os.getpid(), signal.SIGKILL)
if before:
    publish._publish = dies
else:
    publish._sync_folder = dies
with atomic_output(Path(sys.argv[1])) as file:
    file.write_text("whole")
"""


def killed(destination: Path, *, before: bool) -> None:
    """A process that is killed just before, or just after, the file gets its name."""
    code = KILLED.replace("{BEFORE}", str(before))
    done = subprocess.run([sys.executable, "-c", code, destination], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL


def test_killed_between_write_and_rename_nothing_is_at_the_destination(tmp_path):
    killed(tmp_path / "out.mp4", before=True)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(PREFIX)
    assert left.stat().st_mode & 0o077 == 0
    with atomic_output(tmp_path / "next.mp4") as file:
        assert not left.exists()
        file.write_text("next")
    assert [path.name for path in tmp_path.iterdir()] == ["next.mp4"]


def test_killed_after_the_rename_the_film_is_whole(tmp_path):
    killed(tmp_path / "out.mp4", before=False)
    assert (tmp_path / "out.mp4").read_text() == "whole"
    sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_the_file_of_another_living_run_stays(tmp_path):
    """Locks are of open files, so one process can play both parts."""
    with unfinished(tmp_path / "a.mp4") as one, unfinished(tmp_path / "b.mp4") as other:
        sweep(tmp_path)
        assert one.exists()
        assert other.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_swept_before_it_is_locked_is_made_again(tmp_path, monkeypatch):
    lock, calls = temporary._lock, []

    def late(descriptor):
        calls.append(descriptor)
        if len(calls) == 1:
            (file,) = tmp_path.iterdir()
            file.unlink()
        return lock(descriptor)

    monkeypatch.setattr(temporary, "_lock", late)
    with unfinished(tmp_path / "a.mp4") as file:
        assert file.exists()
        assert len(calls) == 2
        monkeypatch.undo()
        sweep(tmp_path)
        assert file.exists()


@pytest.mark.parametrize("broken", ["flock", "fcntl"])
def test_without_locks_nothing_is_swept(tmp_path, monkeypatch, broken):
    left = tmp_path / f"{PREFIX}0123.mp4"
    left.touch()

    def unsupported(descriptor, flags):
        raise OSError(38, os.strerror(38))

    if broken == "flock":
        monkeypatch.setattr("fcntl.flock", unsupported)
    else:
        monkeypatch.setattr(temporary, "fcntl", None)
    with unfinished(tmp_path / "a.mp4"):
        assert left.exists()
    assert list(tmp_path.iterdir()) == [left]
