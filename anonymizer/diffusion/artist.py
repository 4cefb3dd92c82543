"""Pictures that steer a ControlNet towards a face in place, drawn from geometry alone.

Of a clip only `landmarks` and `motion` are read, never `pixels` or `context` (invariant P1): the
head that is drawn is the new person's, posed and moved as the track is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anonymizer.head.expression import MOTION, expression_of, level_gaze
from anonymizer.head.guide import Guide, draw_guide
from anonymizer.head.lids import shutting_of
from anonymizer.head.lips import seal_of
from anonymizer.head.model import PART_SKIN, HeadModel
from anonymizer.head.person import Person, person_for
from anonymizer.head.pose import Pose, solve_pose
from anonymizer.head.raster import interpolate, rasterise

if TYPE_CHECKING:
    from anonymizer.data import Clip
    from anonymizer.networks import FaceControl

    _Face = tuple[NDArray[np.float32], tuple[float, float]]

MESH: Final = 24
"""Lines of the mesh along each side of the head's texture."""
COLOURS: Final = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255))
"""Of the five landmarks, in their order."""
DOT: Final = 1 / 40
"""Radius of a landmark's dot, as a share of the crop's side."""
FACE: Final = 0.2
"""Coverage of the drawing from which lines count: skull and neck are not to be painted."""
EDGES: Final = (40.0, 100.0)
"""Thresholds of the edge detector, of 255."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Cast:
    """The new person of a clip: pose and face of each of the T crops."""

    head: HeadModel
    person: Person
    poses: Pose
    faces: list[_Face]
    """Weights of the expressions, and the gaze."""

    @classmethod
    def of(
        cls,
        head: HeadModel,
        clip: Clip,
        seed: int,
        melanin: float | None = None,
        hair: float | None = None,
    ) -> Cast:
        """The person of `seed`, posed as the landmarks are and moved as the motion says.

        Skin has its own pigment unless `melanin` says how much, and hair its own colour unless it
        is to reflect no more than a share of light.
        """
        person = person_for(head, seed, melanin, hair)
        count = len(clip.indices)
        motions = np.zeros((count, len(MOTION))) if clip.motion is None else clip.motion
        meeting = seal_of(head, person), shutting_of(head, person)
        faces = [expression_of(head, each, *meeting) for each in motions]
        shown = [head.vertices(person.identity, weights) for weights, _ in faces]
        landmarks = np.stack([head.marked_landmarks(vertices) for vertices in shown])
        poses = solve_pose(clip.landmarks, clip.size, landmarks)
        turned = zip(faces, poses.rotation, strict=True)
        level = [(weights, level_gaze(gaze, rotation)) for (weights, gaze), rotation in turned]
        return cls(head, person, poses, level)

    def guide(self, at: int, size: int) -> Guide:
        """The drawing of one crop, in neutral light."""
        face, gaze = self.faces[at]
        pose = self.poses[at]
        numbers = pose.rotation.tobytes(), float(pose.scale), pose.translation.tobytes()
        return _drawn(self.head, self.person, numbers, face.tobytes(), gaze, size)

    def mesh(self, at: int, size: int) -> NDArray[np.uint8]:
        """White lines of equal texture coordinates on the skin that is seen, (S, S, 3)."""
        head = self.head
        points = self.poses[at].project(head.vertices(self.person.identity, self.faces[at][0]))
        hits = rasterise(points, head.triangles, size)
        places = np.floor(interpolate(hits, head.triangles, head.texture) * MESH)
        skin = head.parts[head.triangles[hits.triangle, 0]] == PART_SKIN
        cells = np.full((size * size, 2), -1.0, np.float32)
        cells[hits.pixel[skin]] = places[skin]
        grid = cells.reshape(size, size, 2)
        lines = np.zeros((size, size), np.bool_)
        lines[:, 1:] |= (grid[:, 1:] != grid[:, :-1]).any(-1)
        lines[1:] |= (grid[1:] != grid[:-1]).any(-1)
        return np.repeat(np.uint8(255) * lines[..., None], 3, -1)


@lru_cache(maxsize=32)
def _drawn(
    head: HeadModel,
    person: Person,
    pose: tuple[bytes, float, bytes],
    face: bytes,
    gaze: tuple[float, float],
    size: int,
) -> Guide:
    """`draw_guide` of numbers that can be compared.

    Chunks overlap: the last drawings of one are the first of the next, and are kept till then.
    """
    rotation, scale, translation = pose
    where = Pose(np.frombuffer(rotation).reshape(3, 3), np.array(scale), np.frombuffer(translation))
    return draw_guide(head, person, where, np.frombuffer(face, np.float32), size=size, gaze=gaze)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Artist:
    """Draws what a ControlNet is shown."""

    head: HeadModel
    kind: FaceControl

    def pictures(self, clip: Clip, seed: int) -> Tensor:
        """Of the new crops, (N, 3, S, S) in [0, 1].

        Raises:
            ValueError: if landmarks are not finite.
        """
        new = range(clip.lead, len(clip.indices))
        if self.kind == "landmarks":
            drawn = [_dots(clip.landmarks[at], clip.size) for at in new]
        else:
            cast = Cast.of(self.head, clip, seed)
            drawn = [self._drawn(cast, at, clip.size) for at in new]
        return torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2) / 255

    def _drawn(self, cast: Cast, at: int, size: int) -> NDArray[np.uint8]:
        guide = cast.guide(at, size)
        face = (guide.coverage > FACE)[..., None]
        if self.kind == "mesh":
            return cast.mesh(at, size) * face
        if self.kind == "normals":
            covered = guide.coverage[..., None]
            return np.asarray(((guide.normals + 1) * 127.5 * covered).round(), np.uint8)
        grey = np.asarray((guide.colour @ [76.0, 150.0, 29.0]).round(), np.uint8)
        return np.repeat(cv2.Canny(grey, *EDGES)[..., None] * face, 3, -1)


def _dots(landmarks: NDArray[np.float64], size: int) -> NDArray[np.uint8]:
    if not np.isfinite(landmarks).all():
        raise ValueError("landmarks must be finite")
    picture = np.zeros((size, size, 3), np.uint8)
    for point, colour in zip(landmarks.round().astype(int).tolist(), COLOURS, strict=True):
        cv2.circle(picture, point, max(1, round(size * DOT)), colour, cv2.FILLED)
    return picture
