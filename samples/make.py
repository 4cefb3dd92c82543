"""Draw the sample films: ``python -m samples.make --facekit DIR [--out samples]``."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anonymizer.training.render import open_studio
from samples.clips import SCRIPTS, Script, Take
from samples.film import TICK, write_film
from samples.flow import exact_flow
from samples.stage import ActorTrace, Trace

CRF: Final = 22
FLOW_PAIRS: Final = 24
"""Number of pairs of pictures, from the first on, whose flow is kept."""
FLOW_STEP: Final = 1 / 32
"""Flow is rounded to multiples of this, in pixels, so that it packs well."""
_GRAIN: Final = 1.0
"""Standard deviation of the camera's noise, of 255."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Make all or some of the films."""
    parser = argparse.ArgumentParser(prog="python -m samples.make", description=main.__doc__)
    parser.add_argument("--facekit", type=Path, required=True, help="folder of the head model")
    parser.add_argument("--out", type=Path, default=Path("samples"), help="where the films go")
    parser.add_argument("names", nargs="*", help="films to make, or all")
    options = parser.parse_args(arguments)
    unknown = set(options.names) - set(SCRIPTS)
    if unknown:
        parser.error(f"no film is called {min(unknown)!r}; there are {', '.join(SCRIPTS)}")
    studio = open_studio(options.facekit)
    options.out.mkdir(parents=True, exist_ok=True)
    for name, write in SCRIPTS.items():
        if not options.names or name in options.names:
            make(write(studio), options.out)
    return 0


def make(script: Script, folder: Path) -> None:
    """Write a film and, for a film with a voice, the exact flow of its first pictures."""
    path = folder / f"{script.name}.mp4"
    last = script.takes[-1].ticks[-1]
    voice = None
    if script.speech is not None:
        voice = script.speech.voice(float((last + 24) * TICK), pitch=script.pitch, seed=1)
    write_film(
        path, shots(script), size=script.size, crf=CRF, voice=voice, rotation=script.rotation
    )
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")
    if script.speech is not None:
        truth = folder / f"{script.name}.flow.npz"
        write_truth(script.takes[0], truth)
        print(f"{truth}: {truth.stat().st_size / 1000:.0f} kB")


def shots(script: Script) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """All pictures of a film with their times in units of `TICK`."""
    rng = np.random.default_rng(17)
    for take in script.takes:
        for tick in take.ticks:
            light = take.stage.draw(float(tick * TICK)) * np.float32(take.stage.gain)
            yield tick, record(light, rng)


def record(light: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.uint8]:
    """The 8-bit picture (H, W, 3) of linear light: bright parts roll off, with a little noise."""
    knee = 0.6
    rolled = knee + (1 - knee) * (1 - np.exp((knee - light) / (1 - knee)))
    coded = np.clip(np.where(light < knee, light, rolled), 0, 1) ** (1 / 2.2)
    coded = coded + 0.12 * (coded**2 * (3 - 2 * coded) - coded)
    noisy = 255 * (0.02 + 0.97 * coded) + _GRAIN * rng.normal(size=light.shape)
    return np.clip(noisy + 0.5, 0, 255).astype(np.uint8)


def write_truth(take: Take, path: Path) -> None:
    """Keep the flow between the first pictures of a take, and all its landmarks.

    `flow` is (FLOW_PAIRS, H, W, 2) float16, see `samples.flow`; `landmarks` is
    (pictures, heads, 5, 2) in pixels.
    """
    traces = [take.stage.trace(float(tick * TICK)) for tick in take.ticks]
    pairs = pairwise(traces[: FLOW_PAIRS + 1])
    flow = np.stack([exact_flow(take.stage, first, second) for first, second in pairs])
    packed = (np.round(flow / FLOW_STEP) * FLOW_STEP).astype(np.float16)
    landmarks = np.stack([places(trace) for trace in traces]).astype(np.float32)
    np.savez_compressed(path, flow=packed, landmarks=landmarks)


def places(traces: tuple[Trace, ...]) -> NDArray[np.float64]:
    """True landmarks (heads, 5, 2) of one picture."""
    return np.stack([trace.landmarks for trace in traces if isinstance(trace, ActorTrace)])


if __name__ == "__main__":
    sys.exit(main())
