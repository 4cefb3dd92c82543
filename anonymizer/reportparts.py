"""What pages of reports are made of: a frame without scripts, a banner, streams, settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from xml.etree.ElementTree import Element

from anonymizer.markup import element, table, text_of
from anonymizer.report import StreamOutcome

HEAD: Final = '<!DOCTYPE html>\n<html lang="en"><head><meta name="generator" content="veilframe">'
"""How every page begins."""
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"


def document(title: str, parts: Iterable[Element]) -> str:
    """A page as HTML: no script, nothing from elsewhere."""
    head = [
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Path(__file__).with_name("report.css").read_text(encoding="utf-8")),
    ]
    body = element("body", element("main", *parts))
    return f"{HEAD}{''.join(map(text_of, head))}</head>{text_of(body)}</html>\n"


def banner(kind: str, word: str, *sentences: str) -> Element:
    """What comes first, in a word and in some sentences."""
    lines = [element("p", sentence) for sentence in sentences]
    return element("div", element("strong", word), *lines, class_=f"verdict {kind}", id="verdict")


def titled(title: str, *content: Element) -> Iterator[Element]:
    """A section."""
    yield element("section", element("h2", title), *content)


def listed(items: Iterable[str]) -> Element:
    """Sentences as a list."""
    return element("ul", *(element("li", item) for item in items))


def streams(outcomes: Sequence[StreamOutcome]) -> Iterator[Element]:
    """The section of what became of every stream."""
    rows = [
        [stream.index, stream.kind, stream.codec, stream.language or "", stream.fate, stream.reason]
        for stream in outcomes
    ]
    heads = ["stream", "kind", "codec", "language", "fate", "why"]
    yield from titled("Streams", many(table("Streams", heads, rows)))


def warned(warnings: Sequence[str]) -> Iterator[Element]:
    """The section of warnings, if there are any."""
    if warnings:
        yield from titled("Warnings", listed(warnings))


def many(made: Element) -> Element:
    """A table whose cells stay on one line."""
    made.set("class", "wide many")
    return made


def made_by(report: Any) -> Iterator[Element]:  # noqa: ANN401 - any kind of report
    """Tables of times, settings, devices, versions and hashes."""
    yield _facts("Time in seconds", report.seconds)
    yield _facts("Settings", dict(_flat(report.settings)))
    yield _facts("Devices", report.devices)
    yield _facts("Versions", report.versions)
    hashes = {"original": report.source_sha256, "output": report.output_sha256 or "not published"}
    yield _facts("SHA-256", hashes)


def counted(number: int, what: str) -> str:
    """So many of a thing, in words."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def _facts(title: str, facts: Mapping[str, object]) -> Element:
    rows = [[name, value] for name, value in facts.items()]
    return element("details", element("summary", title), table(title, [], rows))


def _flat(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Nested tables as dotted names."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
