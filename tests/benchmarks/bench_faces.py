"""Whether painted faces are faces, other people, one person each, and move as the originals did.

    python -m tests.benchmarks.bench_faces --scrfd WEIGHTS ORIGINAL OUTPUT [ORIGINAL OUTPUT ...]

None of the networks here paints or finds anything in the product: SCRFD says where faces are,
dlib's 68 landmarks how they move, dlib's embedder who they are (0.6 is its usual threshold).
Faces of the same original are linked through time by the product's tracker.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import dlib
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from anonymizer import geometry, shots, tracking
from anonymizer.data import Box, Face
from anonymizer.video.media import open_source

SAME = 0.6
"""Distance below which dlib's authors call two faces the same person."""
LEAST = 40
"""Longer side of the faces that count, frame pixels."""


@dataclass(frozen=True)
class Sight:
    """One face of the original and what is there in the output."""

    found: bool
    """Whether the output's face is found again."""
    before: NDArray[np.float64]
    """(128,) embedding of the original."""
    after: NDArray[np.float64]
    moves_before: tuple[float, float]
    """Mouth opening and turn of the head, in eye distances."""
    moves_after: tuple[float, float]


def _weights(name: str) -> str:
    """A file of the package `face_recognition_models`, not imported: it wants setuptools."""
    package = find_spec("face_recognition_models")
    if package is None or package.origin is None:
        raise SystemExit("face_recognition_models is missing; pip install 'veilframe[evaluate]'")
    return str(Path(package.origin).parent / "models" / name)


class Judge:
    """The networks that look at both films."""

    def __init__(self, scrfd: Path) -> None:
        from insightface.model_zoo import SCRFD

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(str(scrfd), options, ["CPUExecutionProvider"])
        self._finder = SCRFD(str(scrfd), session=session)
        self._finder.prepare(-1, det_thresh=0.5)
        self._points = dlib.shape_predictor(_weights("shape_predictor_68_face_landmarks.dat"))
        self._who = dlib.face_recognition_model_v1(
            _weights("dlib_face_recognition_resnet_model_v1.dat")
        )

    def find(self, image: NDArray[np.uint8]) -> list[Face]:
        """Faces of a picture, with landmarks."""
        boxes, points = self._finder.detect(image[..., ::-1].copy(), input_size=(640, 640))
        return [
            Face((float(x0), float(y0), float(x1), float(y1)), float(score), place.astype("f4"))
            for (x0, y0, x1, y1, score), place in zip(boxes, points, strict=True)
        ]

    def look(
        self, image: NDArray[np.uint8], box: Box
    ) -> tuple[NDArray[np.float64], tuple[float, float]]:
        """Embedding and moves of the face in a box."""
        rectangle = dlib.rectangle(*(round(edge) for edge in box))
        shape: Any = self._points(image, rectangle)
        who = np.array(self._who.compute_face_descriptor(image, shape))
        points = np.array([(part.x, part.y) for part in shape.parts()], float)
        return who, moves(points)

    def sight(self, before: NDArray[np.uint8], after: NDArray[np.uint8], face: Face) -> Sight:
        """Compare one place in both films."""
        near = [other for other in self.find_near(after, face.box) if _overlap(other, face) >= 0.3]
        best = max(near, key=lambda other: _overlap(other, face), default=None)
        who, moved = self.look(before, face.box)
        other, other_moved = self.look(after, best.box if best else face.box)
        return Sight(best is not None, who, other, moved, other_moved)

    def find_near(self, image: NDArray[np.uint8], box: Box) -> list[Face]:
        """Faces in a square around a box, so that each place is searched at a fit size."""
        (x, y), side = geometry.centre(box), 1.5 * max(box[2] - box[0], box[3] - box[1])
        left, top = max(0, round(x - side)), max(0, round(y - side))
        part = image[top : round(y + side), left : round(x + side)]
        return [
            Face(
                (face.box[0] + left, face.box[1] + top, face.box[2] + left, face.box[3] + top),
                face.score,
            )
            for face in self.find(part)
        ]


def moves(points: NDArray[np.float64]) -> tuple[float, float]:
    """Gap of the inner lips, and nose from the middle of the eyes, in eye distances; (68, 2)."""
    left, right = points[36:42].mean(0), points[42:48].mean(0)
    across = right - left
    unit = float(np.hypot(*across))
    gap = float(np.hypot(*(points[61:64].mean(0) - points[65:68].mean(0)))) / unit
    turn = float((points[30] - (left + right) / 2) @ across) / unit**2
    return gap, turn


def _overlap(a: Face, b: Face) -> float:
    shared = float(geometry.overlaps(a.box, b.box)[0, 0])
    return shared / (geometry.area(a.box) + geometry.area(b.box) - shared)


def sights(judge: Judge, original: Path, output: Path, every: int) -> Iterator[list[Sight]]:
    """What is seen of every track of one film."""
    films = [list(open_source(path)) for path in (original, output)]
    chosen = range(0, len(films[0]), every)
    found = [judge.find(films[0][at].image) for at in chosen]
    signatures = [shots.signature(films[0][at].image) for at in chosen]
    starts = [0, *shots.find_cuts(signatures), len(found)]
    height, width = films[0][0].image.shape[:2]
    for start, stop in pairwise(starts):
        for track in tracking.link(
            found[start:stop], shot=0, start=start, first_id=0, frame_size=(width, height)
        ):
            yield [
                judge.sight(films[0][chosen[at]].image, films[1][chosen[at]].image, face)
                for at in range(track.start, track.stop)
                if track.origins[at - track.start] == "detected"
                and (face := track.faces[at - track.start]).size >= LEAST
            ]


def spread(vectors: Sequence[NDArray[np.float64]]) -> float:
    """Mean distance of all pairs, NaN for fewer than two."""
    pairs = [float(np.linalg.norm(a - b)) for a, b in combinations(vectors, 2)]
    return float(np.mean(pairs)) if pairs else float("nan")


def agreement(track: Sequence[Sight]) -> tuple[float, float]:
    """Correlation of mouth opening and turn, before and after; NaN for short tracks."""
    if len(track) < 20:
        return float("nan"), float("nan")
    before = np.array([sight.moves_before for sight in track])
    after = np.array([sight.moves_after for sight in track])
    mouth, turn = (float(np.corrcoef(before[:, k], after[:, k])[0, 1]) for k in range(2))
    return mouth, turn


def line(name: str, tracks: list[list[Sight]]) -> None:
    every = [sight for track in tracks for sight in track]
    apart = np.array([np.linalg.norm(sight.before - sight.after) for sight in every])
    drift = np.nanmean([spread([s.after for s in track[::3]]) for track in tracks])
    natural = np.nanmean([spread([s.before for s in track[::3]]) for track in tracks])
    longest = max(tracks, key=len)
    mouth, turn = agreement(longest)
    print(
        f"{name:<22}{len(every):>7}{np.mean([s.found for s in every]):>8.1%}{apart.mean():>9.2f}"
        f"{np.mean(apart < SAME):>8.1%}{drift:>8.2f}{natural:>9.2f}{mouth:>8.2f}{turn:>7.2f}",
        flush=True,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="painted faces against originals")
    parser.add_argument("films", type=Path, nargs="+", metavar="ORIGINAL OUTPUT")
    parser.add_argument("--scrfd", type=Path, required=True)
    parser.add_argument("--every", type=int, default=3, help="look at one frame in so many")
    wanted = parser.parse_args(arguments)
    if len(wanted.films) % 2:
        parser.error("films must come in pairs: ORIGINAL OUTPUT")
    judge = Judge(wanted.scrfd)
    print(
        f"{'film':<22}{'faces':>7}{'found':>8}{'distance':>9}{'<0.6':>8}{'drift':>8}"
        f"{'original':>9}{'mouth':>8}{'turn':>7}"
    )
    people: list[NDArray[np.float64]] = []
    for original, output in zip(wanted.films[::2], wanted.films[1::2], strict=True):
        tracks = [track for track in sights(judge, original, output, wanted.every) if track]
        line(original.stem, tracks)
        people.append(max(tracks, key=len)[0].before)
    floor = [float(np.linalg.norm(a - b)) for a, b in combinations(people, 2)]
    if floor:
        below = np.mean(np.array(floor) < SAME)
        print(f"different people: mean {np.mean(floor):.2f}, below 0.6 {below:.1%}")


if __name__ == "__main__":
    main()
