"""Broken films: damage by seed, and a judge that knows nothing of how they are read.

Run as a program it damages and anonymizes a range of seeds and prints a line for each; the test
starts it in processes of its own, which may crash or hang without taking the test along.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from numpy.typing import NDArray

from tests.faces import MarkerDetector, find, marked
from tests.films import make_video

SIZE: Final = (96, 64)
COUNT: Final = 30
RATE: Final = 10
UNSEEN: Final = 8
"""As many frames may be missing without a word: fewer than the reader tolerates in a row."""


def draw(index: int) -> NDArray[np.uint8]:
    """A face of 24x28 pixels that wanders to the right."""
    box = (8.0 + 1.5 * index, 14.0, 32.0 + 1.5 * index, 42.0)
    return marked(index, box, size=(SIZE[1], SIZE[0]), seed=3)


# One thread, no macroblock tree, no random ids: the same films everywhere, so that a seed is one.
_X264: Final = {
    "preset": "veryfast",
    "crf": "12",
    "bf": "2",
    "g": "10",
    "threads": "1",
    "x264-params": "mbtree=0",
}
_MPEG: Final = {"bf": "2", "g": "10", "threads": "1"}

FILMS: Final[dict[str, dict[str, Any]]] = {
    ".mp4": {"options": _X264, "audio": "aac"},
    ".mkv": {"options": _X264, "audio": "aac", "subtitles": [(100, 900, "eins")]},
    ".webm": {
        "codec": "libvpx",
        "options": {"deadline": "realtime", "cpu-used": "8", "threads": "1"},
    },
    ".avi": {"codec": "mpeg4", "options": _MPEG, "audio": "libmp3lame"},
    ".ts": {"codec": "mpeg2video", "options": _MPEG, "rate": 25, "audio": "mp2"},
}
"""What is damaged, by container."""


def whole_film(folder: Path, suffix: str) -> Path:
    """A film before it is damaged."""
    usual: dict[str, Any] = {"frames": COUNT, "rate": RATE, "size": SIZE, "draw": draw}
    usual["container_options"] = {"fflags": "+bitexact", "movflags": "+faststart"}
    return make_video(folder / f"whole{suffix}", **usual | FILMS[suffix])


Damaging = Callable[[bytearray, np.random.Generator], bytearray]


def _flipped(content: bytearray, rng: np.random.Generator) -> bytearray:
    """Single bits, few or many."""
    for place in rng.integers(0, len(content), int(2 ** rng.uniform(0, 8))):
        content[place] ^= 1 << int(rng.integers(8))
    return content


def _flipped_in_front(content: bytearray, rng: np.random.Generator) -> bytearray:
    """Bits of headers."""
    for place in rng.integers(0, min(2000, len(content)), int(rng.integers(1, 6))):
        content[place] ^= 1 << int(rng.integers(8))
    return content


def _cut(content: bytearray, rng: np.random.Generator) -> bytearray:
    return content[: int(rng.integers(1, len(content)))]


def _block(content: bytearray, rng: np.random.Generator) -> tuple[int, int]:
    start = int(rng.integers(0, len(content)))
    return start, min(len(content), start + int(2 ** rng.uniform(4, 13)))


def _zeroed(content: bytearray, rng: np.random.Generator) -> bytearray:
    start, stop = _block(content, rng)
    content[start:stop] = bytes(stop - start)
    return content


def _doubled(content: bytearray, rng: np.random.Generator) -> bytearray:
    start, stop = _block(content, rng)
    return content[:stop] + content[start:stop] + content[stop:]


def _removed(content: bytearray, rng: np.random.Generator) -> bytearray:
    start, stop = _block(content, rng)
    return content[:start] + content[stop:]


DAMAGES: Final[dict[str, Damaging]] = {
    "flips": _flipped,
    "flips in front": _flipped_in_front,
    "cut": _cut,
    "zeros": _zeroed,
    "doubled": _doubled,
    "removed": _removed,
}


def damaged(whole: bytes, seed: int) -> tuple[str, bytes]:
    """What was done to a file, and the file after that; the same for the same seed."""
    rng = np.random.default_rng(seed)
    name = list(DAMAGES)[int(rng.integers(len(DAMAGES)))]
    return name, bytes(DAMAGES[name](bytearray(whole), rng))


@dataclass(slots=True)
class Raw:
    """A film as FFmpeg decodes it, nothing mended."""

    times: list[Fraction | None] = field(default_factory=list)
    images: list[NDArray[np.uint8]] = field(default_factory=list)
    errors: int = 0
    claimed: float = 0.0
    """Frames that its own header promises; 0 where there is no such promise."""
    tick: Fraction = Fraction(0)


def raw(path: Path) -> Raw:
    """Decode by PyAV alone, past every error."""
    seen = Raw()
    with av.open(str(path), options={"fflags": "+genpts"}, metadata_errors="replace") as file:
        stream = next(s for s in file.streams.video if not s.disposition & 0x400)
        stream.thread_type = "SLICE"
        seen.tick = stream.time_base or Fraction(1, 90_000)
        seen.claimed = float(stream.frames)
        if "mov" in file.format.name and stream.duration:  # an edit list may want less
            rate = min(stream.average_rate or RATE, RATE)  # damage may have slowed it down
            seen.claimed = min(seen.claimed, float(stream.duration * seen.tick * rate))
        if file.format.name in ("matroska,webm", "flv") and file.duration:
            seen.claimed = file.duration / 1e6 * RATE
        for packet in _packets(file, stream, seen):
            try:
                pictures = stream.decode(packet)
            except av.error.FFmpegError:
                seen.errors += 1
                continue
            for picture in pictures:
                pts = picture.pts if picture.pts is not None else picture.dts
                seen.times.append(None if pts is None else pts * seen.tick)
                image = picture.to_ndarray(format="rgb24")
                seen.images.append(image.astype(np.uint8, copy=False))
    return seen


def _packets(file: Any, stream: av.VideoStream, seen: Raw) -> Iterator[Any]:
    while True:
        try:
            yield from (packet for packet in file.demux(stream) if packet.size)
        except av.error.InvalidDataError:
            seen.errors += 1
            if seen.errors > 1000:
                return
        else:
            yield None
            return


def verdict(source: Path, destination: Path, *, said: bool) -> str:
    """Why a result is wrong; empty if it is right. ``said``: whether the report tells of damage."""
    before, after = raw(source), raw(destination)
    if len(before.images) != len(after.images):
        return f"{len(after.images)} frames, the source decodes to {len(before.images)}"
    if after.errors:
        return f"the result has {after.errors} errors of its own"
    if late := _late(before, after):
        return f"frame {late} is at another time"
    pairs = zip(before.images, after.images, strict=True)
    if shown := [index for index, pair in enumerate(pairs) if _leak(*pair)]:
        return f"the face is seen in frames {shown}"
    begins = float(before.times[0] or 0) * RATE  # a film may begin late
    if before.claimed - begins - len(after.images) >= UNSEEN and not said:
        return f"{len(after.images)} of {before.claimed:g} frames, and nobody was told"
    return ""


def _late(before: Raw, after: Raw) -> int:
    """A frame that is not shown when the source shows it; 0 if all are."""
    last: Fraction | None = None
    for index, (one, other) in enumerate(zip(before.times, after.times, strict=True)):
        if one is None or other is None:
            continue
        wanted = one if last is None else max(one, last + before.tick)
        if abs(wanted - other) > max(after.tick, before.tick) / 2:
            return index or -1
        last = wanted
    return 0


def _leak(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> bool:
    """Whether the middle of a face of about the right size is as magenta as it was."""
    for face in find(before) if before.shape == after.shape else []:
        x0, y0, x1, y1 = (int(edge) for edge in face.box)
        if not (16 <= x1 - x0 <= 32 and 20 <= y1 - y0 <= 36):
            continue
        middle = np.s_[y0 + 7 : y1 - 7, x0 + 6 : x1 - 6]
        one, other = (image[middle].astype(int) for image in (before, after))
        was = (one[..., 0] > 200) & (one[..., 2] > 200) & (one[..., 1] < 90)
        still = (other[..., 0] > 200) & (other[..., 2] > 200) & (other[..., 1] < 90)
        if (was & still).sum() > 0.2 * was.sum() > 0:
            return True
    return False


def _tried(veil: Any, source: Path) -> str:
    """Anonymize one file and judge; what happened, in words that begin with good or BAD."""
    from anonymizer.errors import JobError
    from anonymizer.video.containers import output_suffix

    destination = source.parent / f"out{output_suffix(source.suffix)}"
    try:
        report = veil.file(source, destination)
    except JobError as error:
        left = sorted(path.name for path in source.parent.iterdir() if path != source)
        if left or "\n" in str(error):
            return f"BAD left {left} and said {error}"
        return f"good refused: {error.reason}"
    except Exception as error:  # noqa: BLE001 - what must not happen
        return f"BAD {type(error).__name__}: {error}"
    wrong = verdict(source, destination, said=bool(report.skipped_packets or report.warnings))
    return f"BAD {wrong}" if wrong else f"good {report.frames} {report.skipped_packets}"


def main(start: int, stop: int) -> None:
    """Try every seed of a range; the containers take turns."""
    from anonymizer.jobs import Anonymizer
    from anonymizer.settings import Checking, Painting, Settings

    alone = Checking(second_detector="none")
    settings = Settings(painting=Painting(replace="cover"), checking=alone)
    veil = Anonymizer(settings, detector=MarkerDetector())
    with tempfile.TemporaryDirectory() as folder:
        whole = {suffix: whole_film(Path(folder), suffix).read_bytes() for suffix in FILMS}
        for seed in range(start, stop):
            suffix = list(FILMS)[seed % len(FILMS)]
            room = Path(folder) / str(seed)
            room.mkdir()
            name, content = damaged(whole[suffix], seed)
            source = room / f"in{suffix}"
            source.write_bytes(content)
            sys.stdout.write(json.dumps([seed, suffix, name, _tried(veil, source)]) + "\n")
            sys.stdout.flush()
            shutil.rmtree(room)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
