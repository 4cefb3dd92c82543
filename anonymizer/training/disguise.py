"""Make drawn faces look as badly as filmed ones: what stands between the renderer and real video.

Pictures here are grey, (B, 1, S, S), 0 to 255. All chance comes from the generator that is passed.
"""

from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from anonymizer.head.motion import CORNER, LUMA, SIDE

_SCALE, _TURN, _SHIFT = 0.05, 0.07, 2.6
"""Standard deviations of how a detector errs: ratio, radians, pixels at 128."""
_BLOCK: Final = 8


def _uniform(random: torch.Generator, count: int, low: float, high: float) -> Tensor:
    """(count, 1, 1, 1) numbers."""
    return low + (high - low) * torch.rand(count, 1, 1, 1, generator=random)


def _chosen(random: torch.Generator, count: int, share: float) -> Tensor:
    """(count, 1, 1, 1) True for about this share."""
    return torch.rand(count, 1, 1, 1, generator=random) < share


@dataclass(frozen=True, slots=True, eq=False)
class Misplacement:
    """Where the windows of B pictures lie, as a detector's landmarks misplace them."""

    matrix: Tensor
    """(B, 2, 2) from places about the window's middle to the picture."""
    shift: Tensor
    """(B, 2) where that middle lies in the picture, pixels."""

    def places(self, side: int) -> Tensor:
        """Picture positions (B, side, side, 2) of a window's pixels."""
        axis = torch.arange(side) - (side - 1) / 2
        places = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1)
        return (places @ self.matrix.transpose(1, 2)[:, None]) + self.shift[:, None, None]

    def points(self, points: Tensor) -> Tensor:
        """Points (B, P, 2) of the pictures in the windows."""
        away = (points - self.shift[:, None]).transpose(1, 2)
        back: Tensor = torch.linalg.solve(self.matrix, away)
        return back.transpose(1, 2) + (SIDE - 1) / 2


def filmed(images: Tensor, mirrored: Tensor, random: torch.Generator) -> Tensor:
    """Windows (B, 1, 96, 96) as a film might show them.

    Args:
        images: (B, 128, 128, 3) uint8 canonical crops.
        mirrored: (B,) True where left and right change places.
        random: source of all chance.
    """
    return filmed_at(images, mirrored, random)[0]


def filmed_at(
    images: Tensor, mirrored: Tensor, random: torch.Generator
) -> tuple[Tensor, Misplacement]:
    """The windows of `filmed` and where they lie in the pictures, mirrored where they are."""
    grey = _grey(images, random)
    place = _misplacement(len(images), random)
    windows = _cut(grey, mirrored, place)
    for change in (_lit, _hidden, _softened, _noisy, _compressed):
        windows = change(windows, random)
    return windows.round().clamp(0, 255), place


def _grey(images: Tensor, random: torch.Generator) -> Tensor:
    """Grey by weights that vary: other white points, other skins, other film."""
    spread = torch.randn(len(images), 3, generator=random) * 0.12
    weights = (torch.tensor(LUMA) + spread).clamp(0.02)
    weights = weights / weights.sum(1, keepdim=True)
    return (images.float() * weights[:, None, None]).sum(-1)[:, None]


def _misplacement(count: int, random: torch.Generator) -> Misplacement:
    errors = torch.randn(count, 4, generator=random)
    scale, turn = torch.exp(errors[:, 0] * _SCALE), errors[:, 1] * _TURN
    cosine, sine = scale * torch.cos(turn), scale * torch.sin(turn)
    matrix = torch.stack([torch.stack([cosine, -sine], 1), torch.stack([sine, cosine], 1)], 1)
    return Misplacement(matrix, torch.tensor(CORNER) + (SIDE - 1) / 2 + errors[:, 2:] * _SHIFT)


def _cut(grey: Tensor, mirrored: Tensor, place: Misplacement) -> Tensor:
    """The readers' window, where it is misplaced to."""
    grid = (place.places(SIDE) + 0.5) / (grey.shape[-1] / 2) - 1
    grid[..., 0] *= 1 - 2 * mirrored.float()[:, None, None]
    return F.grid_sample(grey, grid, padding_mode="border", align_corners=False)


def _lit(windows: Tensor, random: torch.Generator) -> Tensor:
    """Other exposure and a light that falls off across the face."""
    count, side = len(windows), windows.shape[-1]
    ramp = torch.linspace(-1, 1, side)
    across, down = _uniform(random, count, -0.35, 0.35), _uniform(random, count, -0.25, 0.25)
    light = 1 + across * ramp + down * ramp[:, None]
    toned = (windows / 255 * light).clamp(1e-3, 1) ** _uniform(random, count, 0.55, 1.7)
    return toned * _uniform(random, count, 130, 265) + _uniform(random, count, 0, 30)


def _hidden(windows: Tensor, random: torch.Generator) -> Tensor:
    """Something in front of a few: a box or an ellipse of one tone."""
    count, side = len(windows), windows.shape[-1]
    axis = torch.arange(side).float()
    across = (axis - _uniform(random, count, -5, side + 5)) / _uniform(random, count, 6, 28)
    down = (axis[:, None] - _uniform(random, count, -5, side + 5)) / _uniform(random, count, 6, 28)
    boxed = torch.maximum(across.abs(), down.abs())
    level = torch.where(_chosen(random, count, 0.5), boxed, (across**2 + down**2).sqrt())
    front = (level < 1) & _chosen(random, count, 0.12)
    return torch.where(front, _uniform(random, count, 10, 230), windows)


def _softened(windows: Tensor, random: torch.Generator) -> Tensor:
    """A third as shot from afar, a third out of focus or shaken, a third as they are."""
    third = len(windows) // 3
    afar, unsharp, rest = windows[:third], windows[third : 2 * third], windows[2 * third :]
    pick = torch.rand(4, generator=random)
    if len(afar):
        size = int(24 + 60 * float(pick[0]))
        small = F.interpolate(afar, size=(size, size), mode="area")
        mode = "bilinear" if pick[1] < 0.5 else "bicubic"
        afar = F.interpolate(small, size=windows.shape[-2:], mode=mode, align_corners=False)
        kernel = _streak(float(pick[2]), float(pick[3]))
        unsharp = F.conv2d(F.pad(unsharp, (4, 4, 4, 4), mode="replicate"), kernel)
    return torch.cat([afar, unsharp, rest])


def _streak(strength: float, direction: float) -> Tensor:
    """A Gaussian (1, 1, 9, 9), up to three times as long in one direction as across it."""
    axis = torch.arange(-4.0, 5.0)
    turn = torch.tensor(direction * torch.pi)
    along = axis * torch.cos(turn) + axis[:, None] * torch.sin(turn)
    across = axis[:, None] * torch.cos(turn) - axis * torch.sin(turn)
    width = 0.4 + 1.1 * strength
    stretch = 1 + 2 * abs(2 * direction - 1)
    kernel = torch.exp(-0.5 * ((along / (width * stretch)) ** 2 + (across / width) ** 2))
    return (kernel / kernel.sum())[None, None]


def _noisy(windows: Tensor, random: torch.Generator) -> Tensor:
    amount = 6 * torch.rand(len(windows), 1, 1, 1, generator=random) ** 2
    return windows + amount * torch.randn(windows.shape, generator=random)


def _compressed(windows: Tensor, random: torch.Generator) -> Tensor:
    """Coarse steps in the cosine transform of 8 x 8 blocks, for half of them."""
    place = torch.arange(_BLOCK).float()
    basis = torch.cos(torch.pi * (place + 0.5) * place[:, None] / _BLOCK) * 0.5
    basis[0] *= 2**-0.5
    count, side = len(windows), windows.shape[-1]
    folded = windows.reshape(count, side // _BLOCK, _BLOCK, side // _BLOCK, _BLOCK).transpose(2, 3)
    waves = basis @ folded @ basis.T
    rough = (place + place[:, None] + 1.5) * _uniform(random, count, 0.5, 7)[..., None]
    kept = basis.T @ ((waves / rough).round() * rough) @ basis
    blocky = kept.transpose(2, 3).reshape(windows.shape)
    return torch.where(_chosen(random, count, 0.5), blocky, windows)
