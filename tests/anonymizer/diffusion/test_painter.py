"""What painters show to mediators of features, and how many crops a call of the model holds."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import torch

from anonymizer.diffusion import inpainter
from anonymizer.settings import Painting
from tests import factories
from tests.anonymizer.diffusion import tiny

CPU = torch.device("cpu")


@pytest.fixture(scope="module", params=["builtin", "prompt"])
def replacer(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    if request.param == "builtin":
        found: Any = inpainter.builtin(Painting(steps=2), CPU, tiny.write_builtin(folder))
    else:
        found = inpainter.prompted(Painting(steps=2), CPU, tiny.write_pipeline(folder))
    single = replace(found.painter, model=replace(found.painter.model, batch=1))
    return replace(found, painter=single)


@dataclass
class Watching(tiny.Plan):
    """Remembers what the network is given while it looks and while it samples."""

    looked: list[Any] = field(default_factory=list)
    seen: list[Any] = field(default_factory=list)

    def noise(self, shape, seed):
        return torch.randn(shape, generator=torch.Generator().manual_seed(seed))

    @contextmanager
    def attach(self, model, reference=None):
        handle = model.register_forward_pre_hook(
            lambda _, args: self.seen.append((args[0].clone(), args[1]))
        )
        reference.look()
        self.looked, self.seen = self.seen, []
        with super().attach(model, reference):
            yield
        handle.remove()


def painted(replacer, clip=None, **options):
    plan = Watching(**options)
    replacer.sketch(factories.clip(S=tiny.SIZE) if clip is None else clip, 3).paint(plan)
    return plan


@pytest.mark.parametrize(("together", "rows"), [(False, 1), (True, 4)])
def test_a_call_holds_all_crops_where_that_is_asked_for(replacer, together, rows):
    plan = painted(replacer, together=together)
    assert {len(x) for x, _ in plan.looked + plan.seen} == {rows}
    assert replacer.painter.model.batch == 1


def test_a_look_is_the_calls_of_one_step_with_hardly_any_noise(replacer):
    plan = painted(replacer, together=True)
    conditions = 2 if hasattr(replacer, "prompt") else 1
    assert [time for _, time in plan.looked] == [1] * conditions
    assert len(plan.seen) == 2 * conditions
    assert plan.reference.levels[0] < plan.reference.levels[1] < plan.reference.levels[-1]
    assert len(plan.reference.levels) == 1000
    assert plan.reference.drawn == (not hasattr(replacer, "prompt"))


def test_crops_that_are_alike_are_looked_at_alike(replacer):
    clip = factories.clip(S=tiny.SIZE, motion=(0.0, 0.0))
    plan = painted(replacer, clip, together=True)
    for rows, _ in plan.looked:
        assert torch.equal(rows, rows[:1].expand_as(rows))


def test_p1_a_look_shows_nothing_of_what_is_hidden(replacer):
    clip = factories.clip(S=tiny.SIZE)
    face = np.random.default_rng(5).integers(0, 256, clip.pixels.shape, np.uint8)
    other = replace(clip, pixels=np.where(clip.hidden[..., None], face, clip.pixels))
    assert not np.array_equal(clip.pixels, other.pixels)
    for (one, _), (two, _) in zip(
        *(painted(replacer, seen, together=True).looked for seen in (clip, other)), strict=True
    ):
        assert torch.equal(one, two)
