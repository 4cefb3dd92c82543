"""MeDM and FRESCO together; numbers are those of our notes on FRESCO."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import mediators
from anonymizer import build
from anonymizer.data import Carry
from anonymizer.diffusion import inpainter
from anonymizer.errors import UnknownPart, UsageError
from anonymizer.settings import Painting, Settings
from mediators import _both
from tests import factories
from tests.anonymizer.diffusion import tiny
from tests.mediators import oracle, tokens
from tests.mediators.loops import LATENTS, SIZE, Looking, sampled
from tests.mediators.tokens import Moving

CPU = torch.device("cpu")


def joined(motion, pixels=(), **features) -> Any:
    return _both.build(dict(pixels) | {"correspond": motion}, {"iterations": 2} | features)


def test_both_ask_for_every_correspondence_once():
    motion = Moving((1.0, 0.0))
    clip = tokens.seen(tokens.frames(5, 0, SIZE))
    mediation = joined(motion).prepare(clip, None)
    ring = {(at, at + 1) for at in range(4)} | {(at + 1, at) for at in range(4)} | {(0, 4), (4, 0)}
    assert sorted(motion.asked) == sorted(ring)
    hidden = mediation.features.links.chain[0].back.hidden
    fresh = mediation.pixels.encoding.frames[1].ids >= SIZE[0] * SIZE[1]
    np.testing.assert_array_equal(fresh, hidden)


def test_pixels_and_noise_are_medms_and_attention_is_frescos():
    motion = Moving((1.0, 0.0))
    clip = tokens.seen(tokens.frames(4, 0, SIZE))
    both = joined(motion).prepare(clip, None)
    medm = mediators.load("medm", {"correspond": motion}).prepare(clip, None)
    fresco = mediators.load("fresco", {"correspond": motion, "iterations": 2}).prepare(clip, None)
    x = tokens.noise(4, 3, *SIZE)
    assert torch.equal(both(x, 1.0), medm(x, 1.0))
    assert torch.equal(both.noise((4, 2, 8, 16), 3), medm.noise((4, 2, 8, 16), 3))
    model, latents = tokens.text_unet(), tokens.noise(4, *LATENTS)
    results = []
    for mediation in (both, fresco):
        with torch.no_grad(), mediation.attach(model, Looking(model, latents)):
            results.append(sampled(model, latents, (701,)))
    assert torch.equal(*results)
    assert both.together


def test_features_are_not_aligned_on_the_grid_where_pixels_are():
    assert joined(Moving()).features.switches.finest_temporal == 64 * 64 - 1
    assert joined(Moving(), finest_temporal=9).features.switches.finest_temporal == 9
    assert mediators.load("fresco", {}).switches.finest_temporal == 64 * 64  # type: ignore[attr-defined]


def test_both_hand_on_what_is_theirs():
    whole = tokens.seen(tokens.frames(8, 0, SIZE))
    mediator, model = joined(Moving((1.0, 0.0))), tokens.text_unet()
    carry: Any = None
    for start, lead in ((0, 0), (4, 2)):
        mediation: Any = mediator.prepare(
            oracle.part_of(whole, start - lead, start + 4, lead), carry
        )
        with torch.no_grad(), mediation.attach(model):
            sampled(model, tokens.noise(4, *LATENTS), (701, 1))
        mediation(tokens.noise(4, 3, *SIZE), 1.0)
        carry = mediation.carry()
    assert mediation.pixels.past.index == 3
    assert mediation.features.clip.indices == (0, 3, 4, 5, 6, 7)
    assert carry.pixels.index == carry.features.index == 7
    assert len(repr(carry)) < 200
    with pytest.raises(ValueError, match=r"must come from medm\+fresco, got Carry"):
        mediator.prepare(whole, Carry())


def test_options_go_to_whom_they_are_for_and_flow_is_shared():
    found: Any = mediators.united(
        "fresco+medm", {"medm": {"window": 3}, "fresco": {"flow": "dis", "cross_frame": False}}
    )
    assert found.pixels.window == 3
    assert not found.features.switches.cross_frame
    assert found.pixels.correspond is found.features.correspond
    own = Moving()
    given: Any = mediators.united("medm+fresco", {"fresco": {"correspond": own}})
    assert given.pixels.correspond is own
    with pytest.raises(ValueError, match="share one correspond"):
        _both.build({"correspond": own}, {"correspond": Moving((1.0, 0.0))})
    with pytest.raises(ValueError, match="raft9"):
        mediators.united("medm+fresco", {"fresco": {"flow": "raft9"}})


def test_settings_name_them_and_say_what_they_do_not_know():
    def named(mediator, **options):
        painting = Painting(mediator=mediator)
        return build._mediator(Settings(painting=painting, options=options))

    found: Any = named("medm+fresco", fresco={"keys": 2}, medm={"rule": "capped"})
    assert found.features.switches.keys == 2
    assert found.pixels.rule == "capped"
    assert named("fresco", fresco={"rate": 0.1}).switches.rate == 0.1
    with pytest.raises(UsageError, match=r"options of medm\+fresco: .*sharpnes"):
        named("medm+fresco", fresco={"sharpnes": 1})
    with pytest.raises(UnknownPart, match="unknown mediator 'fresko'"):
        named("medm+fresko")


# Privacy.


@pytest.fixture(scope="module", params=["builtin", "prompt"])
def replacer(request, tmp_path_factory) -> Any:
    folder = tmp_path_factory.mktemp("model")
    if request.param == "builtin":
        return inpainter.builtin(Painting(steps=2), CPU, tiny.write_builtin(folder))
    return inpainter.prompted(Painting(steps=2), CPU, tiny.write_pipeline(folder))


@pytest.mark.parametrize("name", ["fresco", "medm+fresco"])
def test_24_faces_change_nothing_that_guides_and_no_result(replacer, name):
    """Two chunks; the flow is held fixed, what is inside protected areas is not."""
    motion = Moving((0.5, -0.25))
    options: Any = {"fresco": {"correspond": motion, "optimise_until": 1e9, "iterations": 2}}
    whole = factories.clip(7, tiny.SIZE)
    faces = np.random.default_rng(3).integers(0, 256, whole.pixels.shape, np.uint8)
    results = []
    for clip in (
        whole,
        replace(whole, pixels=np.where(whole.hidden[..., None], faces, whole.pixels)),
    ):
        carry, frames = None, []
        for start, stop, lead in ((0, 3, 0), (2, 7, 1)):
            sketch = replacer.sketch(oracle.part_of(clip, start, stop, lead), 3)
            mediation = mediators.united(name, options).prepare(sketch.moving, carry)
            frames.append(sketch.paint(mediation))
            carry = mediation.carry()
        left: Any = carry
        results.append((frames, left if name == "fresco" else left.features))
    (one, mine), (two, other) = results
    for first, second in zip(one, two, strict=True):
        np.testing.assert_array_equal(first, second)
    for first, second in zip(mine.shown, other.shown, strict=True):
        assert list(first.rows) == list(second.rows)
        assert (None, 0) in first.rows
        for key in first.rows:
            assert equal(first.rows[key], second.rows[key])
    np.testing.assert_array_equal(mine.first.context, other.first.context)


def equal(one: Any, other: Any) -> bool:
    """Whether two structures of tensors are the same bit for bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[name], other[name]) for name in one)
    if isinstance(one, tuple | list):
        return all(equal(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other)


def test_24_colours_and_paths_do_not_know_the_face():
    mask = np.zeros((4, *SIZE))
    mask[:, 16:48, 32:96] = 1
    one = tokens.frames(4, 0, SIZE, mask=mask)
    other = replace(one, pixels=np.where(one.hidden[..., None], 255 - one.pixels, one.pixels))
    links = [
        mediators.load("fresco", {"correspond": tokens.drifting()}).prepare(clip, None).links  # type: ignore[attr-defined]
        for clip in (one, other)
    ]
    np.testing.assert_array_equal(links[0].colours, links[1].colours)
    for grid in ((8, 16), (3, 5)):
        first, second = (each.paths(grid) for each in links)
        np.testing.assert_array_equal(first.tokens, second.tokens)
        np.testing.assert_array_equal(first.segments, second.segments)


@pytest.mark.parametrize("name", ["fresco", "medm+fresco"])
def test_painting_is_guided(replacer, name):
    clip = factories.clip(4, tiny.SIZE)
    sketch = replacer.sketch(clip, 3)
    plain = "none" if name == "fresco" else "medm"
    frames = [
        sketch.paint(mediators.united(each, {}).prepare(sketch.moving, None))
        for each in (plain, name)
    ]
    assert not np.array_equal(*frames)
