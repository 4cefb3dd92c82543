"""Progress of one film on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

if TYPE_CHECKING:
    from anonymizer.pipeline import Progress, Stage


@contextmanager
def watching(console: Console, source: Path, *, quiet: bool) -> Iterator[Progress | None]:
    """Show progress on a terminal, nothing elsewhere."""
    if quiet or not console.is_terminal:
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed} frames, {task.fields[faces]} faces"),
        TextColumn("{task.fields[fps]} fps"),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=console, transient=True) as bars:
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
