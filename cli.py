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
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

import anonymizer
import detectors
import mediators
from anonymizer import inputs as media
from anonymizer import settings as configuration
from anonymizer.errors import JobError, UsageError, VeilframeError
from anonymizer.settings import (
    Audio,
    Expression,
    Init,
    Recall,
    Replace,
    Settings,
    SmallFaces,
)

if TYPE_CHECKING:
    from anonymizer.data import Action
    from anonymizer.jobs import Anonymizer
    from anonymizer.pipeline import Progress, Stage
    from anonymizer.planfile import PlanFile
    from anonymizer.report import Report

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


_SETTINGS: dict[str, Any] = {
    "painting.replace": _option(Replace, "What is put in place of a face. Default: face."),
    "detection.detector": _option(
        str, f"One of: {', '.join(detectors.available())}; or several, as a+b. Default: centerface."
    ),
    "detection.recall": _option(Recall, "How hard to look for faces. Default: normal."),
    "painting.mediator": _option(
        str, f"One of: {', '.join(mediators.available())}. Default: medm."
    ),
    "painting.coherence": _option(float, "Strength of the mediation, 0 to 1. Default: 0.8."),
    "painting.model": _option(
        str, "builtin, or folder or hub id of a diffusers inpainting pipeline."
    ),
    "painting.prompt": _option(str, "For models that take a prompt."),
    "painting.negative_prompt": _option(str, "What the prompt excludes."),
    "painting.steps": _option(int, "Sampling steps. Default: the model's."),
    "painting.guidance": _option(float, "Prompt guidance. Default: 5."),
    "painting.expression": _option(
        Expression, "Speak, blink and look as the original does. Default: on."
    ),
    "painting.init": _option(Init, "What denoising starts from; source breaks non-interference."),
    "painting.strength": _option(float, "With --init source: share of the schedule, 0 to 1."),
    "painting.min_face": _option(
        int, "Faces under this many pixels get --small-faces. Default: 24."
    ),
    "painting.small_faces": _option(SmallFaces, "What small faces get. Default: mosaic."),
    "chunk": _option(int, "Frames painted together. Default: 16."),
    "overlap": _option(int, "Painted frames shown to the next chunk. Default: 4."),
    "media.crf": _option(int, "Quality of the video, 0 (best) to 51. Default: 18."),
    "media.lossless": _option(bool, "Lose nothing.", "--lossless"),
    "media.audio": _option(Audio, "Default: keep."),
    "device": _option(str, "auto, cpu, cuda, cuda:N or mps. Default: auto."),
    "seed": _option(int, "Makes a run repeatable."),
    "secret_file": _option(Path, "File whose bytes decide the identities."),
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

    kinds = {name: _SETTINGS[key] for name, key in names.items()}
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

    with _watching(source, quiet) as progress, atomic_output(output, overwrite=overwrite) as file:
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
        with _watching(source, quiet) as progress:
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
        _out.print(_summary(report))
    return asdict(report)


def _failed(source: Path, reason: str) -> dict[str, Any]:
    _err.print(f"error: {reason}")
    return {"source": str(source), "error": reason}


def _summary(report: Report) -> str:
    faces = sum(track.stop - track.start for track in report.tracks)
    took = sum(report.seconds.values())
    return (
        f"{report.destination}  {report.frames} frames, {len(report.tracks)} tracks, "
        f"{faces} faces replaced, {took:.1f} s ({report.frames / max(took, 1e-9):.1f} frames/s)"
    )


@contextmanager
def _watching(source: Path, quiet: bool) -> Iterator[Progress | None]:
    """Show progress on a terminal, nothing elsewhere."""
    if quiet or not _err.is_terminal:
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed} frames, {task.fields[faces]} faces"),
        TextColumn("{task.fields[fps]} fps"),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=_err, transient=True) as bars:
        find = bars.add_task(f"find   {source.name}", total=None, faces=0, fps="")
        paint = bars.add_task(f"paint  {source.name}", total=None, faces=0, fps="", visible=False)
        faces = {"find": 0, "paint": 0}

        def show(stage: Stage, done: int, more: int) -> None:
            faces[stage] += more
            task = find if stage == "find" else paint
            if stage == "paint" and not bars.tasks[paint].visible:
                bars.reset(paint, visible=True, total=int(bars.tasks[find].completed))
            speed = bars.tasks[task].finished_speed or bars.tasks[task].speed or 0
            bars.update(task, completed=done, faces=faces[stage], fps=f"{speed:.1f}")

        yield show


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
