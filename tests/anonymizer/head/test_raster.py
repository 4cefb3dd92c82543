"""The rasteriser against one that loops."""

import numpy as np
import pytest

from anonymizer.head.raster import interpolate, rasterise


def slow(points, triangles, size):
    """Half-plane tests, pixel by pixel."""
    best = np.full((size, size), -np.inf)
    owner = np.full((size, size), -1)
    for number, (a, b, c) in enumerate(points[triangles]):
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if area >= 0:
            continue
        for y in range(size):
            for x in range(size):
                w1 = ((x - a[0]) * (c[1] - a[1]) - (y - a[1]) * (c[0] - a[0])) / area
                w2 = ((b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])) / area
                depth = (1 - w1 - w2) * a[2] + w1 * b[2] + w2 * c[2]
                if min(w1, w2, 1 - w1 - w2) >= 0 and depth > best[y, x]:
                    best[y, x], owner[y, x] = depth, number
    return owner, best


@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_the_slow_one(seed):
    rng = np.random.default_rng(seed)
    points = np.concatenate([rng.uniform(-4, 24, (30, 2)), rng.uniform(0, 9, (30, 1))], 1)
    triangles = rng.integers(0, 30, (40, 3))
    owner, depth = slow(points, triangles, 20)
    hits = rasterise(points, triangles, 20)
    found = np.full(400, -1)
    found[hits.pixel] = hits.triangle
    np.testing.assert_array_equal(found.reshape(20, 20), owner)
    np.testing.assert_allclose(
        interpolate(hits, triangles, points)[:, 2], depth.ravel()[hits.pixel], atol=1e-4
    )


def test_weights_are_exact_at_pixel_centres():
    points = np.array([(2.0, 1.0, 0), (2.0, 9.0, 0), (12.0, 1.0, 0)])
    hits = rasterise(points, np.array([[0, 1, 2]]), 16)
    places = interpolate(hits, np.array([[0, 1, 2]]), points)
    np.testing.assert_allclose(places[:, 0], hits.pixel % 16, atol=1e-5)
    np.testing.assert_allclose(places[:, 1], hits.pixel // 16, atol=1e-5)
    assert {17 * 1 + 1, 16 * 9 + 2} & set(hits.pixel.tolist())


def test_the_back_and_nothing_are_not_drawn():
    points = np.array([(2.0, 1.0, 0), (2.0, 9.0, 0), (12.0, 1.0, 0)])
    assert not len(rasterise(points, np.array([[0, 2, 1]]), 16).pixel)
    assert not len(rasterise(points + 100, np.array([[0, 1, 2]]), 16).pixel)


def test_neighbours_leave_no_gap():
    grid = np.stack(np.meshgrid(np.linspace(-1, 20, 9), np.linspace(-1, 20, 9)), -1).reshape(-1, 2)
    points = np.concatenate([grid + 0.123, np.zeros((81, 1))], 1)
    corner = (np.arange(8)[:, None] * 9 + np.arange(8)).ravel()
    down, right = corner + 9, corner + 1
    triangles = np.concatenate(
        [np.stack([corner, down, right], 1), np.stack([right, down, down + 1], 1)]
    )
    assert len(rasterise(points, triangles, 20).pixel) == 400
