"""A person's head as one mesh with eyeballs and tongue, and how a picture shows it.

Light and highlight vary slowly over a head, so that its N vertices carry them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anonymizer.head import anatomy
from anonymizer.head.eyeballs import eyeballs
from anonymizer.head.lids import shutting_of
from anonymizer.head.lighting import lamp_before, light_on
from anonymizer.head.model import PART_SKIN, HeadModel, vertex_normals
from anonymizer.head.person import Person
from anonymizer.head.pose import Pose
from anonymizer.head.raster import SAMPLES, Hits, rasterise
from anonymizer.head.sockets import sky_above, sleeves
from anonymizer.head.texture import faceness
from anonymizer.head.tongue import lower_teeth, tongue

Array = NDArray[np.float32]

PART_EYE: Final = 3
PART_TONGUE: Final = 4
"""What triangles are of, beside the parts of the head model."""
EARS: Final = (7.5, -3.5, 4.5)
"""Distance from the middle beyond which the mean head has ears, and between which heights."""
NECK: Final = (-3.5, 3.0)
"""Height and depth of the mean head below and behind which it has the sides of a neck."""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """The mesh; attributes by vertex, head space."""

    points: Array
    """(N, 3)"""
    normals: Array
    """(N, 3) unit."""
    triangles: NDArray[np.int32]
    """(M, 3) of what is drawn."""
    parts: NDArray[np.uint8]
    """(N,) what each vertex is of."""
    texture: Array
    """(N, 2) where skin is on its texture."""
    occlusion: Array
    """(N,) share of the sky that is seen from each."""
    face: Array
    """(N, 2) how much they are face, and how much of it hair and neck leave free."""

    @property
    def kinds(self) -> NDArray[np.uint8]:
        """(M,) what each triangle is of."""
        return self.parts[self.triangles[:, 2]]

    @classmethod
    def of(cls, head: HeadModel, person: Person, expression: NDArray[np.floating] | None) -> Scene:
        """That of a person with some face, see `HeadModel.face`."""
        skin = head.vertices(person.identity, expression)
        balls, white = eyeballs(head, person.identity), sleeves(head, person.identity, skin)
        tongue_mesh = tongue(head, skin)
        extra = (balls, white, tongue_mesh)
        starts = np.cumsum([len(skin), *(len(each.points) for each in extra)]).tolist()
        open_sky = sky_above(head, expression, shutting_of(head, person))
        sky = [np.repeat(open_sky, len(each.points) // 2) for each in (balls, white)]
        more = starts[-1] - starts[0]
        kinds = np.full(more, PART_EYE, np.uint8)
        kinds[more - len(tongue_mesh.points) :] = PART_TONGUE
        meshes = (balls.triangles, white.triangles, tongue_mesh.triangles)
        moved = (mesh + start for mesh, start in zip(meshes, starts[:-1], strict=True))
        facing = [vertex_normals(skin, head.triangles), *(each.normals for each in extra)]
        return cls(
            points=np.concatenate([skin, *(each.points for each in extra)]),
            normals=np.concatenate(facing),
            triangles=np.concatenate([drawn(head)[0], *moved]),
            parts=np.concatenate([head.parts, kinds]),
            texture=np.concatenate([head.texture, np.zeros((more, 2), np.float32)]),
            occlusion=np.concatenate([head.occlusion, *sky, tongue_mesh.sky]),
            face=np.concatenate([_face(head), np.ones((more, 2), np.float32)]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A scene as a picture of some size shows it."""

    scene: Scene
    side: int
    """Of the picture, in samples: `SAMPLES` a pixel."""
    points: NDArray[np.float64]
    """(N, 3) where vertices are in it, in samples, and how near."""
    turn: Array
    """(3, 3) rotation of the head."""
    lamp: Array
    """(3,) direction of the light, view space."""
    normals: Array
    """(N, 3) unit, view space."""
    light: Array
    """(N, 3) on skin."""

    @classmethod
    def of(cls, scene: Scene, pose: Pose, size: int) -> View:
        """In a crop of `size` pixels."""
        turn = pose.rotation.astype(np.float32)
        lamp, facing = lamp_before(turn), scene.normals @ turn.T
        return cls(
            scene=scene,
            side=size * SAMPLES,
            points=pose.resized(SAMPLES).project(scene.points),
            turn=turn,
            lamp=lamp,
            normals=facing,
            light=light_on(facing, scene.occlusion, lamp),
        )

    def hits(self, triangles: NDArray[np.int32]) -> Hits:
        """Which of some triangles (M, 3) are seen where."""
        return rasterise(self.points, triangles, self.side)


@lru_cache(maxsize=4)
def drawn(head: HeadModel) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The head's triangles without ears, the sides of the neck and the lower teeth; and the ears'.

    Ears may be in the hair, and the neck is the film's. The lower teeth are those that sink with
    the jaw. Lips hide lower teeth in most speech; their ends, seen past the lips, look like fangs.
    """
    rest, lower = head.mean, lower_teeth(head)
    wide, low, high = EARS
    ears = (np.abs(rest[:, 0]) > wide) & (rest[:, 1] > low) & (rest[:, 1] < high)
    below, behind = NECK
    neck = (rest[:, 1] < below) & (rest[:, 2] < behind)
    aside = ears[head.triangles].any(1)
    return head.triangles[~(aside | (lower | neck)[head.triangles].any(1))], head.triangles[aside]


def _face(head: HeadModel) -> Array:
    """What `Scene.face` holds of each vertex (N, 2); the inside of the mouth is all face."""
    outlines = (anatomy.FACE, anatomy.FRAMED)
    shares = np.stack([faceness(head.texture, outline) for outline in outlines], 1)
    return np.where(head.parts[:, None] == PART_SKIN, shares, 1).astype(np.float32)
