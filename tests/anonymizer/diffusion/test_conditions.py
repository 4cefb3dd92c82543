from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from anonymizer.data import Clip
from anonymizer.diffusion import conditions
from anonymizer.head.guide import Guide, linear_from_srgb
from anonymizer.head.tone import Tone
from tests import factories
from tests.mediators import oracle

S = 32


def guide(colour: float = 0.75, cover: float = 1.0) -> Guide:
    """A guide that covers the left 20 columns."""
    coverage = np.zeros((S, S), np.float32)
    coverage[:, :20] = cover
    normals = np.zeros((S, S, 3), np.float32)
    normals[:, :20] = (0.6, 0.0, 0.8)
    colours = np.full((S, S, 3), colour, np.float32) * (coverage > 0)[..., None]
    return Guide(colours, coverage, normals, coverage)


def in_tone(clip: Clip, guides: list[Guide]) -> list[Guide]:
    return conditions.toned(guides, tones(clip, guides)[0])


def test_pictures_and_images_are_inverse() -> None:
    image = factories.picture((8, 12))[None]
    tensor = conditions.pictures(image)
    assert tensor.shape == (1, 3, 8, 12)
    assert float(tensor[0, 2, 5, 7]) == pytest.approx(float(image[0, 5, 7, 2]) / 127.5 - 1)
    assert np.array_equal(conditions.images(tensor), image)


def test_images_are_rounded_and_limited() -> None:
    tensor = torch.tensor([-1.5, -1.0, 0.0, 1.0, 1.5]).view(1, 1, 1, 5).expand(1, 3, 1, 5)
    assert conditions.images(tensor)[0, 0, :, 0].tolist() == [0, 0, 128, 255, 255]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_images_that_are_not_finite_are_refused(value: float) -> None:
    tensor = torch.zeros(2, 3, 4, 5)
    tensor[1, 2, 3, 4] = value
    with pytest.raises(FloatingPointError, match="not finite"):
        conditions.images(tensor)


def test_blanked_is_context_outside_and_zero_where_hidden() -> None:
    clip = factories.clip(T=3, S=S, lead=1)
    result = conditions.blanked(clip).permute(0, 2, 3, 1).numpy()
    hidden = clip.hidden[1:]
    assert (result[hidden] == 0).all()
    assert np.allclose(result[~hidden], clip.context[1:][~hidden] / 127.5 - 1, atol=1e-6)


def test_cells_are_hidden_when_one_of_their_pixels_is() -> None:
    base = factories.clip(T=1, S=S)
    hidden = np.zeros_like(base.hidden)
    hidden[0, 9, 23] = True
    cells = conditions.hidden_cells(replace(base, hidden=hidden), 8)
    assert cells.shape == (1, 1, 4, 4)
    assert cells.nonzero().tolist() == [[0, 0, 1, 2]]


def test_masks_are_those_of_the_new_crops() -> None:
    base = factories.clip(T=3, S=S)
    hidden = np.zeros_like(base.hidden)
    for at in range(3):
        hidden[at, 8 * at, 0] = True
    cells = conditions.hidden_cells(replace(base, hidden=hidden, lead=2), 8)
    assert cells.nonzero().tolist() == [[0, 0, 2, 0]]


def test_composite_draws_the_guide_on_this_face_alone() -> None:
    base = factories.clip(T=1, S=S)
    hidden, mask = np.zeros((1, S, S), bool), np.zeros((1, S, S), np.float32)
    hidden[0, 4:20, 4:28] = True
    mask[0, 4:12, 4:28] = 0.5
    context = np.full((1, S, S, 3), 51, np.uint8)
    clip = replace(base, hidden=hidden, mask=mask, context=context)
    result = conditions.composite(clip, [guide(cover=0.5)])[0].numpy()
    around = 51 / 127.5 - 1
    assert np.allclose(result[:, 5, 10], (0.5 + around) / 2)  # half a guide of 0.5
    assert np.allclose(result[:, 5, 25], around)  # on this face, past the head
    assert np.allclose(result[:, 13, 10], (0.5 + around) / 2)  # the rim: blanked, not pasted
    assert np.allclose(result[:, 15, 10], around)  # hidden by another face
    assert np.allclose(result[:, 25, 10], around)


def test_structure_is_averaged_over_cells() -> None:
    planes = conditions.structures([guide(), guide(cover=0.5)], 8)
    assert planes.shape == (2, 4, 4, 4)
    assert planes[0, 3, 0].tolist() == [1, 1, 0.5, 0]
    assert planes[1, :, 2, 0].tolist() == pytest.approx([0.6, 0, 0.8, 0.5])


def test_tone_reads_nothing_that_is_hidden() -> None:
    clip = factories.clip(T=3, S=S)
    other = replace(clip, context=np.where(clip.hidden[..., None], np.uint8(7), clip.context))
    first, second = (in_tone(c, [guide()] * 3) for c in (clip, other))
    assert all(np.array_equal(a.colour, b.colour) for a, b in zip(first, second, strict=True))


def test_tone_follows_the_film() -> None:
    base = factories.clip(T=2, S=S)
    skin = np.broadcast_to(np.array([190, 140, 115], np.uint8), base.context.shape).copy()
    clip, dark = replace(base, context=skin), replace(base, context=skin // 3)
    light, dim = (in_tone(c, [guide(0.5)] * 2)[0].colour for c in (clip, dark))
    assert dim.mean() < 0.6 * light.mean()
    assert light[5, 5, 0] > light[5, 5, 2]


def tones(clip: Clip, guides: list[Guide], before: Tone | None = None):
    told = conditions.evidence(clip, np.ones(len(clip.indices), np.float32))
    return conditions.tones(clip, guides, told, before)


def jumping(frames: int, at: int) -> Clip:
    """A film that gets darker from one frame to the next."""
    clip = factories.clip(T=frames, S=S, motion=(0, 0))
    context = clip.context.copy()
    context[at:] //= 4
    return replace(clip, context=context)


def test_tone_changes_slowly_where_the_film_jumps() -> None:
    clip = jumping(40, 20)
    gains, _ = tones(clip, [guide(0.5)] * 40)
    alone, _ = tones(jumping(1, 0), [guide(0.5)])
    steps = -np.diff(np.log(gains).mean(1))
    assert (steps > -1e-6).all()
    assert 0 < steps.max() < 0.06 * np.log(gains[0] / alone[0]).mean()


def test_tone_changes_slowly_where_the_film_begins_to_tell() -> None:
    dark = jumping(40, 30)
    clip = replace(dark, context=dark.context[::-1].copy())
    gains, _ = tones(clip, [guide(0.5)] * 40)
    steps = np.diff(np.log(gains), axis=0)
    assert 0.005 < steps.max() < 0.0101


def test_tone_goes_on_over_chunks_as_if_there_were_none() -> None:
    clip = jumping(20, 8)
    whole, _ = tones(clip, [guide(0.5)] * 20)
    parts, tone = [], None
    for start, stop, lead in ((0, 8, 0), (6, 12, 2), (9, 20, 3)):
        part = oracle.part_of(clip, start, stop, lead)
        found, tone = tones(part, [guide(0.5)] * (stop - start), tone)
        parts.append(found[lead:])
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-6)


def test_a_film_that_does_not_change_has_one_tone() -> None:
    clip = factories.clip(T=5, S=S, motion=(0, 0))
    toned = in_tone(clip, [guide(0.5)] * 5)
    assert all(np.allclose(g.colour, toned[0].colour, atol=1e-6) for g in toned)


def test_a_painting_has_the_light_of_the_drawing_on_its_face() -> None:
    rng = np.random.default_rng(0)
    drawn = rng.integers(40, 90, (2, S, S, 3), np.uint8)
    painted = (drawn * np.array([1.6, 1.5, 1.4])).round().astype(np.uint8)
    result = conditions.levelled(painted, drawn, [guide(0.5), guide(0.0)])
    face = guide(0.5).coverage > 0.99
    light = [linear_from_srgb(each[0][face] / 255).mean(0) for each in (result, drawn, painted)]
    np.testing.assert_allclose(light[0], light[1], rtol=0.03)
    assert (light[2] > 1.5 * light[1]).all()
    assert np.array_equal(result[0][:, 20:], painted[0][:, 20:])
    nothing = conditions.levelled(painted[:1], drawn[:1], [guide(cover=0.5)])
    assert np.array_equal(nothing, painted[:1])


def test_detail_is_the_drawings_and_light_the_paintings():
    """Coarse waves differ in light, fine ones in structure; each must come from its source."""
    side = 64
    y, x = np.mgrid[:side, :side].astype(np.float32)
    coarse, fine = 40 * np.sin(x / 20), 30 * np.sin(x * 1.5 + y)
    light, grain = 128 + coarse, 128 + fine
    painted, drawn = (
        np.repeat(plane[None, ..., None], 3, -1).round().astype(np.uint8)
        for plane in (light, grain)
    )
    cover = np.ones((side, side), np.float32)
    cover[:, :20] = 0
    nothing = np.zeros((side, side, 3), np.float32)
    guide = Guide(nothing, cover, nothing, cover)
    result = conditions.detailed(painted, drawn, [guide], 4.0)
    inner = np.s_[0, 12:52, 34:54, 0]
    expected = (light + fine)[inner[1:3]]
    assert abs(result[inner] - expected).mean() < 4
    assert abs(painted[inner].astype(float) - expected).mean() > 15
    assert np.array_equal(result[:, :, :14], painted[:, :, :14])  # nothing is drawn there


def test_light_goes_on_over_chunks_as_if_there_were_none():
    gains = np.random.default_rng(4).normal(size=(20, 3)).astype(np.float32)
    whole = conditions._smoothed(gains)
    lead = conditions.MEMORY
    later = conditions._smoothed(gains[10 - lead :])[lead:]
    assert np.allclose(later, whole[10:])
    assert whole.std() < 0.8 * gains.std()
    assert np.allclose(conditions._smoothed(np.ones((3, 2), np.float32)), 1)


def test_dark_clips_are_lightened_and_dimmed_again() -> None:
    base = factories.clip(T=6, S=S, lead=2)
    dark = replace(base, context=np.full_like(base.context, 12))
    clip, gains = conditions.lightened(dark)
    assert clip.context.mean() > 40
    assert (gains > 5).all()
    back = conditions.dimmed(clip.context, gains)
    assert np.abs(back.astype(int) - 12).max() <= 1
    assert clip.pixels is dark.pixels


def test_light_clips_stay_as_they_are_bit_for_bit() -> None:
    clip = factories.clip(T=3, S=S)
    same, gains = conditions.lightened(clip)
    assert same is clip
    assert (gains == 1).all()
    assert conditions.dimmed(clip.context, gains) is clip.context


def test_lightening_reads_nothing_that_is_hidden_and_is_slow() -> None:
    base = factories.clip(T=8, S=S)
    context = np.full_like(base.context, 12)
    context[4:] = 90
    clip = replace(base, context=context)
    other = replace(clip, context=np.where(clip.hidden[..., None], np.uint8(255), context))
    one, two = (conditions.lightened(each)[1] for each in (clip, other))
    assert np.array_equal(one, two)
    assert one[3] > one[4] > one[5] > 1
    blind = replace(clip, hidden=np.ones_like(clip.hidden))
    assert (conditions.lightened(blind)[1] == 1).all()


def test_what_is_bright_in_the_dark_does_not_become_white() -> None:
    base = factories.clip(T=3, S=S)
    dark = np.full_like(base.context, 12)
    lamp = dark.copy()
    lamp[:, :, :4] = 200
    clip, gains = conditions.lightened(replace(base, context=lamp))
    _, alone = conditions.lightened(replace(base, context=dark))
    assert 1 < gains.min() < 2 < 5 < alone.min()
    assert clip.context.max() < 255
    lamp, dark = lamp.copy(), dark.copy()
    lamp[:, :, :4] = 220, 120, 60
    assert conditions.lightened(replace(base, context=lamp))[0].context.max() < 255
    dark[-1] = 180
    assert conditions.lightened(replace(base, context=dark))[0].context[-1].max() < 255


def test_bright_skin_in_the_dark_has_the_same_hue_in_more_light_and_is_trusted_less() -> None:
    base = factories.clip(T=1, S=S)
    skin = np.broadcast_to(np.array([150, 95, 70], np.uint8), base.context.shape).copy()
    clip, same, more = (
        replace(base, context=skin),
        np.ones(1, np.float32),
        np.full(1, 6, np.float32),
    )
    dim, lit = (conditions.evidence(clip, gain)[0] for gain in (same, more))
    np.testing.assert_allclose(lit.skin - dim.skin, np.log(6), atol=0.1)
    assert 0.5 * dim.trust < lit.trust < 0.8 * dim.trust
    clipped = conditions.evidence(replace(clip, context=conditions._relit(skin, more)), same)[0]
    assert abs(clipped.skin - lit.skin).max() > 0.3


def test_blended_paintings_agree_with_the_film_at_the_edge_and_keep_their_structure() -> None:
    clip = factories.clip(T=2, S=S, lead=1)
    context = np.full_like(clip.context, 120)
    clip = replace(clip, context=context)
    painted = np.full((1, S, S, 3), 110, np.uint8)
    painted[0, S // 2, S // 2] = 200
    result = conditions.blended(painted, clip)[0].astype(int)
    assert np.abs(result - 120)[~clip.hidden[1]].max() <= 1
    flat = np.delete(result.reshape(-1, 3), (S // 2) * (S + 1), axis=0)
    assert np.abs(flat - 120).max() <= 1
    assert result[S // 2, S // 2] == pytest.approx(210, abs=1)


def test_blending_reads_nothing_that_is_hidden_and_has_a_limit() -> None:
    clip = factories.clip(T=1, S=S)
    other = replace(clip, context=np.where(clip.hidden[..., None], np.uint8(7), clip.context))
    painted = np.full((1, S, S, 3), 110, np.uint8)
    first, second = (conditions.blended(painted, c) for c in (clip, other))
    assert np.array_equal(first, second)
    assert np.abs(first.astype(int) - 110).max() <= conditions.LARGEST_SHIFT
    blind = replace(clip, hidden=np.ones_like(clip.hidden))
    assert np.array_equal(conditions.blended(painted, blind), painted)


def test_a_sign_that_was_painted_badly_does_not_colour_the_face() -> None:
    base = factories.clip(T=1, S=S)
    film = np.full_like(base.context, 110)
    film[0, :4, : S // 4] = 0, 0, 255
    clip = replace(base, context=film)
    painted = np.full((1, S, S, 3), 110, np.uint8)
    change = conditions.blended(painted, clip)[0].astype(int) - 110
    assert np.abs(change[clip.hidden[0]]).mean() < 2


def test_enlarged_paintings_show_what_only_the_finer_drawing_does() -> None:
    """Stripes too fine for the painting come back inside the face, and only there."""
    stripes = np.zeros((2 * S, 2 * S), np.float32)
    stripes[:, ::2] = 0.2
    coarse = guide(0.5)
    coverage, normals = larger_nearest(coarse.coverage), larger_nearest(coarse.normals)
    colours = larger_nearest(coarse.colour) + (stripes - 0.1)[..., None]
    fine = Guide(colours * (coverage > 0)[..., None], coverage, normals, coverage)
    painted = np.full((1, S, S, 3), 90, np.uint8)
    (result,) = conditions.enlarged(painted, [coarse], [fine])
    assert result.shape == (2 * S, 2 * S, 3)
    inside = result[20:40, 10:20].astype(int)
    lens = cv2.GaussianBlur(stripes, (0, 0), 2 * conditions.LENS)[20:40, 10:20]
    seen = 255 * np.abs(np.diff(lens, axis=1)).mean()
    assert 10 < seen < 51
    assert np.abs(np.diff(inside, axis=1)).mean() == pytest.approx(seen, abs=1.5)
    assert inside.mean() == pytest.approx(90, abs=1)
    assert (result[:, 50:] == 90).all()
    assert conditions.enlarged(painted, [coarse], [coarse]) is painted


def larger_nearest(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.repeat(np.repeat(plane, 2, 0), 2, 1)
