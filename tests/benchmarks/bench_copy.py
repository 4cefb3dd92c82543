"""What smart copy saves on a film of a minute with faces in ten seconds of it.

    python -m tests.benchmarks.bench_copy [--replace cover] [--seconds 60] [--rounds 1]

The film is made: a pan over a picture, in the middle of it a sample with a talking head, a key
frame every second. Faces are looked for once; then the film is made with and without copies.
Packets outside of the groups with a face must be those of the film.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from statistics import median

import av
import numpy as np

from anonymizer.jobs import Anonymizer
from anonymizer.planfile import PlanFile
from anonymizer.report import Report
from anonymizer.settings import Media, Painting, Settings
from anonymizer.video.source import VideoSource
from tests.factories import picture
from tests.films import make_video

ROOT = Path(__file__).resolve().parents[2]
RATE, GROUP = 25, 25
WIDTH, HEIGHT = 1280, 720


def film(path: Path, seconds: int) -> Path:
    """A film with a head in a sixth of it, from a third on."""
    wide = picture((HEIGHT, WIDTH + 600))
    grain = np.random.default_rng(0).integers(-6, 7, wide.shape[:2])
    wide = (wide // 2 + 60 + grain[..., None]).clip(0, 255).astype(np.uint8)
    heads = cycle([frame.image for frame in VideoSource(ROOT / "samples" / "talking.mp4")])
    first, last = RATE * seconds // 3, RATE * seconds // 2

    def draw(index: int) -> np.ndarray:
        left = round(300 + 290 * np.sin(index / 60))
        image = np.ascontiguousarray(wide[:, left : left + WIDTH])
        if first <= index < last:
            head = next(heads)
            image[100 : 100 + head.shape[0], 200 : 200 + head.shape[1]] = head
        return image

    options = {"preset": "veryfast", "crf": "20", "bf": "3", "g": str(GROUP)}
    frames = RATE * seconds
    return make_video(
        path, frames=frames, size=(WIDTH, HEIGHT), rate=RATE, draw=draw, options=options
    )


def packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as file:
        return [bytes(packet) for packet in file.demux(video=0) if packet.size]


class Processor:
    """CPU seconds of this process, by stage."""

    def __init__(self) -> None:
        self._marks = {"paint": time.process_time()}

    def __call__(self, stage: str, frames: int, faces: int) -> None:
        self._marks.setdefault(stage, time.process_time())

    def stages(self) -> dict[str, float]:
        """Of those that are over, each up to the first batch of the next."""
        return {
            "paint (CPU)": self._marks["check"] - self._marks["paint"],
            "check (CPU)": time.process_time() - self._marks["check"],
            "both (CPU)": time.process_time() - self._marks["paint"],
        }


def made(
    settings: Settings, source: Path, plan: PlanFile, out: Path
) -> tuple[Report, dict[str, float]]:
    """The report, and seconds by stage."""
    veil, cpu = Anonymizer(settings), Processor()
    report = veil.file(source, out, planned=plan, overwrite=True, progress=cpu)
    return report, report.seconds | cpu.stages()


def same_outside(source: Path, out: Path) -> int:
    """Packets that are the same in both; those of a group are all or none."""
    before, after = packets(source), packets(out)
    same = [one == other for one, other in zip(before, after, strict=True)]
    groups = [same[at : at + GROUP] for at in range(0, len(same), GROUP)]
    return sum(len(group) for group in groups if all(group))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replace", default="cover", choices=["face", "cover", "blur", "mosaic"])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=1)
    asked = parser.parse_args()
    settings = Settings(seed=1, painting=Painting(replace=asked.replace))
    folder = Path(tempfile.mkdtemp())
    source = film(folder / "film.mp4", asked.seconds)
    start = time.perf_counter()
    plan = Anonymizer(settings).plan(source)
    find = time.perf_counter() - start
    hidden = int(plan.plan.hides().sum())
    print(f"{len(plan.plan.pts)} frames, {hidden} with a face; found in {find:.1f} s")
    times: dict[tuple[str, bool], list[float]] = {}
    for _ in range(asked.rounds):
        for smart in (True, False):
            out = folder / f"{smart}.mp4"
            chosen = replace(settings, media=Media(smart_copy=smart))
            report, seconds = made(chosen, source, plan, out)
            for stage, taken in seconds.items():
                times.setdefault((stage, smart), []).append(taken)
            print(report.smart_copy, report.verification.verdict, flush=True)
    print(f"packets as in the source: {same_outside(source, folder / 'True.mp4')}")
    for stage in ("paint", "paint (CPU)", "check", "check (CPU)", "both (CPU)"):
        copying, plain = (median(times[stage, one]) for one in (True, False))
        print(f"{stage}: {copying:.1f} s, {plain:.1f} s without copies: {plain / copying:.1f} x")
    copying, plain = (
        find + median(times["paint", one]) + median(times["check", one]) for one in (True, False)
    )
    print(f"whole run: {copying:.1f} s, {plain:.1f} s without copies: {plain / copying:.2f} x")


if __name__ == "__main__":
    main()
