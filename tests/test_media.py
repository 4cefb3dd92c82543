"""Every kind of input of docs/media.md is treated as the document says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests import ffprobe, media, photos
from tests.media import ROWS, Result, Row

KEPT = [row.name for row in ROWS.values() if row.outcome == "kept" and row not in media.PICTURES]
"""Films."""


class Kinds:
    """What became of every kind, each made once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._done: dict[str, tuple[Path, Path, Result]] = {}

    def tried(self, row: Row) -> tuple[Path, Path, Result]:
        """Source, destination and result of a row."""
        if row.name not in self._done:
            room = self._folder / str(len(self._done))
            room.mkdir()
            self._done[row.name] = media.tried(row, room)
        return self._done[row.name]


@pytest.fixture(scope="module")
def kinds(tmp_path_factory) -> Kinds:
    return Kinds(tmp_path_factory.mktemp("kinds"))


@pytest.mark.parametrize("name", ROWS)
def test_a_kind_of_input_comes_out_as_promised(kinds, name):
    row = ROWS[name]
    source, destination, result = kinds.tried(row)
    assert (result.outcome, row.note in result.said) == (row.outcome, True), result.said
    assert "\n" not in result.said
    assert destination.exists() == (row.outcome != "refused")
    left = {path.name for path in source.parent.iterdir()}
    assert left <= {source.name, destination.name}


@pytest.mark.ffprobe
@pytest.mark.parametrize("name", KEPT)
def test_ffprobe_sees_no_difference_where_a_kind_is_kept(kinds, name):
    source, destination, _ = kinds.tried(ROWS[name])
    before, after = ffprobe.told(source), ffprobe.told(destination)
    lengths = before.pop("milliseconds"), after.pop("milliseconds")
    assert abs(lengths[0] - lengths[1]) <= 1  # Matroska rounds
    for fact, value in before.items():
        assert after[fact] == value, fact


@pytest.mark.parametrize("name", [row.name for row in media.PICTURES if row.outcome == "kept"])
def test_a_picture_that_is_kept_differs_where_a_face_was_only(kinds, name):
    source, destination, _ = kinds.tried(ROWS[name])
    before, after = photos.samples(source), photos.samples(destination)
    assert (after.shape, after.dtype) == (before.shape, before.dtype)
    before, after = (np.rot90(one, 1 if "turned" in name else 0) for one in (before, after))
    error = before.astype(float) - after
    face = error[photos.NEAR].copy()
    error[photos.NEAR] = 0
    exact = source.suffix not in (".jpg", ".webp") or "without loss" in name
    noise = 0 if exact else np.iinfo(before.dtype).max * 10 ** (-45 / 20)
    assert np.sqrt((error**2).mean()) <= noise
    found = np.abs(face).max() > np.iinfo(before.dtype).max / 4
    assert found != ("grey" in name)  # the detector of these tests knows faces by their colour


@pytest.mark.ffprobe
def test_ffprobe_would_see_a_difference(kinds):
    film, sound, text, chapters = (
        ffprobe.told(kinds.tried(ROWS[name])[0])
        for name in ("constant rate, 25", "sound, AAC", "subtitles, SubRip", "chapters")
    )
    late = ffprobe.told(kinds.tried(ROWS["late start"])[0])
    different = [
        {fact for fact in film if other[fact] != film[fact]}
        for other in (sound, text, chapters, late)
    ]
    assert different[0] >= {"labels", "packets"}
    assert different[1] >= {"labels", "packets"}
    assert different[2] >= {"chapters"}
    assert different[3] >= {"times", "milliseconds"}


def test_the_document_says_what_happens(kinds):
    results = {row.name: kinds.tried(row)[2] for row in ROWS.values()}
    assert media.DOCUMENT.read_text(encoding="utf-8") == media.document(results), (
        "write it anew: python -m tests.media"
    )
