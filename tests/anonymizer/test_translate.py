"""The job around a translation: what is refused, what is left behind, what is said."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anonymizer import build
from anonymizer.errors import (
    JobError,
    SourceChanged,
    UnreadableVideo,
    UnwritableOutput,
    UsageError,
)
from anonymizer.reportfile import text_of
from anonymizer.settings import Settings
from anonymizer.translate import Translator
from anonymizer.video.media import open_source
from tests.anonymizer.test_retelling import Inverting, troupe
from tests.films import Film, make_sound, make_video


class Tampering(Inverting):
    """Does something else while it paints the first chunk."""

    def __init__(self, deed: Any) -> None:
        super().__init__(divisor=1)
        self.deed = deed

    def sketch(self, clip: Any, seed: int, given: Any = None) -> Any:
        self.deed()
        return super().sketch(clip, seed, given)


@pytest.fixture
def translator(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A translator whose painter only inverts colours: no model is needed."""

    def make(restyler: Inverting | None = None, **values: Any) -> Translator:
        chosen = troupe(restyler or Inverting(divisor=1), "none")
        monkeypatch.setattr(build, "troupe", lambda _settings: chosen)
        return Translator(Settings().with_values({"chunk": 5, "overlap": 1, "seed": 1} | values))

    return make


def test_a_film_comes_back_told_anew_with_its_own_times(translator: Any, tmp_path: Path) -> None:
    times = [0, 1, 2, 4, 7, 8, 9, 10, 13, 20]
    source = make_video(tmp_path / "in.mp4", pts=times, audio="aac", rotation=90)
    told: list[tuple[str, int, int]] = []
    done = translator().file(
        source, tmp_path / "new" / "out.mp4", progress=lambda *words: told.append(words)
    )
    before, after = (list(open_source(path)) for path in (source, tmp_path / "new" / "out.mp4"))
    assert [frame.time for frame in before] == [frame.time for frame in after]
    for one, other in zip(before, after, strict=True):
        assert np.abs(255 - one.image.astype(int) - other.image).mean() < 12
    assert (done.frames, done.shots, done.size) == (10, 1, (48, 64))
    assert [stream.fate for stream in done.streams] == ["translated", "copied"]
    assert set(done.seconds) == {"find", "paint", "check"}
    assert {stage for stage, _, _ in told} == {"find", "paint"}
    assert [count for stage, count, _ in told if stage == "find"] == [8, 10]


def test_a_name_that_a_film_cannot_have_is_refused_by_that_name(
    translator: Any, tmp_path: Path
) -> None:
    source, wrong = make_video(tmp_path / "in.mp4"), tmp_path / "out.png"
    with pytest.raises(UsageError, match=f"^{re.escape(str(wrong))}: .mp4 cannot be written"):
        translator().file(source, wrong)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4"]


def test_the_report_says_that_nobody_is_hidden(translator: Any, tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4", frames=3)
    done = translator().file(source, tmp_path / "out.mp4")
    text = text_of(done)
    table = json.loads(text)
    assert text.startswith('{\n  "format": "veilframe-translation-1"')
    assert table["anonymized"] is False
    assert table["kind"] == "translation"
    assert table["destination"] == "out.mp4"
    assert len(table["output_sha256"]) == len(table["source_sha256"]) == 64
    assert str(tmp_path) not in text
    assert "seed" not in table["settings"]
    assert "not anonymized" in done.summary


@pytest.mark.parametrize("what", ["missing", "sound", "text"])
def test_what_is_no_film_is_refused(translator: Any, tmp_path: Path, what: str) -> None:
    source = tmp_path / "in.mp4"
    if what == "sound":
        make_sound(source)
    elif what == "text":
        source.write_text("not a film")
    with pytest.raises(UnreadableVideo, match=r"in\.mp4"):
        translator().file(source, tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_a_film_without_a_frame_is_refused(
    translator: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_video(tmp_path / "in.mp4", frames=1)
    monkeypatch.setattr("anonymizer.translate.open_source", lambda path: Losing(open_source(path)))
    with pytest.raises(UnreadableVideo, match="holds no frame"):
        translator().file(source, tmp_path / "out.mp4")


def test_a_source_that_changes_meanwhile_stops_it(translator: Any, tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4", frames=4)

    def append() -> None:
        with source.open("ab") as file:
            file.write(b"\0" * 8)

    with pytest.raises(SourceChanged, match="changed while it was read"):
        translator(Tampering(append)).file(source, tmp_path / "out.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_a_source_that_vanishes_is_told(translator: Any, tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4", frames=4)
    with pytest.raises(JobError, match="cannot be read"):
        translator(Tampering(source.unlink)).file(source, tmp_path / "out.mp4")
    assert not list(tmp_path.iterdir())


class Losing:
    """Yields the frames of a film but the last, or all of them later."""

    def __init__(self, film: Any, how: str = "fewer") -> None:
        self.film, self.how = film, how
        self.info = film.info

    def __iter__(self) -> Any:
        frames = list(self.film)
        if self.how == "fewer":
            return iter(frames[:-1])
        for at, frame in enumerate(frames):
            object.__setattr__(frame, "pts", frame.pts + at * 700)
        return iter(frames)


@pytest.mark.parametrize(("how", "said"), [("fewer", "3 frames instead of 4"), ("later", "s off")])
def test_a_result_with_other_frames_is_not_published(
    translator: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, said: str
) -> None:
    source = make_video(tmp_path / "in.mp4", frames=4)

    def opened(path: Path) -> Any:
        film = open_source(path)
        return film if path == source else Losing(film, how)

    monkeypatch.setattr("anonymizer.translate.open_source", opened)
    with pytest.raises(UnwritableOutput, match=said):
        translator().file(source, tmp_path / "out.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_nothing_is_left_of_what_was_interrupted(translator: Any, tmp_path: Path) -> None:
    source = Film(frames=4).write(tmp_path / "in.mp4")

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        translator(Tampering(interrupt)).file(source, tmp_path / "out.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]
