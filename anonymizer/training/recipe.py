"""The settings of a training run, read from TOML and checked once."""

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRecipe:
    """Which people are drawn."""

    seed: int = 1
    people: int = 4096
    held_out: int = 256
    """The last people of the set, kept for measuring."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VaeRecipe:
    """The autoencoder and its training."""

    width: int = 48
    encoder_blocks: tuple[int, ...] = (1, 2, 4)
    """Residual blocks at each level, fine to coarse."""
    decoder_blocks: tuple[int, ...] = (4, 3, 1)
    """Residual blocks at each level, coarse to fine."""
    latent_channels: int = 12
    steps: int = 4000
    batch: int = 16
    patch: int = 64
    rate: float = 1.5e-3
    decoder_steps: int = 2000
    """Steps of the decoder alone after that, while the denoiser trains."""
    decoder_rate: float = 8e-4
    noise: float = 0.1
    """Noise on the latents, so that the decoder forgives the denoiser's errors."""
    unit: float = 0.1
    """Weight of the distance of the latents to zero mean and unit spread."""
    hue: float = 0.3
    """Weight of the distance of two latent channels to the coarse colour of their cell."""
    grey: float = 0.13
    """Share of patches with a flat grey shape, as the masked context has."""
    seed: int = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class UnetRecipe:
    """The denoiser and its training."""

    channels: tuple[int, ...] = (64, 128, 192)
    layers: int = 1
    steps: int = 8500
    batch: int = 32
    rate: float = 1.2e-3
    ema: float = 0.999
    strength: float = 0.85
    """Highest noise level trained mostly, as a share of the schedule."""
    start: float = 0.5
    """Noise level from which painting starts, chosen by looking."""
    sampling_steps: int = 4
    seed: int = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionRecipe:
    """The motion reader, its pictures and its training."""

    data_seed: int = 3
    people: int = 864
    """People drawn speaking, besides those of the main set."""
    frames: int = 6
    """Pictures of each of them."""
    held_out: int = 32
    """The first of them are kept for measuring."""
    steps: int = 4500
    batch: int = 64
    rate: float = 2e-3
    ema: float = 0.995
    seed: int = 13


@dataclass(frozen=True, slots=True, kw_only=True)
class PointsRecipe:
    """The point reader and its training, on the motion reader's pictures."""

    steps: int = 1400
    batch: int = 48
    rate: float = 2e-3
    ema: float = 0.996
    seed: int = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A whole run."""

    data: DataRecipe
    vae: VaeRecipe
    unet: UnetRecipe
    motion: MotionRecipe
    points: PointsRecipe


def _section(kind: type[T], table: dict[str, Any], name: str) -> T:
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(table) - known)
    if unknown:
        raise ValueError(
            f"unknown key {unknown[0]!r} in [{name}]; known: {', '.join(sorted(known))}"
        )
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in table.items()})


def read_recipe(path: Path) -> Recipe:
    """Read a recipe; unknown keys are errors."""
    table = tomllib.loads(path.read_text())
    unknown = sorted(set(table) - {"data", "vae", "unet", "motion", "points"})
    if unknown:
        known = "data, vae, unet, motion, points"
        raise ValueError(f"unknown section [{unknown[0]}] in {path.name}; known: {known}")
    return Recipe(
        data=_section(DataRecipe, table.get("data", {}), "data"),
        vae=_section(VaeRecipe, table.get("vae", {}), "vae"),
        unet=_section(UnetRecipe, table.get("unet", {}), "unet"),
        motion=_section(MotionRecipe, table.get("motion", {}), "motion"),
        points=_section(PointsRecipe, table.get("points", {}), "points"),
    )
