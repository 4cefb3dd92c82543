"""`translate`: a whole film told anew by a prompt. It hides nobody."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from anonymizer.commands.console import (
    AsJson,
    DryRun,
    Overwrite,
    Quiet,
    Reported,
    Verbose,
    err,
    log,
    named,
    out,
    placed,
)
from anonymizer.commands.options import TRANSLATING, with_options
from anonymizer.commands.progress import watching
from anonymizer.commands.rehearsal import rehearse, steps
from anonymizer.settings import Settings
from anonymizer.translated import FORMAT

MARK = "_translated"
"""Added to the stem of the result."""


@with_options(TRANSLATING)
def translate(
    *,
    source: Annotated[
        Path, typer.Argument(parser=named, metavar="INPUT", help="One video or picture.")
    ],
    prompt: Annotated[str, typer.Option(help="What the film is to show, or how to change it.")],
    settings: Settings,
    negative_prompt: Annotated[str, typer.Option(help="What it is not to show.")] = "",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            parser=placed,
            metavar="PATH",
            help="Default: NAME_translated.EXT beside the input.",
        ),
    ] = None,
    overwrite: Overwrite = False,
    report: Reported = True,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    dry_run: DryRun = False,
) -> None:
    """Tell a film anew by a prompt; this is no anonymization (docs/translate.md)."""
    log(verbose)
    from anonymizer.reportfile import reported
    from anonymizer.video.containers import output_suffix
    from anonymizer.video.media import is_image

    asked = {"painting.prompt": prompt, "painting.negative_prompt": negative_prompt}
    suffix = source.suffix if is_image(source) else output_suffix(source.suffix)
    place = output or source.with_name(f"{source.stem}{MARK}{suffix}")
    if dry_run:
        from anonymizer.build import insist_on_teller

        insist_on_teller(settings)
        pairs = [(source, place)]
        rehearse(steps(pairs, overwrite=overwrite, report=report), as_json=as_json)
    from anonymizer.translate import Translator

    translator = Translator(settings.with_values(asked))
    job = partial(translator.file, source, place, overwrite=overwrite)
    with watching(err, source, quiet=quiet or as_json) as progress:
        job = partial(job, progress=progress)
        done = reported(job, place, overwrite=overwrite) if report else job()
    for warning in done.warnings if not quiet else ():
        err.print(f"warning: {source}: {warning}")
    if as_json:
        print(json.dumps({"format": FORMAT} | asdict(done), indent=2, default=str))
    elif not quiet:
        out.print(done.summary)
