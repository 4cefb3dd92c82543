"""How far what is painted moves from how it should: the flow of the result against exact flow.

A face and a pattern behind it move as one, so that the truth is known of every pixel and nothing
but the painter can cause an error. Dense flow is estimated between the results and compared, in the
core of the painted area.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anonymizer import pipeline
from anonymizer.bench.figures import Figure, figure, quotients
from anonymizer.bench.films import Moving
from anonymizer.bench.stages import changed
from anonymizer.data import Carry, Clip, Frame
from anonymizer.plan import Plan
from anonymizer.protocols import Mediator
from anonymizer.studio import Studio
from mediators import none
from mediators._flow import Dis, places

SCENES: Final = ("subpixel", "drift", "pan", "shift", "zoom", "retreat", "rotation", "sway")
"""Of ``bench.scenes``."""
ALONE: Final = "own noise"
"""A painter of single pictures."""
SIZE: Final = (176, 208)
"""Height and width of the frames."""
CHUNK: Final = 8
"""Frames painted together: short films have seams, too."""


class Errors(NamedTuple):
    """Means over the known pixels of all pairs of pictures."""

    flow: float
    """End-point error in pixels."""
    change: float
    """What is left between a picture and the next one moved back along the truth, of 255."""


@dataclass(frozen=True, slots=True)
class Flow:
    """What the painters' flow is off."""

    endpoint_px: dict[str, dict[str, Figure | None]]
    """By scene and painter."""
    change: dict[str, dict[str, Figure | None]]
    """The same in levels of 255."""
    alone_over_mediated: dict[str, Figure | None]
    """By scene: end-point error of single pictures over that of mediated ones."""
    median_ratio: float | None
    """Of the medians of all scenes."""


@dataclass(frozen=True, slots=True)
class Apart(none.Alone):
    """No mediation, and noise of its own for every frame: what a painter of pictures does."""

    indices: tuple[int, ...] = ()

    def noise(self, shape: tuple[int, ...], seed: int) -> Tensor:
        """Standard normal noise ``(N, C, h, w)``."""
        rows = [
            torch.randn(shape[1:], generator=torch.Generator().manual_seed(1000 * seed + index))
            for index in self.indices
        ]
        return torch.stack(rows)


@dataclass(frozen=True, slots=True)
class Alone:
    """Prepares nothing."""

    def prepare(self, clip: Clip, carry: Carry | None) -> Apart:
        """See `Apart`."""
        new = clip.indices[clip.lead :]
        return Apart(len(new), new)


def measure(
    studio: Studio,
    painters: Mapping[str, Mediator],
    rounds: int,
    *,
    scenes: Sequence[str] = SCENES,
    count: int = 12,
) -> Flow:
    """Paint every scene by every mediator; every round has another person.

    Args:
        studio: Whose brushes are used.
        painters: Mediators by name: ``ALONE`` first, the one to be judged last.
        rounds: Number of rounds.
        scenes: Names.
        count: Frames of a scene.
    """
    found: dict[str, dict[str, list[Errors]]] = {}
    for name in scenes:
        made = Moving.of(name, count, SIZE, 1.0)
        found[name] = {
            each: [
                in_scene(made.frames, made.plan, made.flow, mediated(studio, mediator), seed)
                for seed in range(rounds)
            ]
            for each, mediator in painters.items()
        }
    ratios = {name: figure(_ratios(list(rows.values()))) for name, rows in found.items()}
    middles = [ratio.median for ratio in ratios.values() if ratio]
    return Flow(
        _column(found, "flow"),
        _column(found, "change"),
        ratios,
        float(np.median(middles)) if middles else None,
    )


def mediated(studio: Studio, mediator: Mediator) -> Studio:
    """The studio with another mediator."""
    return changed(studio, lambda brush: replace(brush, mediator=mediator))


def in_scene(
    frames: list[Frame], plan: Plan, truth: NDArray[np.float32], studio: Studio, seed: int
) -> Errors:
    """Errors of a film that is painted here.

    Args:
        frames: T frames.
        plan: Where faces are in them.
        truth: ``(T-1, H, W, 2)`` flow from each to the next, NaN where it is not known.
        studio: Paints.
        seed: Of the people.
    """
    film = pipeline.render(
        frames, plan, studio, lambda track: seed + track, chunk=CHUNK, ahead=frames
    )
    out = list(film)
    return errors([frame.image for frame in out], truth, [eroded(frame.changed) for frame in out])


def errors(
    film: Sequence[NDArray[np.uint8]],
    truth: NDArray[np.float32],
    known: Sequence[NDArray[np.bool_]],
) -> Errors:
    """Errors of pictures against the flow (T-1, H, W, 2), where both are known (T, H, W)."""
    flows, levels = [], []
    for at, flow in enumerate(truth):
        there, _ = Dis()(film[at], film[at + 1])
        inside = known[at] & np.isfinite(flow).all(-1)
        grid = np.where(inside[..., None], places(*inside.shape) + flow, 0).astype(np.float32)
        moved = cv2.remap(film[at + 1], grid, None, cv2.INTER_LINEAR)
        flows.append(np.linalg.norm(there - flow, axis=-1)[inside])
        levels.append(cv2.absdiff(moved, film[at]).mean(-1)[inside])
    return Errors(float(np.concatenate(flows).mean()), float(np.concatenate(levels).mean()))


def eroded(area: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    """The painted area without its feathered edge."""
    assert area is not None
    return np.asarray(cv2.erode(area.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0)


def _ratios(rows: list[list[Errors]]) -> list[float]:
    return quotients([one.flow for one in rows[0]], [one.flow for one in rows[-1]])


def _column(
    found: dict[str, dict[str, list[Errors]]], name: str
) -> dict[str, dict[str, Figure | None]]:
    return {
        scene: {each: figure(getattr(one, name) for one in row) for each, row in rows.items()}
        for scene, rows in found.items()
    }
