"""Draw layers of panels and heads as one picture, and trace which point each pixel shows.

Positions are (x, y) in pixels of the final picture with integers at pixel centres. Heads are drawn
at `FINE` times that size and averaged down; traces are at the final size, at pixel centres.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.training.hair import Strands
from anonymizer.training.headmesh import EYE
from anonymizer.training.light import KEY, shadow_depth, shadow_projection
from anonymizer.training.raster import draw_strands, rasterize, splat, vertex_normals
from anonymizer.training.render import Sitter, Studio
from anonymizer.training.shading import LOOK_SIZE, shade
from anonymizer.training.strands import light_strands
from samples.acting import Moment, Performance, weights
from samples.camera import Camera

FINE: Final = 2
_SHADOW_SIDE: Final = 224
_RECESS: Final = 0.5
"""How far closed lids push the eyeballs back, head units."""


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """A flat thing: a wall behind everything, or a cut-out that passes in front."""

    light: NDArray[np.float32]
    """(h, w, 3) linear light."""
    cover: NDArray[np.float32]
    """(h, w) opacity."""
    motion: Callable[[float], NDArray[np.float64]]
    """`frame_from_panel` (3, 3) at a time in seconds."""


@dataclass(frozen=True, slots=True, eq=False)
class Actor:
    """A head with all it does."""

    sitter: Sitter
    performance: Performance
    cloth: tuple[float, float, float]
    """Linear colour of the shirt."""
    collar: float = -11.2
    distance: float = 75.0
    """From the camera, head units."""


Layer = Panel | Actor


@dataclass(frozen=True, slots=True, eq=False)
class PanelTrace:
    """Where a panel is in one picture."""

    cover: NDArray[np.float32]
    """(H, W) opacity."""
    frame_from_panel: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ActorTrace:
    """Which point of a head each pixel shows in one picture."""

    chosen: NDArray[np.int32]
    """(H, W) triangle under the pixel's centre, -1 for none."""
    bary: NDArray[np.float32]
    """(H, W, 2) weights of the triangle's second and third vertex."""
    depth: NDArray[np.float32]
    """(H, W) nearness, hair included; negative where nothing is."""
    hair: NDArray[np.float32]
    """(H, W) opacity of the hair."""
    points: NDArray[np.float32]
    """(N, 3) vertices in view space."""
    landmarks: NDArray[np.float64]
    """(5, 2) in the picture."""
    gaze: tuple[float, float]
    camera: Camera


Trace = PanelTrace | ActorTrace


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """One camera setting: layers from back to front, light and exposure."""

    size: tuple[int, int]
    """Height and width of the picture."""
    studio: Studio
    layers: tuple[Layer, ...]
    rig: NDArray[np.float32]
    """Light, see `anonymizer.training.light`."""
    gain: float
    """Linear exposure."""

    def draw(self, time: float) -> NDArray[np.float32]:
        """Linear light (H, W, 3) at a time in seconds."""
        height, width = self.size
        image = np.zeros((height * FINE, width * FINE, 3), np.float32)
        for layer in self.layers:
            if isinstance(layer, Panel):
                light, cover = _laid(layer, time, image.shape[:2], FINE)
                image += cover[..., None] * (light - image)
            else:
                _draw_actor(self, layer, time, image)
        shrunk = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        return np.asarray(shrunk, np.float32)

    def trace(self, time: float) -> tuple[Trace, ...]:
        """What each layer shows where, at a time in seconds."""
        return tuple(
            _trace_panel(layer, time, self.size)
            if isinstance(layer, Panel)
            else _trace_actor(self, layer, time)
            for layer in self.layers
        )


def _laid(
    panel: Panel, time: float, size: tuple[int, ...], fine: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Light and cover of a panel in a picture `fine` times the final size."""
    shift = (fine - 1) / 2
    fine_from_frame = np.array([[fine, 0, shift], [0, fine, shift], [0, 0, 1]])
    matrix = (fine_from_frame @ panel.motion(time))[:2]
    extent = (size[1], size[0])
    light = cv2.warpAffine(panel.light, matrix, extent, borderMode=cv2.BORDER_REFLECT)
    border = cv2.BORDER_REPLICATE
    cover = cv2.warpAffine(panel.cover, matrix, extent, borderMode=border)
    return np.asarray(light, np.float32), np.asarray(cover, np.float32)


def _trace_panel(panel: Panel, time: float, size: tuple[int, int]) -> PanelTrace:
    _, cover = _laid(panel, time, (size[0] * FINE, size[1] * FINE), FINE)
    shrunk = cv2.resize(cover, size[::-1], interpolation=cv2.INTER_AREA)
    return PanelTrace(np.asarray(shrunk, np.float32), panel.motion(time))


def _posed(
    stage: Stage, actor: Actor, time: float
) -> tuple[Moment, Camera, NDArray[np.float32], NDArray[np.float32]]:
    """Moment, camera, vertices at rest and in view space."""
    mesh, moment = stage.studio.mesh, actor.performance.at(time)
    expression = weights(moment.expression, mesh.expression_names)
    shaped = mesh.shape(actor.sitter.person.identity, expression)
    _recede(stage.studio, shaped, expression)
    camera = Camera.of(moment, actor.distance)
    return moment, camera, shaped, camera.turned(shaped, stage.studio.sway)


def _recede(studio: Studio, shaped: NDArray[np.float32], expression: NDArray[np.float32]) -> None:
    """Draw the eyeballs back as the lids close, in place: some people's would show through."""
    mesh = studio.mesh
    shut = max(expression[mesh.expression_names.index(f"eyeBlink_{side}")] for side in "LR")
    balls = np.unique(mesh.triangles[mesh.material == EYE])
    shaped[balls, 2] -= np.float32(_RECESS) * shut


def _strands(camera: Camera, strands: Strands) -> Strands:
    facing = (strands.facing @ camera.head.T).astype(np.float32)
    return Strands(camera.turn(strands.knots), strands.colour, strands.width, facing)


def _cast(
    stage: Stage, camera: Camera, points: NDArray[np.float32], fine: int
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
    """Rasterise a head: triangle, weights and nearness of each pixel."""
    height, width = stage.size[0] * fine, stage.size[1] * fine
    chosen = np.full((height, width), -1, np.int32)
    bary = np.zeros((height, width, 2), np.float32)
    depth = np.full((height, width), -1, np.float32)
    triangles = stage.studio.mesh.triangles
    one_sided = np.zeros(len(triangles), np.bool_)
    rasterize(camera.screen(points, fine), triangles, one_sided, chosen, bary, depth)
    return chosen, bary, depth


def _draw_actor(stage: Stage, actor: Actor, time: float, image: NDArray[np.float32]) -> None:
    """Shade a head and comb its hair over `image`."""
    studio, sitter, rig = stage.studio, actor.sitter, stage.rig
    mesh = studio.mesh
    moment, camera, _, points = _posed(stage, actor, time)
    chosen, bary, depth = _cast(stage, camera, points, FINE)
    hair = [_strands(camera, strands) for strands in (*sitter.hair, *sitter.extras)]
    projection = shadow_projection(rig[KEY : KEY + 3], _SHADOW_SIDE)
    shadow = shadow_depth(points, mesh.triangles, projection, _SHADOW_SIDE)
    for strands in hair[: len(sitter.hair)]:
        splat(strands.knots.reshape(-1, 3) @ projection[:, :3].T + projection[:, 3], shadow)
    shade(image, chosen, bary, mesh.triangles, mesh.material, points,
          vertex_normals(points, mesh.triangles), mesh.rest, studio.texture, studio.occlusion,
          sitter.skin, sitter.eyes, mesh.eyes, _look(actor, moment.gaze), rig, shadow, projection,
          camera.distance)  # fmt: skip
    cover = np.zeros(depth.shape, np.float32)
    for number, strands in enumerate(hair):
        gloss, bias = (0.25, 0.002) if number < len(sitter.hair) else (0.08, 0.006)
        tones = light_strands(strands.knots, strands.facing, strands.colour, rig, shadow,
                              projection, camera.distance, 0.35, gloss)  # fmt: skip
        _comb(camera, strands, tones, bias, FINE, depth, image, cover)


def _comb(
    camera: Camera, strands: Strands, tones: NDArray[np.float32], bias: float, fine: int,
    depth: NDArray[np.float32], image: NDArray[np.float32], cover: NDArray[np.float32],
) -> None:  # fmt: skip
    """Draw strands; hair finer than a fine pixel is drawn a pixel wide and thinner."""
    width = (strands.width * camera.scale * fine).astype(np.float32)
    wide = np.maximum(width, 1.1 * fine / FINE).astype(np.float32)
    alpha = 0.85 * min(1.0, float(np.median(width / wide)))
    draw_strands(camera.screen(strands.knots, fine), tones, wide, alpha, bias, depth, image, cover)


def _look(actor: Actor, gaze: tuple[float, float]) -> NDArray[np.float32]:
    """The surface parameters that `anonymizer.training.shading` reads, in its order."""
    person, skin = actor.sitter.person, actor.sitter.skin
    bald = person.style.name == "bald"
    look = np.array(
        [*person.appearance.hair, *actor.cloth, actor.collar, bald, person.style.lift,
         *person.shine, *gaze, person.teeth, *skin[100:156, 100:156].mean((0, 1)),
         person.appearance.seed % 1000],
        np.float32,
    )  # fmt: skip
    if len(look) != LOOK_SIZE:
        raise ValueError(f"shading reads {LOOK_SIZE} numbers, made {len(look)}; update _look")
    return look


def _trace_actor(stage: Stage, actor: Actor, time: float) -> ActorTrace:
    moment, camera, shaped, points = _posed(stage, actor, time)
    chosen, bary, depth = _cast(stage, camera, points, 1)
    hair = np.zeros(stage.size, np.float32)
    unseen = np.zeros((*stage.size, 3), np.float32)
    for strands in (*actor.sitter.hair, *actor.sitter.extras):
        turned = _strands(camera, strands)
        _comb(camera, turned, np.zeros_like(turned.knots), 0.002, 1, depth, unseen, hair)
    five = camera.project(camera.turn(stage.studio.mesh.five(shaped)))[:, :2]
    return ActorTrace(chosen, bary, depth, hair, points, five, moment.gaze, camera)
