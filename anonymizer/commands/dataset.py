"""`dataset`: a tree of films, pictures and shards, on one machine or many."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from anonymizer.commands.console import (
    DONE,
    DOUBT,
    FAILED,
    AsJson,
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
from anonymizer.errors import UsageError
from anonymizer.settings import Settings

if TYPE_CHECKING:
    from anonymizer.manifest import Row
    from anonymizer.mirror import Entry
    from anonymizer.totals import Summary

    Tell = Callable[[Row, bool], None]


@with_settings
def dataset(
    *,
    source: Annotated[
        Path, typer.Argument(parser=named, metavar="SRC", help="Folder with the dataset.")
    ],
    destination: Annotated[
        Path, typer.Argument(parser=named, metavar="DST", help="Folder for the result.")
    ],
    settings: Settings,
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="Processes here, or a Ray cluster.")
    ] = "local",
    workers: Annotated[int, typer.Option(min=1, help="Files that are worked on at a time.")] = 1,
    address: Annotated[
        str | None, typer.Option(help="Ray cluster; auto finds one. Default: start one here.")
    ] = None,
    gpus: Annotated[
        float, typer.Option(min=0, help="With ray: GPUs, or share of one, per worker.")
    ] = 0.0,
    only_media: Annotated[
        bool, typer.Option("--only-media", help="Do not copy labels and other files.")
    ] = False,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="Stop at the first failure.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try again what failed before.")
    ] = False,
    split_frames: Annotated[
        int, typer.Option(min=0, help="Divide films of more frames among workers; 0 for none.")
    ] = 240,
    timeout: Annotated[
        float,
        typer.Option(
            min=0, help="Seconds a worker may not get on before its file fails; 0 for ever."
        ),
    ] = 1800.0,
    card: Annotated[
        Path | None,
        typer.Option(
            parser=named, metavar="PATH", help="Also write a section for the page of the set."
        ),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    dry_run: DryRun = False,
) -> None:
    """Anonymize a dataset; run it again to go on (docs/datasets.md)."""
    log(verbose)
    from anonymizer import dataset as making
    from anonymizer.orders import Order

    order = Order(
        source,
        destination,
        settings,
        engine=engine,
        workers=workers,
        address=address,
        gpus=gpus,
        only_media=only_media,
        fail_fast=fail_fast,
        retry_failed=retry_failed,
        split_frames=split_frames,
        timeout_s=timeout,
    )
    if card is not None:
        _check_card(card, source)
    if dry_run:
        found = (_step(entry, destination) for entry in making.entries(order))
        insist_on_parts(settings)
        rehearse(found, as_json=as_json)
    # Ray tells of workers that died on stdout, which is for the result
    with redirect_stdout(sys.stderr), _watching(err, quiet=quiet or as_json) as (tell, total):
        summary = making.anonymize(order, tell=tell, total=total)
    if card is not None:
        _write_card(card, summary, settings)
    if as_json:
        print(json.dumps(asdict(summary), indent=2))
    elif not quiet:
        for line in _lines(summary):
            out.print(line)
    raise typer.Exit(_code(summary))


def _step(entry: Entry, destination: Path) -> Step:
    where = None if entry.output is None else destination / entry.output
    problem = None if entry.problem is None else f"{entry.path}: {entry.problem}"
    return Step(entry.source, where, problem, entry.fault)


def _check_card(path: Path, source: Path) -> None:
    """Refuse, before the long work, a card that would replace what is none, or cannot be written.

    Raises:
        UsageError: if so.
    """
    from anonymizer.card import TITLE

    if path.resolve().is_relative_to(source.resolve()):
        raise UsageError(f"{path}: lies in the dataset itself; choose another --card")
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no such folder; choose another --card")
    if os.path.lexists(path) and not (path.is_file() and _begins(path, TITLE)):
        raise UsageError(f"{path}: exists and is no card; choose another --card")


def _begins(path: Path, words: str) -> bool:
    with path.open("rb") as file:
        return file.read(len(words.encode())) == words.encode()


def _write_card(path: Path, summary: Summary, settings: Settings) -> None:
    from anonymizer import card
    from anonymizer.video.failures import writing
    from anonymizer.video.publish import atomic_output

    with atomic_output(path, overwrite=True) as file, writing(path):
        file.write_text(card.card(summary, settings), encoding="utf-8")


def _code(summary: Summary) -> int:
    if summary.complete:
        return DONE
    return DOUBT if summary.failures.get("Doubtful") else FAILED


def _lines(summary: Summary) -> Iterator[str]:
    """The summary for a person."""
    from anonymizer.report import percent

    counts = ", ".join(f"{count} {verdict}" for verdict, count in summary.verdicts.items())
    yield f"{summary.inputs} inputs: {counts or 'none'} ({summary.unchanged} as before)"
    for failure, count in summary.failures.items():
        yield f"  {count} x {failure}"
    if summary.gone:
        yield f"{summary.gone} inputs are gone; their results were left"
    bound = f"at most {percent(summary.leak_bound)} % of them still to be seen, at 95 % confidence"
    yield (
        f"{summary.faces} faces compared in {summary.members} films and pictures"
        f"{f'; {bound}' if summary.faces else ''}"
    )
    yield from (f"note: {notice}" for notice in summary.notices)
    yield f"{summary.hours:.2f} h of film; {summary.seconds:.1f} s, {summary.speed:.2f} h per hour"


@contextmanager
def _watching(
    console: Console, *, quiet: bool
) -> Iterator[tuple[Tell, Callable[[int], None] | None]]:
    """Show progress over the set on a terminal, and failures everywhere."""
    failed = 0

    def complain(row: Row, fresh: bool) -> None:
        nonlocal failed
        failed += not row.good
        if row.error is None or (row.good and (quiet or not fresh)):
            return
        before = "" if fresh else " (as before; --retry-failed tries again)"
        err.print(f"{row.verdict if row.good else 'error'}: {row.path}: {row.error}{before}")

    if quiet or not console.is_terminal:
        yield complain, None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]} failed, {task.fields[faces]} faces"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        task = bars.add_task("dataset", total=None, failed=0, faces=0)
        faces = 0

        def show(row: Row, fresh: bool) -> None:
            nonlocal faces
            complain(row, fresh)
            faces += row.faces
            bars.update(task, advance=1, failed=failed, faces=faces)

        yield show, lambda count: bars.update(task, total=count)
