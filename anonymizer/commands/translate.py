"""`translate`: a whole film told anew by a prompt. It hides nobody."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from anonymizer.commands.console import (
    AsJson,
    Overwrite,
    Quiet,
    Verbose,
    err,
    log,
    out,
)
from anonymizer.commands.options import TRANSLATING, with_options
from anonymizer.commands.progress import watching
from anonymizer.settings import Settings

MARK = "_translated"
"""Added to the stem of the result."""


@with_options(TRANSLATING)
def translate(
    *,
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="One video or picture.")],
    prompt: Annotated[str, typer.Option(help="What the film is to show, or how to change it.")],
    settings: Settings,
    negative_prompt: Annotated[str, typer.Option(help="What it is not to show.")] = "",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Default: NAME_translated.EXT beside the input."),
    ] = None,
    overwrite: Overwrite = False,
    report: Annotated[
        bool, typer.Option("--report/--no-report", help="Write NAME.report.json.")
    ] = True,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Tell a film anew by a prompt; this is no anonymization (docs/translate.md)."""
    log(verbose)
    from anonymizer.reportfile import names_of
    from anonymizer.translate import Translator
    from anonymizer.translated import START, table_of, text_of
    from anonymizer.video.encoding import output_suffix
    from anonymizer.video.failures import writing
    from anonymizer.video.media import is_image
    from anonymizer.video.publish import atomic_output, insist_on_free

    asked = {"painting.prompt": prompt, "painting.negative_prompt": negative_prompt}
    suffix = source.suffix if is_image(source) else output_suffix(source.suffix)
    place = output or source.with_name(f"{source.stem}{MARK}{suffix}")
    told = names_of(place).text
    if report:
        ours = told.is_file() and told.read_bytes().startswith(START.encode())
        insist_on_free(told, overwrite=overwrite or ours)
    translator = Translator(settings.with_values(asked))
    with watching(err, source, quiet=quiet or as_json) as progress:
        done = translator.file(source, place, overwrite=overwrite, progress=progress)
    if report:
        with atomic_output(told, overwrite=True) as file, writing(told):
            file.write_text(text_of(done), encoding="utf-8", errors="replace")
    for warning in done.warnings if not quiet else ():
        err.print(f"warning: {source}: {warning}")
    if as_json:
        print(json.dumps(table_of(done), indent=2, default=str))
    elif not quiet:
        out.print(done.summary)
