"""Draw the guide: the new person's head, in the pose and expression of the track, softly lit.

The picture is rasterised at twice the size and averaged down. Light is neutral and comes from above
and where the head looks; tone is matched to the film afterwards (`anonymizer.head.tone`).
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.head import anatomy
from anonymizer.head.eyeballs import eyeballs
from anonymizer.head.eyes import eye_colour
from anonymizer.head.lids import shutting_of
from anonymizer.head.lighting import lamp_before, light_on
from anonymizer.head.model import PART_MOUTH, PART_SKIN, PART_TEETH, HeadModel, vertex_normals
from anonymizer.head.person import Person
from anonymizer.head.pose import Pose
from anonymizer.head.raster import SAMPLES, Hits, averaged, interpolate, rasterise
from anonymizer.head.reflection import rise
from anonymizer.head.sockets import between_lids, sky_above, sleeves
from anonymizer.head.teeth import teeth_colour
from anonymizer.head.texture import faceness
from anonymizer.head.tongue import COLOUR, lower_teeth, tongue

Array = NDArray[np.float32]

PART_EYE: Final = 3
PART_TONGUE: Final = 4
GLINT: Final = np.array([-0.10, 0.13, 0.99], np.float32)
"""Normal at which the catch light of the eye sits, view space."""
SHADED_TEETH: Final = 0.55
"""Least light on teeth: the shade of the mouth alone would leave them grey."""
EARS: Final = (7.5, -3.5, 4.5)
"""Distance from the middle beyond which the mean head has ears, and between which heights."""
EAR_TOP: Final = (3.6, 4.4)
"""Heights between which its ears become temples."""
EAR_FRONT: Final = (0.9, 1.8)
"""Depths between which they become cheeks."""
EAR_CONTRAST: Final = 0.4
"""Power of their light against a face's: light shines through them."""
EAR_SOFTNESS: Final = 1 / 128
"""Spread that they are blurred with, as a share of S: farther away than a face, and not painted."""
NECK: Final = (-3.5, 3.0)
"""Height and depth of the mean head below and behind which it has the sides of a neck."""
ONES: Final = np.ones(3, np.float32)
"""`values @ ONES` adds up channels, many times faster than a sum along so short an axis."""
GUMS: Final = np.array([0.030, 0.009, 0.008], np.float32)
"""Linear RGB of the unlit inside of the mouth."""


@dataclass(frozen=True, slots=True, eq=False)
class Guide:
    """A picture of the new head in a canonical crop of S pixels."""

    colour: Array
    """(S, S, 3) sRGB in [0, 1], not multiplied by coverage; 0 where no head is drawn."""
    coverage: Array
    """(S, S) share of each pixel that the face covers, in [0, 1]; less towards scalp and ears,
    where the film's own hair or skin is to go on."""
    normals: Array
    """(S, S, 3) unit view-space normals (x right, y up, z to the viewer), 0 where no head is."""
    framed: Array
    """(S, S) share of each pixel that hair and neck leave free."""
    ears: Array | None = None
    """(S, S, 2) light on ears, 1 as on a face, times the share of each pixel that they cover, and
    that; None where they are left out: painters are not shown any."""

    @property
    def head(self) -> NDArray[np.bool_]:
        """(S, S) where the head is drawn at all, scalp included."""
        return np.asarray(np.square(self.normals) @ ONES > 0)


def srgb_from_linear(linear: NDArray[np.floating]) -> Array:
    """Encode light in [0, 1] (IEC 61966-2-1)."""
    light = np.clip(np.asarray(linear, np.float32), 0, 1)
    high = 1.055 * np.power(np.maximum(light, 0.0031308), 1 / 2.4) - 0.055
    return np.asarray(np.where(light <= 0.0031308, 12.92 * light, high), np.float32)


def linear_from_srgb(encoded: NDArray[np.floating]) -> Array:
    """Decode sRGB in [0, 1] to light."""
    code = np.clip(np.asarray(encoded, np.float32), 0, 1)
    high = np.power((code + 0.055) / 1.055, 2.4)
    return np.asarray(np.where(code <= 0.04045, code / 12.92, high), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class _Scene:
    """Head and eyeballs as one mesh; attributes by vertex."""

    points: Array
    normals: Array
    triangles: NDArray[np.int32]
    parts: NDArray[np.uint8]
    texture: Array
    occlusion: Array
    face: Array
    """(N, 2) how much they are face, and how much of it hair and neck leave free."""

    @property
    def kinds(self) -> NDArray[np.uint8]:
        """(M,) what each triangle is of."""
        return self.parts[self.triangles[:, 2]]


def _scene(head: HeadModel, person: Person, expression: NDArray[np.floating] | None) -> _Scene:
    skin = head.vertices(person.identity, expression)
    balls, white = eyeballs(head, person.identity), sleeves(head, person.identity, skin)
    lick = tongue(head, skin)
    extra = (balls, white, lick)
    starts = np.cumsum([len(skin), *(len(each.points) for each in extra)])
    open_sky = sky_above(head, expression, shutting_of(head, person))
    sky = [np.repeat(open_sky, len(each.points) // 2) for each in (balls, white)]
    more = int(starts[-1] - starts[0])
    kinds = np.full(more, PART_EYE, np.uint8)
    kinds[more - len(lick.points) :] = PART_TONGUE
    meshes = (balls.triangles, white.triangles, lick.triangles)
    moved = (mesh + start for mesh, start in zip(meshes, starts, strict=False))
    return _Scene(
        np.concatenate([skin, *(each.points for each in extra)]),
        np.concatenate([vertex_normals(skin, head.triangles), *(each.normals for each in extra)]),
        np.concatenate([_shown(head)[0], *moved]),
        np.concatenate([head.parts, kinds]),
        np.concatenate([head.texture, np.zeros((more, 2), np.float32)]),
        np.concatenate([head.occlusion, *sky, lick.sky]),
        np.concatenate([_face(head), np.ones((more, 2), np.float32)]),
    )


@lru_cache(maxsize=4)
def _shown(head: HeadModel) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The head's triangles without ears, the sides of the neck and the lower teeth; and the ears'.

    Ears may be in the hair, and the neck is the film's. The lower teeth are those that sink with
    the jaw. Lips hide lower teeth in most speech; their ends, seen past the lips, look like fangs.
    """
    mean = np.zeros(head.code_length)
    rest, lower = head.vertices(mean), lower_teeth(head)
    wide, low, high = EARS
    ears = (np.abs(rest[:, 0]) > wide) & (rest[:, 1] > low) & (rest[:, 1] < high)
    below, behind = NECK
    neck = (rest[:, 1] < below) & (rest[:, 2] < behind)
    aside = ears[head.triangles].any(1)
    return head.triangles[~(aside | (lower | neck)[head.triangles].any(1))], head.triangles[aside]


def _face(head: HeadModel) -> Array:
    """What `_Scene.face` holds of each vertex (N, 2); the inside of the mouth is all face."""
    outlines = (anatomy.FACE, anatomy.FRAMED)
    shares = np.stack([faceness(head.texture, outline) for outline in outlines], 1)
    return np.where(head.parts[:, None] == PART_SKIN, shares, 1).astype(np.float32)


def _shine(person: Person, normals: Array, lamp: Array) -> Array:
    """Soft highlight (N, 1) of vertices."""
    half = lamp + np.array([0, 0, 1], np.float32)
    facing = np.clip(normals @ (half / np.linalg.norm(half)), 0, 1)[:, None]
    return np.asarray(0.030 * person.appearance.sheen * facing**14, np.float32)


def _painted(person: Person, texture: Array) -> Array:
    """Skin (F, 3) at texture positions (F, 2)."""
    size = len(person.albedo)
    rows = -(-len(texture) // 256)  # OpenCV wants fewer than 2^15 rows
    places = np.zeros((rows * 256, 2), np.float32)
    places[: len(texture)] = texture * size - 0.5
    grid = places.reshape(rows, 256, 2)
    found = cv2.remap(person.albedo, grid, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found.reshape(-1, 3)[: len(texture)], np.float32)


def _iris(person: Person, seen: Array, rotation: Array, gaze: tuple[float, float]) -> Array:
    """Eyeball colour (F, 3) at view-space normals (F, 3), the catch light as a fourth column."""
    normal = seen / np.maximum(np.sqrt((seen * seen).sum(1, keepdims=True)), 1e-6)
    local = normal @ rotation
    x, y = local[:, 0] - gaze[0], local[:, 1] - gaze[1]
    azimuth, angle = np.arctan2(y, x), np.arcsin(np.clip(np.hypot(x, y), 0, 1))
    angle = np.where(local[:, 2] < 0, np.pi - angle, angle)
    spot = np.clip((normal @ (GLINT / np.linalg.norm(GLINT)) - 0.990) / 0.008, 0, 1)[:, None]
    colour = eye_colour(person.appearance, angle, azimuth)
    return np.concatenate([colour, 0.45 * spot * spot * (3 - 2 * spot)], 1)


def _shade(
    scene: _Scene,
    hits: Hits,
    eyes: Array,
    person: Person,
    normals: Array,
    light: Array,
    turn: Array,
    gaze: tuple[float, float],
) -> Array:
    """Linear colour, view-space normals and `_Scene.face` (F, 8) of the visible fragments.

    Light and highlight vary slowly, so vertices, with view-space `normals` (N, 3) and the `light`
    (N, 3) of skin on them, carry them; paint and eyes are looked up for every fragment. Lids leave
    the share `eyes` (E,) of light to those of eyes.
    """
    light = light.copy()
    light[scene.parts == PART_MOUTH] = 1.0
    teeth = scene.parts == PART_TEETH
    light[teeth] = np.maximum(light[teeth], SHADED_TEETH)
    parts = [light, normals, _shine(person, normals, lamp_before(turn)), scene.texture, scene.face]
    table = np.concatenate(parts, 1)
    values = interpolate(hits, scene.triangles, table)
    part = scene.kinds[hits.triangle]
    base, extra = _painted(person, values[:, 7:9]), values[:, 6:7]
    base[part == PART_MOUTH], base[part == PART_TONGUE] = GUMS, COLOUR
    base[part == PART_TEETH] = teeth_colour(values[part == PART_TEETH, 7])
    extra[part != PART_SKIN] = 0
    eye = part == PART_EYE
    ball = _iris(person, values[eye, 3:6], turn, gaze)
    base[eye] = ball[:, :3] * eyes[:, None]
    extra[eye] = ball[:, 3:] * values[eye, 1:2].clip(0, 1)
    return np.concatenate([base * values[:, :3] + extra, values[:, 3:6], values[:, 9:]], 1)


def _ears(
    scene: _Scene,
    head: HeadModel,
    points: NDArray[np.float64],
    hits: Hits,
    normals: Array,
    light: Array,
    size: int,
) -> Array:
    """`Guide.ears`, as far as nothing that is drawn already at `points` (N, 3) is before them.

    The picture has `size` samples a side, vertices have view-space `normals` and `light` (N, 3).
    """
    triangles = _shown(head)[1]
    found, depth = rasterise(points, triangles, size), points[:, 2:]
    nearest = np.full(size * size, -np.inf, np.float32)
    nearest[hits.pixel] = interpolate(hits, scene.triangles, depth)[:, 0]
    seen = interpolate(found, triangles, depth)[:, 0] > nearest[found.pixel]
    light = light @ ONES
    usual = light[(scene.parts == PART_SKIN) & (scene.face[:, 1] > 0.5) & (normals[:, 2] > 0.5)]
    level = (light / max(float(usual.mean()) if len(usual) else 1.0, 1e-6)) ** EAR_CONTRAST
    table = np.stack([level, np.ones_like(level)], 1) * _auricle(head, len(level))[:, None]
    values = interpolate(found, triangles, table) * seen[:, None]
    drawn = averaged(size // SAMPLES, found, values)[0] / np.float32(SAMPLES**2)
    return np.asarray(cv2.GaussianBlur(drawn, (0, 0), EAR_SOFTNESS * len(drawn)), np.float32)


def _auricle(head: HeadModel, count: int) -> Array:
    """How much vertices (N,), of `count` with eyes, are ear and not the side of the head."""
    _, height, depth = head.vertices(np.zeros(head.code_length)).T
    shares = 1 - np.maximum(rise(height, EAR_TOP), rise(depth, EAR_FRONT))
    return np.concatenate([shares, np.zeros(count - len(shares))]).astype(np.float32)


def draw_guide(
    head: HeadModel,
    person: Person,
    pose: Pose,
    expression: NDArray[np.floating] | None = None,
    *,
    size: int = 128,
    gaze: tuple[float, float] = (0.0, 0.0),
) -> Guide:
    """Draw one person in one pose.

    Args:
        head: the learned head.
        person: who is drawn.
        pose: where the head is, in pixels of the crop.
        expression: (E,) weights of `head.expression_names`, about [0, 1]; None is a neutral face.
        size: side of the crop in pixels.
        gaze: direction of the eyes in head space as the x and y of a unit vector; (0, 0) is
            straight ahead of the head.
    """
    scene = _scene(head, person, expression)
    points = pose.resized(SAMPLES).project(scene.points)
    hits = rasterise(points, scene.triangles, size * SAMPLES)
    turn = pose.rotation.astype(np.float32)
    facing = scene.normals @ turn.T
    light = light_on(facing, scene.occlusion, lamp_before(turn))
    radius = SAMPLES * float(pose.scale) * head.eye_radius
    eyes = between_lids(hits.pixel[scene.kinds[hits.triangle] == PART_EYE], size * SAMPLES, radius)
    values = _shade(scene, hits, eyes, person, facing, light, turn, gaze)
    total, covered = averaged(size, hits, values)
    count = np.maximum(covered, 1)[..., None]
    normals = total[..., 3:6]
    length = np.maximum(np.sqrt(np.square(normals) @ ONES), 1e-6)[..., None]
    colour = srgb_from_linear(total[..., :3] / count)
    shares = np.asarray((total[..., 6:8] / SAMPLES**2).clip(0, 1), np.float32)
    coverage, framed = (np.ascontiguousarray(shares[..., at]) for at in (0, 1))
    ears = _ears(scene, head, points, hits, facing, light, size * SAMPLES)
    return Guide(colour, coverage, np.asarray(normals / length, np.float32), framed, ears)
