"""Pages as Chromium shows them.

The page lies in a frame of a given width in which scripts are off, so that nothing of it needs
any. A page around it measures; headless windows themselves cannot be as narrow as a telephone.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")

_AROUND = """<!DOCTYPE html><meta charset="utf-8"><style>body {{ margin: 0 }}</style>
<iframe sandbox="allow-same-origin" width="{width}" height="{height}" style="border: 0"
 srcdoc="{page}"></iframe><pre id="measured"></pre>
<script>
addEventListener("load", () => {{
  const page = document.querySelector("iframe").contentDocument;
  const verdict = page.querySelector("#verdict strong");
  const box = verdict && verdict.getBoundingClientRect();
  document.querySelector("#measured").textContent = JSON.stringify({{
    width: page.documentElement.scrollWidth, height: page.documentElement.scrollHeight,
    verdict: verdict && verdict.innerText, box: box && [box.left, box.top, box.right, box.bottom],
    text: page.body.innerText, ran: page.documentElement.dataset.ran || "",
    bars: [...page.querySelectorAll("svg")].map(bar => bar.getBoundingClientRect().width),
  }});
}});
</script>"""


def found() -> str | None:
    """Path of a Chromium, if there is one."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@dataclass(frozen=True, slots=True)
class Shown:
    """What the browser made of a page."""

    measured: dict[str, Any]
    console: list[str]
    """Lines of the console, and resources that were refused."""


def shown(page: str, folder: Path, *, width: int, dark: bool = False, shot: Path | None = None):
    """Load a page in a frame ``width`` pixels wide; take a picture of it where one is wanted."""
    around = folder / f"around_{width}.html"
    height = 2400 if shot else 640
    around.write_text(_AROUND.format(page=html.escape(page), width=width, height=height), "utf-8")
    what = [f"--screenshot={shot}"] if shot else ["--dump-dom"]
    done = subprocess.run(
        [
            str(found()),
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
            *("--enable-logging=stderr", "--v=0", "--virtual-time-budget=5000"),
            *(f"--user-data-dir={folder / 'profile'}", f"--window-size={max(width, 600)},{height}"),
            *(["--blink-settings=preferredColorScheme=0"] if dark else []),
            *what,
            around.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    dumped = re.search(r'<pre id="measured">(.*?)</pre>', done.stdout, re.DOTALL)
    return Shown(json.loads(html.unescape(dumped[1])) if dumped else {}, console)
