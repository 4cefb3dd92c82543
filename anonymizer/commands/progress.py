"""Progress of one film on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from anonymizer.commands.console import one_line

if TYPE_CHECKING:
    from anonymizer.pipeline import Progress, Stage


@contextmanager
def watching(console: Console, source: Path, *, quiet: bool) -> Iterator[Progress | None]:
    """Show progress on a terminal, nothing elsewhere."""
    if quiet or not console.is_terminal:
        yield None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed} frames, {task.fields[faces]} faces"),
        TextColumn("{task.fields[fps]} fps"),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=console, transient=True) as bars:
        stages: list[Stage] = ["find", "paint", "check"]
        tasks = {
            stage: bars.add_task(
                f"{stage:6} {one_line(source.name)}",
                total=None,
                faces=0,
                fps="",
                visible=stage == "find",
            )
            for stage in stages
        }
        faces = dict.fromkeys(stages, 0)

        def show(stage: Stage, done: int, more: int) -> None:
            faces[stage] += more
            task = tasks[stage]
            if not bars.tasks[task].visible:
                bars.reset(task, visible=True, total=int(bars.tasks[tasks["find"]].completed))
            speed = bars.tasks[task].finished_speed or bars.tasks[task].speed or 0
            bars.update(task, completed=done, faces=faces[stage], fps=f"{speed:.1f}")

        yield show
