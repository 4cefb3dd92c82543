"""`bench`: the project's own measurements on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from anonymizer.commands.console import AsJson, Quiet, Verbose, err, log, out
from anonymizer.commands.options import with_settings
from anonymizer.settings import Settings


@with_settings
def bench(
    *,
    settings: Settings,
    clip: Annotated[
        Path | None, typer.Option(help="A film with a face. Default: one drawn on the spot.")
    ] = None,
    frames: Annotated[
        int, typer.Option(min=2, help="Frames of it that are used, from the first on.")
    ] = 48,
    rounds: Annotated[
        int, typer.Option(min=1, help="Rounds; medians and ranges of them are shown.")
    ] = 3,
    part: Annotated[
        list[str] | None,
        typer.Option(help="stages, length, seams, flow or peers. Repeatable. Default: all."),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Measure speed, memory, seams and flow here, as ratios of one run (docs/benchmarks.md)."""
    log(verbose)
    from anonymizer.bench.measuring import PARTS, Order, measure
    from anonymizer.bench.table import lines

    order = Order(tuple(part or PARTS), clip, frames, rounds)
    silent = quiet or as_json
    found = measure(order, settings, lambda name: None if silent else err.print(f"{name} ..."))
    if as_json:
        print(json.dumps(found.table(), indent=2))
        return
    for line in lines(found):
        out.print(line)
