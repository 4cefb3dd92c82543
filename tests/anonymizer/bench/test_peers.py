"""Other programs beside ours."""

from __future__ import annotations

import pytest

from anonymizer.bench import peers

OWN = ["own"]


def test_theirs_and_ours_are_not_mixed_up(monkeypatch):
    seconds = iter([(20.0, 30.0), (8.0, 12.0), (40.0, 60.0), (10.0, 10.0)])
    monkeypatch.setattr(peers, "command", lambda _: next(seconds))
    found = peers.measure_one("pytest", ["x"], OWN, 80, 2)  # a program that is installed
    assert found.skipped is None
    assert found.frames_per_s is not None
    assert (found.frames_per_s.least, found.frames_per_s.most) == (2, 4)
    assert found.ours_frames_per_s is not None
    assert (found.ours_frames_per_s.least, found.ours_frames_per_s.most) == (8, 10)
    assert found.wall_ratio is not None
    assert (found.wall_ratio.least, found.wall_ratio.most) == (2.5, 4)
    assert found.cpu_ratio is not None
    assert found.cpu_ratio.median == pytest.approx((2.5 + 6) / 2)
