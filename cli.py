"""The command line: parse, call, print, exit code."""

from __future__ import annotations

import json
import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
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
    from anonymizer.jobs import Anonymizer
    from anonymizer.pipeline import Progress, Stage
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


@app.command()
def run(
    inputs: Annotated[list[Path], typer.Argument(help="Videos, pictures, or folders of them.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="File or folder. Default: NAME_anonymized.EXT beside the input."
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace results that exist.")] = False,
    replace: Annotated[
        Replace | None, typer.Option(help="What is put in place of a face. Default: face.")
    ] = None,
    detector: Annotated[
        str | None,
        typer.Option(
            help=f"One of: {', '.join(detectors.available())}; or several, as a+b: "
            "what any of them finds counts. Default: centerface."
        ),
    ] = None,
    recall: Annotated[
        Recall | None,
        typer.Option(
            help="high also looks at other scales and for turned and doubtful faces, at a tenth of "
            "the speed. Default: normal."
        ),
    ] = None,
    mediator: Annotated[
        str | None,
        typer.Option(help=f"One of: {', '.join(mediators.available())}. Default: medm."),
    ] = None,
    coherence: Annotated[
        float | None, typer.Option(help="Strength of the mediation, 0 to 1. Default: 0.8.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="builtin, or folder or hub id of a diffusers inpainting pipeline."),
    ] = None,
    prompt: Annotated[str | None, typer.Option(help="For models that take a prompt.")] = None,
    negative_prompt: Annotated[str | None, typer.Option(help="What the prompt excludes.")] = None,
    steps: Annotated[int | None, typer.Option(help="Sampling steps. Default: the model's.")] = None,
    guidance: Annotated[float | None, typer.Option(help="Prompt guidance. Default: 5.")] = None,
    expression: Annotated[
        Expression | None,
        typer.Option(help="Speak, blink and look as the original does. Default: on."),
    ] = None,
    init: Annotated[
        Init | None,
        typer.Option(help="What denoising starts from; source breaks non-interference."),
    ] = None,
    strength: Annotated[
        float | None, typer.Option(help="With --init source: share of the schedule, 0 to 1.")
    ] = None,
    min_face: Annotated[
        int | None,
        typer.Option(help="Faces under this many pixels get --small-faces. Default: 24."),
    ] = None,
    small_faces: Annotated[
        SmallFaces | None, typer.Option(help="What small faces get. Default: mosaic.")
    ] = None,
    chunk: Annotated[int | None, typer.Option(help="Frames painted together. Default: 16.")] = None,
    overlap: Annotated[
        int | None, typer.Option(help="Painted frames shown to the next chunk. Default: 4.")
    ] = None,
    crf: Annotated[
        int | None, typer.Option(help="Quality of the video, 0 (best) to 51. Default: 18.")
    ] = None,
    lossless: Annotated[bool | None, typer.Option("--lossless", help="Lose nothing.")] = None,
    audio: Annotated[Audio | None, typer.Option(help="Default: keep.")] = None,
    device: Annotated[
        str | None, typer.Option(help="auto, cpu, cuda, cuda:N or mps. Default: auto.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Makes a run repeatable.")] = None,
    secret_file: Annotated[
        Path | None, typer.Option(help="File whose bytes decide the identities.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file; flags win over it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON result only.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print more.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Print what would be done.")] = False,
) -> None:
    """Anonymize videos and pictures."""
    _logging(verbose)
    flags = {
        "painting.replace": replace,
        "detection.detector": detector,
        "detection.recall": recall,
        "painting.mediator": mediator,
        "painting.coherence": coherence,
        "painting.model": model,
        "painting.prompt": prompt,
        "painting.negative_prompt": negative_prompt,
        "painting.steps": steps,
        "painting.guidance": guidance,
        "painting.expression": expression,
        "painting.init": init,
        "painting.strength": strength,
        "painting.min_face": min_face,
        "painting.small_faces": small_faces,
        "chunk": chunk,
        "overlap": overlap,
        "media.crf": crf,
        "media.lossless": lossless,
        "media.audio": audio,
        "device": device,
        "seed": seed,
        "secret_file": secret_file,
    }
    with _exits():
        base = configuration.load(config) if config else Settings()
        chosen = base.with_values({key: value for key, value in flags.items() if value is not None})
        from anonymizer.video.encoding import output_suffix

        pairs = media.destinations(inputs, output, output_suffix)
        if dry_run:
            _print_plan(pairs, as_json=as_json)
            return
        from anonymizer.jobs import Anonymizer

        veil = Anonymizer(chosen)
        results = [
            _one(veil, source, destination, overwrite=overwrite, quiet=quiet or as_json)
            for source, destination in pairs
        ]
    if as_json:
        print(json.dumps({"results": results}, indent=2))
    failed = any("error" in result for result in results)
    raise typer.Exit(FAILED if failed else DONE)


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


def _one(
    veil: Anonymizer, source: Path, destination: Path, *, overwrite: bool, quiet: bool
) -> dict[str, Any]:
    """Do one input; a failure is a result, so that the others go on."""
    try:
        with _watching(source, quiet) as progress:
            report = veil.file(source, destination, overwrite=overwrite, progress=progress)
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


def _print_plan(pairs: list[tuple[Path, Path]], *, as_json: bool) -> None:
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
