from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from anonymizer.bench.scenes import NAMES, Scene, scene

WAYS = ("forward", "backward")


@cache
def _made(name: str) -> Scene:
    return scene(name, 4)


def _way(
    made: Scene, way: str, index: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float32], NDArray[np.bool_]]:
    """From-picture, to-picture, flow and occlusion of one pair, one way."""
    first, second = made.images[index], made.images[index + 1]
    if way == "forward":
        return first, second, made.flow_forward[index], made.occlusion_forward[index]
    return second, first, made.flow_backward[index], made.occlusion_backward[index]


def _pulled(
    picture: NDArray[np.generic], flow: NDArray[np.float32], reach: int = cv2.INTER_LINEAR
) -> NDArray[np.float32]:
    """``picture`` (H, W, 3 or 2) at p + flow(p)."""
    rows, columns = np.mgrid[: flow.shape[0], : flow.shape[1]].astype(np.float32)
    x, y = columns + flow[..., 0], rows + flow[..., 1]
    values = np.ascontiguousarray(picture, np.float32)
    return np.asarray(cv2.remap(values, x, y, reach, borderMode=cv2.BORDER_REPLICATE), np.float32)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", NAMES)
def test_pictures_agree_along_flow(name: str, way: str) -> None:
    made = _made(name)
    for index in range(3):
        here, there, flow, hidden = _way(made, way, index)
        error = np.abs(_pulled(there, flow, cv2.INTER_CUBIC) - here).mean(-1)
        assert np.median(error[~hidden]) < 1.0
        assert np.quantile(error[~hidden], 0.97) < 6.0


@pytest.mark.parametrize("name", NAMES)
def test_there_and_back_is_nowhere(name: str) -> None:
    made = _made(name)
    for index in range(2):
        there, back = made.flow_forward[index], made.flow_backward[index]
        seen = ~made.occlusion_forward[index]
        error = np.linalg.norm(there + _pulled(back, there), axis=-1)[seen]
        # only where the pull mixes disc and plane may there be more
        assert np.quantile(error, 0.97 if name == "occluder" else 1.0) < 0.01


def test_whole_pixel_shift_is_bit_exact() -> None:
    made = scene("shift", 3)
    assert np.array_equal(made.images[0][2:, :-3], made.images[1][:-2, 3:])
    assert (made.flow_forward == [3, -2]).all()
    hidden = made.occlusion_forward[0]
    assert hidden[:2].all()
    assert hidden[:, -3:].all()
    assert not hidden[2:, :-3].any()


def test_still_hides_nothing() -> None:
    made = scene("still", 3)
    assert not made.occlusion_forward.any()
    assert not made.occlusion_backward.any()
    assert not made.flow_forward.any()
    assert (made.images == made.images[0]).all()


def test_occluder_hides_and_reveals() -> None:
    made = scene("occluder", 6)
    inner = np.s_[:, 4:-4, 4:-4]
    for hidden in (made.occlusion_forward, made.occlusion_backward):
        assert hidden[inner].sum(axis=(1, 2)).min() > 20
        assert hidden[inner].mean() < 0.05
    disc, plane = made.flow_forward[0, 48, 32], made.flow_forward[0, 90, 120]
    assert disc == pytest.approx([3.0, 0.7], abs=0.4)
    assert plane == pytest.approx([-0.8, 0.4], abs=1e-5)


def test_occlusion_is_where_the_disc_arrives() -> None:
    made = scene("occluder", 2)
    flow, hidden = made.flow_forward[0], made.occlusion_forward[0]
    rows, columns = np.mgrid[:96, :128]
    goal = np.stack([columns, rows], -1) + flow
    inside = ((goal >= 0) & (goal <= [127, 95])).all(-1)
    under = np.linalg.norm(goal - [63.5 - 32 + 3, 47.5 + 0.7], axis=-1) <= 0.22 * 96
    plane = flow[..., 0] < 0
    assert np.array_equal(hidden, ~inside | (plane & under))


@pytest.mark.parametrize(
    ("name", "place", "expected"),
    [
        ("rotation", (48, 104), (40.5 * (np.cos(0.04) - 1), 40.5 * np.sin(0.04))),
        ("zoom", (88, 64), (0.5 * 0.03, 40.5 * 0.03)),
        ("subpixel", (5, 5), (0.21, 0.13)),
    ],
)
def test_motion_is_what_it_is_called(
    name: str, place: tuple[int, int], expected: tuple[float, float]
) -> None:
    found = scene(name, 2).flow_forward[0][place]
    assert found == pytest.approx(expected, abs=0.03)


def test_hidden_pixels_do_not_agree() -> None:
    made = _made("occluder")
    here, there, flow, hidden = _way(made, "forward", 1)
    hidden = hidden.copy()
    hidden[:4], hidden[-4:], hidden[:, :4], hidden[:, -4:] = False, False, False, False
    error = np.abs(_pulled(there, flow) - here).mean(-1)
    assert np.median(error[hidden]) > 15


def test_optical_flow_finds_the_motion() -> None:
    made = scene("pan", 2)
    grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in made.images]
    estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    found = estimator.calc(grey[0], grey[1], None)
    off = np.linalg.norm(found - made.flow_forward[0], axis=-1)
    assert np.median(off[~made.occlusion_forward[0]]) < 0.2


def test_one_frame_has_no_flow() -> None:
    made = scene("zoom", 1, (10, 14))
    assert made.images.shape == (1, 10, 14, 3)
    assert made.flow_forward.shape == (0, 10, 14, 2)
    assert made.occlusion_backward.shape == (0, 10, 14)


def test_pattern_uses_the_range_without_clipping() -> None:
    images = scene("occluder", 5).images
    assert images.min() > 0
    assert images.max() < 255
    assert images.std() > 15


def test_unknown_scene_and_no_frames_are_refused() -> None:
    with pytest.raises(ValueError, match=r"must be one of still, pan.*got 'spiral'"):
        scene("spiral")
    with pytest.raises(ValueError, match="at least 1 frame, got 0"):
        scene("pan", 0)
