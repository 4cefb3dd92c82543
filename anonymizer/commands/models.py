"""`models`: the registry of known weights, fetching them, and checking what lies there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from anonymizer import models as registry
from anonymizer.commands import console
from anonymizer.commands.console import DONE, FAILED, INTERRUPTED, AsJson
from anonymizer.errors import JobError, UsageError
from anonymizer.models import Model, Place

app = typer.Typer(
    help="Weights of further detectors: which are known, fetch them, check them.",
    no_args_is_help=True,
)
_KNOWN = ", ".join(model.name for model in registry.KNOWN)


@app.command("list")
def show(as_json: AsJson = False) -> None:
    """Show the known weights, their licences, and which of them are at hand."""
    where = registry.folder()
    places = [registry.look(model, where) for model in registry.KNOWN]
    if as_json:
        entries = [asdict(place.model) | _told(place) for place in places]
        print(json.dumps({"folder": str(where), "models": entries}, indent=2))
        return
    console.out.print(f"folder: {where}")
    for place in places:
        model = place.model
        console.out.print(
            f"{model.name:<16}{place.state:<7}{_megabytes(model):>7}  {model.purpose}; "
            f"licence: {model.licence}"
        )


@app.command()
def pull(
    names: Annotated[list[str], typer.Argument(metavar="NAME", help=f"Of: {_KNOWN}.")],
    accept_licence: Annotated[
        bool,
        typer.Option("--accept-licence", help="Accept licences that forbid commercial use."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Fetch weights into the models' folder, verified by SHA-256; goes on where it was cut."""
    with console.exits():
        chosen = registry.named(names)
        _agree(chosen, accept_licence)
        try:
            results = [_pulled(model, registry.folder(), as_json=as_json) for model in chosen]
        except KeyboardInterrupt as error:
            console.err.print("interrupted; the next pull goes on with what has come")
            raise typer.Exit(INTERRUPTED) from error
    if as_json:
        print(json.dumps({"results": results}, indent=2))
    raise typer.Exit(FAILED if any("error" in result for result in results) else DONE)


@app.command()
def check(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", help=f"Of: {_KNOWN}. Default: all that are there."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare weights with the registry; exit 1 if one is bad, or named but not there."""
    with console.exits():
        chosen = registry.named(names) if names else list(registry.KNOWN)
    where = registry.folder()
    places = [registry.look(model, where) for model in chosen]
    if as_json:
        entries = [{"name": place.model.name} | _told(place) for place in places]
        print(json.dumps({"folder": str(where), "models": entries}, indent=2))
    else:
        for place in places:
            console.out.print(f"{place.state:<7} {place.model.name}: {place.path}: {place.says}")
    wrong = {"bad", "absent"} if names else {"bad"}
    raise typer.Exit(FAILED if any(place.state in wrong for place in places) else DONE)


def _told(place: Place) -> dict[str, str]:
    return {"path": str(place.path), "state": place.state, "says": place.says}


def _megabytes(model: Model) -> str:
    return f"{model.size / 1e6:.1f} MB"


def _agree(chosen: list[Model], accepted: bool) -> None:
    """Say the licences that forbid commercial use.

    Raises:
        UsageError: if there are any, and they were not accepted.
    """
    bound = [model for model in chosen if not model.commercial]
    said = "; ".join(f"{model.name}: {model.licence}, see {model.source}" for model in bound)
    if bound and not accepted:
        raise UsageError(f"{said}; pass --accept-licence if your use is of that kind")
    if bound:
        console.err.print(f"licence accepted: {said}")


def _pulled(model: Model, folder: Path, *, as_json: bool) -> dict[str, Any]:
    """Fetch one model; a failure is a result, so that the others go on."""
    from anonymizer import downloads

    def waiting() -> None:
        console.err.print(f"{model.name}: another process is fetching it; waiting")

    path = folder / model.file
    try:
        with _watching(console.err, model, quiet=as_json) as progress:
            outcome = downloads.fetch(model, folder, progress=progress, waiting=waiting)
    except JobError as error:
        console.err.print(f"error: {error}")
        return {"name": model.name, "error": str(error)}
    if not as_json:
        console.out.print(f"{path}  {outcome}, {_megabytes(model)}, SHA-256 verified")
    return {"name": model.name, "path": str(path), "outcome": outcome}


@contextmanager
def _watching(
    terminal: Console, model: Model, *, quiet: bool
) -> Iterator[Callable[[int], None] | None]:
    """Show progress on a terminal, nothing elsewhere."""
    if quiet or not terminal.is_terminal:
        yield None
        return
    columns = (TextColumn(model.name), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=terminal, transient=True) as bars:
        task = bars.add_task(model.name, total=model.size)
        yield lambda done: bars.update(task, completed=done)
