"""Frames, motion and networks for the tests of FRESCO; nothing is square and nothing is even."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel, UNet2DModel

from anonymizer.data import Clip, Correspondence
from mediators._flow import places
from mediators._levels import Level
from mediators._links import Links

SIZE = (48, 80)
"""Of a crop; its tokens are GRID."""
GRID = (6, 10)
TOKENS = 60
N, G = 4, 2


def frames(count=N, seed=0, size=SIZE, *, mask=None) -> Clip:
    """A clip of unrelated noise; ``mask`` (T, H, W) says what is hidden and painted."""
    pixels = np.random.default_rng(seed).integers(0, 256, (count, *size, 3), np.uint8)
    mask = np.ones((count, *size), np.float32) if mask is None else mask.astype(np.float32)
    return Clip(
        track=0,
        indices=tuple(range(count)),
        pixels=pixels,
        context=np.where((mask > 0)[..., None], np.uint8(128), pixels),
        hidden=mask > 0,
        mask=mask,
        frame_from_crop=np.repeat(np.eye(3)[None], count, 0),
        landmarks=np.zeros((count, 5, 2)),
    )


def seen(clip: Clip) -> Clip:
    """The same, with nothing hidden."""
    return replace(clip, context=clip.pixels, hidden=np.zeros_like(clip.hidden))


@dataclass
class Moving:
    """Correspondences of a pan by ``step`` pixels per frame index, with holes where told."""

    step: tuple[float, float] = (0.0, 0.0)
    holes: dict[tuple[int, int], np.ndarray] = field(default_factory=dict)
    """By (target, source) index: (H, W) True where there is no counterpart."""
    bend: Callable[[np.ndarray], np.ndarray] | None = None
    asked: list[tuple[int, int]] = field(default_factory=list)

    def __call__(self, clip: Clip, target: int, source: int) -> Correspondence:
        a, b = clip.indices[target], clip.indices[source]
        self.asked.append((a, b))
        grid = places(*clip.shape) + np.array(self.step, np.float32) * (b - a)
        if self.bend:
            grid = grid + self.bend(grid) * (b - a)
        valid = ((grid >= 0) & (grid <= (clip.shape[1] - 1, clip.shape[0] - 1))).all(-1)
        hole = self.holes.get((a, b), np.zeros(clip.shape, np.bool_))
        return Correspondence(b, a, grid.astype(np.float32), np.asarray(valid & ~hole))


def random_motion(seed=0, count=N) -> Moving:
    """Smooth motion of some tokens, and random holes."""
    rng = np.random.default_rng(seed)

    def bend(grid):
        x, y = grid[..., 0], grid[..., 1]
        return np.stack([9 * np.sin(y / 9 + seed), 7 * np.cos(x / 11)], -1)

    pairs = [(a, b) for a in range(count) for b in range(count) if a != b]
    holes = {pair: rng.random(SIZE) < 0.3 for pair in pairs}
    return Moving((3.0, -2.0), holes, bend)


def level(links: Links, grid=GRID, **options: Any) -> Level:
    """A level on the CPU."""
    wanted = {"keys": None, "differences": True} | options
    return Level.of(links, grid, torch.device("cpu"), **wanted)


def drifting() -> Moving:
    """A pan by some pixels a frame, with a slight bend."""

    def bend(grid):
        return np.stack([np.sin(grid[..., 1] / 9), np.cos(grid[..., 0] / 11)], -1) * 0.4

    return Moving((3.0, -2.0), {}, bend)


def text_unet(seed=0, **options: Any) -> UNet2DConditionModel:
    """Like Stable Diffusion's: four blocks, self-attention in the finest two or three."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return UNet2DConditionModel(
            sample_size=8,
            in_channels=4,
            out_channels=4,
            block_out_channels=(8, 8, 16, 16),
            layers_per_block=1,
            down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
            up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
            cross_attention_dim=12,
            attention_head_dim=2,
            norm_num_groups=4,
            **options,
        ).eval()


def plain_unet(seed=0) -> UNet2DModel:
    """Of the built-in model's class: attention on pictures, in the coarse blocks."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return UNet2DModel(
            sample_size=8,
            in_channels=4,
            out_channels=4,
            block_out_channels=(8, 8, 16),
            layers_per_block=1,
            down_block_types=("DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
            attention_head_dim=4,
            norm_num_groups=4,
        ).eval()


def noise(*shape: int, seed=1) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


LEVELS = (
    (
        1
        / DDIMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"
        ).alphas_cumprod.double()
        - 1
    )
    .sqrt()
    .numpy()
)
"""Noise levels of Stable Diffusion."""
