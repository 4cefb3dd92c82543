"""Slow and plain ways to do what the mediator does, to judge it by; and motion that is known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch

from anonymizer.data import Clip, Correspondence
from mediators._coding import encode, key
from mediators._flow import places


def matches(grids, valid=None):
    """Correspondences of frame i + 1 into frame i from grids (T-1, S, S, 2)."""
    valid = np.ones(np.shape(grids)[:3], bool) if valid is None else valid
    return [
        Correspondence(i, i + 1, np.asarray(g, np.float32), np.array(v))
        for i, (g, v) in enumerate(zip(grids, valid, strict=True))
    ]


def code(grids, valid=None, active=None):
    """(ids (T, S, S), count, encoding) of our coder from a key frame."""
    grids = np.asarray(grids, np.float32)
    active = np.ones((len(grids) + 1, *grids.shape[1:3]), bool) if active is None else active
    start, count = key(active[0])
    encoding = encode(start, count, matches(grids, valid), list(active[1:]))
    return np.stack([frame.ids for frame in encoding.frames]), encoding.count, encoding


def chained(grids, valid=None, active=None):
    """Ids (T, S, S) by the recurrence 3.2 with rounded steps, one pixel at a time."""
    grids = np.asarray(grids, np.float64)
    count, side = len(grids) + 1, grids.shape[1]
    valid = np.ones((count - 1, side, side), bool) if valid is None else valid
    active = np.ones((count, side, side), bool) if active is None else active
    ids, used = np.full((count, side, side), -1), 0
    for t in range(count):
        for y in range(side):
            for x in range(side):
                if not active[t, y, x]:
                    continue
                parent = -1
                if t and valid[t - 1, y, x] and np.isfinite(grids[t - 1, y, x]).all():
                    qx, qy = np.rint(grids[t - 1, y, x])
                    if 0 <= qx < side and 0 <= qy < side:
                        parent = ids[t - 1, int(qy), int(qx)]
                if parent < 0:
                    parent, used = used, used + 1
                ids[t, y, x] = parent
    return ids


def loop_free(grids, valid):
    """Ids (T, S, S) by pointer doubling (3.4): all parents at once, then roots in log steps."""
    count, side = len(grids) + 1, np.shape(grids)[1]
    area = side * side
    q = np.rint(grids).astype(int)
    known = valid & ((q >= 0) & (q < side)).all(-1)
    own = np.arange(count * area).reshape(count, side, side)
    above = np.arange(count - 1)[:, None, None] * area
    parent = own.copy()
    parent[1:] = np.where(known, above + q[..., 1] * side + q[..., 0], own[1:])
    root = parent.ravel()
    roots = root == own.ravel()
    for _ in range(max(count - 1, 1).bit_length()):
        root = root[root]
    return (np.cumsum(roots) - 1)[root].reshape(count, side, side)


def means(ids, x):
    """G of x (N, 3, S, S) in double precision with a dictionary; inactive pixels stay."""
    pixels = defaultdict(list)
    for n, row, column in zip(*np.nonzero(np.asarray(ids) >= 0), strict=True):
        pixels[int(ids[n, row, column])].append((n, row, column))
    out = np.asarray(x, np.float64).copy()
    for group in pixels.values():
        n, row, column = map(list, zip(*group, strict=True))
        out[n, :, row, column] = out[n, :, row, column].mean(0)
    return out


def wandering(frames, side, seed, reach=2):
    """Random whole-pixel grids (T-1, S, S, 2), some out of the picture, and random validity."""
    rng = np.random.default_rng(seed)
    step = rng.integers(-reach, reach + 1, (frames - 1, side, side, 2))
    return places(side) + step, rng.random((frames - 1, side, side)) > 0.15


def panned(frames, side, step):
    """Grids of a picture that moves by ``step`` = (dx, dy) pixels per frame, and validity."""
    grid = places(side) - np.array(step, np.float32)
    inside = ((grid >= -0.5) & (grid <= side - 0.5)).all(-1)
    return np.stack([grid] * (frames - 1)), np.stack([inside] * (frames - 1))


def textured(points, seed=0):
    """Colours (..., 3) in [-1, 1] at points (..., 2): sines of periods 3 to 40 pixels."""
    rng = np.random.default_rng(seed)
    light = np.zeros((*np.shape(points)[:-1], 3))
    for period in np.geomspace(3, 40, 24):
        turn = rng.uniform(0, np.pi)
        along = points[..., 0] * np.cos(turn) + points[..., 1] * np.sin(turn)
        light += np.sin(2 * np.pi * along[..., None] / period + rng.uniform(0, 6.3, 3))
    return (light / 8).clip(-1, 1)


def film_of(frames, side, step):
    """Pictures (T, 3, S, S) in [-1, 1] of the texture moving by ``step`` per frame, exactly."""
    base = places(side).astype(np.float64)
    shown = [textured(base - np.array(step) * t) for t in range(frames)]
    return torch.from_numpy(np.stack(shown)).float().permute(0, 3, 1, 2).contiguous()


def psnr(a, b):
    """Of pictures in [-1, 1]."""
    return float(-10 * torch.log10(((a - b) / 2).double().square().mean()))


def clip_of(pixels, mask=None, *, lead=0, start=0):
    """A clip (T, S, S, 3) whose face is ``mask`` (T, S, S), everywhere if not given."""
    count, side = pixels.shape[:2]
    mask = np.ones((count, side, side), np.float32) if mask is None else mask.astype(np.float32)
    return Clip(
        track=0,
        indices=tuple(range(start, start + count)),
        pixels=pixels.copy(),
        context=np.where(mask[..., None] > 0, np.uint8(128), pixels),
        hidden=mask > 0,
        mask=mask,
        frame_from_crop=np.repeat(np.eye(3)[None], count, 0),
        landmarks=np.zeros((count, 5, 2)),
        lead=lead,
    )


def part_of(clip, start, stop, lead):
    """Crops ``start`` to ``stop`` of a clip as a clip of their own."""
    take = slice(start, stop)
    return Clip(
        track=clip.track,
        indices=clip.indices[take],
        pixels=clip.pixels[take].copy(),
        context=clip.context[take].copy(),
        hidden=clip.hidden[take].copy(),
        mask=clip.mask[take].copy(),
        frame_from_crop=clip.frame_from_crop[take].copy(),
        landmarks=clip.landmarks[take].copy(),
        lead=lead,
    )


class Held:
    """Correspondences that are given, whatever the pixels are."""

    def __init__(self, found: Sequence[Correspondence]) -> None:
        self.found = {match.target: match for match in found}

    def __call__(self, clip: Clip, target: int, source: int) -> Correspondence:
        assert source == target - 1
        return self.found[clip.indices[target]]
