"""`watch`: a folder whose films are anonymized as they arrive."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anonymizer.commands.console import (
    DONE,
    FAILED,
    DryRun,
    Quiet,
    Verbose,
    err,
    log,
    named,
    out,
)
from anonymizer.commands.options import with_settings
from anonymizer.commands.rehearsal import Step, insist_on_parts, rehearse
from anonymizer.settings import Settings

if TYPE_CHECKING:
    from anonymizer.watch import Event, Folders


@with_settings
def watch(
    *,
    inbox: Annotated[
        Path, typer.Argument(parser=named, metavar="INBOX", help="Where films and pictures arrive.")
    ],
    outbox: Annotated[
        Path, typer.Argument(parser=named, metavar="OUTBOX", help="Where results go.")
    ],
    settings: Settings,
    settle: Annotated[
        float, typer.Option(min=0, help="Seconds a file must be still before it is taken.")
    ] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Stop when nothing is left to do.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line per event.")] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    dry_run: DryRun = False,
) -> None:
    """Anonymize what arrives in a folder; move it to done or failed there (docs/watch.md)."""
    log(verbose)
    from anonymizer import watch as watching

    folders = watching.Folders(inbox, outbox)
    if dry_run:
        insist_on_parts(settings)
        rehearse(_waiting(folders), as_json=as_json)
    from anonymizer.jobs import Anonymizer
    from anonymizer.reportfile import reported

    def tell(event: Event) -> None:
        if as_json:
            said = {key: value for key, value in asdict(event).items() if value is not None}
            print(json.dumps(said), flush=True)
        elif event.kind in ("failed", "kept"):
            err.print(f"{event.kind}: {event.reason}")
        elif not quiet:
            out.print(" ".join([event.kind, event.path, *([event.reason] if event.reason else [])]))

    with watching.alone(inbox) as known:
        veil = Anonymizer(settings)

        def work(source: Path, destination: Path, again: bool) -> object:
            job = partial(veil.file, source, destination, overwrite=again)
            return reported(job, destination, overwrite=again)

        settling = watching.Settling(settle)
        watcher = watching.Watcher(folders, known, work, tell, settling)
        watching.watch(watcher, once=once)
        waiting = watcher.waiting
    if waiting:
        err.print(f"waiting: {waiting} of {inbox} to be tried again; run the command again")
    raise typer.Exit(FAILED if watcher.failures or waiting else DONE)


def _waiting(folders: Folders) -> Iterable[Step]:
    """What is in the inbox, and what would be made of it."""
    from anonymizer.watch import candidates

    found: dict[Path, Step] = {}
    stamps = sorted(candidates(folders.inbox), key=lambda stamp: stamp.changed)
    for path in (Path(stamp.path) for stamp in stamps):
        destination = folders.free(path, found)
        found[destination] = Step(folders.inbox / path, destination)
    return found.values()
