"""A section for the page of a published set: what was done to faces, what is not promised."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from anonymizer import outcomes
from anonymizer.head.expression import MOTION
from anonymizer.report import percent
from anonymizer.settings import Replace, Settings
from anonymizer.totals import Summary

TITLE: Final = "## Faces"
"""How every card begins."""
_DONE: Final[Mapping[Replace, str]] = {
    "face": "replaced by a synthetic one",
    "cover": "covered",
    "blur": "blurred",
    "mosaic": "made unrecognisable by a mosaic",
}


def card(summary: Summary, settings: Settings) -> str:
    """Markdown for a data card. It names neither folders nor files, and no secret.

    Args:
        summary: Of the set.
        settings: With which it was made.
    """
    versions = outcomes.versions()
    done = _DONE[settings.painting.replace]
    parts = [
        TITLE,
        f"Every face that was found in this dataset was {done} with "
        f"veilframe {versions['veilframe']} before publication. " + " ".join(_how(settings)),
        _table(summary, settings, versions),
        "What this does not promise:",
        "\n".join(f"- {line}" for line in _limits(summary, settings)),
        "`manifest.parquet` has a row with hashes and verdict for every file. "
        "Please report a face you recognise.",
    ]
    return "\n\n".join(parts) + "\n"


def _how(settings: Settings) -> Iterator[str]:
    if settings.follows:
        yield (
            f"Mouth, eyes and gaze follow the original recording through at most {len(MOTION)} "
            "numbers per frame; who is shown instead is made up."
        )
    if not settings.painting.non_interference:
        yield (
            "What is shown was computed from the original faces, so that some of what they looked "
            "like may be recovered from it."
        )
    yield "Bodies, clothes, voices and surroundings are as recorded."


def _table(summary: Summary, settings: Settings, versions: Mapping[str, str]) -> str:
    painting, checking = settings.painting, settings.checking
    counts = ", ".join(f"{count} {verdict}" for verdict, count in summary.verdicts.items())
    rows = {
        "files": f"{summary.inputs}{f': {counts}' if counts else ''}",
        "published films and pictures": f"{summary.members}, {summary.hours:.2f} h of film",
        "faces compared with the original": f"{summary.faces}; none was still to be seen",
        "upper limit of the share still to be seen": _bound(summary),
        "faces painted by": ", ".join(_painter(settings)),
        "faces found by": f"{settings.detection.detector}, recall {settings.detection.recall}",
        "second look by": checking.second_detector,
        "same result needs": ", ".join(f"{name} {which}" for name, which in versions.items()),
    }
    if painting.min_face:
        rows["faces below"] = f"{painting.min_face} pixels: {painting.small_faces}"
    lines = [f"| {name} | {said} |" for name, said in rows.items()]
    return "\n".join(["| | |", "|---|---|", *lines])


def _bound(summary: Summary) -> str:
    if not summary.faces:
        return "unknown: no face was found"
    return f"{percent(summary.leak_bound)} % at 95 % confidence"


def _painter(settings: Settings) -> Iterator[str]:
    painting = settings.painting
    yield painting.replace
    if painting.replace == "face":
        yield f"model {painting.model}"
        yield f"mediator {painting.mediator}"


def _limits(summary: Summary, settings: Settings) -> Iterator[str]:
    yield (
        "The upper limit counts faces that a detector found, in the original, and takes them to be "
        "independent of one another. A face that nothing found is not in it, and is still there."
    )
    yield "People may be known by their walk, build, clothes, voice, words, or where they are."
    yield "Labels, tables and texts were copied as they are, names and places in them included."
    if settings.media.audio == "keep":
        yield "Sound was copied as it is."
    if not summary.complete:
        failed = sum(summary.failures.values())
        yield f"The set is not complete: {failed} files failed, and are not in it."
    yield from summary.notices
