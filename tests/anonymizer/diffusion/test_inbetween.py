from __future__ import annotations

import numpy as np
import torch

from anonymizer.diffusion.inbetween import filled, patched
from mediators import medm
from tests.mediators import oracle

SIDE, COUNT, STEP = 24, 5, (2.0, 0.0)


def mediation(step: tuple[float, float] = STEP):
    grids, valid = oracle.panned(COUNT, SIDE, step)
    clip = oracle.clip_of(np.zeros((COUNT, SIDE, SIDE, 3), np.uint8))
    return medm.build(correspond=oracle.Held(oracle.matches(grids, valid))).prepare(clip, None)


def shown(step: tuple[float, float] = STEP) -> np.ndarray:
    film = oracle.film_of(COUNT, SIDE, step)
    frames = ((film.permute(0, 2, 3, 1).numpy() + 1) * 127.5).round()
    return np.asarray(frames, np.uint8)


def test_an_exact_pan_is_filled_exactly_where_a_key_frame_shows_it() -> None:
    film = shown()
    frames, holes = filled(mediation(), film[0], film[-1], COUNT)
    assert frames.shape == (COUNT - 2, SIDE, SIDE, 3)
    assert not holes.any()  # what comes in at the left is in the last frame
    assert np.abs(frames.astype(int) - film[1:-1]).max() <= 1


def test_what_both_show_is_blended_by_the_distance_in_time() -> None:
    first, last = (np.full((SIDE, SIDE, 3), value, np.uint8) for value in (0, 200))
    frames, _ = filled(mediation((0.0, 0.0)), first, last, COUNT)
    assert [np.unique(frame).tolist() for frame in frames] == [[50], [100], [150]]


def test_what_neither_shows_is_a_hole_that_is_closed_from_around() -> None:
    grids, valid = oracle.panned(3, SIDE, (0.0, 0.0))
    valid[:, 8:12, 10:14] = False
    clip = oracle.clip_of(np.zeros((3, SIDE, SIDE, 3), np.uint8))
    plan = medm.build(correspond=oracle.Held(oracle.matches(grids, valid))).prepare(clip, None)
    grey = np.full((SIDE, SIDE, 3), 90, np.uint8)
    frames, holes = filled(plan, grey, grey, 3)
    assert np.array_equal(np.argwhere(holes[0]), np.argwhere(~valid[0]))
    assert np.abs(frames.astype(int) - 90).max() <= 2


def test_a_frame_that_is_all_hole_is_grey() -> None:
    grids, valid = oracle.panned(3, SIDE, (0.0, 0.0))
    clip = oracle.clip_of(np.zeros((3, SIDE, SIDE, 3), np.uint8))
    held = oracle.Held(oracle.matches(grids, np.zeros_like(valid)))
    plan = medm.build(correspond=held).prepare(clip, None)
    frames, holes = filled(plan, shown()[0], shown()[1], 3)
    assert holes.all()
    assert np.unique(frames).tolist() == [128]


def test_patches_cover_holes_wholly_and_little_else() -> None:
    holes = np.zeros((1, SIDE, SIDE), np.bool_)
    holes[0, 8:12, 10:14] = True
    frames, painted = (np.full((1, SIDE, SIDE, 3), value, np.uint8) for value in (50, 250))
    result = patched(frames, painted, holes)
    assert (result[holes] == 250).all()
    assert (result[0, :2] == 50).all()
    assert (result[0, 7, 11] > 60).all()
    assert (frames == 50).all()
    assert torch.is_grad_enabled()
