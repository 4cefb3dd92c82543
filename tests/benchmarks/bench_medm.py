"""CPU seconds of flow coding and harmonization on one thread, against a plain way to write them.

    python -m tests.benchmarks.bench_medm [--rounds 5]

The plain coder is what one writes from the paper's text: rounded flow, boolean masks, 64-bit
coordinates, one frame after the other; the plain harmonization adds at indices and reads back. It
has no sub-pixel anchors, so it does less.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anonymizer.data import Correspondence
from mediators._coding import encode, key
from mediators._flow import places
from mediators._repository import Repository

FRAMES = 16
SIDES = (256, 512)


def matches(side: int) -> list[Correspondence]:
    """A slow pan, zoom and turn with a disc in front that moves on its own."""
    base = places(side).astype(np.float64)
    middle = base - (side - 1) / 2
    disc = np.hypot(*np.moveaxis(middle - side / 8, -1, 0))
    found = []
    for at in range(1, FRAMES):
        turned = middle @ np.array([[1.01, 0.006], [-0.006, 1.01]]) + (side - 1) / 2
        grid = turned + np.array((0.4, 0.3))
        front = disc < side / 5
        grid[front] = base[front] + np.array((1.7, -0.6))
        valid = (abs(disc - side / 5) > 2) & ((grid >= 0) & (grid <= side - 1)).all(-1)
        found.append(Correspondence(at - 1, at, grid.astype(np.float32), valid))
    return found


def plain_coder(found: Sequence[Correspondence], side: int) -> NDArray[np.int64]:
    """Ids ``(T, S, S)``: frame by frame, with boolean masks and 64-bit indices."""
    ids = np.zeros((len(found) + 1, side, side), np.int64)
    ids[0] = np.arange(side * side).reshape(side, side)
    count = side * side
    for at, match in enumerate(found, 1):
        target = np.rint(match.grid).astype(np.int64)
        inside = ((target >= 0) & (target <= side - 1)).all(-1) & match.valid
        known = target[inside]
        ids[at][inside] = ids[at - 1][known[:, 1], known[:, 0]]
        new = int((~inside).sum())
        ids[at][~inside] = count + np.arange(new)
        count += new
    return ids


def plain_mean(ids: Tensor, x0: Tensor) -> Tensor:
    """Every pixel as the mean over its id: accumulate at indices, divide, read back."""
    count = int(ids.max()) + 1
    pixels = x0.permute(0, 2, 3, 1)
    sums = torch.zeros(count, 3).index_put_((ids,), pixels, accumulate=True)
    counts = torch.zeros(count).index_put_((ids,), torch.ones(ids.shape), accumulate=True)
    return (sums / counts[:, None])[ids].permute(0, 3, 1, 2)


def seconds(call: Callable[[], Any]) -> float:
    """CPU seconds of one call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def compare(name: str, plain: Callable[[], Any], ours: Callable[[], Any], rounds: int) -> None:
    """Print the medians of both, taken in turns, and the median of their ratios."""
    plain(), ours()
    pairs = [(seconds(plain), seconds(ours)) for _ in range(rounds)]
    theirs, own = (median(column) for column in zip(*pairs, strict=True))
    ratio = median(a / b for a, b in pairs)
    print(f"{name:<16}{theirs:>9.4f}{own:>9.4f}{ratio:>8.1f}x")


def one_size(side: int, rounds: int) -> None:
    found = matches(side)
    start, count = key(np.ones((side, side), bool))
    active = [np.ones((side, side), bool)] * len(found)

    def coded() -> NDArray[np.int32]:
        return np.stack([frame.ids for frame in encode(start, count, found, active).frames])

    label = f"{FRAMES}x{side}x{side}"
    compare(f"code {label}", lambda: plain_coder(found, side), coded, rounds)
    ids = coded()
    repository = Repository.of(ids, int(ids.max()) + 1)
    x0 = torch.rand((FRAMES, 3, side, side), generator=torch.Generator().manual_seed(0)) * 2 - 1
    wide = torch.from_numpy(ids.astype(np.int64))
    compare(f"mean {label}", lambda: plain_mean(wide, x0), lambda: repository.harmonize(x0), rounds)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="CPU seconds of MeDM's two inner parts")
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args(arguments).rounds
    threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    print(f"{'CPU seconds':<16}{'plain':>9}{'ours':>9}{'ratio':>9}   ({rounds} rounds, 1 thread)")
    for side in SIDES:
        one_size(side, rounds)
    torch.set_num_threads(threads[0])
    cv2.setNumThreads(threads[1])


if __name__ == "__main__":
    main()
