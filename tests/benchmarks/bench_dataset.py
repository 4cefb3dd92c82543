"""Datasets: is the result the same however it is made, and what does the machinery cost?

    python -m tests.benchmarks.bench_dataset PART [CLIPS] [--films 40] [--pictures 200]
        [--frames 8] [--shot 48] [--rounds 3] [-- RUN OPTIONS]

PART is one of

    equality  one worker, two workers and two actors of Ray: bytes and rows are compared
    overhead  `dataset` with one worker beside a loop over the Python API, in turn
    memory    resident size of one worker over 500 pictures and 20 films
    split     a film of ten shots on one worker and on two, in turn, on a core for each worker
              (with --all-cores either may use all there are)

The films are short cuts, at most 320 pixels wide, of the films in the folder CLIPS (default: the
samples), every fourth one is drawn; pictures are single frames of them at 160 pixels.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from statistics import median

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer import manifest
from anonymizer.inputs import VIDEOS
from anonymizer.mirror import entries
from anonymizer.orders import STATE
from anonymizer.settings import Settings
from anonymizer.tasks import Outcome, Unit
from anonymizer.units import Worker
from anonymizer.video.containers import output_suffix
from anonymizer.video.media import open_source
from tests.films import Film

ROOT = Path(__file__).resolve().parents[2]
Picture = NDArray[np.uint8]
FILM_WIDTH, PICTURE_WIDTH = 320, 160
SHOTS = 10

LOOP = """
import time
from pathlib import Path
from typing import Annotated
import typer
from anonymizer.commands.options import with_settings
from anonymizer.jobs import Anonymizer
from anonymizer.settings import Settings
from anonymizer.units import one_core

@with_settings
def loop(
    *,
    source: Annotated[Path, typer.Argument()],
    target: Annotated[Path, typer.Argument()],
    settings: Settings,
) -> None:
    with one_core():
        veil = Anonymizer(settings)
    for path in sorted(source.iterdir()):
        veil.file(path, target / path.name)

typer.run(loop)
"""
"""The same work by the Python API, with the same options, read by the same parser."""


def shrunk(image: Picture, width: int) -> Picture:
    """The picture at most so wide, with even sides."""
    scale = min(1.0, width / image.shape[1])
    size = [2 * max(1, round(side * scale / 2)) for side in image.shape[1::-1]]
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def moments(clips: Path, length: int = 48) -> Iterator[list[Picture]]:
    """Runs of so many frames, in turn from every film of a folder, as long as some has more."""
    films = [path for path in sorted(clips.iterdir()) if path.suffix.lower() in VIDEOS]
    running = [iter(open_source(path)) for path in films]
    while running:
        for film in list(running):
            frames = [shrunk(frame.image, FILM_WIDTH) for frame in islice(film, length)]
            if len(frames) == length:
                yield frames
            else:
                running.remove(film)


def cut(path: Path, frames: list[Picture]) -> Path:
    """A film of pictures."""
    height, width, _ = frames[0].shape
    film = Film(
        frames=len(frames),
        size=(width, height),
        draw=lambda index: frames[index],
        options={"preset": "veryfast", "crf": "18"},
    )
    return film.write(path)


def make_set(folder: Path, clips: Path, films: int, pictures: int, frames: int) -> None:
    """So many short films and pictures."""
    folder.mkdir()
    runs = list(islice(moments(clips), max(films, 40)))
    for number in range(films):
        path = folder / f"film-{number:03}.mp4"
        if number % 4 == 3:
            Film(frames=frames, size=(160, 120), cuts=(frames // 2,)).write(path)
        else:
            cut(path, runs[number % len(runs)][:frames])
    for number in range(pictures):
        image = runs[number % len(runs)][number // len(runs) % 48]
        suffix = ("png", "jpg")[number % 2]
        small = shrunk(image, PICTURE_WIDTH)
        cv2.imwrite(str(folder / f"{number:03}.{suffix}"), cv2.cvtColor(small, cv2.COLOR_RGB2BGR))


def dataset(source: Path, target: Path, *words: str, cores: int | None = None) -> dict[str, object]:
    """One run of the command, on so many processor cores or on all; its summary."""
    command = [sys.executable, "-m", "anonymizer", "dataset", str(source), str(target), "--json"]
    allowed = sorted(os.sched_getaffinity(0))
    if cores is not None:
        command = ["taskset", "--cpu-list", ",".join(map(str, allowed[:cores])), *command]
    done = subprocess.run([*command, *words], cwd=ROOT, stdout=subprocess.PIPE, check=False)
    if done.returncode not in (0, 1, 3):
        raise SystemExit(f"dataset ended with {done.returncode}")
    return dict(json.loads(done.stdout))


def timed(command: list[str]) -> tuple[float, float]:
    """Wall and processor seconds of a process and its children."""
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[1:4]} ended with {process.returncode}")
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime


def contents(target: Path) -> dict[str, bytes]:
    """Every result by its name."""
    return {
        path.relative_to(target).as_posix(): path.read_bytes()
        for path in target.rglob("*")
        if path.is_file() and STATE not in path.parts and path.name != "manifest.parquet"
    }


def equality(place: Path, chosen: argparse.Namespace, options: list[str]) -> None:
    make_set(place / "in", chosen.clips, chosen.films, chosen.pictures, chosen.frames)
    ways = {
        "local, 1 worker": ["--workers", "1"],
        "local, 2 workers": ["--workers", "2"],
        "ray, 2 actors": ["--engine", "ray", "--workers", "2"],
    }
    first: tuple[dict[str, bytes], list[manifest.Row]] | None = None
    for number, (name, words) in enumerate(ways.items()):
        target = place / f"out-{number}"
        summary = dataset(place / "in", target, "--seed", "1", *words, *options)
        rows = [replace(row, seconds=0.0) for row in manifest.read(target / "manifest.parquet")]
        made = contents(target), rows
        first = first or made
        same = "the first" if made is first else _sameness(first, made)
        print(
            f"{name}: {summary['verdicts']} of {summary['inputs']}, {summary['faces']} faces, "
            f"{summary['seconds']} s, {summary['speed']} h per hour; {same}"
        )


def _sameness(
    one: tuple[dict[str, bytes], list[manifest.Row]],
    two: tuple[dict[str, bytes], list[manifest.Row]],
) -> str:
    names = sorted(one[0].keys() | two[0].keys())
    files = [name for name in names if one[0].get(name) != two[0].get(name)]
    differ = [a.path for a, b in zip(one[1], two[1], strict=False) if a != b]
    if files or differ or len(one[1]) != len(two[1]):
        return f"DIFFERENT: files {files[:5]}, rows {differ[:5]}"
    return f"{len(names)} files and {len(one[1])} rows equal the first"


def overhead(place: Path, chosen: argparse.Namespace, options: list[str]) -> None:
    make_set(place / "in", chosen.clips, chosen.films, 0, chosen.frames)
    seconds: dict[str, list[tuple[float, float]]] = {"loop": [], "dataset": []}
    for turn in range(chosen.rounds):
        targets = {name: place / f"{name}-{turn}" for name in seconds}
        for name in sorted(seconds, reverse=bool(turn % 2)):
            start = (
                ["-m", "anonymizer", "dataset", "--quiet"] if name == "dataset" else ["-c", LOOP]
            )
            command = [sys.executable, *start, str(place / "in"), str(targets[name])]
            seconds[name].append(timed([*command, "--seed", "1", *options]))
            wall, cpu = seconds[name][-1]
            print(f"{name}: wall {wall:.1f} s, processor {cpu:.1f} s", flush=True)
        one, other = (contents(target) for target in targets.values())
        if one != other or len(one) != chosen.films:
            raise SystemExit(f"{len(one)} and {len(other)} results, which are not the same")
    pairs = list(zip(seconds["dataset"], seconds["loop"], strict=True))
    print(f"{chosen.films} films, the same bytes by both; dataset / loop, median of {len(pairs)}:")
    for number, name in enumerate(("wall", "processor")):
        ratios = sorted(ours[number] / loop[number] for ours, loop in pairs)
        print(f"{name} {median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})")


def memory(place: Path, chosen: argparse.Namespace, options: list[str]) -> None:
    if options:
        raise SystemExit("memory takes no options of a run")
    make_set(place / "in", chosen.clips, chosen.films, chosen.pictures, chosen.frames)
    worker = Worker(Settings(seed=1), "settings", place / "out", place / "work")
    found = list(entries(place / "in", output_suffix, only_media=False, fold=False))
    films = [entry for entry in found if entry.kind == "video"]
    pictures = [entry for entry in found if entry.kind == "image"]
    step = max(1, len(pictures) // max(1, len(films)))
    order = list(pictures)
    for number, film in enumerate(films):
        order.insert(number * (step + 1), film)
    sizes: list[float] = []
    for entry in order:
        done = worker(Unit(entry, None, begun=True, again=False))
        assert isinstance(done, Outcome)
        if not done.row.good:
            print(f"{done.row.path}: {done.row.error}")
        sizes.append(_resident_mib())
    parts = np.array_split(np.array(sizes), 4)
    print(f"{len(pictures)} pictures and {len(films)} films; resident size after each input, MiB:")
    for number, part in enumerate(parts, start=1):
        print(f"quarter {number}: median {np.median(part):.0f}, highest {part.max():.0f}")
    print(f"last / first quarter: {np.median(parts[3]) / np.median(parts[0]):.3f}")


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def split(place: Path, chosen: argparse.Namespace, options: list[str]) -> None:
    (place / "in").mkdir()
    runs = list(islice(moments(chosen.clips, chosen.shot), SHOTS))
    height, width = min(run[0].shape[:2] for run in runs)
    frames: list[Picture] = []
    for run in (runs * SHOTS)[:SHOTS]:
        frames += [np.asarray(cv2.resize(image, (width, height)), np.uint8) for image in run]
    cut(place / "in" / "film.mp4", frames)
    ratios: list[float] = []
    for turn in range(chosen.rounds):
        walls = []
        for workers in (1, 2):
            words = ["--workers", str(workers), "--split-frames", str(len(frames) // SHOTS)]
            target = place / f"out-{turn}-{workers}"
            before = os.getloadavg()[0]
            cores = None if chosen.all_cores else workers
            words = ["--seed", "1", *words, *options]
            summary = dataset(place / "in", target, *words, cores=cores)
            walls.append(float(str(summary["seconds"])))
            print(f"{workers} workers: {walls[-1]:.1f} s, {summary['verdicts']}, load {before:.1f}")
        ratios.append(walls[0] / walls[1])
        one, two = (contents(place / f"out-{turn}-{count}") for count in (1, 2))
        print(f"{ratios[-1]:.2f} times as fast, the same bytes: {one == two}")
    print(f"{len(frames)} frames in {SHOTS} shots: median of {len(ratios)} {median(ratios):.2f}")


PARTS: dict[str, Callable[[Path, argparse.Namespace, list[str]], None]] = {
    "equality": equality,
    "overhead": overhead,
    "memory": memory,
    "split": split,
}


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=sorted(PARTS))
    parser.add_argument("clips", type=Path, nargs="?", default=ROOT / "samples")
    parser.add_argument("--films", type=int, default=40)
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--shot", type=int, default=48, help="frames per shot of split")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--all-cores", action="store_true", help="split: let one worker use them all, too"
    )
    chosen, options = parser.parse_known_args(words)
    with tempfile.TemporaryDirectory() as folder:
        PARTS[chosen.part](Path(folder), chosen, [word for word in options if word != "--"])


if __name__ == "__main__":
    main()
