"""Labels that are pictures, films or archives are seen as that; others are not."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from pyarrow import parquet

from anonymizer.errors import JobError
from anonymizer.sniffing import HEAD, parquet_bytes, seen_as
from tests.films import Film


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".tiff", ".jp2", ".gif"])
def test_pictures_are_seen_by_their_bytes(suffix):
    image = np.zeros((64, 64, 3), np.uint8)
    good, coded = cv2.imencode(suffix, image)
    assert good
    assert seen_as("label.dat", coded.tobytes()[:HEAD]) == "a picture"


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".ts", ".mov", ".mpg", ".flv"])
def test_films_are_seen_by_their_bytes(tmp_path, suffix):
    codec = "mpeg1video" if suffix == ".mpg" else "libx264"
    options = {} if suffix == ".mpg" else {"preset": "ultrafast"}
    path = Film(frames=2, codec=codec, options=options).write(tmp_path / f"a{suffix}")
    assert seen_as("label", path.read_bytes()[:HEAD]) == "a film"


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"\0\0\0\x1cftypavif", "a picture"),
        (b"\0\0\0\x1cftypheic", "a picture"),
        (b"\0\0\0\x1cftypisom", "a film"),
        (b"\0\0\0\x08wide\0\0\0\0mdat", "a film"),
        (b"%PDF-1.7", "a document that may hold pictures"),
    ],
)
def test_other_starts(start, kind):
    assert seen_as("x.bin", start) == kind


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "A.TGZ", "a.bag", "a.tar.zst"])
def test_archives_are_seen_by_their_names(name):
    assert seen_as(name, b"") == "an archive"


def array(value: NDArray[Any]) -> bytes:
    file = BytesIO()
    np.save(file, value)
    return file.getvalue()[:HEAD]


@pytest.mark.parametrize("shape", [(4, 4, 3), (2, 4, 4, 3), (100, 3, 240)])
def test_arrays_of_bytes_that_may_be_pictures_are_seen(shape):
    assert seen_as("a.npy", array(np.zeros(shape, np.uint8))) == "a picture"


@pytest.mark.parametrize("value", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.eye(4)])
def test_other_arrays_pass(value):
    assert seen_as("a.npy", array(value)) is None


@pytest.mark.parametrize(
    ("values", "column"),
    [
        ({"a": ["x"], "n": [1], "l": [[1.0, 2.0]]}, None),
        ({"n": [1], "image": [{"bytes": b"x", "path": "p"}]}, "image.bytes"),
        ({"a": pa.array([b"abcd"], pa.binary(4))}, "a"),
        ({"a": pa.array([1], pa.decimal128(20, 2))}, None),
    ],
)
def test_columns_of_bytes_in_tables_are_seen(values, column):
    file = BytesIO()
    parquet.write_table(pa.table(values), file)
    assert parquet_bytes(file) == column


def test_a_damaged_table_may_hold_anything():
    with pytest.raises(JobError, match="is damaged"):
        parquet_bytes(BytesIO(b"PAR1 and no more"))


def arrays() -> bytes:
    file = BytesIO()
    np.savez(file, camera=np.eye(3))
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"7",
        json.dumps({"boxes": [[1, 2, 3, 4]]}).encode(),
        b"0 0.5 0.5 0.1 0.1\n" * 40,
        b"BM is no picture, and MM neither",
        b"GGGG" * 30,
        b"RIFF\x24\0\0\0WAVEfmt ",
        b"\0\0\0\x1cftypM4A ",
        b"PAR1" + bytes(500),  # looked into elsewhere
        arrays()[:HEAD],
    ],
)
def test_labels_sound_and_arrays_pass(content):
    assert seen_as("label.dat", content) is None
