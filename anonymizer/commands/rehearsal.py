"""`--dry-run`: what would be done is said; nothing is written and no network is loaded."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from anonymizer.commands.console import DONE, FAILED, err, out
from anonymizer.errors import JobError, UsageError

if TYPE_CHECKING:
    from anonymizer.settings import Settings


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of one input."""

    source: Path
    destination: Path | None
    """None if nothing is made of it."""
    problem: str | None = None
    """Why nothing would be made of it, in a line."""
    fault: bool = False
    """Whether that would be a failure."""


def steps(
    pairs: Iterable[tuple[Path, Path]], *, overwrite: bool, report: bool, film: bool = True
) -> list[Step]:
    """One input after another, each to a name of its own.

    Args:
        pairs: Inputs and what they become.
        overwrite: Whether that may be there already.
        report: Whether there will be reports beside it.
        film: Whether it is a film or picture, as the input is.
    """
    return [_step(*pair, overwrite=overwrite, report=report, film=film) for pair in pairs]


def _step(source: Path, destination: Path, *, overwrite: bool, report: bool, film: bool) -> Step:
    from anonymizer import reportfile
    from anonymizer.video.failures import check_readable
    from anonymizer.video.media import insist_on_kind
    from anonymizer.video.publish import insist_on_folder, insist_on_free

    try:
        check_readable(source)
        insist_on_folder(destination)
        insist_on_free(destination, overwrite=overwrite)
        if report:
            reportfile.insist_on_names(destination, overwrite=overwrite)
        if film:
            insist_on_kind(destination, source)
    except JobError as error:
        return Step(source, None, str(error), fault=True)
    except UsageError as error:
        return Step(source, None, f"{destination}: {error}", fault=True)
    return Step(source, destination)


def insist_on_parts(settings: Settings) -> None:
    """Refuse settings that name what is not there; nothing is loaded.

    Raises:
        UsageError: if a part, a device or a secret does not exist.
    """
    from anonymizer import build
    from anonymizer.identities import run_secret

    build.insist_on_names(settings)
    run_secret(settings)


def rehearse(planned: Iterable[Step], *, as_json: bool) -> NoReturn:
    """Say what would be done, and end.

    Raises:
        typer.Exit: 0; 1 if something would fail.
    """
    told, faults = [], False
    for step in planned:
        faults |= step.fault
        if as_json:
            told.append(dict(_told(step)))
        elif step.problem is None:
            out.print(f"{step.source} -> {step.destination}")
        else:
            err.print(f"{'error' if step.fault else 'left out'}: {step.problem}")
    if as_json:
        print(json.dumps({"plan": told}, indent=2))
    raise typer.Exit(FAILED if faults else DONE)


def _told(step: Step) -> Iterator[tuple[str, str]]:
    yield "source", str(step.source)
    if step.destination is not None:
        yield "destination", str(step.destination)
    if step.problem is not None:
        yield "error" if step.fault else "left_out", step.problem
