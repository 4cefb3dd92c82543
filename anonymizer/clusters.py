"""What can be said of a Ray cluster without Ray: whether it is there, and has room."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

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
    nodes: Callable[[], Sequence[Mapping[str, Any]]],
    size: int,
    gpus: float,
    *,
    wait_s: float = JOIN_S,
) -> None:
    """Refuse more workers than a cluster holds: those without a place would wait for ever.

    What other programs have taken of it is not known.

    Args:
        nodes: Tells what machines there are, as ``ray.nodes`` does.
        size: Workers, each with a core of its own.
        gpus: Share of a GPU that each takes, or a number of whole ones.
        wait_s: How long machines may take to join.

    Raises:
        ValueError: if there are too many, or a share that Ray does not know.
    """
    if gpus > 1 and gpus != int(gpus):
        raise ValueError(f"{gpus:g} GPUs a worker: give at most 1, or a whole number")
    deadline = time.monotonic() + wait_s
    while size > (room := sum(_places(node, gpus) for node in nodes())):
        if time.monotonic() >= deadline:
            advice = f"--workers {room}, or more machines" if room else "more machines"
            asked = f"{size} workers with a core and {gpus:g} GPUs each"
            raise ValueError(f"no room for {asked}; try {advice}")
        time.sleep(min(0.2, wait_s))


def _places(node: Mapping[str, Any], gpus: float) -> int:
    """Workers that one machine holds: a share is of one card, and on the machine of its core."""
    has = node["Resources"] if node["Alive"] else {}
    cores, cards = int(has.get("CPU", 0)), int(has.get("GPU", 0))
    if not gpus:
        return cores
    return min(cores, int(cards // gpus) if gpus > 1 else cards * int(1 / gpus + 1e-9))
