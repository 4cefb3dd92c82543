"""The motion reader: a small network that reads the numbers of `MOTION` off an aligned face.

It sees a grey window of the canonical crop, brow to chin: both eyes and the mouth, each brought to
a common brightness and contrast. It was trained on drawn faces only (`anonymizer.training.motion`).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from anonymizer import geometry
from anonymizer.head import canonical
from anonymizer.head.expression import MIRROR, MOTION
from anonymizer.head.stored import restored

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

FORMAT: Final = "veilframe-motion-1"
"""Value of the key `format` in the file's metadata."""
SIDE: Final = 96
"""Side of the window in pixels."""
CORNER: Final = (16.0, 26.0)
"""First pixel (x, y) of the window in the canonical crop of 128 pixels; the scale is the same."""
LUMA: Final = (0.299, 0.587, 0.114)
_EYE, _LEFT = slice(0, 40), slice(4, 52)
"""Rows and columns of an eye with its brow in the window: the one with smaller x."""
_MOUTH, _MIDDLE = slice(40, 96), slice(16, 80)
"""Rows and columns of the mouth and chin."""
_WIDTHS: Final = (16, 32, 48)
_FINEST: Final = 16
"""Most samples per pixel of a window along each axis."""


class Residual(nn.Module):
    """Two convolutions added to what they are given."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.GroupNorm(8, width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.GroupNorm(8, width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Features of the same shape."""
        return torch.relu(x + self.body(x))


def _part_net(height: int, width: int, features: int) -> nn.Sequential:
    """A part of the window (B, 1, height, width) to features (B, F)."""
    fine, middle, coarse = _WIDTHS
    cells = (height // 8) * (width // 8)
    return nn.Sequential(
        nn.PixelUnshuffle(2), nn.Conv2d(4, fine, 3, padding=1), nn.GroupNorm(8, fine), nn.ReLU(),
        nn.Conv2d(fine, middle, 3, stride=2, padding=1), nn.GroupNorm(8, middle), nn.ReLU(),
        Residual(middle),
        nn.Conv2d(middle, coarse, 3, stride=2, padding=1), nn.GroupNorm(8, coarse), nn.ReLU(),
        Residual(coarse),
        nn.Conv2d(coarse, 24, 1), nn.ReLU(),
        nn.Flatten(), nn.Linear(24 * cells, features), nn.ReLU(),
    )  # fmt: skip


class MotionNet(nn.Module):
    """Grey windows (B, 1, 96, 96), 0 to 255, to motions (B, K).

    One part looks at an eye and its brow, and at the other eye in the mirror; one at the mouth.
    """

    def __init__(self) -> None:
        super().__init__()
        self.eye = _part_net(_EYE.stop - _EYE.start, _LEFT.stop - _LEFT.start, 64)
        self.mouth = _part_net(_MOUTH.stop - _MOUTH.start, _MIDDLE.stop - _MIDDLE.start, 96)
        self.join = nn.Sequential(
            nn.Linear(64 + 64 + 96, 128), nn.ReLU(), nn.Linear(128, len(MOTION))
        )

    def forward(self, windows: Tensor) -> Tensor:
        """Read motions."""
        eyes = torch.cat([windows[..., _EYE, _LEFT], windows.flip(-1)[..., _EYE, _LEFT]])
        left, right = self.eye(standardised(eyes)).chunk(2)
        mouth = self.mouth(standardised(windows[..., _MOUTH, _MIDDLE]))
        motions: Tensor = self.join(torch.cat([left, right, mouth], 1))
        return motions


def standardised(parts: Tensor) -> Tensor:
    """Pictures (B, 1, H, W) with zero mean and unit spread, whatever the light."""
    mean = parts.mean((1, 2, 3), keepdim=True)
    spread = parts.std((1, 2, 3), keepdim=True)
    return ((parts - mean) / (spread + 2.0)).clamp(-4, 4)


def window_of(image: NDArray[np.uint8], landmarks: NDArray[np.floating]) -> NDArray[np.uint8]:
    """The window (96, 96, 3) of the face with these landmarks (5, 2) in a frame (H, W, 3).

    Large faces are averaged down; beyond the frame its edge is repeated.

    Raises:
        ValueError: if the landmarks give no direction or scale.
    """
    aligned = canonical.crop_from_frame(landmarks, canonical.REFERENCE_SIZE)
    step = int(np.clip(1 / geometry.scale_of(aligned), 1, _FINEST))
    window = geometry.similarity(shift=(-CORNER[0], -CORNER[1])) @ aligned
    finer = geometry.similarity(scale=step, shift=((step - 1) / 2,) * 2) @ window
    drawn = cv2.warpAffine(
        image, finer[:2], (SIDE * step, SIDE * step),
        flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    return np.asarray(cv2.resize(drawn, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


class MotionReader:
    """Reads motions off windows; holds the weights."""

    def __init__(self, net: MotionNet) -> None:
        self._net = net.eval().requires_grad_(False)

    @classmethod
    def load(cls, path: Path | None = None) -> MotionReader:
        """Read the weights, by default those in the package.

        Raises:
            MissingWeights: if the file is absent, damaged, or of another format.
        """
        net, facts = MotionNet(), {"format": FORMAT, "motion": json.dumps(MOTION)}
        restored(net, path, name="motion.safetensors", part="the motion reader", facts=facts)
        return cls(net)

    def read(
        self, image: NDArray[np.uint8], landmarks: NDArray[np.floating]
    ) -> NDArray[np.float32]:
        """Motion (K,) of the face with these landmarks (5, 2) in a frame (H, W, 3).

        Raises:
            ValueError: if the landmarks give no direction or scale.
            FloatingPointError: if a number is not finite.
        """
        return self.motion(window_of(image, landmarks))

    @torch.no_grad()
    def motion(self, window: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Motion (K,) of a window (96, 96, 3).

        The mirror image is read too, and the mean of both kept: a mirrored face has exactly the
        mirrored motion.

        Raises:
            ValueError: if the window has another shape.
            FloatingPointError: if a number is not finite.
        """
        if window.shape != (SIDE, SIDE, 3):
            raise ValueError(f"window must be ({SIDE}, {SIDE}, 3), got {window.shape}")
        grey = window @ np.array(LUMA, np.float32)
        both = torch.from_numpy(np.stack([grey, grey[:, ::-1]]))[:, None]
        straight, mirrored = self._net(both).numpy()
        motion = np.asarray((straight + MIRROR @ mirrored) / 2, np.float32)
        if not np.isfinite(motion).all():
            raise FloatingPointError("the motion reader gave numbers that are not finite")
        return motion
