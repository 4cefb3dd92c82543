"""What all commands print with, and how they end."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from anonymizer.errors import JobError, UsageError

DONE, FAILED, USAGE, DOUBT, INTERRUPTED = 0, 1, 2, 3, 130
"""Exit codes."""

out = Console(highlight=False, markup=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)

Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", help="File or folder. Default: NAME_anonymized.EXT beside the input."
    ),
]
Overwrite = Annotated[bool, typer.Option(help="Replace results that exist.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON result only.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
Reported = Annotated[
    bool, typer.Option("--report/--no-report", help="Write NAME.report.json and .report.html.")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Print more.")]


def log(verbose: bool) -> None:
    """Say more on stderr where that is asked for."""
    level = logging.DEBUG if verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s")


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
