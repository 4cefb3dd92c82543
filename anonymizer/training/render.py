"""Draw training pictures: synthetic heads in the canonical crop, with everything known about them.

A picture is drawn at twice its size and averaged down. The alignment is the production one: the
similarity of `anonymizer.head.canonical`, computed from the five projected landmarks as a detector
would give them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.head.appearance import albedo, eye_colour, texture_coordinates
from anonymizer.head.canonical import crop_from_frame
from anonymizer.training.develop import develop
from anonymizer.training.hair import Strands, grow, scalp_triangles
from anonymizer.training.headmesh import PIVOT, SKIN, HeadMesh, load_head
from anonymizer.training.light import (
    KEY,
    SHADOW_SIDE,
    bake_occlusion,
    sample_light,
    shadow_depth,
    shadow_projection,
)  # fmt: skip
from anonymizer.training.person import (
    TrainingPerson,
    rotation,
    sample_expression,
    sample_pose,
    sample_training_person,
)  # fmt: skip
from anonymizer.training.raster import draw_strands, rasterize, splat, vertex_normals
from anonymizer.training.scene import background, occlude
from anonymizer.training.shading import LOOK_SIZE, shade
from anonymizer.training.strands import (
    beard_triangles,
    grow_beard,
    light_strands,
    make_glasses,
)  # fmt: skip

SIZE: Final = 128
SUPERSAMPLING: Final = 2
_JITTER: Final = 0.6
"""Standard deviation of the landmarks that define the alignment, in pixels at 128."""
_OCCLUDED: Final = 0.05
_PLANE: Final = 1000.0
"""Units of the image plane per unit of slope; only keeps numbers away from zero."""

Acting = Callable[
    [np.random.Generator, tuple[str, ...]], tuple[NDArray[np.float32], tuple[float, float]]
]
"""From chance and the names of expressions to their weights and the gaze."""


@dataclass(frozen=True, slots=True, eq=False)
class Studio:
    """The head model and what can be prepared once for all people."""

    mesh: HeadMesh
    occlusion: NDArray[np.float32]
    """(N,) baked ambient occlusion."""
    texture: NDArray[np.float32]
    """(N, 2) texture coordinates."""
    scalp: NDArray[np.bool_]
    beard: NDArray[np.bool_]
    sway: NDArray[np.float32]
    """(N, 1) how much a vertex follows the shoulders instead of the head."""


@dataclass(frozen=True, slots=True, eq=False)
class Sitter:
    """A person made ready: paint and hair."""

    person: TrainingPerson
    skin: NDArray[np.float32]
    """(256, 256, 3) albedo."""
    eyes: NDArray[np.float32]
    """(64, 64, 3) eyeball colour over the angle from the gaze (0 to 1.6) and the azimuth."""
    hair: tuple[Strands, ...]
    """Head hair; empty for bald heads."""
    extras: tuple[Strands, ...]
    """Beard and glasses."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One picture and the truth about it."""

    image: NDArray[np.uint8]
    """(S, S, 3) RGB."""
    landmarks: NDArray[np.float32]
    """(5, 2) true landmarks in the crop, pixels."""
    identity: NDArray[np.float32]
    expression: NDArray[np.float32]
    gaze: NDArray[np.float32]
    """(2,) offset of the eyes' axes."""
    angles: NDArray[np.float32]
    """(3,) yaw, pitch, roll before alignment, radians."""
    cover: NDArray[np.uint8]
    """(S, S) opacity of hair, glasses and occluders, 0 to 255."""


def open_studio(folder: Path) -> Studio:
    """Load the head model from the facekit `folder`; a second or two."""
    mesh = load_head(folder)
    return Studio(
        mesh=mesh,
        occlusion=bake_occlusion(mesh),
        texture=texture_coordinates(mesh.rest).astype(np.float32),
        scalp=scalp_triangles(mesh),
        beard=beard_triangles(mesh),
        sway=np.clip((-6 - mesh.rest[:, 1:2]) / 9, 0, 1),
    )


def person_generator(seed: int, index: int) -> np.random.Generator:
    """The generator from which person `index` of data set `seed` is drawn."""
    return np.random.default_rng([seed, index, 0])


def invite(studio: Studio, seed: int, index: int) -> Sitter:
    """Paint a person and grow their hair."""
    mesh = studio.mesh
    person = sample_training_person(person_generator(seed, index), len(mesh.identity))
    rng = np.random.default_rng([seed, index, 1])
    neutral = mesh.shape(person.identity, np.zeros(len(mesh.expression), np.float32))
    normals = vertex_normals(neutral, mesh.triangles)
    colour = np.array(person.appearance.hair)
    hair = grow(rng, mesh, studio.scalp, neutral, normals, person.style, colour)
    extras = []
    if person.appearance.stubble > 0.5 and rng.random() < 0.6:
        extras.append(grow_beard(rng, mesh, studio.beard, neutral, normals, colour))
    if person.glasses:
        extras.append(make_glasses(rng, mesh.five(neutral)))
    angle, around = np.meshgrid(
        np.linspace(0, 1.6, 64), (np.arange(64) + 0.5) / 64 * 2 * np.pi - np.pi, indexing="ij"
    )
    eyes = eye_colour(person.appearance, angle, around)
    return Sitter(
        person, albedo(person.appearance), eyes, () if hair is None else (hair,), tuple(extras)
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Camera:
    """Turns the scene and projects it into the canonical crop."""

    head: NDArray[np.float32]
    torso: NDArray[np.float32]
    distance: float
    crop_from_plane: NDArray[np.float64]

    def turn(self, points: NDArray[np.float32], sway: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rest points (..., 3) into view space."""
        centred = points - PIVOT
        turned = centred @ self.head.T * (1 - sway) + centred @ self.torso.T * sway + PIVOT
        return np.asarray(turned, np.float32)

    def screen(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """View points (..., 3) to supersampled pixels and nearness."""
        plane, near = _plane(points, self.distance)
        crop = plane @ self.crop_from_plane[:2, :2].T + self.crop_from_plane[:2, 2]
        pixels = (crop + 0.5) * SUPERSAMPLING
        return np.concatenate([pixels, near[..., None]], -1).astype(np.float32)

    def scale(self) -> float:
        """Supersampled pixels per head unit at the pivot."""
        similarity = float(np.hypot(*self.crop_from_plane[:2, 0]))
        return similarity * SUPERSAMPLING * _PLANE / (self.distance - float(PIVOT[2]))


def _plane(
    points: NDArray[np.floating], distance: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    near = 1 / (distance - points[..., 2].astype(np.float64))
    return points[..., :2] * near[..., None] * [_PLANE, -_PLANE], near


def _aim(
    rng: np.random.Generator, five: NDArray[np.float32], angles: tuple[float, float, float]
) -> tuple[_Camera, NDArray[np.float32]]:
    """A camera aligned to slightly wrong landmarks; returns it with the true ones in the crop."""
    yaw, pitch, roll = angles
    head, torso = rotation(yaw, pitch, roll), rotation(0.35 * yaw, 0.2 * pitch, 0.3 * roll)
    distance = float(np.exp(rng.uniform(np.log(40), np.log(160))))
    plane, _ = _plane((five - PIVOT) @ head.T + PIVOT, distance)
    exact = crop_from_frame(plane, SIZE)
    wrong = plane + rng.normal(size=(5, 2)) * _JITTER / np.hypot(*exact[:2, 0])
    crop_from_plane = crop_from_frame(wrong, SIZE)
    landmarks = plane @ crop_from_plane[:2, :2].T + crop_from_plane[:2, 2]
    return _Camera(head, torso, distance, crop_from_plane), landmarks.astype(np.float32)


def _look(
    rng: np.random.Generator, sitter: Sitter, gaze: tuple[float, float]
) -> NDArray[np.float32]:
    """The surface parameters that `shading` reads, in its order."""
    person = sitter.person
    cloth = np.clip(rng.beta(1.2, 1.8) + rng.normal(size=3) * 0.08, 0.01, 0.95) ** 2.2
    if rng.random() < 0.35:
        cloth = cloth * rng.uniform(0.3, 1.0, 3)
    tone = sitter.skin[100:156, 100:156].mean((0, 1))
    bald = person.style.name == "bald"
    look = [
        *person.appearance.hair, *cloth, -11.2 + rng.uniform(-2, 1.5), bald, person.style.lift,
        *person.shine, *gaze, person.teeth, *tone, person.appearance.seed % 1000,
    ]  # fmt: skip
    assert len(look) == LOOK_SIZE
    return np.array(look, np.float32)


def draw(
    studio: Studio, sitter: Sitter, rng: np.random.Generator, act: Acting = sample_expression
) -> Sample:
    """One picture of `sitter` with a new expression, pose, light, background and camera."""
    mesh, person = studio.mesh, sitter.person
    expression, gaze = act(rng, mesh.expression_names)
    angles = sample_pose(rng)
    shaped = mesh.shape(person.identity, expression)
    camera, landmarks = _aim(rng, mesh.five(shaped), angles)
    points = camera.turn(shaped, studio.sway)
    side = SIZE * SUPERSAMPLING
    chosen = np.full((side, side), -1, np.int32)
    depth = np.full((side, side), -1, np.float32)
    bary = np.zeros((side, side, 2), np.float32)
    one_sided = np.zeros(len(mesh.triangles), np.bool_)
    rasterize(camera.screen(points), mesh.triangles, one_sided, chosen, bary, depth)
    lamps = _light(rng, studio, points, [_turned(camera, strands) for strands in sitter.hair])
    image = background(rng, side)
    normals = vertex_normals(points, mesh.triangles)
    shade(
        image, chosen, bary, mesh.triangles, mesh.material, points, normals, mesh.rest,
        studio.texture, studio.occlusion, sitter.skin, sitter.eyes, mesh.eyes,
        _look(rng, sitter, gaze), lamps.rig, lamps.shadow, lamps.projection, camera.distance,
    )  # fmt: skip
    cover = np.zeros((side, side), np.float32)
    for strands in sitter.hair:
        _blend(camera, _turned(camera, strands), lamps, (0.002, 0.25), depth, image, cover)
    for strands in sitter.extras:
        _blend(camera, _turned(camera, strands), lamps, (0.006, 0.08), depth, image, cover)
    if rng.random() < _OCCLUDED:
        cover = np.maximum(cover, occlude(rng, image, sitter.skin.mean((0, 1)) * 0.5))
    face = (chosen >= 0) & (mesh.material[chosen] == SKIN) & (cover < 0.5)
    return Sample(
        image=develop(rng, _shrink(image), _shrink(face.astype(np.float32))),
        landmarks=landmarks, identity=person.identity, expression=expression,
        gaze=np.array(gaze, np.float32), angles=np.array(angles, np.float32),
        cover=(_shrink(cover) * 255 + 0.5).astype(np.uint8),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class _Lamps:
    """A light rig with the shadow of its key light."""

    rig: NDArray[np.float32]
    shadow: NDArray[np.float32]
    projection: NDArray[np.float32]


def _light(
    rng: np.random.Generator, studio: Studio, points: NDArray[np.float32], hair: list[Strands]
) -> _Lamps:
    rig = sample_light(rng)
    projection = shadow_projection(rig[KEY : KEY + 3], SHADOW_SIDE)
    shadow = shadow_depth(points, studio.mesh.triangles, projection, SHADOW_SIDE)
    for strands in hair:
        splat(strands.knots.reshape(-1, 3) @ projection[:, :3].T + projection[:, 3], shadow)
    return _Lamps(rig, shadow, projection)


def _blend(
    camera: _Camera, strands: Strands, lamps: _Lamps, manner: tuple[float, float],
    depth: NDArray[np.float32], image: NDArray[np.float32], cover: NDArray[np.float32],
) -> None:  # fmt: skip
    """Draw turned strands in place; `manner` is how far they may hide in the skin, and gloss."""
    tones = light_strands(
        strands.knots, strands.facing, strands.colour, lamps.rig, lamps.shadow, lamps.projection,
        camera.distance, 0.35, manner[1],
    )  # fmt: skip
    width = np.maximum(strands.width * camera.scale(), 1.1).astype(np.float32)
    draw_strands(camera.screen(strands.knots), tones, width, 0.85, manner[0], depth, image, cover)


def _turned(camera: _Camera, strands: Strands) -> Strands:
    sway = np.clip((-6 - strands.knots[..., 1:2]) / 9, 0, 1).astype(np.float32)
    knots = camera.turn(strands.knots, sway)
    return Strands(
        knots, strands.colour, strands.width, (strands.facing @ camera.head.T).astype(np.float32)
    )


def _shrink(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_AREA), np.float32)
