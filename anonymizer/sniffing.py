"""What a file is by its first bytes: a label that is a picture must not be copied as it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, BinaryIO, Final

from anonymizer.errors import JobError

if TYPE_CHECKING:
    from pyarrow.parquet import ColumnSchema

HEAD: Final = 512
"""First bytes that are looked at."""
PARQUET: Final = b"PAR1"
"""How tables begin that `parquet_bytes` looks into."""
_PICTURE, _FILM, _ARCHIVE = "a picture", "a film", "an archive"
_STARTS: Final[Mapping[bytes, str]] = {
    b"\xff\xd8\xff": _PICTURE,
    b"\x89PNG\r\n": _PICTURE,
    b"GIF8": _PICTURE,
    b"II*\0": _PICTURE,
    b"MM\0*": _PICTURE,
    b"\0\0\0\x0cjP  ": _PICTURE,
    b"\xff\x4f\xff\x51": _PICTURE,
    b"\0\0\1\0": _PICTURE,
    b"8BPS": _PICTURE,
    b"%PDF": "a document that may hold pictures",
    b"\x1a\x45\xdf\xa3": _FILM,
    b"\0\0\1\xba": _FILM,
    b"\0\0\1\xb3": _FILM,
    b"\0\0\0\1\x67": _FILM,
    b"FLV\1": _FILM,
    b"OggS": "Ogg, which may hold a film",
    b"YUV4MPEG2": _FILM,
    b"DKIF": _FILM,
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": _FILM,
    b"\x06\x0e\x2b\x34": _FILM,
    b"7z\xbc\xaf\x27\x1c": _ARCHIVE,
    b"Rar!": _ARCHIVE,
    b"\x89HDF\r\n": "HDF5, which may hold pictures",
    b"ARROW1": "Arrow, which may hold pictures",
}
_PATTERNS: Final[Mapping[bytes, str]] = {
    rb"BM.{4}\0{4}": _PICTURE,
    rb"RIFF.{4}WEBP": _PICTURE,
    rb"RIFF.{4}AVI ": _FILM,
    rb".{4}(moov|mdat|wide)": _FILM,
    rb".{4}ftyp(avi|hei|mif|crx)": _PICTURE,
    rb".{4}ftyp(?!M4A|M4B)": _FILM,
    rb"G.{187}G.{187}G": _FILM,
    rb"\x93NUMPY[^{]*\{[^}]*'[|<>]u1'[^}]*\((\d+, *){2,}\d+,?\)": _PICTURE,
}
"""ISO files are films unless their brand says AVIF, HEIF, raw picture or sound; then transport
streams, and NumPy files of bytes with three dimensions or more."""
_ARCHIVES: Final = frozenset(
    [".zip", ".tgz", ".tbz", ".txz", ".7z", ".rar", ".bag", ".mcap", ".mdb", ".tfrecord", ".arrow"]
)
"""Suffixes of what often holds pictures. NPZ files are zips, too, and pass as arrays."""


def seen_as(name: str, head: bytes) -> str | None:
    """What a file seems to be, if it may show a face; None for others.

    Args:
        name: Of the file.
        head: Its first `HEAD` bytes, or all of them.

    >>> seen_as("a.json", b"{}"), seen_as("a.dat", b"GIF89a")
    (None, 'a picture')
    """
    suffixes = [suffix.lower() for suffix in PurePath(name).suffixes]
    if suffixes and (suffixes[-1] in _ARCHIVES or ".tar" in suffixes):
        return _ARCHIVE
    for start, kind in _STARTS.items():
        if head.startswith(start):
            return kind
    found = (kind for pattern, kind in _PATTERNS.items() if re.match(pattern, head, re.DOTALL))
    return next(found, None)


def parquet_bytes(file: BinaryIO) -> str | None:
    """Name of the first column of a Parquet file that holds bytes, as pictures are kept there.

    Args:
        file: All of it.

    Returns:
        None if there is no such column.

    Raises:
        JobError: if it is damaged.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        schema = parquet.ParquetFile(file).schema
    except pa.ArrowException as error:
        raise JobError(
            "a Parquet file", "is damaged; whether it holds pictures is unknown"
        ) from error
    columns = (schema.column(number) for number in range(len(schema)))
    return next((column.path for column in columns if _is_bytes(column)), None)


def _is_bytes(column: ColumnSchema) -> bool:
    plain = column.physical_type in ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
    return plain and column.logical_type.type in ("NONE", "UNKNOWN")
