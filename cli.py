"""The command line: parse, call, print, exit code."""

from __future__ import annotations

import json
import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

import anonymizer
import detectors
import mediators
from anonymizer import inputs as media
from anonymizer import settings as configuration
from anonymizer.errors import JobError, UsageError, VeilframeError
from anonymizer.options import OPTIONS
from anonymizer.progress import watching
from anonymizer.settings import Settings

if TYPE_CHECKING:
    from anonymizer.data import Action
    from anonymizer.jobs import Anonymizer
    from anonymizer.planfile import PlanFile

DONE, FAILED, USAGE, DOUBT, INTERRUPTED = 0, 1, 2, 3, 130

app = typer.Typer(
    name="anonymize",
    help="Replace every face in a video by a new, synthetic, temporally coherent one.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)
_out = Console(highlight=False, markup=False, soft_wrap=True)
_err = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"veilframe {anonymizer.__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Replace every face in a video by a new, synthetic, temporally coherent one."""


def _option(kind: Any, text: str, *names: str) -> Any:  # noqa: ANN401 - types of annotations
    return Annotated[kind | None, typer.Option(*names, help=text)]


_DETECTORS, _MEDIATORS = (", ".join(room.available()) for room in (detectors, mediators))
_SETTINGS: dict[str, tuple[Any, str]] = {
    "detection.detector": (str, f"One or, as a+b, more of: {_DETECTORS}. Default: centerface."),
    "painting.mediator": (str, f"One of: {_MEDIATORS}. Default: medm."),
    **OPTIONS,
}
"""Options that become settings, by the name of the setting."""


def _configured(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of all settings and ``--config``; it gets the `Settings` made."""
    names = {key.rpartition(".")[2]: key for key in _SETTINGS}

    @wraps(command)
    def configured(*, config: Path | None, **given: Any) -> None:  # noqa: ANN401 - options
        flags = {names[name]: given.pop(name) for name in names}
        with _exits():
            base = configuration.load(config) if config else Settings()
            chosen = {key: value for key, value in flags.items() if value is not None}
            command(settings=base.with_values(chosen), **given)

    kinds = {
        name: _option(*_SETTINGS[key], *([f"--{name}"] if _SETTINGS[key][0] is bool else []))
        for name, key in names.items()
    }
    kinds["config"] = _option(Path, "TOML file; flags win over it.")
    own = signature(command, eval_str=True)
    kept = [part for part in own.parameters.values() if part.name != "settings"]
    added = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in kinds.items()
    ]
    configured.__signature__ = own.replace(parameters=[*kept, *added])  # type: ignore[attr-defined]
    configured.__annotations__ = {part.name: part.annotation for part in (*kept, *added)}
    return configured


Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", help="File or folder. Default: NAME_anonymized.EXT beside the input."
    ),
]
Overwrite = Annotated[bool, typer.Option(help="Replace results that exist.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON result only.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Print more.")]


@app.command()
@_configured
def run(
    *,
    inputs: Annotated[list[Path], typer.Argument(help="Videos, pictures, or folders of them.")],
    settings: Settings,
    output: Output = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    dry_run: Annotated[bool, typer.Option(help="Print what would be done.")] = False,
) -> None:
    """Anonymize videos and pictures."""
    _logging(verbose)
    from anonymizer.video.encoding import output_suffix

    pairs = media.destinations(inputs, output, output_suffix)
    if dry_run:
        _print_pairs(pairs, as_json=as_json)
        return
    from anonymizer.jobs import Anonymizer

    veil = Anonymizer(settings)
    results = [
        _one(veil, source, destination, None, overwrite=overwrite, quiet=quiet or as_json)
        for source, destination in pairs
    ]
    _finish(results, as_json=as_json)


@app.command()
@_configured
def plan(
    *,
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="One video or picture.")],
    settings: Settings,
    output: Annotated[Path, typer.Option("--output", "-o", help="The plan, a JSON file.")],
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Find faces only, and write where they are as a file that can be edited (docs/plan.md)."""
    _logging(verbose)
    from anonymizer import planfile
    from anonymizer.jobs import Anonymizer
    from anonymizer.video.publish import atomic_output

    with (
        watching(_err, source, quiet=quiet) as progress,
        atomic_output(output, overwrite=overwrite) as file,
    ):
        found = Anonymizer(settings).plan(source, progress=progress)
        file.write_text(planfile.text_of(found), encoding="utf-8")
    if not quiet:
        _out.print(f"{output}  {len(found.plan.pts)} frames, {len(found.plan.tracks)} tracks")


@app.command()
@_configured
def render(
    *,
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="The video of the plan.")],
    plan_file: Annotated[Path, typer.Argument(metavar="PLAN", help="What `plan` wrote.")],
    settings: Settings,
    output: Output = None,
    keep_track: Annotated[
        list[int] | None, typer.Option(help="Leave this track as it is. Repeatable.")
    ] = None,
    cover_track: Annotated[
        list[int] | None, typer.Option(help="Cover this track solidly. Repeatable.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Anonymize a video by a plan; bit for bit what `run` does when nothing was edited."""
    _logging(verbose)
    from anonymizer import planfile
    from anonymizer.jobs import Anonymizer
    from anonymizer.video.encoding import output_suffix

    decisions: dict[int, Action] = dict.fromkeys(cover_track or [], "cover")
    decisions |= dict.fromkeys(keep_track or [], "keep")
    decided = planfile.decided(planfile.read(plan_file), decisions)
    ((_, destination),) = media.destinations([source], output, output_suffix)
    veil = Anonymizer(settings)
    result = _one(veil, source, destination, decided, overwrite=overwrite, quiet=quiet or as_json)
    _finish([result], as_json=as_json)


@app.command()
def doctor(
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON result only.")] = False,
) -> None:
    """Show what is installed, which device is used, and which models are at hand."""
    from anonymizer.doctor import examine

    findings = examine(device)
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            _out.print(f"{'ok  ' if finding.good else 'FAIL'}  {finding.part}: {finding.says}")
    raise typer.Exit(DONE if all(finding.good for finding in findings) else FAILED)


def _finish(results: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"results": results}, indent=2))
    failed = any("error" in result for result in results)
    raise typer.Exit(FAILED if failed else DONE)


def _one(
    veil: Anonymizer,
    source: Path,
    destination: Path,
    planned: PlanFile | None,
    *,
    overwrite: bool,
    quiet: bool,
) -> dict[str, Any]:
    """Do one input; a failure is a result, so that the others go on."""
    try:
        with watching(_err, source, quiet=quiet) as progress:
            report = veil.file(
                source, destination, planned=planned, overwrite=overwrite, progress=progress
            )
    except VeilframeError as error:
        return _failed(source, str(error))
    except Exception as error:
        logging.getLogger("veilframe").debug("while working on %s", source, exc_info=True)
        said = (str(error).splitlines() or [""])[0]
        return _failed(source, f"{source}: unexpected {type(error).__name__}: {said}")
    if not quiet:
        for warning in report.warnings:
            _err.print(f"warning: {source}: {warning}")
        _out.print(report.summary)
    return asdict(report)


def _failed(source: Path, reason: str) -> dict[str, Any]:
    _err.print(f"error: {reason}")
    return {"source": str(source), "error": reason}


def _print_pairs(pairs: list[tuple[Path, Path]], *, as_json: bool) -> None:
    if as_json:
        plan = [{"source": str(source), "destination": str(to)} for source, to in pairs]
        print(json.dumps({"plan": plan}, indent=2))
    else:
        for source, destination in pairs:
            _out.print(f"{source} -> {destination}")


def _logging(verbose: bool) -> None:
    level = logging.DEBUG if verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s")


@contextmanager
def _exits() -> Iterator[None]:
    """Turn what stops the program into one line and an exit code."""
    try:
        yield
    except UsageError as error:
        _err.print(f"error: {error}")
        raise typer.Exit(USAGE) from error
    except JobError as error:
        _err.print(f"error: {error}")
        raise typer.Exit(FAILED) from error
    except KeyboardInterrupt as error:
        _err.print("interrupted; nothing half-written was left behind")
        raise typer.Exit(INTERRUPTED) from error


def main() -> None:
    """Entry point of the ``anonymize`` command."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app(prog_name="anonymize")
