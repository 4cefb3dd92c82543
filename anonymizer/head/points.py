"""The point reader: a small network that says more exactly where eyes, nose and mouth are.

Detectors mark five points for finding faces, not for posing them: their eyes follow the iris and
their nose wanders, so a head that turns by three degrees seems to stand still. This network sees
the same grey window as the motion reader and marks 51 points, brows to lips. Of them the five
landmarks are made again, and the gap between the lips; nothing else is kept. It was trained on
drawn faces only (`anonymizer.training.points`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own name for it
from numpy.typing import NDArray
from torch import Tensor, nn

from anonymizer import geometry
from anonymizer.head import canonical
from anonymizer.head.model import NOSE_SHARE
from anonymizer.head.motion import CORNER, LUMA, SIDE, Residual, standardised, window_of
from anonymizer.head.stored import restored

if TYPE_CHECKING:
    from pathlib import Path

FORMAT: Final = "veilframe-points-1"
"""Value of the key `format` in the file's metadata."""
FIRST: Final = 17
"""The points are those from this one on of the usual 68; jaws are not marked."""
_MIRRORED_68: Final = (
    *range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31, 45, 44, 43, 42,
    47, 46, 39, 38, 37, 36, 41, 40, 54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61,
    60, 67, 66, 65,
)  # fmt: skip
MIRRORED: Final = tuple(point - FIRST for point in _MIRRORED_68[FIRST:])
"""Which point of a mirrored face is which of the face."""
COUNT: Final = len(MIRRORED)
BROWS: Final = 10
"""How many points, the first ones, are brows: they say nothing of pose, and are marked worst."""
_EYES: Final = (slice(19, 25), slice(25, 31))
_TIP, _BASE = 13, 16
_CORNERS: Final = (31, 37)
_UPPER, _LOWER = slice(44, 47), slice(48, 51)
_CELL: Final = 4
"""Pixels of the window to a cell in which points are looked for."""
_DOUBT: Final = (1.4, 2.0)
"""Mean distance, pixels at 128, of what is marked in a picture and in its mirror image. Below the
first the points are taken, above the second they are not: on 75 faces of three films the distance
goes with the error by 0.96, and is about 0.8 where that is small."""
_FAR: Final = (0.35, 0.45)
"""The same for how far a landmark moves, in eye distances."""


class PointNet(nn.Module):
    """Grey windows (B, 1, 96, 96), 0 to 255, to points (B, COUNT, 2) in them, pixels."""

    cells: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.PixelUnshuffle(2), nn.Conv2d(4, 16, 3, padding=1), nn.GroupNorm(8, 16), nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.GroupNorm(8, 32), nn.ReLU(),
            Residual(32), Residual(32),
        )  # fmt: skip
        self.deep = nn.Sequential(
            nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.GroupNorm(8, 64), nn.ReLU(),
            Residual(64), Residual(64),
        )  # fmt: skip
        self.up = nn.Conv2d(64, 32, 1)
        self.join = nn.Sequential(Residual(32), nn.Conv2d(32, COUNT, 1))
        places = torch.arange(SIDE // _CELL) * _CELL + (_CELL - 1) / 2
        self.register_buffer("cells", places, persistent=False)

    def forward(self, windows: Tensor) -> Tensor:
        """Mark points: the mean place under a map of likelihood for each."""
        fine = self.stem(standardised(windows))
        deep = self.up(self.deep(fine))
        size = fine.shape[-2:]
        fine = fine + F.interpolate(deep, size=size, mode="bilinear", align_corners=False)
        maps = self.join(fine).float()
        share = maps.flatten(2).softmax(-1).reshape(maps.shape)
        return torch.stack([share.sum(2) @ self.cells, share.sum(3) @ self.cells], -1)


@dataclass(frozen=True, slots=True, eq=False)
class Marked:
    """What is kept of the points of one face."""

    landmarks: NDArray[np.float32]
    """(5, 2) frame pixels, as a detector marks them but more exactly; those that were given where
    there is no trust."""
    gap: float
    """Between the lips, in eye distances."""
    trust: float
    """0 to 1: how much of `landmarks` is marked anew, and whether `gap` means anything."""


def five_of(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Landmarks (5, 2) from points (COUNT, 2): the nose as low as `marked_landmarks` has it."""
    eyes = [points[eye].mean(0) for eye in _EYES]
    nose = points[_TIP] + NOSE_SHARE * (points[_BASE] - points[_TIP])
    return np.stack([*eyes, nose, *points[list(_CORNERS)]]).astype(np.float64)


def gap_of(points: NDArray[np.floating]) -> float:
    """Gap between the lips, in eye distances of the canonical crop; points in the window."""
    return float(np.hypot(*(points[_UPPER].mean(0) - points[_LOWER].mean(0)))) / (
        canonical.EYE_DISTANCE
    )


class PointReader:
    """Marks points; holds the weights."""

    def __init__(self, net: PointNet) -> None:
        self._net = net.eval().requires_grad_(False)

    @classmethod
    def load(cls, path: Path | None = None) -> PointReader:
        """Read the weights, by default those in the package.

        Raises:
            MissingWeights: if the file is absent, damaged, or of another format.
        """
        net = PointNet()
        facts = {"format": FORMAT}
        restored(net, path, name="points.safetensors", part="the point reader", facts=facts)
        return cls(net)

    def read(self, image: NDArray[np.uint8], landmarks: NDArray[np.floating]) -> Marked:
        """Mark the face with these landmarks (5, 2) in a frame (H, W, 3); looks twice.

        Raises:
            ValueError: if the landmarks give no direction or scale.
            FloatingPointError: if a number is not finite.
        """
        given = np.asarray(landmarks, np.float64)
        first = self._look(image, given, given)
        if not first.trust:
            return first
        second = self._look(image, first.landmarks, given)
        return second if second.trust <= first.trust else _less(second, given, first.trust)

    def _look(
        self, image: NDArray[np.uint8], near: NDArray[np.floating], given: NDArray[np.float64]
    ) -> Marked:
        """Mark the face in the window at landmarks `near`; judge by landmarks `given`."""
        points, doubt = self.points(window_of(image, near))
        aligned = canonical.crop_from_frame(near, canonical.REFERENCE_SIZE)
        found = geometry.apply(np.asarray(np.linalg.inv(aligned)), five_of(points) + CORNER)
        scale = geometry.scale_of(canonical.crop_from_frame(given, canonical.REFERENCE_SIZE))
        far = float(np.hypot(*(found - given).T).max()) * scale / canonical.EYE_DISTANCE
        trust = _below(doubt, _DOUBT) * _below(far, _FAR)
        placed = (given + trust * (found - given)).astype(np.float32)
        return Marked(placed, gap_of(points), trust)

    @torch.no_grad()
    def points(self, window: NDArray[np.uint8]) -> tuple[NDArray[np.float64], float]:
        """Points (COUNT, 2) of a window (96, 96, 3), and how far its mirror image disagrees.

        The mirror image is always marked too, and the mean taken.

        Raises:
            FloatingPointError: if a number is not finite.
        """
        grey = window @ np.array(LUMA, np.float32)
        both = torch.from_numpy(np.stack([grey, grey[:, ::-1]]))[:, None]
        straight, mirror = self._net(both).double().numpy()
        if not np.isfinite(straight).all() or not np.isfinite(mirror).all():
            raise FloatingPointError("the point reader gave numbers that are not finite")
        mirror = mirror[list(MIRRORED)] * (-1, 1) + (SIDE - 1, 0)
        doubt = float(np.hypot(*(straight - mirror)[BROWS:].T).mean())
        return np.asarray((straight + mirror) / 2), doubt


def _below(value: float, limits: tuple[float, float]) -> float:
    """1 up to the first limit, 0 from the second on."""
    return float(np.clip((limits[1] - value) / (limits[1] - limits[0]), 0, 1))


def _less(marked: Marked, given: NDArray[np.float64], trust: float) -> Marked:
    """The same with less trust."""
    share = trust / marked.trust
    placed = given + share * (marked.landmarks - given)
    return Marked(placed.astype(np.float32), marked.gap, trust)
