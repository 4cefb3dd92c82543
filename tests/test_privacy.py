"""The privacy invariants of the whole program, with the built-in model.

Their parts are tested beside the modules that hold them: P1 and P2 in test_crops and
test_inpainter, P3, P4 and P6 in test_jobs.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import mediators
from anonymizer import build, pipeline
from anonymizer.alignment import place, protected_mask
from anonymizer.data import Box, Clip, Correspondence, Face, Frame
from anonymizer.head.expression import MOTION
from anonymizer.plan import Plan
from anonymizer.settings import Settings
from anonymizer.studio import Brush, Studio
from tests.factories import TICK, five_points, picture

SIZE = (120, 176)
COUNT = 7


def box_at(index: int, *, second: bool = False) -> Box:
    """Two faces; the second is cut by the right and lower edge of the frame."""
    if second:
        return 120.0, 70.0 + index, 180.0, 146.0 + index
    return 28.0 + 2.5 * index, 18.0, 80.0 + 2.5 * index, 86.0


class Scripted:
    """Says where faces are and what they do without looking: geometry held fixed."""

    def detect(self, frames: Sequence[Frame]) -> list[list[Face]]:
        return [
            [self.face(frame.index, second=second) for second in (False, True)] for frame in frames
        ]

    def face(self, index: int, *, second: bool) -> Face:
        box, motion = box_at(index, second=second), np.zeros(len(MOTION), np.float32)
        motion[MOTION.index("jawOpen")] = 0.1 * index
        return Face(box=box, score=0.9, landmarks=five_points(box), motion=motion)


def still(clip: Clip, target: int, source: int) -> Correspondence:
    """Flow held fixed: a slow drift."""
    y, x = np.mgrid[: clip.size, : clip.size].astype(np.float32)
    grid = np.stack([x + 0.3, y - 0.2], -1)
    valid = (x < clip.size - 1) & (y > 0)
    return Correspondence(clip.indices[source], clip.indices[target], grid, valid)


@pytest.fixture(scope="module")
def studio() -> Studio:
    face = build.studio(Settings(seed=1, device="cpu")).face
    medm = mediators.load("medm", {"correspond": still})
    return Studio(Brush(face.replacer, medm), face, min_face=0)


def film(secret: int, inside: Sequence[NDArray[np.bool_]] | None = None) -> list[Frame]:
    """A film; where ``inside`` is True its pixels are noise that depends on ``secret``."""
    frames = []
    for index in range(COUNT):
        image = picture(SIZE, seed=3, shift=(index, 0))
        if inside is not None:
            noise = np.random.default_rng((secret, index)).integers(0, 256, image.shape)
            image = np.where(inside[index][..., None], noise, image).astype(np.uint8)
        frames.append(Frame(index, index, TICK, image))
    return frames


def opacity(plan: Plan, index: int) -> NDArray[np.float64]:
    """Largest opacity that any face has at each frame pixel, sampled independently of the paste."""
    height, width = SIZE
    y, x = np.mgrid[:height, :width].astype(np.float64)
    result = np.zeros(SIZE)
    for track in plan.tracks:
        face = track.at(index)
        assert face is not None
        side = 512
        placement = place(face, side)
        mask = protected_mask(
            placement.landmarks, side, box=face.box, frame_from_crop=placement.frame_from_crop
        )
        u, v, _ = placement.crop_from_frame @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
        there = (u > 0) & (v > 0) & (u < side - 1) & (v < side - 1)
        values = np.zeros(x.size)
        values[there] = mask[v[there].round().astype(int), u[there].round().astype(int)]
        result = np.maximum(result, values.reshape(SIZE))
    return result


def painted(frames: list[Frame], studio: Studio) -> list[NDArray[np.uint8]]:
    plan = pipeline.analyse(frames, Scripted())
    out = pipeline.render(frames, plan, studio, lambda track: 100 + track, chunk=4, overlap=2)
    return [frame.image for frame in out]


@pytest.fixture(scope="module")
def areas() -> tuple[list[NDArray[np.bool_]], list[NDArray[np.bool_]]]:
    """Core and whole protected area of every frame.

    A crop samples its mask once per crop pixel, so the core's edge is known to a pixel only.
    """
    plan = pipeline.analyse(film(0), Scripted())
    levels = [opacity(plan, index) for index in range(COUNT)]
    cores = [cv2.erode((level > 0.999).astype(np.uint8), np.ones((3, 3))) > 0 for level in levels]
    return cores, [level > 0.001 for level in levels]


def test_p1_non_interference_is_bit_exact_where_the_core_differs(studio, areas):
    core, _ = areas
    first, second = (painted(film(secret, core), studio) for secret in (1, 2))
    for index, (one, other) in enumerate(zip(first, second, strict=True)):
        assert (film(1, core)[index].image != film(2, core)[index].image).any()
        np.testing.assert_array_equal(one, other)


def test_p1_what_counts_as_painted_does_not_depend_on_what_was_there(studio, areas):
    """Samples of the source are kept where nothing was painted: never inside a protected area."""
    _, whole = areas
    plan = pipeline.analyse(film(0), Scripted())
    first, second = (
        list(pipeline.render(film(secret, whole), plan, studio, lambda track: 100 + track))
        for secret in (1, 2)
    )
    for area, one, other in zip(whole, first, second, strict=True):
        assert one.changed is not None
        assert other.changed is not None
        np.testing.assert_array_equal(one.changed, other.changed)
        assert one.changed[cv2.erode(area.astype(np.uint8), np.ones((3, 3))) > 0].all()


def test_p1_what_is_painted_does_not_depend_on_the_feather_either(studio, areas):
    """In the feather the frame shows through the paste; on the core nothing of it may arrive."""
    core, whole = areas
    first, second = (painted(film(secret, whole), studio) for secret in (1, 2))
    for mine, one, other in zip(core, first, second, strict=True):
        np.testing.assert_array_equal(one[mine], other[mine])


def test_p2_every_core_pixel_is_replaced_to_the_last_row_and_column(studio, areas):
    """Pixels of a colour that no face has: where one is left, nothing replaced it."""
    core, whole = areas
    frames = [
        Frame(
            frame.index,
            frame.pts,
            TICK,
            np.where(whole[frame.index][..., None], (0, 255, 0), frame.image).astype(np.uint8),
        )
        for frame in film(0)
    ]
    for index, image in enumerate(painted(frames, studio)):
        left = (image == (0, 255, 0)).all(-1) & core[index]
        assert not left.any()
    assert any(mine[-1].any() and mine[:, -1].any() for mine in core)  # the test reaches the edges


def test_p3_a_mediator_that_returns_nan_stops_the_film(studio):
    class Nan:
        def __init__(self, mediation):
            self.noise, self.attach, self.carry, self.together = (
                mediation.noise,
                mediation.attach,
                mediation.carry,
                mediation.together,
            )

        def __call__(self, x0, sigma):
            return x0 * float("nan")

    class Broken:
        def prepare(self, clip, carry):
            return Nan(studio.face.mediator.prepare(clip, carry))

    broken = Studio(Brush(studio.face.replacer, Broken()), studio.small, min_face=0)
    with pytest.raises(FloatingPointError):
        painted(film(0), broken)


def test_p6_another_secret_gives_another_face(studio):
    frames = film(0)
    plan = pipeline.analyse(frames, Scripted())
    one = next(pipeline.render(frames, plan, studio, lambda track: 1 + track)).image
    other = next(pipeline.render(frames, plan, studio, lambda track: 50 + track)).image
    x0, y0, x1, y1 = (round(value) for value in box_at(0))
    assert abs(one.astype(int) - other)[y0:y1, x0:x1].mean() > 4
