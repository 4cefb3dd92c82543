"""Before above after: ``python -m samples.picture BEFORE AFTER -o docs/before_after.png``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from samples.film import read_film

GAP: Final = 4
"""White pixels between pictures."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Put pictures of two films of equal length side by side."""
    parser = argparse.ArgumentParser(prog="python -m samples.picture", description=main.__doc__)
    parser.add_argument("before", type=Path, help="film above")
    parser.add_argument("after", type=Path, help="film below")
    parser.add_argument("-o", "--output", type=Path, required=True, help="PNG to write")
    parser.add_argument("--every", type=int, default=12, help="show every N-th picture")
    parser.add_argument("--columns", type=int, default=6, help="show at most so many")
    parser.add_argument("--width", type=int, default=240, help="of one picture, pixels")
    options = parser.parse_args(arguments)
    if min(options.every, options.columns, options.width) < 1:
        parser.error("--every, --columns and --width must be at least 1")
    films = [read_film(path)[1] for path in (options.before, options.after)]
    if len(films[0]) != len(films[1]):
        parser.error(
            f"{options.before.name} has {len(films[0])} pictures and {options.after.name} "
            f"{len(films[1])}; give a film and what was made of it"
        )
    rows = [film[:: options.every][: options.columns] for film in films]
    made = sheet([[scaled(picture, options.width) for picture in row] for row in rows])
    options.output.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(options.output), cv2.cvtColor(made, cv2.COLOR_RGB2BGR)):
        parser.error(f"could not write {options.output}; is the folder writable?")
    print(f"{options.output}: {made.shape[1]}x{made.shape[0]}")
    return 0


def scaled(picture: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    """A picture (H, W, 3) at another width, smoothly."""
    size = (width, max(1, round(picture.shape[0] * width / picture.shape[1])))
    reach = cv2.INTER_AREA if width < picture.shape[1] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, size, interpolation=reach), np.uint8)


def sheet(rows: Sequence[Sequence[NDArray[np.uint8]]]) -> NDArray[np.uint8]:
    """Pictures of one size in rows and columns on white."""
    height, width = rows[0][0].shape[:2]
    columns = max(len(row) for row in rows)
    extent = (len(rows) * (height + GAP) - GAP, columns * (width + GAP) - GAP, 3)
    made = np.full(extent, 255, np.uint8)
    for number, row in enumerate(rows):
        for place, picture in enumerate(row):
            top, left = number * (height + GAP), place * (width + GAP)
            made[top : top + height, left : left + width] = picture
    return made


if __name__ == "__main__":
    sys.exit(main())
