"""Colours of the picture: what each visible point of a head looks like under a light rig.

All colours are linear light. `look` is a vector of a person's surface parameters; see the constants
for the places.
"""

from typing import Final

import numpy as np
from numba import njit

from anonymizer.training.headmesh import EYE, EYE_EDGE, MOUTH, SCALP, TEETH
from anonymizer.training.light import FILL, KEY, SKY, unshadowed

HAIR: Final = 0
"""Hair colour (3)."""
CLOTH: Final = 3
"""Cloth colour (3), then the height of the collar."""
BALD: Final = 7
"""1 when no hair is painted on the scalp, 0 otherwise."""
HAIRLINE: Final = 8
"""How far the hair line is moved up at the forehead, in head units."""
SHINE: Final = 9
"""Strength of the skin's specular reflection, then its roughness."""
GAZE: Final = 11
"""Offset (x, y) of both eyes' axes."""
TEETH_TONE: Final = 13
SKIN_TONE: Final = 14
"""Mean skin colour (3), for eye corners and ears' shadows."""
SEED: Final = 17
LOOK_SIZE: Final = 18


@njit(cache=True, fastmath=True)
def smoothstep(low, high, x):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """0 below `low`, 1 above `high`, smooth between; `low` may exceed `high`."""
    t = min(1.0, max(0.0, (x - low) / (high - low)))
    return t * t * (3 - 2 * t)


@njit(cache=True)
def _lattice(x, y, z, seed):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    h = np.uint32(x * 374761393 + y * 668265263 + z * 1274126177 + seed * 362437)
    h = np.uint32((h ^ (h >> np.uint32(13))) * np.uint32(1540483477))
    h = h ^ (h >> np.uint32(15))
    return (h & np.uint32(0xFFFF)) / np.float32(32767.5) - 1


@njit(cache=True, fastmath=True)
def noise(x, y, z, seed):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Smooth value noise in [-1, 1] on the unit lattice."""
    i, j, k = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
    a, b, c = x - i, y - j, z - k
    a, b, c = a * a * (3 - 2 * a), b * b * (3 - 2 * b), c * c * (3 - 2 * c)
    total = 0.0
    for n in range(8):
        di, dj, dk = n & 1, (n >> 1) & 1, n >> 2
        weight = (a if di else 1 - a) * (b if dj else 1 - b) * (c if dk else 1 - c)
        total += weight * _lattice(i + di, j + dj, k + dk, seed)
    return total


@njit(cache=True, fastmath=True)
def hairline(x, z, lift):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Height of the hair's edge on the rest head at depth `z`, from the nape to the forehead."""
    height = 10.2
    if z < -4:
        height = -5.5 + (z + 12) / 8
    elif z < -0.5:
        height = -4.5 + 7.1 * (z + 4) / 3.5
    elif z < 1.2:
        height = 2.6 + 2.0 * (z + 0.5) / 1.7
    elif z < 3.2:
        height = 4.6 - 1.4 * (z - 1.2) / 2.0
    elif z < 6.8:
        height = 3.2 + 5.4 * (z - 3.2) / 3.6
    elif z < 9.5:
        height = 8.6 + 1.5 * (z - 6.8) / 2.7
    return height + lift * smoothstep(4.0, 8.0, z)


@njit(cache=True, fastmath=True)
def sky(rig, x, y, z, channel):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Ambient light from direction (x, y, z) in one channel."""
    o = SKY + 4 * channel
    return max(0.02, rig[o] + rig[o + 1] * y + rig[o + 2] * z + rig[o + 3] * x)


@njit(cache=True, fastmath=True)
def _reflect(out, albedo, wrap, shine, rough, n, view, occlusion, lit, rig):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Light leaving a point: wrapped diffuse reflection and a soft highlight."""
    facing = max(0.0, n[0] * view[0] + n[1] * view[1] + n[2] * view[2])
    rim = (1 - facing) ** 4
    for c in range(3):
        ambient = sky(rig, n[0], n[1], n[2], c) * occlusion ** (0.8 if c == 0 else 1.0)
        out[c] = albedo[c] * ambient + shine * ambient * (0.04 + 0.4 * rim)
    for lamp in range(2):
        o = FILL if lamp else KEY
        share = 0.35 + 0.65 * occlusion if lamp else lit
        slope = n[0] * rig[o] + n[1] * rig[o + 1] + n[2] * rig[o + 2]
        hx, hy, hz = rig[o] + view[0], rig[o + 1] + view[1], rig[o + 2] + view[2]
        norm = np.sqrt(hx * hx + hy * hy + hz * hz) + 1e-6
        half = max(0.0, (n[0] * hx + n[1] * hy + n[2] * hz) / norm)
        a2 = rough**4
        lobe = a2 / (3.1416 * (half * half * (a2 - 1) + 1) ** 2)
        gloss = shine * min(lobe, 6.0) * 0.08 * max(0.0, slope) * share
        for c in range(3):
            soft = min(1.0, max(0.0, (slope + wrap[c]) / (1 + wrap[c]) ** 2))
            kept = share + (1 - share) * wrap[c] * 0.3
            out[c] += rig[o + 3 + c] * (albedo[c] * soft * kept + gloss)


@njit(cache=True, fastmath=True)
def _texel(texture, u, v, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    side = texture.shape[0]
    x = min(max(u * side - 0.5, 0.0), side - 1.001)
    y = min(max(v * side - 0.5, 0.0), side - 1.001)
    i, j = int(x), int(y)
    a, b = x - i, y - j
    for c in range(3):
        top = texture[j, i, c] * (1 - a) + texture[j, i + 1, c] * a
        low = texture[j + 1, i, c] * (1 - a) + texture[j + 1, i + 1, c] * a
        out[c] = top * (1 - b) + low * b


@njit(cache=True, fastmath=True)
def _skin(albedo, wrap, r, uv, texture, look):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Skin, painted scalp or cloth at rest position `r`; returns shine."""
    _texel(texture, uv[0], uv[1], albedo)
    seed = int(look[SEED])
    grain = noise(r[0] * 2.2, r[1] * 2.2, r[2] * 2.2, seed)
    ear = (smoothstep(7.85, 8.2, abs(r[0])) * smoothstep(-3.0, -1.5, r[1])
           * smoothstep(5.6, 4.9, r[1]) * smoothstep(-3.5, -2.5, r[2]))  # fmt: skip
    above = r[1] - hairline(r[0], r[2], look[HAIRLINE]) + 0.45 * grain
    scalp = smoothstep(-0.6, 1.0, above) * (1 - ear) * (1 - look[BALD])
    wrap[0], wrap[1], wrap[2] = 0.40, 0.18, 0.12
    for c in range(3):
        albedo[c] += scalp * 0.95 * (look[HAIR + c] * (0.7 + 0.2 * grain) - albedo[c])
    if r[1] < look[CLOTH + 3] - 0.12 * r[2]:
        for c in range(3):
            albedo[c] = look[CLOTH + c] * (0.9 + 0.12 * grain)
        wrap[0], wrap[1], wrap[2] = 0.1, 0.1, 0.1
        return 0.02
    return look[SHINE] * (1 - 0.85 * scalp)


@njit(cache=True, fastmath=True)
def _eye(albedo, wrap, r, eyes, table, look):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Eyeball colour from `table` (angle from the gaze, azimuth); returns openness to light."""
    e = eyes[0] if r[0] < 0 else eyes[1]
    dx, dy, dz = r[0] - e[0], r[1] - e[1], r[2] - e[2]
    length = np.sqrt(dx * dx + dy * dy + dz * dz) + 1e-6
    ax, ay, az = e[3] + look[GAZE], e[4] + look[GAZE + 1], e[5]
    norm = np.sqrt(ax * ax + ay * ay + az * az)
    cosine = (dx * ax + dy * ay + dz * az) / (length * norm)
    angle = np.arccos(min(1.0, max(-1.0, cosine)))
    turn = np.arctan2(dy / length - ay / norm, dx / length - ax / norm)
    rows, columns, _ = table.shape
    row = min(rows - 1.001, angle / 1.6 * (rows - 1))
    column = int((turn / 6.28319 + 0.5) * columns) % columns
    i = int(row)
    for c in range(3):
        albedo[c] = table[i, column, c] + (row - i) * (
            table[i + 1, column, c] - table[i, column, c]
        )
        wrap[c] = 0.25
    return 1 - 0.3 * smoothstep(0.6, 1.0, abs(dx) / length)


@njit(cache=True, fastmath=True)
def _inside(albedo, wrap, material, z, look):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Gums, tongue, teeth, eye corners, cloth; returns how open to light the place is."""
    front = smoothstep(5.0, 10.3, z)
    wrap[0], wrap[1], wrap[2] = 0.25, 0.15, 0.15
    if material == TEETH:
        albedo[0], albedo[1], albedo[2] = 0.66, 0.60, 0.51
        for c in range(3):
            albedo[c] *= look[TEETH_TONE]
        return 0.12 + 0.7 * front
    if material == MOUTH:
        albedo[0], albedo[1], albedo[2] = (
            0.03 + 0.24 * front,
            0.01 + 0.07 * front,
            0.01 + 0.06 * front,
        )
        return 0.2 + 0.75 * front * front
    edge = material == EYE_EDGE
    for c in range(3):
        albedo[c] = look[SKIN_TONE + c] * (1.0 - 0.14 * c) if edge else look[CLOTH + c]
    return 0.85 if edge else 1.0


@njit(cache=True, fastmath=True)
def shade(  # type: ignore[no-untyped-def]  # noqa: ANN201
    image, chosen, bary, triangles, material, points, normals, rest, uv, occlusion, texture, table,  # noqa: ANN001
    eyes, look, rig, shadow, projection, distance,  # noqa: ANN001
):  # fmt: skip
    """Fill `image` (H, W, 3) where a triangle was drawn; the eye is at view z = `distance`."""
    p, n, r, t = np.zeros(3), np.zeros(3), np.zeros(3), np.zeros(2)
    view, albedo, wrap, out = np.zeros(3), np.zeros(3), np.zeros(3), np.zeros(3)
    for y, x in np.ndindex(chosen.shape):
        face = chosen[y, x]
        if face < 0:
            continue
        corners, b, c = triangles[face], bary[y, x, 0], bary[y, x, 1]
        _mix(points, corners, b, c, p)
        _mix(normals, corners, b, c, n)
        _mix(rest, corners, b, c, r)
        _mix(uv, corners, b, c, t)
        i, j, k = corners[0], corners[1], corners[2]
        shut = (1 - b - c) * occlusion[i] + b * occlusion[j] + c * occlusion[k]
        view[0], view[1], view[2] = -p[0], -p[1], distance - p[2]
        _unit(view)
        _unit(n)
        kind, shine, rough = material[face], 0.1, 0.35
        lit = unshadowed(shadow, projection, p[0], p[1], p[2], 0.3)
        if kind <= SCALP:
            shine, rough = _skin(albedo, wrap, r, t, texture, look), look[SHINE + 1]
        elif kind == EYE:
            shut = min(1.0, 1.6 * shut + 0.15) * _eye(albedo, wrap, r, eyes, table, look)
            shine, rough = 0.15, 0.2
        else:
            shut = max(shut, _least(kind)) * _inside(albedo, wrap, kind, r[2], look)
            lit = lit * shut if kind == MOUTH else lit
        _reflect(out, albedo, wrap, shine, rough, n, view, shut, lit, rig)
        if kind == EYE:
            _glint(out, n, view, rig, lit)
        image[y, x, 0], image[y, x, 1], image[y, x, 2] = out[0], out[1], out[2]


@njit(cache=True)
def _least(material):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Openness assumed at least: the resting mouth is shut, an open one lets light in."""
    return 0.75 if material == TEETH else 0.3


@njit(cache=True, fastmath=True)
def _mix(values, corners, b, c, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Vertex values at barycentric weights (1 - b - c, b, c)."""
    i, j, k = corners[0], corners[1], corners[2]
    for d in range(len(out)):
        out[d] = (1 - b - c) * values[i, d] + b * values[j, d] + c * values[k, d]


@njit(cache=True, fastmath=True)
def _unit(v):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    length = np.sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]) + 1e-9
    for d in range(3):
        v[d] /= length


@njit(cache=True, fastmath=True)
def _glint(out, n, view, rig, lit):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """The catch light: the key lamp and a bright upper field mirrored in the wet eye."""
    facing = n[0] * view[0] + n[1] * view[1] + n[2] * view[2]
    mx, my, mz = (
        2 * facing * n[0] - view[0],
        2 * facing * n[1] - view[1],
        2 * facing * n[2] - view[2],
    )
    towards = mx * rig[KEY] + my * rig[KEY + 1] + mz * rig[KEY + 2]
    spot = 0.7 * lit * smoothstep(0.955, 0.985, towards)
    window = 0.03 * smoothstep(0.25, 0.5, my)
    for c in range(3):
        out[c] += rig[KEY + 3 + c] * spot + sky(rig, mx, my, mz, c) * (0.01 + window)
