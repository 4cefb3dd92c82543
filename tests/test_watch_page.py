"""The unit and the container file of docs/watch.md: commands run, systemd knows the keys."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from anonymizer.commands.console import INTERRUPTED
from tests.test_cli import anonymize

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "watch.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    """The one block of that language."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


def unit() -> configparser.RawConfigParser:
    parsed = configparser.RawConfigParser()
    parsed.optionxform = str  # type: ignore[assignment, method-assign]  # keys have capitals
    parsed.read_string(block("ini"))
    return parsed


def entry_point() -> list[str]:
    (line,) = re.findall(r"^ENTRYPOINT (.*)$", block("dockerfile"), re.MULTILINE)
    return list(json.loads(line))


@pytest.mark.parametrize("words", [shlex.split(unit()["Service"]["ExecStart"]), entry_point()])
def test_the_commands_of_the_page_run(tmp_path, words):
    assert Path(words[0]).name == "anonymize"
    assert words[1] == "watch"
    (tmp_path / "in").mkdir()
    code, out, err = anonymize("watch", tmp_path / "in", tmp_path / "out", *words[4:], "--once")
    assert (code, out, err) == (0, "", "")


def test_the_folders_of_the_unit_can_be_written_and_its_end_is_no_failure():
    service = unit()["Service"]
    inbox, outbox = shlex.split(service["ExecStart"])[2:4]
    for folder in (inbox, outbox):
        assert Path(folder).is_relative_to(service["ReadWritePaths"])
    assert int(service["SuccessExitStatus"]) == INTERRUPTED


def test_systemd_knows_every_key_of_the_unit(tmp_path):
    path = tmp_path / "veilframe.service"
    path.write_text(block("ini").replace("/opt/veilframe/bin/anonymize", sys.executable))
    if tool := shutil.which("systemd-analyze"):
        done = subprocess.run(
            [tool, "verify", str(path)], capture_output=True, text=True, timeout=100, check=False
        )
        assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert unit().sections() == ["Unit", "Service", "Install"]
