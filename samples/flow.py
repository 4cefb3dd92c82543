"""Exact optical flow between two traced pictures, from geometry alone.

Flow at a pixel of the first picture is (dx, dy): the point at p is at p + (dx, dy) in the second.
It is NaN where the point is hidden or outside in the second picture, and where a pixel mixes things
that move apart.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from anonymizer.training.headmesh import EYE, EYE_EDGE, SCALP, SKIN
from samples.stage import ActorTrace, PanelTrace, Stage, Trace

_SOLID: Final = 0.6
"""A pixel with more cover than this belongs to what covers it."""
_CLEAR: Final = 0.1
"""A pixel with less cover than this belongs to what is behind."""
_SLACK: Final = 0.004
"""Relative difference of nearness that is still the same surface: a third of a head unit."""
_MIXED: Final = -1
_SAME: Final = 0.6
"""Least share of the same matter among the four pixels that a point comes to lie between."""
_HAIR: Final = 100
_NOTHING: Final = 101


def exact_flow(
    stage: Stage, first: tuple[Trace, ...], second: tuple[Trace, ...]
) -> NDArray[np.float32]:
    """Flow (H, W, 2) from the picture traced as `first` to the one traced as `second`."""
    owner, owner_then = owners(first), owners(second)
    flow = np.full((*stage.size, 2), np.nan, np.float32)
    for number, (now, then) in enumerate(zip(first, second, strict=True)):
        rows, columns = np.nonzero(owner == number)
        place = np.stack([columns, rows], 1).astype(np.float64)
        mine_then = owner_then == number
        if isinstance(now, ActorTrace) and isinstance(then, ActorTrace):
            moved = _follow(stage, now, then, rows, columns)
            matter = _matter(stage, now)[rows, columns]
            kept = _shown(moved, mine_then) & _in_front(moved, then)
            kept &= _same(moved, matter, _matter(stage, then))
        elif isinstance(now, PanelTrace) and isinstance(then, PanelTrace):
            moved = _slide(now, then, place)
            kept = _shown(moved, mine_then)
        else:
            raise TypeError(f"layer {number} is another kind of layer in the second picture")
        flow[rows[kept], columns[kept]] = (moved[kept, :2] - place[kept]).astype(np.float32)
    return flow


def owners(traces: tuple[Trace, ...]) -> NDArray[np.int16]:
    """Number (H, W) of the layer that each pixel shows, or -1 where several are mixed."""
    covers = [t.cover if isinstance(t, PanelTrace) else _body(t) for t in traces]
    owner = np.full(covers[0].shape, _MIXED, np.int16)
    for number, cover in enumerate(covers):
        owner[cover > _CLEAR] = _MIXED
        owner[cover > _SOLID] = number
    return owner


def _body(trace: ActorTrace) -> NDArray[np.float32]:
    """Cover (H, W) of a head: its surface or its hair; half where thin hair crosses the skin."""
    mesh = (trace.chosen >= 0).astype(np.float32)
    strands = (trace.hair > _CLEAR) & (trace.hair < _SOLID)
    return np.where(strands, np.float32(0.5), np.maximum(mesh, trace.hair))


def _slide(now: PanelTrace, then: PanelTrace, place: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where points (n, 2) of a panel go: (n, 2)."""
    matrix = then.frame_from_panel @ np.linalg.inv(now.frame_from_panel)
    return np.asarray(place @ matrix[:2, :2].T + matrix[:2, 2])


def _follow(
    stage: Stage, now: ActorTrace, then: ActorTrace,
    rows: NDArray[np.intp], columns: NDArray[np.intp],
) -> NDArray[np.float64]:  # fmt: skip
    """Where pixels of a head go: (n, 3) x, y and nearness."""
    hair = now.hair[rows, columns] > _SOLID
    view = np.empty((len(rows), 3))
    skin_rows, skin_columns = rows[~hair], columns[~hair]
    view[~hair] = _on_surface(stage, now, then, skin_rows, skin_columns)
    seen = np.stack([columns, rows, now.depth[rows, columns]], 1)[hair].astype(np.float64)
    view[hair] = then.camera.turn(now.camera.back(now.camera.unproject(seen)))
    return np.asarray(then.camera.project(view), np.float64)


def _on_surface(
    stage: Stage, now: ActorTrace, then: ActorTrace,
    rows: NDArray[np.intp], columns: NDArray[np.intp],
) -> NDArray[np.float64]:  # fmt: skip
    """View points (n, 3), in the second picture, of surface points seen in the first."""
    mesh = stage.studio.mesh
    face = now.chosen[rows, columns]
    two = now.bary[rows, columns].astype(np.float64)
    share = np.concatenate([1 - two.sum(1, keepdims=True), two], 1)
    corners = mesh.triangles[face]
    view: NDArray[np.float64] = np.einsum("nk,nkc->nc", share, then.points[corners])
    eye = mesh.material[face] == EYE
    rest = np.einsum("nk,nkc->nc", share[eye], mesh.rest[corners[eye]])
    view[eye] += _rolled(rest, mesh.eyes, now.gaze, then.gaze) @ then.camera.head.T
    return view


def _rolled(
    rest: NDArray[np.float64], eyes: NDArray[np.float32],
    before: tuple[float, float], after: tuple[float, float],
) -> NDArray[np.float64]:  # fmt: skip
    """How far points (n, 3) of the eyeballs at rest move when the eyes turn."""
    eye = np.where(rest[:, :1] < 0, eyes[0], eyes[1]).astype(np.float64)
    axis = eye[:, 3:]
    one, two = (axis + np.array([*gaze, 0.0]) for gaze in (before, after))
    one /= np.linalg.norm(one, axis=1, keepdims=True)
    two /= np.linalg.norm(two, axis=1, keepdims=True)
    return np.asarray(np.cross(np.cross(one, two), rest - eye[:, :3]))


def _matter(stage: Stage, trace: ActorTrace) -> NDArray[np.uint8]:
    """What kind of thing (H, W) each pixel of a head shows: skin, an eye, teeth, hair and so on."""
    kind = stage.studio.mesh.material.copy()
    kind[(kind == SCALP) | (kind == EYE_EDGE)] = SKIN
    shown = np.where(trace.chosen >= 0, kind[trace.chosen], np.uint8(_NOTHING))
    return np.asarray(np.where(trace.hair > _SOLID, np.uint8(_HAIR), shown), np.uint8)


def _same(
    moved: NDArray[np.float64], matter: NDArray[np.uint8], matter_then: NDArray[np.uint8]
) -> NDArray[np.bool_]:
    """Which moved points (n, 3) come to lie where their own kind (n,) of thing is shown."""
    same = np.zeros(len(moved), np.bool_)
    for kind in np.unique(matter):
        mine = matter == kind
        there = (matter_then == kind).astype(np.float32)
        same[mine] = _sample(there, moved[mine]) > _SAME
    return same


def _shown(moved: NDArray[np.float64], mine: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which moved points (n, 2 or 3) are inside the second picture, on their own layer (H, W)."""
    height, width = mine.shape
    inside = (moved[:, 0] >= 0) & (moved[:, 0] <= width - 1)
    inside &= (moved[:, 1] >= 0) & (moved[:, 1] <= height - 1)
    return np.asarray(inside & (_sample(mine.astype(np.float32), moved) > 1 - _CLEAR))


def _in_front(moved: NDArray[np.float64], then: ActorTrace) -> NDArray[np.bool_]:
    """Which moved points (n, 3) nothing nearer of the same head hides."""
    there = (then.depth > 0).astype(np.float32)
    nearness = _sample(then.depth * there, moved) / np.maximum(_sample(there, moved), 1e-3)
    return np.asarray(moved[:, 2] > nearness * (1 - _SLACK))


def _sample(picture: NDArray[np.float32], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bilinear values (n,) of a picture (H, W) at points (n, 2 or 3), outside ones at the edge."""
    height, width = picture.shape
    x, y = np.clip(points[:, 0], 0, width - 1), np.clip(points[:, 1], 0, height - 1)
    column = np.minimum(x.astype(int), width - 2)
    row = np.minimum(y.astype(int), height - 2)
    across, down = x - column, y - row
    top = picture[row, column] * (1 - across) + picture[row, column + 1] * across
    low = picture[row + 1, column] * (1 - across) + picture[row + 1, column + 1] * across
    return np.asarray(top * (1 - down) + low * down)
