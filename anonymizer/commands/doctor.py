"""`doctor`: what is installed and used."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from anonymizer.commands.console import DONE, FAILED, AsJson, exits, out


def doctor(
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    as_json: AsJson = False,
) -> None:
    """Show what is installed, which device is used, and which models are at hand."""
    from anonymizer.doctor import examine

    with exits():
        findings = examine(device)
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            out.print(f"{'ok  ' if finding.good else 'FAIL'}  {finding.part}: {finding.says}")
    raise typer.Exit(DONE if all(finding.good for finding in findings) else FAILED)
