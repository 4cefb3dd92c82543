"""Pictures of every kind, made with Pillow, tifffile and OpenCV where a test wants them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageOps

from tests.faces import marked

SIZE: Final = (64, 96)
FACE: Final = (20.0, 12.0, 50.0, 50.0)
NEAR: Final = np.s_[:, :72]
"""Where a face in ``FACE`` may be painted, and what JPEG makes of its edge."""

Make = Callable[[Path], Path]
"""Folder to the picture that was written there."""


def photo(channels: int = 3, bits: int = 8) -> NDArray[Any]:
    """A picture ``(H, W, C)`` with a face; deep ones use all of their bits."""
    image: NDArray[Any] = marked(0, FACE, size=SIZE)
    if bits == 16:
        image = image.astype(np.uint16) * 256 + image[::-1]
    most = np.iinfo(image.dtype).max
    alpha = np.linspace(0, most, SIZE[1]).astype(image.dtype)
    alpha = np.broadcast_to(alpha, SIZE)[..., None]
    colours = image if channels > 2 else image[..., 1:2]
    return np.dstack([colours, alpha]) if channels in (2, 4) else colours


def of_pillow(name: str, channels: int = 3, mode: str | None = None, **options: Any) -> Make:
    """A picture by Pillow."""

    def make(folder: Path) -> Path:
        image = Image.fromarray(photo(channels).squeeze())
        image = image.convert(mode) if mode else image
        image.save(folder / name, **options)
        return folder / name

    return make


def of_opencv(name: str, channels: int = 3, bits: int = 8) -> Make:
    """A picture by OpenCV: PNG, or TIFF with LZW."""

    def make(folder: Path) -> Path:
        samples = photo(channels, bits)
        order = [2, 1, 0, 3][:channels] if channels > 2 else [0]
        cv2.imwrite(str(folder / name), samples[..., order])
        return folder / name

    return make


def of_tifffile(channels: int = 3, bits: int = 8, pages: int = 1, **options: Any) -> Make:
    """A TIFF file of one or more pages."""

    def make(folder: Path) -> Path:
        usual: dict[str, Any] = {"photometric": "rgb" if channels > 2 else "minisblack"}
        usual["extrasamples"] = ["unassalpha"] if channels in (2, 4) else None
        with tifffile.TiffWriter(folder / "in.tif") as file:
            for _ in range(pages):
                file.write(photo(channels, bits).squeeze(), metadata=None, **usual | options)
        return folder / "in.tif"

    return make


def moving(name: str) -> Make:
    """An animation of three pictures by Pillow."""

    def make(folder: Path) -> Path:
        images = [Image.fromarray(marked(at, FACE, size=SIZE)) for at in range(3)]
        images[0].save(folder / name, save_all=True, append_images=images[1:], duration=100)
        return folder / name

    return make


def followed(make: Make, more: bytes) -> Make:
    """A picture with something behind its end."""

    def made(folder: Path) -> Path:
        path = make(folder)
        path.write_bytes(path.read_bytes() + more)
        return path

    return made


def stub(name: str, content: bytes) -> Make:
    """A file of these bytes."""

    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return make


def samples(path: Path) -> NDArray[Any]:
    """What a picture shows upright, by Pillow, tifffile or OpenCV: 16 bits where it has them."""
    if path.suffix == ".tif":
        with tifffile.TiffFile(path) as file:
            if file.pages.first.extrasamples:  # OpenCV multiplies by alpha
                return np.asarray(file.asarray())
    if path.suffix in (".png", ".tif"):
        return np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
    return np.asarray(ImageOps.exif_transpose(Image.open(path)))
