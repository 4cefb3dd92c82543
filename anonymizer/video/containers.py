"""The films that can be written, by the suffix of their names."""

from typing import Final

from anonymizer.errors import UsageError

FORMATS: Final = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
}
"""FFmpeg's names of the containers."""


def insist_on_container(suffix: str) -> None:
    """Refuse a suffix of no container.

    Raises:
        UsageError: if it is none of FORMATS.
    """
    if suffix.lower() not in FORMATS:
        raise UsageError(
            f"cannot write {suffix.lower() or 'no suffix'!r}; use {', '.join(FORMATS)}"
        )


def output_suffix(suffix: str) -> str:
    """The container for a result whose source ends in ``suffix``: the same if it can be written."""
    return suffix if suffix.lower() in FORMATS else ".mkv"
