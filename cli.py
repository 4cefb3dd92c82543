"""The command line: puts the commands of `anonymizer.commands` together."""

from __future__ import annotations

import signal
from typing import Annotated

import typer

import anonymizer
from anonymizer.commands import bench, dataset, doctor, film, models, translate, watch

app = typer.Typer(
    name="anonymize",
    help="Replace every face in a video by a new, synthetic, temporally coherent one.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)


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


_COMMANDS = (
    film.run,
    film.plan,
    film.render,
    film.verify,
    translate.translate,
    watch.watch,
    dataset.dataset,
    doctor.doctor,
    bench.bench,
)
for _command in _COMMANDS:
    app.command()(_command)
app.add_typer(models.app, name="models")


def main() -> None:
    """Entry point of the ``anonymize`` command."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, signal.default_int_handler)  # nohup ignores it
    app(prog_name="anonymize")
