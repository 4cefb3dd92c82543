"""Draw the guide: the new person's head, in the pose and expression of the track, softly lit.

The picture is rasterised at twice the size and averaged down. Light is neutral and comes from above
and where the head looks; tone is matched to the film afterwards (`anonymizer.head.tone`).
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.head.auricles import auricles
from anonymizer.head.eyes import eye_colour
from anonymizer.head.model import PART_MOUTH, PART_SKIN, PART_TEETH, HeadModel
from anonymizer.head.person import Person
from anonymizer.head.pose import Pose
from anonymizer.head.raster import ONES, SAMPLES, Hits, averaged, interpolate
from anonymizer.head.scene import PART_EYE, PART_TONGUE, Scene, View
from anonymizer.head.sockets import between_lids
from anonymizer.head.teeth import teeth_colour
from anonymizer.head.tongue import TONGUE

Array = NDArray[np.float32]

GLINT: Final = np.array([-0.10, 0.13, 0.99], np.float32)
"""Normal at which the catch light of the eye sits, view space."""
SHADED_TEETH: Final = 0.55
"""Least light on teeth: the shade of the mouth alone would leave them grey."""
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


def _shine(person: Person, view: View) -> Array:
    """Soft highlight (N, 1) of vertices."""
    half = view.lamp + np.array([0, 0, 1], np.float32)
    facing = np.clip(view.normals @ (half / np.linalg.norm(half)), 0, 1)[:, None]
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


def _shade(view: View, hits: Hits, eyes: Array, person: Person, gaze: tuple[float, float]) -> Array:
    """Linear colour, view-space normals and `Scene.face` (F, 8) of the visible fragments.

    Paint and eyes are looked up for every fragment, what varies slowly for vertices. Lids leave the
    share `eyes` (E,) of light to the fragments of eyes.
    """
    scene, light = view.scene, view.light.copy()
    light[scene.parts == PART_MOUTH] = 1.0
    teeth = scene.parts == PART_TEETH
    light[teeth] = np.maximum(light[teeth], SHADED_TEETH)
    parts = [light, view.normals, _shine(person, view), scene.texture, scene.face]
    values = interpolate(hits, scene.triangles, np.concatenate(parts, 1))
    part = scene.kinds[hits.triangle]
    base, extra = _painted(person, values[:, 7:9]), values[:, 6:7]
    base[part == PART_MOUTH], base[part == PART_TONGUE] = GUMS, TONGUE
    base[part == PART_TEETH] = teeth_colour(values[part == PART_TEETH, 7])
    extra[part != PART_SKIN] = 0
    eye = part == PART_EYE
    ball = _iris(person, values[eye, 3:6], view.turn, gaze)
    base[eye] = ball[:, :3] * eyes[:, None]
    extra[eye] = ball[:, 3:] * values[eye, 1:2].clip(0, 1)
    return np.concatenate([base * values[:, :3] + extra, values[:, 3:6], values[:, 9:]], 1)


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
    scene = Scene.of(head, person, expression)
    view = View.of(scene, pose, size)
    hits = view.hits(scene.triangles)
    radius = SAMPLES * float(pose.scale) * head.eye_radius
    eyes = between_lids(hits.pixel[scene.kinds[hits.triangle] == PART_EYE], view.side, radius)
    values = _shade(view, hits, eyes, person, gaze)
    total, covered = averaged(size, hits, values)
    count = np.maximum(covered, 1)[..., None]
    normals = total[..., 3:6]
    length = np.maximum(np.sqrt(np.square(normals) @ ONES), 1e-6)[..., None]
    colour = srgb_from_linear(total[..., :3] / count)
    shares = np.asarray((total[..., 6:8] / SAMPLES**2).clip(0, 1), np.float32)
    coverage, framed = (np.ascontiguousarray(shares[..., at]) for at in (0, 1))
    ears = auricles(view, head, hits)
    return Guide(colour, coverage, np.asarray(normals / length, np.float32), framed, ears)
