"""What can be said of a Ray cluster without Ray: whether it is there, and has room."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

ANSWER_S: Final = 5.0
"""How long the head of a cluster may take to answer: Ray itself would try for minutes."""
JOIN_S: Final = 10.0
"""How long machines that were just started may take to be counted."""


def insist_on_head(address: str) -> None:
    """Refuse a ``host:port`` where nobody answers, such as that which a killed cluster left.

    Raises:
        ConnectionError: if nobody does.
    """
    where = os.environ.get("RAY_ADDRESS") or _last_head() if address == "auto" else address
    host, _, port = where.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_S).close()
    except (OSError, OverflowError) as error:
        advice = "ray start --head starts one, ray stop forgets one that is no more"
        raise ConnectionError(f"nobody answers at {where} ({error}); {advice}") from error


def _last_head() -> str:
    """Where `ray start` last made a cluster here; Ray would also join that of somebody's run."""
    usual = os.environ.get("TMPDIR") if os.uname().sysname == "Linux" else None
    place = os.environ.get("RAY_TMPDIR") or usual or "/tmp"
    try:
        return Path(place, "ray", "ray_current_cluster").read_text().strip()
    except OSError as error:
        raise ConnectionError("none was started here; name its HEAD:PORT") from error


def insist_on_room(
    has: Callable[[], Mapping[str, float]], size: int, gpus: float, *, wait_s: float = JOIN_S
) -> None:
    """Refuse more workers than a cluster holds: those without a place would wait for ever.

    Args:
        has: Tells what its machines have together, as Ray counts it.
        size: Workers, each with a core of its own.
        gpus: Share of a GPU that each takes.
        wait_s: How long machines may take to join.

    Raises:
        ValueError: if there are too many.
    """
    deadline = time.monotonic() + wait_s
    while size > (room := _room(there := has(), gpus)):
        if time.monotonic() >= deadline:
            advice = f"--workers {room}, or more machines" if room else "more machines"
            told = f"{there.get('CPU', 0):g} cores and {there.get('GPU', 0):g} GPUs"
            raise ValueError(f"no room for {size} workers in {told}; try {advice}")
        time.sleep(min(0.2, wait_s))


def _room(has: Mapping[str, float], gpus: float) -> int:
    cores, cards = has.get("CPU", 0.0), has.get("GPU", 0.0)
    return int(min(cores, cards / gpus) if gpus else cores)
