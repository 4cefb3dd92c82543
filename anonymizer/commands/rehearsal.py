"""`--dry-run`: what would be done is said; nothing is written and no network is loaded."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from anonymizer.commands.console import DONE, FAILED, err, out
from anonymizer.errors import UnwritableOutput, UsageError

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


def steps(pairs: Iterable[tuple[Path, Path]], *, overwrite: bool) -> list[Step]:
    """One input after another, each to a name of its own.

    Raises:
        UsageError: if an input does not exist.
    """
    from anonymizer.video.publish import insist_on_free

    done = []
    for source, destination in pairs:
        if not source.exists():
            raise UsageError(f"{source}: no such file")
        try:
            insist_on_free(destination, overwrite=overwrite)
        except UnwritableOutput as error:
            done.append(Step(source, None, str(error), fault=True))
        else:
            done.append(Step(source, destination))
    return done


def rehearse(planned: Iterable[Step], settings: Settings, *, as_json: bool) -> NoReturn:
    """Say what would be done, and end.

    Raises:
        UsageError: if a part, a device or a secret that the settings name does not exist.
        typer.Exit: 0; 1 if something would fail.
    """
    from anonymizer import build
    from anonymizer.identities import run_secret

    build.insist_on_names(settings)
    run_secret(settings)
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
