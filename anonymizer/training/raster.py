"""Rasterising in compiled Python: triangles into a depth buffer, strands on top.

Screen points are (x, y, q): x right and y down in pixels of the supersampled image with pixel
centres at integers + 0.5, and q = 1 / distance, larger being nearer and linear on the screen.
"""

import numpy as np
from numba import njit


@njit(cache=True, fastmath=True)
def vertex_normals(vertices, triangles):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Unit normals (N, 3), weighted by triangle area."""
    normals = np.zeros_like(vertices)
    for t in range(len(triangles)):
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ox, oy, oz = vertices[i, 0], vertices[i, 1], vertices[i, 2]
        ax, ay, az = vertices[j, 0] - ox, vertices[j, 1] - oy, vertices[j, 2] - oz
        bx, by, bz = vertices[k, 0] - ox, vertices[k, 1] - oy, vertices[k, 2] - oz
        for v in (i, j, k):
            normals[v, 0] += ay * bz - az * by
            normals[v, 1] += az * bx - ax * bz
            normals[v, 2] += ax * by - ay * bx
    for v in range(len(normals)):
        x, y, z = normals[v, 0], normals[v, 1], normals[v, 2]
        length = np.sqrt(x * x + y * y + z * z) + np.float32(1e-9)
        for c in range(3):
            normals[v, c] /= length
    return normals


@njit(cache=True, fastmath=True)
def rasterize(screen, triangles, two_sided, chosen, bary, depth):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Draw into `chosen` (H, W) triangle, `bary` (H, W, 2) perspective-correct, `depth` (H, W)."""
    height, width = depth.shape
    for t in range(len(triangles)):
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay, aq = screen[i, 0], screen[i, 1], screen[i, 2]
        bx, by, bq = screen[j, 0], screen[j, 1], screen[j, 2]
        cx, cy, cq = screen[k, 0], screen[k, 1], screen[k, 2]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if abs(area) < 1e-9 or (area > 0 and not two_sided[t]):
            continue
        x0 = max(0, int(np.ceil(min(ax, bx, cx) - 0.5)))
        x1 = min(width - 1, int(np.floor(max(ax, bx, cx) - 0.5)))
        y0 = max(0, int(np.ceil(min(ay, by, cy) - 0.5)))
        y1 = min(height - 1, int(np.floor(max(ay, by, cy) - 0.5)))
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                px = x + 0.5 - ax
                py = y + 0.5 - ay
                u = (px * (cy - ay) - py * (cx - ax)) / area
                v = ((bx - ax) * py - (by - ay) * px) / area
                w = 1 - u - v
                if u < 0 or v < 0 or w < 0:
                    continue
                q = w * aq + u * bq + v * cq
                if q > depth[y, x]:
                    depth[y, x] = q
                    chosen[y, x] = t
                    bary[y, x, 0] = u * bq / q
                    bary[y, x, 1] = v * cq / q


@njit(cache=True, fastmath=True)
def depth_only(points, triangles, depth):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """The nearest depth of all triangles, both sides; a larger third coordinate is nearer."""
    height, width = depth.shape
    for t in range(len(triangles)):
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay, aq = points[i, 0], points[i, 1], points[i, 2]
        bx, by, bq = points[j, 0], points[j, 1], points[j, 2]
        cx, cy, cq = points[k, 0], points[k, 1], points[k, 2]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if abs(area) < 1e-9:
            continue
        x0 = max(0, int(np.ceil(min(ax, bx, cx) - 0.5)))
        x1 = min(width - 1, int(np.floor(max(ax, bx, cx) - 0.5)))
        y0 = max(0, int(np.ceil(min(ay, by, cy) - 0.5)))
        y1 = min(height - 1, int(np.floor(max(ay, by, cy) - 0.5)))
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                px = x + 0.5 - ax
                py = y + 0.5 - ay
                u = (px * (cy - ay) - py * (cx - ax)) / area
                v = ((bx - ax) * py - (by - ay) * px) / area
                if u >= 0 and v >= 0 and u + v <= 1:
                    q = (1 - u - v) * aq + u * bq + v * cq
                    depth[y, x] = max(depth[y, x], q)


@njit(cache=True, fastmath=True)
def splat(points, depth):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Add points (N, 3) to a shadow depth buffer, each covering 2x2 cells."""
    height, width = depth.shape
    for n in range(len(points)):
        x, y = int(points[n, 0] - 0.5), int(points[n, 1] - 0.5)
        if 0 <= x < width - 1 and 0 <= y < height - 1:
            for dy in range(2):
                for dx in range(2):
                    depth[y + dy, x + dx] = max(depth[y + dy, x + dx], points[n, 2])


@njit(cache=True, fastmath=True)
def draw_strands(screen, colours, width, alpha, bias, depth, image, cover):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Blend strands over the image: (n, K, 3) points and colours, `width` (n,) at the root.

    Strands behind `depth` (relative tolerance `bias`) are hidden; opaque ones enter it. `cover`
    takes their opacity.
    """
    strands, knots, _ = screen.shape
    for s in range(strands):
        for k in range(1, knots):
            thick = width[s] * (1 - 0.6 * k / (knots - 1))
            _segment(screen[s, k - 1], screen[s, k], colours[s, k - 1], colours[s, k], thick,
                     alpha, bias, depth, image, cover)  # fmt: skip


@njit(cache=True, fastmath=True)
def _segment(a, b, tone_a, tone_b, thick, alpha, bias, depth, image, cover):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    height, width = depth.shape
    dx, dy = b[0] - a[0], b[1] - a[1]
    length2 = dx * dx + dy * dy + 1e-6
    reach = 0.5 * thick + 0.5
    x0 = max(0, int(np.floor(min(a[0], b[0]) - reach)))
    x1 = min(width - 1, int(np.ceil(max(a[0], b[0]) + reach)))
    y0 = max(0, int(np.floor(min(a[1], b[1]) - reach)))
    y1 = min(height - 1, int(np.ceil(max(a[1], b[1]) + reach)))
    for y in range(y0, y1 + 1):
        for x in range(x0, x1 + 1):
            px, py = x + 0.5 - a[0], y + 0.5 - a[1]
            t = min(1.0, max(0.0, (px * dx + py * dy) / length2))
            ex, ey = px - t * dx, py - t * dy
            edge = 0.5 * thick + 0.5 - np.sqrt(ex * ex + ey * ey)
            if edge <= 0.02:
                continue
            q = a[2] + (b[2] - a[2]) * t
            if q * (1 + bias) < depth[y, x]:
                continue
            opacity = alpha * min(1.0, edge) * min(1.0, thick)
            if opacity > 0.5 and q > depth[y, x]:
                depth[y, x] = q
            for c in range(3):
                tone = tone_a[c] + (tone_b[c] - tone_a[c]) * t
                image[y, x, c] += opacity * (tone - image[y, x, c])
            cover[y, x] += opacity * (1 - cover[y, x])
