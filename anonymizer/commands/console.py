"""What all commands print with, and how they end."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from anonymizer.errors import JobError, UsageError

DONE, FAILED, USAGE, DOUBT, INTERRUPTED = 0, 1, 2, 3, 130
"""Exit codes."""

_JOINER = "\u200d"
"""Between the parts of one emoji; other characters that cannot be seen are escaped."""


def one_line(text: str, encoding: str = "utf-8") -> str:
    r"""The text as one line that can be written: file names may hold anything.

    >>> one_line("a\nb\x1b[31m.mp4")
    'a\\nb\\x1b[31m.mp4'
    """
    shown = (
        char if char.isprintable() or char == _JOINER else char.encode("unicode_escape").decode()
        for char in text
    )
    return "".join(shown).encode(encoding, "backslashreplace").decode(encoding)


class Lines(Console):
    """A console where every text that is printed is one line of plain text."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=True)

    def print(self, *objects: object, **options: Any) -> None:  # noqa: ANN401 - as rich has it
        """Print texts as lines, and all else as it is."""
        lines = [one_line(o, self.encoding) if isinstance(o, str) else o for o in objects]
        super().print(*lines, **options)


class _OneLine(logging.Formatter):
    """Log messages of one line; tracebacks have more."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - as it is called there
        return one_line(super().formatMessage(record))


out = Lines()
err = Lines(stderr=True)


def named(text: str) -> Path:
    """A path that was typed.

    Raises:
        typer.BadParameter: if it is empty, as that of an unset variable: it would be this folder.
    """
    if not text:
        raise typer.BadParameter("the name is empty; name a file or folder")
    return Path(text)


def placed(text: str) -> Path:
    """Where a result is to go.

    Raises:
        typer.BadParameter: if it is empty, or a folder by its name that is not there.
    """
    path = named(text)
    if text.endswith(os.sep) and not path.is_dir():
        raise typer.BadParameter(f"{text} is no folder; make it first")
    return path


Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        parser=placed,
        metavar="PATH",
        help="File or folder. Default: NAME_anonymized.EXT beside the input.",
    ),
]
Overwrite = Annotated[bool, typer.Option(help="Replace results that exist.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON result only.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
Reported = Annotated[
    bool, typer.Option("--report/--no-report", help="Write NAME.report.json and .report.html.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be done.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Print more.")]


def log(verbose: bool) -> None:
    """Say more on stderr where that is asked for."""
    level = logging.DEBUG if verbose else logging.WARNING
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler])


def failed(source: Path, reason: str) -> dict[str, Any]:
    """Print why one input failed; its result."""
    err.print(f"error: {reason}")
    return {"source": str(source), "error": reason}


@contextmanager
def exits() -> Iterator[None]:
    """Turn what stops the program into one line and an exit code."""
    try:
        yield
    except UsageError as error:
        err.print(f"error: {error}")
        raise typer.Exit(USAGE) from error
    except JobError as error:
        err.print(f"error: {error}")
        raise typer.Exit(FAILED) from error
    except KeyboardInterrupt as error:
        err.print("interrupted; nothing half-written was left behind")
        raise typer.Exit(INTERRUPTED) from error
