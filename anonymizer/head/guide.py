"""Draw the guide: the new person's head, in the pose and expression of the track, softly lit.

The picture is rasterised at twice the size and averaged down. Light is neutral and comes from the
viewer's side and above; tone is matched to the film afterwards (`anonymizer.head.tone`).
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.head.eyes import eye_colour
from anonymizer.head.model import PART_MOUTH, PART_SKIN, PART_TEETH, HeadModel, vertex_normals
from anonymizer.head.person import Person
from anonymizer.head.pose import Pose
from anonymizer.head.raster import Hits, interpolate, rasterise
from anonymizer.head.texture import BLOOD_ABSORPTION

Array = NDArray[np.float32]

PART_EYE: Final = 3
SAMPLES: Final = 2
"""Samples per pixel along each axis."""
LIGHT: Final = np.array([0.08, 0.50, 0.86], np.float32)
"""Direction of the soft light, view space (about unit length)."""
WRAP: Final = np.array([0.48, 0.40, 0.36], np.float32)
"""How far the light reaches around the form, R, G, B: more in red, as in skin."""
GLINT: Final = np.array([-0.10, 0.13, 0.99], np.float32)
"""Normal at which the catch light of the eye sits, view space."""


@dataclass(frozen=True, slots=True, eq=False)
class Guide:
    """A picture of the new head in a canonical crop of S pixels."""

    colour: Array
    """(S, S, 3) sRGB in [0, 1], not multiplied by coverage; 0 where nothing is covered."""
    coverage: Array
    """(S, S) share of each pixel the head covers, in [0, 1]."""
    normals: Array
    """(S, S, 3) unit view-space normals (x right, y up, z to the viewer), 0 where uncovered."""


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


@lru_cache(maxsize=1)
def _ball() -> tuple[Array, NDArray[np.int32]]:
    """Unit sphere around +z down to 105 degrees: points (P, 3) and outward triangles."""
    rings, spokes = 12, 24
    polar = np.linspace(0, np.radians(105), rings + 1)[1:]
    turn = np.arange(spokes) * 2 * np.pi / spokes
    ring = np.stack(
        [
            np.sin(polar)[:, None] * np.cos(turn),
            np.sin(polar)[:, None] * np.sin(turn),
            np.repeat(np.cos(polar)[:, None], spokes, 1),
        ],
        -1,
    )
    points = np.concatenate([[[0.0, 0.0, 1.0]], ring.reshape(-1, 3)])
    here, after = np.arange(spokes), (np.arange(spokes) + 1) % spokes
    triangles = [np.stack([np.zeros(spokes, int), 1 + here, 1 + after], 1)]
    for k in range(rings - 1):
        inner, outer = 1 + k * spokes, 1 + (k + 1) * spokes
        triangles.append(np.stack([inner + here, outer + here, outer + after], 1))
        triangles.append(np.stack([inner + here, outer + after, inner + after], 1))
    return points.astype(np.float32), np.concatenate(triangles).astype(np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class _Scene:
    """Head and eyeballs as one mesh; attributes by vertex."""

    points: Array
    normals: Array
    triangles: NDArray[np.int32]
    parts: NDArray[np.uint8]
    texture: Array
    occlusion: Array


def _scene(head: HeadModel, person: Person, expression: NDArray[np.floating] | None) -> _Scene:
    skin = head.vertices(person.identity, expression)
    ball, ball_triangles = _ball()
    eyes = [centre + ball * head.eye_radius for centre in head.eyes(person.identity)]
    count = len(skin)
    triangles = [head.triangles, ball_triangles + count, ball_triangles + count + len(ball)]
    extra = 2 * len(ball)
    return _Scene(
        np.concatenate([skin, *eyes]),
        np.concatenate([vertex_normals(skin, head.triangles), ball, ball]),
        np.concatenate(triangles),
        np.concatenate([head.parts, np.full(extra, PART_EYE, np.uint8)]),
        np.concatenate([head.texture, np.zeros((extra, 2), np.float32)]),
        np.concatenate([head.occlusion, np.ones(extra, np.float32)]),
    )


def _light(normals: Array, occlusion: Array) -> Array:
    """Light (F, 3) that reaches points: an overcast ambient and one soft lamp."""
    open_sky = occlusion[:, None] ** np.array([0.75, 1.0, 1.05], np.float32)
    facing = (normals @ LIGHT)[:, None]
    lamp = np.clip((facing + WRAP) / (1 + WRAP), 0, None)
    ambient = 0.42 + 0.10 * normals[:, 1:2] + 0.06 * normals[:, 2:3]
    return np.asarray(ambient * open_sky + 0.62 * lamp * (0.35 + 0.65 * open_sky), np.float32)


def _skin(person: Person, texture: Array, normals: Array, light: Array) -> Array:
    """Lit skin (F, 3) at texture positions (F, 2)."""
    size = len(person.albedo)
    rows = -(-len(texture) // 256)
    places = np.zeros((rows * 256, 2), np.float32)
    places[: len(texture)] = texture * size - 0.5
    grid = places.reshape(rows, 256, 2)
    found = cv2.remap(person.albedo, grid, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    base = found.reshape(-1, 3)[: len(texture)]
    half = LIGHT + np.array([0, 0, 1], np.float32)
    shine = np.clip(normals @ (half / np.linalg.norm(half)), 0, 1)[:, None] ** 14
    return np.asarray(base * light + 0.030 * person.appearance.sheen * shine, np.float32)


def _eyes(
    person: Person, local: Array, seen: Array, light: Array, gaze: tuple[float, float]
) -> Array:
    """Lit eyeballs (F, 3) from directions in head space and in view space."""
    x, y = local[:, 0] - gaze[0], local[:, 1] - gaze[1]
    azimuth, angle = np.arctan2(y, x), np.arcsin(np.clip(np.hypot(x, y), 0, 1))
    colour = eye_colour(person.appearance, angle, azimuth) * light
    spot = np.clip((seen @ (GLINT / np.linalg.norm(GLINT)) - 0.985) / 0.010, 0, 1)
    return np.asarray(colour + 0.45 * (spot * spot * (3 - 2 * spot))[:, None], np.float32)


def _shade(
    scene: _Scene, hits: Hits, person: Person, turn: NDArray[np.float64], gaze: tuple[float, float]
) -> tuple[Array, Array]:
    """Linear colour (F, 3) and view-space normals (F, 3) of the visible fragments."""
    table = np.concatenate([scene.normals, scene.texture, scene.occlusion[:, None]], 1)
    values = interpolate(hits, scene.triangles, table)
    local = values[:, :3]
    local /= np.maximum(np.linalg.norm(local, axis=1, keepdims=True), 1e-6)
    seen = local @ turn.T.astype(np.float32)
    light = _light(seen, values[:, 5])
    part = scene.parts[scene.triangles[hits.triangle, 2]]
    colour = np.empty_like(local)
    chosen = part == PART_SKIN
    colour[chosen] = _skin(person, values[chosen, 3:5], seen[chosen], light[chosen])
    chosen = part == PART_EYE
    colour[chosen] = _eyes(person, local[chosen], seen[chosen], light[chosen], gaze)
    gums = np.exp(-1.6 * BLOOD_ABSORPTION) * np.array([0.16, 0.07, 0.06], np.float32)
    colour[part == PART_MOUTH] = gums * 0.35
    chosen = part == PART_TEETH
    colour[chosen] = light[chosen] * np.array([0.50, 0.46, 0.38], np.float32)
    return colour, seen


def _average(size: int, hits: Hits, values: Array) -> Array:
    """Mean of the samples of each pixel, uncovered samples counting as 0, (S, S, K)."""
    fine = np.zeros((size * SAMPLES * size * SAMPLES, values.shape[1]), np.float32)
    fine[hits.pixel] = values
    grid = fine.reshape(size, SAMPLES, size, SAMPLES, -1)
    return np.asarray(grid.mean((1, 3)), np.float32)


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
    colour, normals = _shade(scene, hits, person, pose.rotation, gaze)
    ones = np.ones((len(colour), 1), np.float32)
    mean = _average(size, hits, np.concatenate([colour, normals, ones], 1))
    coverage = mean[..., 6]
    share = np.maximum(coverage, 1e-6)[..., None]
    length = np.maximum(np.linalg.norm(mean[..., 3:6], axis=2, keepdims=True), 1e-6)
    return Guide(srgb_from_linear(mean[..., :3] / share), coverage, mean[..., 3:6] / length)
