"""Reports as files beside what they tell of: JSON for programs, HTML for people.

Neither shows a face, names a folder of the films, or holds a secret. docs/report.md says what the
fields mean; report.schema.json and translation.schema.json in this package are their schemas.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from anonymizer import reportpage, reportschema, translated, translatedpage
from anonymizer.errors import Doubtful, JobError
from anonymizer.inputs import IMAGES, VIDEOS
from anonymizer.report import Report
from anonymizer.reportparts import HEAD
from anonymizer.translated import Translated
from anonymizer.video.failures import writing
from anonymizer.video.publish import atomic_output, folder_of, insist_on_free

_STARTS: Final = tuple(
    f'{{\n  "format": "{name.rstrip("0123456789")}'
    for name in (reportschema.FORMAT, translated.FORMAT)
)
"""How every JSON report begins."""
_Made = TypeVar("_Made", Report, Translated)
_log = logging.getLogger("veilframe")


class Names(NamedTuple):
    """Where the report of one output is written."""

    text: Path
    page: Path


def names_of(destination: Path) -> Names:
    """The names of its report; no two outputs share one.

    The suffix ``.mp4`` is left out, all others stay.

    >>> names_of(Path("a.mp4")).text.name, names_of(Path("a.mkv")).page.name
    ('a.report.json', 'a.mkv.report.html')
    """
    name = destination.name
    twice = Path(destination.stem).suffix.lower() in VIDEOS | IMAGES  # a.mkv.mp4 is not a.mkv
    if destination.suffix == ".mp4" and not twice:
        name = destination.stem
    folder = destination.parent
    return Names(folder / f"{name}.report.json", folder / f"{name}.report.html")


def text_of(report: Report | Translated) -> str:
    """The report as JSON, by its schema."""
    table = _about(report) | asdict(report)
    table["destination"] = Path(report.destination).name
    return json.dumps(table, indent=2, default=str, allow_nan=False) + "\n"


def _about(report: Report | Translated) -> dict[str, Any]:
    if isinstance(report, Translated):
        return {"format": translated.FORMAT}
    seen = report.verification
    return {"format": reportschema.FORMAT, "verdict": seen.verdict, "reason": seen.reason}


def page_of(report: Report | Translated) -> str:
    """The report as HTML."""
    if isinstance(report, Translated):
        return translatedpage.page_of(report)
    return reportpage.page_of(report)


def reported(job: Callable[[], _Made], destination: Path, *, overwrite: bool) -> _Made:
    """Do a job and write its report, also where a doubt keeps the output from being published.

    Args:
        job: Writes ``destination``.
        destination: What the report is about.
        overwrite: Whether files of other programs may be replaced. Reports of this one are, as
            their names belong to this output.

    Raises:
        UnwritableOutput: before the job begins if a name is taken; after it if a report cannot be
            written. The output then stays.
        JobError: what the job raises.
    """
    insist_on_names(destination, overwrite=overwrite)
    try:
        done = job()
    except Doubtful as error:
        try:
            write(error.report, destination)
        except JobError as failure:  # the doubt matters more
            _log.warning("no report: %s", failure)
        raise
    write(done, destination)
    return done


def insist_on_names(destination: Path, *, overwrite: bool) -> None:
    """Refuse a destination whose reports would replace files of other programs.

    Raises:
        UnwritableOutput: if so, and ``overwrite`` is false.
    """
    for path, starts in zip(names_of(destination), (_STARTS, (HEAD,)), strict=True):
        ours = any(_begins(path, start) for start in starts)
        insist_on_free(path, overwrite=overwrite or ours)


def write(report: Report | Translated, destination: Path) -> None:
    """Write both files, replacing those that are there.

    Raises:
        UnwritableOutput: if that cannot be done.
    """
    texts = text_of(report), page_of(report)
    with folder_of(destination):
        for path, text in zip(names_of(destination), texts, strict=True):
            with atomic_output(path, overwrite=True) as file, writing(path):
                file.write_text(text, encoding="utf-8", errors="replace")


def _begins(path: Path, start: str) -> bool:
    """Whether a file begins as ours do."""
    try:
        with path.open("rb") as file:
            return file.read(len(start)) == start.encode()
    except OSError:
        return False
