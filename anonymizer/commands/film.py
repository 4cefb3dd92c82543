"""`run`, `plan` and `render`: films and pictures in, films and pictures out."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from anonymizer import inputs as media
from anonymizer.commands.console import (
    DONE,
    DOUBT,
    FAILED,
    AsJson,
    DryRun,
    Output,
    Overwrite,
    Quiet,
    Reported,
    Verbose,
    err,
    failed,
    log,
    named,
    out,
    placed,
)
from anonymizer.commands.options import JUDGING, with_options, with_settings
from anonymizer.commands.progress import watching
from anonymizer.commands.rehearsal import insist_on_parts, rehearse, steps
from anonymizer.errors import Doubtful, UsageError, VeilframeError
from anonymizer.settings import Settings

if TYPE_CHECKING:
    from anonymizer.data import Action
    from anonymizer.jobs import Anonymizer
    from anonymizer.planfile import PlanFile


@with_settings
def run(
    *,
    inputs: Annotated[
        list[Path],
        typer.Argument(
            parser=named, metavar="INPUTS...", help="Videos, pictures, or folders of them."
        ),
    ],
    settings: Settings,
    output: Output = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    report: Reported = True,
    dry_run: DryRun = False,
) -> None:
    """Anonymize videos and pictures."""
    log(verbose)
    from anonymizer.video.containers import output_suffix

    pairs = media.destinations(inputs, output, output_suffix)
    if dry_run:
        insist_on_parts(settings)
        rehearse(steps(pairs, overwrite=overwrite, report=report), as_json=as_json)
    from anonymizer.jobs import Anonymizer

    veil = Anonymizer(settings)
    results = [
        _one(
            veil,
            source,
            destination,
            None,
            overwrite=overwrite,
            quiet=quiet or as_json,
            report=report,
        )
        for source, destination in pairs
    ]
    _finish(results, as_json=as_json)


@with_settings
def plan(
    *,
    source: Annotated[
        Path, typer.Argument(parser=named, metavar="INPUT", help="One video or picture.")
    ],
    settings: Settings,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", parser=placed, metavar="PATH", help="The plan, a JSON file."
        ),
    ],
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    dry_run: DryRun = False,
) -> None:
    """Find faces only, and write where they are as a file that can be edited (docs/plan.md)."""
    log(verbose)
    from anonymizer import planfile
    from anonymizer.planning import plan_alone
    from anonymizer.video.failures import check_readable, writing
    from anonymizer.video.publish import atomic_output, folder_of

    media.insist_on_distinct([(source, output)])
    if dry_run:
        insist_on_parts(settings)
        pairs = [(source, output)]
        rehearse(steps(pairs, overwrite=overwrite, report=False, film=False), as_json=as_json)
    check_readable(source)
    with (
        watching(err, source, quiet=quiet or as_json) as progress,
        folder_of(output),
        atomic_output(output, overwrite=overwrite) as file,
    ):
        found = plan_alone(settings, source, progress=progress)
        with writing(output):
            file.write_text(planfile.text_of(found), encoding="utf-8")
    if as_json:
        counts = {"frames": len(found.plan.pts), "tracks": len(found.plan.tracks)}
        print(json.dumps({"source": str(source), "destination": str(output)} | counts, indent=2))
    elif not quiet:
        out.print(f"{output}  {len(found.plan.pts)} frames, {len(found.plan.tracks)} tracks")


@with_settings
def render(
    *,
    source: Annotated[
        Path, typer.Argument(parser=named, metavar="INPUT", help="The video of the plan.")
    ],
    plan_file: Annotated[
        Path, typer.Argument(parser=named, metavar="PLAN", help="What `plan` wrote.")
    ],
    settings: Settings,
    output: Output = None,
    keep_track: Annotated[
        list[int] | None, typer.Option(help="Leave this track as it is. Repeatable.")
    ] = None,
    cover_track: Annotated[
        list[int] | None, typer.Option(help="Cover this track solidly. Repeatable.")
    ] = None,
    track_prompt: Annotated[
        list[str] | None, typer.Option(metavar="ID=TEXT", help="Prompt of one track. Repeatable.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    report: Reported = True,
    dry_run: DryRun = False,
) -> None:
    """Anonymize a video by a plan; bit for bit what `run` does when nothing was edited."""
    log(verbose)
    from anonymizer import planfile
    from anonymizer.jobs import Anonymizer
    from anonymizer.planning import insist_on_this
    from anonymizer.video.containers import output_suffix

    if both := sorted(set(keep_track or []) & set(cover_track or [])):
        raise UsageError(f"track {both[0]} is to be kept and to be covered; name it once")
    decisions: dict[int, Action] = dict.fromkeys(cover_track or [], "cover")
    decisions |= dict.fromkeys(keep_track or [], "keep")
    prompts = planfile.prompts_of(track_prompt or [])
    decided = planfile.decided(planfile.read(plan_file), decisions, prompts)
    ((_, destination),) = media.destinations([source], output, output_suffix)
    if dry_run:
        insist_on_this(decided, source)
        insist_on_parts(settings)
        pairs = [(source, destination)]
        rehearse(steps(pairs, overwrite=overwrite, report=report), as_json=as_json)
    veil = Anonymizer(settings)
    result = _one(
        veil,
        source,
        destination,
        decided,
        overwrite=overwrite,
        quiet=quiet or as_json,
        report=report,
    )
    _finish([result], as_json=as_json)


@with_options(JUDGING)
def verify(
    *,
    original: Annotated[
        Path, typer.Argument(parser=named, metavar="ORIGINAL", help="The film with the faces.")
    ],
    anonymized: Annotated[
        Path, typer.Argument(parser=named, metavar="OUTPUT", help="The film without them.")
    ],
    settings: Settings,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Look whether a film, made by any program, still shows faces of its original."""
    log(verbose)
    from anonymizer.judging import verified

    with watching(err, original, quiet=quiet or as_json) as progress:
        seen = verified(settings, original, anonymized, progress=progress)
    if as_json:
        print(json.dumps(asdict(seen) | {"verdict": seen.verdict}, indent=2))
    elif seen.verdict == "doubt":
        err.print(f"doubt: {anonymized}: {seen.reason}")
    if not quiet and not as_json:
        out.print(f"{anonymized}  {seen.summary}")
    raise typer.Exit(DOUBT if seen.verdict == "doubt" else DONE)


def _finish(results: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"results": results}, indent=2))
    failures = [result for result in results if "error" in result]
    if any("verification" in result for result in failures):
        raise typer.Exit(DOUBT)
    raise typer.Exit(FAILED if failures else DONE)


def _one(
    veil: Anonymizer,
    source: Path,
    destination: Path,
    planned: PlanFile | None,
    *,
    overwrite: bool,
    quiet: bool,
    report: bool,
) -> dict[str, Any]:
    """Do one input; a failure is a result, so that the others go on."""
    from anonymizer.reportfile import names_of, reported

    job = partial(veil.file, source, destination, planned=planned, overwrite=overwrite)
    try:
        with watching(err, source, quiet=quiet) as progress:
            job = partial(job, progress=progress)
            done = reported(job, destination, overwrite=overwrite) if report else job()
    except Doubtful as error:
        more = f"; see {names_of(destination).page}" if report else ""
        return failed(source, f"{error}{more}") | {"verification": asdict(error.verification)}
    except VeilframeError as error:
        return failed(source, str(error))
    except Exception as error:
        logging.getLogger("veilframe").debug("while working on %s", source, exc_info=True)
        said = (str(error).splitlines() or [""])[0]
        return failed(source, f"{source}: unexpected {type(error).__name__}: {said}")
    if not quiet:
        for warning in done.warnings:
            err.print(f"warning: {source}: {warning}")
        out.print(done.summary)
    return asdict(done)
