"""Outside of protected areas real footage stays what it was."""

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from anonymizer import pipeline
from anonymizer.identities import identities
from anonymizer.jobs import Anonymizer
from anonymizer.settings import Checking, Media, Painting, Settings
from anonymizer.video.native import Native
from anonymizer.video.source import VideoSource

pytestmark = pytest.mark.footage

ALONE = Checking(second_detector="none", embedder="none")
COVERED = Settings(seed=1, painting=Painting(replace="cover"), checking=ALONE)
LEAST = 45.0
"""Peak signal to noise in dB."""


def beginning(path: Path, target: Path, packets: int) -> Path:
    """The first packets of a film's picture, as they are."""
    with av.open(str(path)) as before, av.open(str(target), "w") as after:
        stream = after.add_stream_from_template(before.streams.video[0])
        for number, packet in enumerate(before.demux(video=0)):
            if number == packets:
                break
            packet.stream = stream
            after.mux(packet)
    return target


def squares(before: Path, after: Path, painted: list[np.ndarray]) -> tuple[int, int]:
    """Sum of squared differences of samples of which no pixel was painted, and their number."""
    total, count = 0, 0
    films = (VideoSource(path, developed=False) for path in (before, after))
    for one, other, marks in zip(*films, painted, strict=True):
        assert isinstance(one.native, Native)
        assert isinstance(other.native, Native)
        for mine, theirs in zip(one.native.planes, other.native.planes, strict=True):
            height, width = mine.shape
            blocks = marks.reshape(height, len(marks) // height, width, -1)
            outside = ~blocks.any(axis=(1, 3))
            error = mine[outside].astype(np.int64) - theirs[outside]
            total += int((error * error).sum())
            count += int(outside.sum())
    return total, count


def test_woman_room_is_kept_outside_of_protected_areas(footage, tmp_path):
    source = beginning(footage / "woman_room_720p.mp4", tmp_path / "in.mp4", 8)
    veil = Anonymizer(COVERED)
    plan = veil.plan(source)
    shown = pipeline.render(
        VideoSource(source), plan.plan, veil.crew.studio, identities(b"any" * 11, "one")
    )
    painted = [frame.changed for frame in shown if frame.changed is not None]
    assert len(painted) == len(plan.plan.pts)
    assert 0.005 < np.mean(painted) < 0.2

    usual, exact = tmp_path / "usual.mp4", tmp_path / "exact.mp4"
    veil.file(source, usual, planned=plan)
    Anonymizer(replace(COVERED, media=Media(lossless=True))).file(source, exact, planned=plan)
    assert squares(source, exact, painted)[0] == 0
    error, count = squares(source, usual, painted)
    assert count > 1_000_000
    assert 0 < error < count * 255**2 / 10 ** (LEAST / 10)
