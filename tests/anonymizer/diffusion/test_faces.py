"""The drawn head does what the face did, and nothing when that was not read."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from anonymizer.diffusion import conditions, inpainter, weights
from anonymizer.diffusion.faces import FaceReplacer, FaceSketch, Memory
from anonymizer.head.canonical import MEAN_LANDMARKS, scaled
from anonymizer.head.expression import MOTION
from anonymizer.head.focus import MOST
from anonymizer.head.guide import linear_from_srgb
from anonymizer.head.hair import Hair
from anonymizer.head.person import person_for
from anonymizer.head.tone import tone_gain, with_gain
from anonymizer.settings import Painting
from mediators import medm, none
from tests import factories
from tests.anonymizer.diffusion import tiny


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> FaceReplacer:
    folder = tiny.write_builtin(tmp_path_factory.mktemp("builtin"))
    return inpainter.builtin(Painting(), torch.device("cpu"), folder)


def clip(*jaws: float):
    """Crops of a frontal face whose jaw hangs as low as told."""
    still = factories.clip(T=len(jaws), S=tiny.SIZE)
    motion = np.zeros((len(jaws), len(MOTION)), np.float32)
    motion[:, MOTION.index("jawOpen")] = jaws
    points = np.repeat(scaled(MEAN_LANDMARKS, tiny.SIZE)[None], len(jaws), 0)
    return replace(still, motion=motion, landmarks=points)


def mouth(guide):
    x, y = scaled(MEAN_LANDMARKS, tiny.SIZE)[3:].mean(0).round().astype(int)
    reach = tiny.SIZE // 16
    return guide.colour[y - reach // 2 : y + 2 * reach, x - reach : x + reach]


def test_the_mouth_opens_in_the_frames_in_which_it_was_open(face):
    shut, opened, again = face.guides(clip(0.0, 0.6, 0.0), seed=5)
    np.testing.assert_array_equal(shut.colour, again.colour)
    assert mouth(opened).min() < 0.9 * mouth(shut).min()
    assert mouth(opened).mean() < mouth(shut).mean() - 0.03


def test_without_motion_the_face_is_at_rest(face):
    at_rest, neutral = clip(0.0, 0.0), replace(clip(0.7, 0.7), motion=None)
    for one, other in zip(face.guides(at_rest, 5), face.guides(neutral, 5), strict=True):
        np.testing.assert_array_equal(one.colour, other.colour)


def test_the_eyes_look_where_they_were_looking(face):
    looking = clip(0.0, 0.0)
    motion = looking.motion.copy()
    motion[:, MOTION.index("gazeX")] = -0.4, 0.4
    left, right = face.guides(replace(looking, motion=motion), 5)
    change = np.abs(left.colour - right.colour).max(-1)
    eyes = scaled(MEAN_LANDMARKS, tiny.SIZE)[:2]
    y, x = np.nonzero(change > 0.03)
    near = np.hypot(x[:, None] - eyes[:, 0], y[:, None] - eyes[:, 1]).min(1)
    assert len(near) >= 4
    assert near.max() < tiny.SIZE / 10


def skin(face, shade, seed):
    """Mean colour of the drawn face over a film of one shade."""
    guide = face.sketch(filmed(shade), seed).guides[0]
    return guide.colour[guide.coverage > 0.9].mean(0)


def test_the_tone_of_the_skin_follows_the_film_or_only_the_seed(face):
    pale, brown = (224, 180, 156), (120, 78, 56)
    by_chance = replace(face, match="none")
    assert np.ptp([skin(face, tone, 5).mean() for tone in (pale, brown)]) > 0.1
    np.testing.assert_array_equal(skin(by_chance, pale, 5), skin(by_chance, brown, 5))
    drawn = [skin(by_chance, pale, seed).mean() for seed in range(6)]
    assert np.ptp(drawn) > 0.2
    assert np.ptp(drawn) > 1.5 * np.ptp([skin(face, pale, seed).mean() for seed in range(6)])


def filmed(shade):
    still = clip(0.0, 0.0)
    film = np.broadcast_to(np.array(shade, np.uint8), still.context.shape)
    return replace(still, context=np.where(still.hidden[..., None], np.uint8(128), film))


def test_lighter_skin_than_the_seeds_is_less_pigment_and_darker_skin_less_light(face):
    seed = next(s for s in range(9) if person_for(face.head, s).appearance.melanin > 0.5)
    own = person_for(face.head, seed).appearance.melanin
    pale, black = (face.sketch(filmed(tone), seed) for tone in ((224, 180, 156), (40, 26, 19)))
    assert pale.memory.skin.melanin < own - 0.2
    assert black.memory.skin.melanin == own
    assert replace(face, match="none").sketch(filmed((224, 180, 156)), seed).memory.skin is None


def test_the_frame_that_tells_most_of_skin_decides_on_pigment(face):
    pale = filmed((224, 180, 156))
    blue = filmed((40, 90, 160)).context[0]
    mixed = replace(pale, context=np.stack([blue, pale.context[1]]))
    first, second = (face.sketch(each, 5).memory.skin.melanin for each in (pale, mixed))
    assert first == second


def test_where_the_film_tells_half_of_skin_pigment_does_not_make_it_lighter(face):
    seed = next(s for s in range(9) if person_for(face.head, s).appearance.melanin > 0.5)
    still = filmed((40, 90, 160))
    context = still.context.copy()
    context[:, -1, ::16] = 224, 180, 156
    still = replace(still, context=context)
    told = conditions.evidence(still, np.ones(len(context), np.float32))
    assert 0.2 < told[0].trust < 0.8
    sketch = face.sketch(still, seed)
    own = face.guides(still, seed)
    plain = conditions.toned(own, conditions.tones(still, own, told)[0])
    assert sketch.memory.skin.melanin < person_for(face.head, seed).appearance.melanin - 0.05
    tones = [guide.colour[guide.coverage > 0.9].mean() for guide in (sketch.guides[0], plain[0])]
    assert tones[0] == pytest.approx(tones[1], rel=0.1)


def under_hair(shade, colour, rows=tiny.SIZE // 6):
    still = filmed(shade)
    context = still.context.copy()
    context[:, :rows] = colour
    context[still.hidden] = 128
    return replace(still, context=context)


@pytest.mark.parametrize("shade", [(224, 180, 156), (124, 86, 70), (90, 62, 50)])
def test_brows_are_to_skin_as_the_films_hair_is(face, shade):
    """In a dark film, too, which is lightened."""
    seed = next(
        s
        for s in range(99)
        if np.mean((look := person_for(face.head, s).appearance).hair) > 0.1 and look.melanin < 0.2
    )
    hair, still = (30, 26, 24), under_hair(shade, (30, 26, 24))
    sketch = face.sketch(still, seed)
    skin = sketch.memory.skin
    drawn, plain = (face.guides(still, seed, each)[0] for each in (skin, replace(skin, hair=None)))
    inner = (drawn.coverage > 0.9) & (drawn.normals[..., 2] > 0.6)
    film = [linear_from_srgb(np.array(each) / 255).mean() for each in (hair, shade)]
    tone = linear_from_srgb(plain.colour[inner]).mean()
    assert skin.hair == pytest.approx(tone * film[0] / film[1], rel=0.35)
    assert skin.hair * skin.light == pytest.approx(film[0] * sketch.light[0], rel=0.35)
    assert (plain.colour - drawn.colour).max() > 0.04
    assert (sketch.light[0] > 1) == (shade[0] < 100)


def test_a_speck_of_black_does_not_decide_on_brows(face):
    still = filmed((224, 180, 156))
    context = still.context.copy()
    context[:, :2, tiny.SIZE // 2 - 1 : tiny.SIZE // 2 + 1] = 12
    speck = replace(still, context=np.where(still.hidden[..., None], np.uint8(128), context))
    assert face.sketch(speck, 5).memory.skin.hair is None
    assert face.sketch(under_hair((224, 180, 156), 12), 5).memory.skin.hair is not None


def test_hair_that_only_a_later_crop_shows_counts(face):
    still = clip(*[0.0] * 6)
    bare, dark = filmed((224, 180, 156)), under_hair((224, 180, 156), 12)
    context = np.concatenate([bare.context] * 2 + [dark.context])
    sketch = face.sketch(replace(still, context=context), 5)
    assert sketch.memory.skin.hair == pytest.approx(face.sketch(dark, 5).memory.skin.hair)


def test_skin_that_is_bright_in_a_dark_film_is_not_clipped(face):
    """Red would be white first."""
    still = filmed((14, 12, 11))
    context = still.context.copy()
    context[:, -1, ::3] = 200, 120, 86
    context[still.hidden] = 128
    sketch = face.sketch(replace(still, context=context), 5)
    assert sketch.light[0] > 2
    told = conditions.evidence(replace(still, context=context), sketch.light)[0]
    red, green, _ = linear_from_srgb(np.array((200, 120, 86)) / 255)
    assert told.trust > 0.2
    assert told.skin[0] - told.skin[1] == pytest.approx(np.log(red / green), abs=0.05)
    light = np.exp(sketch.memory.tone.mean)
    assert light[0] / light[1] > 1.1


def test_pigment_stays_in_a_track_whatever_the_film_becomes(face):
    first = face.sketch(filmed((224, 180, 156)), 5)
    later = face.continued(filmed((120, 78, 56)), 5, first.memory)
    assert later.memory.skin.melanin == first.memory.skin.melanin


def test_brows_stay_dark_on_skin_that_is_lightened(face):
    seed = next(s for s in range(9) if person_for(face.head, s).appearance.melanin > 0.5)
    still = filmed((224, 180, 156))
    drawn = face.sketch(still, seed).guides[0]
    gain = tone_gain(face.guides(still, seed)[0], still.context[0], ~still.hidden[0])
    brighter = with_gain(face.guides(still, seed)[0], gain)
    (x0, y), (x1, _) = scaled(MEAN_LANDMARKS, tiny.SIZE)[:2]
    brows = np.s_[round(y - (x1 - x0) / 2) : round(y - (x1 - x0) / 5), round(x0) : round(x1)]
    depth = [np.ptp(guide.colour[brows].mean(-1)) for guide in (drawn, brighter)]
    assert depth[0] > 1.1 * depth[1]


def test_the_setting_decides_who_decides_the_tone(tmp_path):
    folder = tiny.write_builtin(tmp_path)
    for match in ("tone", "none"):
        built = inpainter.builtin(Painting(match=match), torch.device("cpu"), folder)
        assert built.match == match
        larger = inpainter.enlarged(built)
        assert isinstance(larger, FaceReplacer)
        assert larger.match == match


def painted(face, every, mediator=None, jaws=(0.0,) * 9):
    still = clip(*jaws)
    sketch = replace(face, every=every).sketch(still, 5)
    return sketch, sketch.paint((mediator or medm.build()).prepare(sketch.moving, None))


def counted(face, calls):
    """The same painter; ``calls`` learns how many crops each call of its denoiser holds."""
    model, painter = face.painter.model, face.painter
    network = model.network

    class Counting(torch.nn.Module):
        config, dtype, device = network.config, network.dtype, network.device

        def forward(self, x, *args, **kwargs):
            calls.append(len(x))
            return network(x, *args, **kwargs)

    return replace(face, painter=replace(painter, model=replace(model, network=Counting())))


@pytest.mark.parametrize(("init", "every"), [("guide", 1), ("guide", 4), ("source", 1)])
def test_a_painter_that_makes_faces_lighter_is_put_right(face, monkeypatch, init, every):
    """But not where it starts from the original, and is to keep its light."""
    painted_by = FaceSketch._diffused

    def lighter(self, *words):
        return np.clip(1.5 * painted_by(self, *words), 0, 255).astype(np.uint8)

    chosen = replace(face, init=init)
    mediator = medm.build() if every > 1 else none.build()
    sketch, before = painted(chosen, every, mediator)
    monkeypatch.setattr(FaceSketch, "_diffused", lighter)
    _, after = painted(chosen, every, mediator)
    solid = sketch.guides[0].coverage > 0.99
    light = [linear_from_srgb(each[0][solid] / 255).mean() for each in (after, before)]
    assert (light[0] > 1.2 * light[1]) == (init == "source")


def test_only_key_frames_are_diffused(face):
    calls: list[int] = []
    painted(counted(face, calls), 4)
    every = list(calls)
    calls.clear()
    painted(counted(face, calls), 1)
    assert sum(every) / sum(calls) == pytest.approx(3 / 9)


def test_without_trajectories_every_frame_is_diffused(face):
    calls: list[int] = []
    painted(counted(face, calls), 4, none.build())
    assert sum(calls) % 9 == 0


def test_frames_between_key_frames_hardly_differ_from_diffused_ones():
    """Of the model that ships: one that was not trained gives noise, which is not filled in."""
    face = inpainter.builtin(Painting(), torch.device("cpu"), weights.builtin_folder())
    still = factories.clip(T=5, S=face.size)
    points = np.repeat(scaled(MEAN_LANDMARKS, face.size)[None], 5, 0)
    still = replace(still, landmarks=points)

    def result(every, seed=5):
        sketch = replace(face, every=every).sketch(still, seed)
        return sketch.paint(medm.build().prepare(sketch.moving, None)).astype(int)

    core = factories.oval(face.size) == 1
    dense = result(1)
    off, apart = (np.abs(each - dense)[:, core].mean() for each in (result(4), result(1, seed=6)))
    assert off < apart / 10


def test_the_mouth_between_key_frames_opens_as_it_is_drawn(face):
    jaws = [0.0, 0.5, 0.0, 0.5, 0.0]
    sketch, result = painted(face, 4, jaws=jaws)
    x, y = scaled(MEAN_LANDMARKS, tiny.SIZE)[3:].mean(0).round().astype(int)
    reach = tiny.SIZE // 16
    place = np.s_[:, y : y + 2 * reach, x - reach : x + reach]
    drawn = sketch.moving.pixels[place].mean((1, 2, 3))
    seen = result[place].mean((1, 2, 3))
    assert np.corrcoef(drawn, seen)[0, 1] > 0.9


def capped(jaws: int, *, hair: int):
    """Crops of a face in front of a wall, the last of them with dark hair to be seen above it."""
    still = clip(*[0.0] * jaws)
    pixels = np.full_like(still.pixels, 150)
    first = int(np.flatnonzero(still.hidden[0].any(1))[0])
    pixels[jaws - hair :, : first + 2, tiny.SIZE // 4 : 3 * tiny.SIZE // 4] = 20
    return replace(still, pixels=pixels, context=np.where(still.hidden[..., None], 0, pixels))


def test_hair_seen_once_stays_when_the_film_shows_none(face):
    first = face.sketch(capped(12, hair=12), 5)
    then = face.continued(capped(4, hair=0), 5, first.memory)
    alone = face.sketch(capped(4, hair=0), 5)
    crowns = [hair.crown for hair in then.hair]
    assert first.memory.hair.weight > 0
    assert min(crowns) > 0.5
    assert crowns == sorted(set(crowns), reverse=True)
    told, guessed = then.hair[-1], alone.hair[-1]
    assert told.known == 1 > 0 == guessed.known
    np.testing.assert_allclose(told.colour, 20 / 127.5 - 1, atol=0.05)
    assert then.memory.hair == then.hair[-1]


def test_hair_that_comes_into_sight_later_is_known_from_the_first_frame(face):
    bare, looks = capped(4, hair=0), replace(capped(3, hair=1), indices=(48, 24, 0))
    known = face.continued(bare, 5, face.acquainted(looks, 5)).hair[0]
    assert face.sketch(bare, 5).hair[0].known == 0
    assert known.known == 1
    np.testing.assert_allclose(known.colour, 20 / 127.5 - 1, atol=0.05)


def test_what_looks_and_the_first_crops_tell_of_hair_is_there_from_the_first(face):
    memory = face.acquainted(replace(capped(2, hair=2), indices=(24, 0)), 5)
    first = capped(4, hair=4)
    pixels = np.where(first.pixels == 20, np.uint8(60), first.pixels)
    first = replace(first, pixels=pixels, context=np.where(first.hidden[..., None], 0, pixels))
    sketch = face.continued(first, 5, memory)
    assert len({each.colour.tobytes() for each in sketch.hair}) == 1
    assert 20 < (sketch.hair[0].colour[0] + 1) * 127.5 < 60
    later = face.continued(first, 5, sketch.memory).hair
    assert len({each.colour.tobytes() for each in later}) == len(later)


def looks_of(*shades):
    """Looks at a face in front of a wall of a shade each, the last one first."""
    crops = [filmed(shade) for shade in shades]
    first = crops[0]
    return replace(
        clip(*[0.0] * len(shades)),
        context=np.stack([each.context[0] for each in crops]),
        hidden=np.stack([first.hidden[0]] * len(shades)),
        indices=tuple(24 * at for at in reversed(range(len(shades)))),
    )


LIGHT, DARK = (200, 150, 120), (100, 75, 60)


def test_a_track_begins_in_the_tone_that_it_is_going_to_have(face):
    light, dark = (face.sketch(filmed(each), 5).memory.tone.mean for each in (LIGHT, DARK))
    memory = face.acquainted(looks_of(DARK, DARK, DARK, DARK), 5)
    np.testing.assert_allclose(memory.tone.gain, dark, atol=0.02)
    assert not memory.tone.gains
    begun = face.continued(filmed(LIGHT), 5, memory)
    assert np.abs(begun.memory.tone.gain - dark).max() < 0.2 * np.abs(light - dark).max()


def test_where_light_changes_a_track_begins_in_the_tone_that_is_nearest(face):
    def light_of(sketch):
        guide = sketch.guides[0]
        return float(np.log(linear_from_srgb(guide.colour)[guide.coverage > 0.9] + 0.004).mean())

    steady = {shade: light_of(face.sketch(filmed(shade), 5)) for shade in (LIGHT, DARK)}
    for near, far in ((LIGHT, DARK), (DARK, LIGHT)):
        memory = face.acquainted(looks_of(far, far, near, near), 5)
        begun = light_of(face.continued(filmed(near), 5, memory))
        assert abs(begun - steady[near]) < 0.4 * abs(steady[far] - steady[near])


def test_looks_that_show_no_skin_leave_it_to_the_first_crops(face):
    nothing = looks_of((0, 0, 0), (0, 0, 0), (0, 0, 0))
    memory, alone = face.acquainted(nothing, 5), face.sketch(filmed(LIGHT), 5)
    told = face.continued(filmed(LIGHT), 5, memory).memory
    assert memory.skin is None
    np.testing.assert_array_equal(told.tone.gain, alone.memory.tone.gain)
    assert told.skin.melanin == alone.memory.skin.melanin


def test_one_look_is_enough_to_begin_with(face):
    one = capped(1, hair=1)
    assert face.acquainted(one, 5).hair.known == face.sketch(one, 5).memory.hair.known == 1


def test_hair_is_there_from_the_first_frame_of_a_track(face):
    hair = face.sketch(capped(12, hair=8), 5).hair
    assert len({each.crown for each in hair}) == 1
    assert hair[0].crown > 0.5


def test_hair_that_comes_into_sight_later_does_not_pop_up(face):
    bald = replace(face.sketch(capped(4, hair=0), 5).memory, hair=Hair())
    crowns = [hair.crown for hair in face.continued(capped(8, hair=8), 5, bald).hair]
    assert crowns == sorted(set(crowns))
    assert crowns[0] < 0.2 < 0.5 < crowns[-1]


@pytest.mark.parametrize("match", ["tone", "none"])
def test_who_has_not_been_seen_to_be_bald_has_hair_of_their_own(face, match):
    seed = next(s for s in range(40) if np.mean(person_for(face.head, s).appearance.hair) > 0.1)
    sketch = replace(face, match=match).sketch(capped(4, hair=0), seed)
    own = np.asarray(person_for(face.head, seed).appearance.hair)
    light = sketch.memory.skin.light if match == "tone" else 1.0
    assert min(hair.crown for hair in sketch.hair) > 0.9
    lit = linear_from_srgb((sketch.hair[0].colour + 1) / 2)
    np.testing.assert_allclose(lit, (own * light).clip(0, 1), rtol=0.02)
    night = capped(4, hair=0)
    night = replace(night, context=np.minimum(night.context, 60))
    sketch = replace(face, match=match).sketch(night, seed)
    light = (sketch.memory.skin.light if match == "tone" else 1.0) / sketch.light[0]
    assert sketch.light[0] > 1.2
    lit = linear_from_srgb((sketch.hair[0].colour + 1) / 2)
    np.testing.assert_allclose(lit, own * light, rtol=0.02)


def test_a_guess_gives_way_to_what_the_film_shows_little_by_little(face):
    guessed = face.sketch(capped(4, hair=0), 5)
    after = face.continued(capped(8, hair=8), 5, guessed.memory).hair
    far = [np.abs(hair.colour - (20 / 127.5 - 1)).mean() for hair in after]
    assert far == sorted(set(far), reverse=True)
    assert far[0] > 0.05
    assert far[-1] < 0.03


def out_of_focus(count: int, spread: float):
    """Crops with patches of many levels around the blank, blurred by so many pixels of 128."""
    still = clip(*[0.0] * count)
    levels = np.random.default_rng(0).integers(20, 230, (11, 11, 1), np.uint8).repeat(3, 2)
    patches = cv2.resize(levels, (128, 128), interpolation=cv2.INTER_NEAREST)
    soft = cv2.GaussianBlur(patches, (0, 0), spread) if spread else patches
    film = cv2.resize(soft, (tiny.SIZE, tiny.SIZE), interpolation=cv2.INTER_AREA)
    hidden = np.zeros_like(still.hidden)
    hidden[:, 16:48, 20:44] = True
    shown = np.where(hidden[..., None], np.uint8(128), film)
    return replace(still, context=shown, hidden=hidden, mask=hidden.astype(np.float32))


def test_what_is_painted_is_as_far_out_of_focus_as_the_film(face):
    sketch = face.sketch(out_of_focus(2, 0), 5)
    assert sketch.softness == [0, 0]
    plan = none.build().prepare(sketch.moving, None)
    sharp, soft = (replace(sketch, softness=[each] * 2).paint(plan) for each in (0.0, MOST))
    for one, other, around in zip(sharp, soft, sketch.around, strict=True):
        there = around.hidden & (around.guide.coverage > 0.99)
        blurred = cv2.GaussianBlur(one, (0, 0), MOST * tiny.SIZE).astype(int)
        assert there.sum() > 40
        assert np.abs(other[there] - blurred[there]).max() <= 1
        assert (one[~around.hidden] == other[~around.hidden]).all()


def test_a_track_is_as_soft_in_all_its_first_crops_and_remembers_that(face):
    soft, sharp = out_of_focus(4, 18), out_of_focus(4, 0)
    mixed = replace(soft, context=np.concatenate([soft.context[:1], sharp.context[1:]]))
    assert len(set(face.sketch(mixed, 5).softness)) == 1
    first = face.sketch(soft, 5)
    assert 0.3 * MOST < first.softness[0] <= MOST
    assert first.softness == first.softness[:1] * 4
    later, alone = (face.continued(sharp, 5, m) for m in (first.memory, Memory()))
    assert alone.softness == [0] * 4
    assert later.memory.focus.weight > 1.2 * alone.memory.focus.weight
    assert later.memory.focus.fine > alone.memory.focus.fine
