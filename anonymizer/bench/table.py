"""Measurements as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from anonymizer.bench.figures import Figure
from anonymizer.bench.flow import Flow
from anonymizer.bench.measuring import Bench
from anonymizer.bench.peers import Peer
from anonymizer.bench.processes import Length
from anonymizer.bench.seams import Seams
from anonymizer.bench.stages import Stages


def lines(bench: Bench) -> Iterator[str]:
    """All that was measured: medians, in brackets how far the rounds lay apart."""
    clip, machine = bench.clip, bench.machine
    where = ", ".join(f"{part} on {device}" for part, device in machine.devices.items())
    yield (
        f"{clip.name}: {clip.frames} frames of {clip.width}x{clip.height}; {bench.rounds} rounds; "
        f"{machine.cores} cores, {where}"
    )
    if bench.stages:
        yield from _stages(bench.stages)
    if bench.length:
        yield from _length(bench.length)
    if bench.seams:
        yield from _seams(bench.seams)
    if bench.flow:
        yield from _flow(bench.flow)
    if bench.peers:
        yield from _peers(bench.peers)


def _row(name: str, *cells: object) -> str:
    return f"{name:<34}" + "".join(f"{'-' if cell is None else cell!s:<26}" for cell in cells)


def _stages(found: Stages) -> Iterator[str]:
    yield ""
    yield _row("stage", "frames/s", "processor s per frame")
    for name, stage in found.stages.items():
        yield _row(f"  {name}", stage.frames_per_s, stage.cpu_s_per_frame)
    yield _row("mediated / unmediated painting", found.mediated_over_bare)
    yield _row("  the same, processor time", found.mediated_over_bare_cpu)
    yield _row("harmonization, share of painting", found.harmonize_share)


def _length(found: Length) -> Iterator[str]:
    yield ""
    yield _row("length", "processor s", "peak memory, MiB")
    for times, frames in found.frames.items():
        yield _row(f"  {times} ({frames} frames)", found.cpu_s[times], found.peak_mib[times])
    yield _row("cost of a frame, 2x-4x / 1x-2x", found.cost_growth)
    yield _row("memory, longest / shortest", found.memory_growth)


def _seams(found: Mapping[str, Seams]) -> Iterator[str]:
    yield ""
    yield _row("change along motion, of 255", "inside chunks", "at seams", "ratio")
    for name, seam in found.items():
        yield _row(f"  {name}", seam.inside, seam.at_seams, seam.ratio)


def _flow(found: Flow) -> Iterator[str]:
    names = list(next(iter(found.endpoint_px.values())))
    yield ""
    yield _row("end-point error, pixels", *names, f"{names[0]} / {names[-1]}")
    for scene, row in found.endpoint_px.items():
        yield _row(f"  {scene}", *row.values(), found.alone_over_mediated[scene])
    yield _row("median ratio", None if found.median_ratio is None else f"{found.median_ratio:.2f}")


def _peers(found: Mapping[str, Peer]) -> Iterator[str]:
    yield ""
    yield _row("blur, whole processes", "frames/s", "ours", "their time / ours", "processor")
    for name, peer in found.items():
        title = f"  {name} {peer.version or ''}"
        if peer.skipped:
            yield _row(title, peer.skipped)
        else:
            cells: tuple[Figure | None, ...] = (
                peer.frames_per_s,
                peer.ours_frames_per_s,
                peer.wall_ratio,
                peer.cpu_ratio,
            )
            yield _row(title, *cells)
