"""Peak memory of a run on a film and on the same film ten times over.

    python -m tests.benchmarks.bench_memory [CLIP] [--times 10] [-- RUN OPTIONS]

Prints the peak resident size of the whole process for both and their ratio.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import av

ROOT = Path(__file__).resolve().parents[2]


def loop(source: Path, destination: Path, times: int) -> Path:
    """Write the picture of a film several times in a row, packets untouched."""
    with av.open(str(source)) as given, av.open(str(destination), "w") as made:
        stream = given.streams.video[0]
        copy = made.add_stream_from_template(stream)
        packets = [packet for packet in given.demux(stream) if packet.size]
        assert stream.time_base is not None
        step = max((packet.pts or 0) + (packet.duration or 1) for packet in packets)
        plain = [(bytes(p), p.pts, p.dts, p.duration, p.is_keyframe) for p in packets]
        for turn in range(times):
            for content, pts, dts, duration, key in plain:
                packet = av.Packet(content)
                packet.stream = copy
                packet.time_base = Fraction(stream.time_base)
                packet.pts = (pts or 0) + turn * step
                packet.dts = (dts or 0) + turn * step
                packet.duration = duration or 0
                packet.is_keyframe = key
                made.mux(packet)
    return destination


def peak_mib(source: Path, destination: Path, options: list[str]) -> float:
    """Peak resident size in MiB of one whole run."""
    command = [sys.executable, "-m", "anonymizer", "run", str(source), "-o", str(destination)]
    process = subprocess.Popen([*command, "--quiet", "--overwrite", *options], cwd=ROOT)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"the run on {source.name} failed with {process.returncode}")
    return usage.ru_maxrss / 1024


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clip", type=Path, nargs="?", default=ROOT / "samples" / "talking.mp4")
    parser.add_argument("--times", type=int, default=10)
    known, options = parser.parse_known_args(words)
    options = [word for word in options if word != "--"]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        once = loop(known.clip, place / "once.mp4", 1)
        often = loop(known.clip, place / "often.mp4", known.times)
        first = peak_mib(once, place / "a.mp4", options)
        second = peak_mib(often, place / "b.mp4", options)
    print(f"peak memory of {known.clip.name}: once {first:.0f} MiB, {known.times} times ", end="")
    print(f"{second:.0f} MiB, ratio {second / first:.3f}")


if __name__ == "__main__":
    main()
