"""Whether painted faces are faces, other people, one person each, and move as the originals did.

    python -m tests.benchmarks.bench_faces --scrfd WEIGHTS ORIGINAL OUTPUT [ORIGINAL OUTPUT ...]

None of the networks here paints or finds anything in the product: SCRFD says where faces are,
dlib's 68 landmarks how they move, dlib's embedder who they are (0.6 is its usual threshold).
Faces of the same original are linked through time by the product's tracker. What chance alone gives
is measured on faces of one frame: the originals are different people in the same light, and a new
face has nothing to do with another one's original.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
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
from tests.benchmarks import measures

SAME = 0.6
"""Distance below which dlib's authors call two faces the same person."""
LEAST = 40
"""Longer side of the faces that count, frame pixels, unless told otherwise."""
_SMALL = 100
"""Longer side below which dlib's own finder, made for 80 pixels, is shown twice the size."""


@dataclass(frozen=True)
class Sight:
    """One face of the original and what is there in the output."""

    frame: int
    track: int
    face: Face
    """SCRFD's, of the original."""
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
        self._frontal = dlib.get_frontal_face_detector()
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

    def points(self, image: NDArray[np.uint8], box: Box) -> NDArray[np.float64]:
        """dlib's 68 points (68, 2) of the face in one of SCRFD's boxes.

        The predictor was made for the boxes of dlib's own finder and errs with others, and every
        box gives a little noise: the mean over a few boxes, and over the mirror image, is taken.
        """
        mirror, width = np.ascontiguousarray(image[:, ::-1]), image.shape[1]
        found = []
        for tried in measures.shifted(self._own(image, box)):
            found.append(self._predicted(image, tried))
            there = self._predicted(mirror, measures.flipped_box(tried, width))
            found.append(measures.flipped_points(there, width))
        return np.asarray(np.mean(found, 0))

    def _own(self, image: NDArray[np.uint8], box: Box) -> Box:
        """The box of dlib's own finder there, or what it would about be."""
        side, (x, y) = max(box[2] - box[0], box[3] - box[1]), geometry.centre(box)
        left, top = max(0, round(x - side)), max(0, round(y - side))
        part = np.ascontiguousarray(image[top : round(y + side), left : round(x + side)])
        found = [
            (
                float(r.left() + left),
                float(r.top() + top),
                float(r.right() + left),
                float(r.bottom() + top),
            )
            for r in self._frontal(part, int(side < _SMALL))
        ]
        return measures.own_box(box, found)

    def _predicted(self, image: NDArray[np.uint8], box: Box) -> NDArray[np.float64]:
        shape: Any = self._points(image, dlib.rectangle(*(round(edge) for edge in box)))
        return np.array([(part.x, part.y) for part in shape.parts()], float)

    def look(
        self, image: NDArray[np.uint8], box: Box
    ) -> tuple[NDArray[np.float64], tuple[float, float]]:
        """Embedding and moves of the face in a box."""
        points = self.points(image, box)
        parts = [dlib.point(round(x), round(y)) for x, y in points.tolist()]
        shape = dlib.full_object_detection(dlib.rectangle(*(round(edge) for edge in box)), parts)
        who = np.array(self._who.compute_face_descriptor(image, shape))
        return who, measures.moves(points)

    def sight(
        self,
        before: NDArray[np.uint8],
        after: NDArray[np.uint8],
        face: Face,
        *,
        frame: int,
        track: int,
    ) -> Sight:
        """Compare one place in both films."""
        near = [
            other
            for other in self.find_near(after, face.box)
            if _overlap(other, face) >= measures.ONE_FACE
        ]
        best = max(near, key=lambda other: _overlap(other, face), default=None)
        who, moved = self.look(before, face.box)
        other, other_moved = self.look(after, best.box if best else face.box)
        return Sight(frame, track, face, best is not None, who, other, moved, other_moved)

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


def _overlap(a: Face, b: Face) -> float:
    return float(geometry.iou(a.box, b.box)[0, 0])


def sights(
    judge: Judge, original: Path, output: Path, every: int, least: int
) -> Iterator[list[Sight]]:
    """What is seen of every track of one film."""
    films = [list(open_source(path)) for path in (original, output)]
    chosen = range(0, len(films[0]), every)
    found = [judge.find(films[0][at].image) for at in chosen]
    signatures = [shots.signature(films[0][at].image) for at in chosen]
    starts = [0, *shots.find_cuts(signatures), len(found)]
    height, width = films[0][0].image.shape[:2]
    count = 0
    for start, stop in pairwise(starts):
        tracks = tracking.link(
            found[start:stop], shot=0, start=start, first_id=count, frame_size=(width, height)
        )
        count += len(tracks)
        for track in tracks:
            yield [
                judge.sight(
                    films[0][chosen[at]].image, films[1][chosen[at]].image, face,
                    frame=at, track=track.id,
                )
                for at in range(track.start, track.stop)
                if track.origins[at - track.start] == "detected"
                and (face := _raw(track.faces[at - track.start], found[at])).size >= least
            ]  # fmt: skip


def _raw(face: Face, found: Sequence[Face]) -> Face:
    """The face as it was found; that of a track is steadied."""
    return max(found, key=lambda other: _overlap(other, face))


def spread(vectors: Sequence[NDArray[np.float64]]) -> float:
    """Mean distance of all pairs, NaN for fewer than two."""
    pairs = [float(np.linalg.norm(a - b)) for a, b in combinations(vectors, 2)]
    return float(np.mean(pairs)) if pairs else float("nan")


def agreement(track: Sequence[Sight]) -> tuple[float, float, float]:
    """Correlation of mouth opening and turn, before and after, and of the turn in the original as
    dlib and as SCRFD see it; NaN for short tracks."""
    before = np.array([sight.moves_before for sight in track])
    after = np.array([sight.moves_after for sight in track])
    mouth, turn = (measures.correlation(before[:, k], after[:, k]) for k in range(2))
    other = [measures.turn(s.face.landmarks) for s in track if s.face.landmarks is not None]
    return mouth, turn, measures.correlation(before[:, 1], other)


def line(name: str, tracks: list[list[Sight]]) -> None:
    every = [sight for track in tracks for sight in track]
    apart = np.array([np.linalg.norm(sight.before - sight.after) for sight in every])
    drift = _mean([spread([s.after for s in track[::3]]) for track in tracks])
    natural = _mean([spread([s.before for s in track[::3]]) for track in tracks])
    mouth, turn, agreed = agreement(max(tracks, key=len))
    pairs = list(measures.people([(s.frame, s.track, float(s.face.size), s) for s in every]))
    chance = _distances((a.before, b.before) for a, b in pairs)
    strange = _distances(
        each for a, b in pairs for each in ((a.after, b.before), (b.after, a.before))
    )
    print(
        f"{name:<20}{len(every):>6}{np.mean([s.found for s in every]):>8.1%}{apart.mean():>7.2f}"
        f"{np.mean(apart < SAME):>8.1%}{len(chance):>7}{_mean(chance):>7.2f}"
        f"{_mean(chance < SAME):>8.1%}{_mean(strange):>8.2f}{_mean(strange < SAME):>7.1%}"
        f"{drift:>7.2f}{natural:>9.2f}{mouth:>7.2f}{turn:>6.2f}{agreed:>7.2f}",
        flush=True,
    )


def _distances(
    pairs: Iterable[tuple[NDArray[np.float64], NDArray[np.float64]]],
) -> NDArray[np.float64]:
    return np.array([float(np.linalg.norm(a - b)) for a, b in pairs])


def _mean(values: Sequence[float] | NDArray[np.generic]) -> float:
    """Mean of the numbers among them, NaN where there is none."""
    there = np.asarray(values, float)
    there = there[np.isfinite(there)]
    return float(there.mean()) if len(there) else float("nan")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="painted faces against originals")
    parser.add_argument("films", type=Path, nargs="+", metavar="ORIGINAL OUTPUT")
    parser.add_argument("--scrfd", type=Path, required=True)
    parser.add_argument("--every", type=int, default=3, help="look at one frame in so many")
    parser.add_argument("--least", type=int, default=LEAST, help="smallest face, pixels")
    wanted = parser.parse_args(arguments)
    if len(wanted.films) % 2:
        parser.error("films must come in pairs: ORIGINAL OUTPUT")
    judge = Judge(wanted.scrfd)
    print(
        f"{'film':<20}{'faces':>6}{'found':>8}{'apart':>7}{'<0.6':>8}{'others':>7}{'apart':>7}"
        f"{'<0.6':>8}{'strange':>8}{'<0.6':>7}{'drift':>7}{'original':>9}{'mouth':>7}{'turn':>6}{'agreed':>7}"
    )
    for original, output in zip(wanted.films[::2], wanted.films[1::2], strict=True):
        looked = sights(judge, original, output, wanted.every, wanted.least)
        line(original.stem, [track for track in looked if track])


if __name__ == "__main__":
    main()
