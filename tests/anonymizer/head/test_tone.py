"""Tone follows the skin that may be seen, and nothing that may not."""

from dataclasses import replace

import numpy as np
import pytest

from anonymizer.head import tone
from anonymizer.head.canonical import MEAN_LANDMARKS, scaled
from anonymizer.head.guide import draw_guide, linear_from_srgb
from anonymizer.head.model import HeadModel
from anonymizer.head.person import person_for
from anonymizer.head.pose import solve_pose
from anonymizer.head.tone import Evidence, Tone, match_tone, tone_gain, with_gain

SIZE = 64
SKIN = np.array([205, 150, 125])


@pytest.fixture(scope="module")
def guide():
    head = HeadModel.load()
    person = person_for(head, 3)
    pose = solve_pose(
        scaled(MEAN_LANDMARKS, SIZE), SIZE, head.marked_landmarks(head.vertices(person.identity))
    )
    return draw_guide(head, person, pose, size=SIZE)


@pytest.fixture
def outside():
    area = np.ones((SIZE, SIZE), bool)
    area[8:56, 12:52] = False
    return area


def film(skin, around=(40, 90, 160)):
    picture = np.empty((SIZE, SIZE, 3), np.uint8)
    picture[:] = around
    picture[50:, 16:48] = skin
    return picture


def test_what_is_protected_is_never_read(guide, outside):
    rng = np.random.default_rng(0)
    picture = film(SKIN)
    other = picture.copy()
    other[~outside] = rng.integers(0, 256, ((~outside).sum(), 3))
    first, second = (match_tone(guide, image, outside) for image in (picture, other))
    np.testing.assert_array_equal(first.colour, second.colour)


def test_skin_around_sets_the_tone(guide, outside):
    fair, dark = (tone_gain(guide, film(skin), outside) for skin in (SKIN, SKIN // 2))
    assert (fair > 1.5 * dark).all()
    matched = match_tone(guide, film(SKIN), outside)
    solid = (guide.coverage > 0.99) & (guide.normals[..., 2] > 0.8)
    np.testing.assert_allclose(matched.colour[solid].mean(0) * 255, SKIN, atol=35)
    assert (
        abs(matched.colour[solid].mean(0) * 255 - SKIN).max()
        < abs(guide.colour[solid].mean(0) * 255 - SKIN).max()
    )


def test_warm_light_warms(guide, outside):
    warm, cold = (
        tone_gain(guide, film(skin), outside) for skin in ((200, 140, 95), (190, 150, 140))
    )
    assert warm[0] / warm[2] > 1.1 * cold[0] / cold[2]


@pytest.mark.parametrize("around", [(0, 0, 0), (255, 255, 255), (20, 200, 20), (90, 90, 90)])
def test_without_skin_little_changes(guide, outside, around):
    picture = np.full((SIZE, SIZE, 3), around, np.uint8)
    gain = tone_gain(guide, picture, outside)
    assert 0.3 < gain.min() <= gain.max() < 2.5
    assert gain.max() / gain.min() < 1.35


def test_nothing_visible_at_all_keeps_the_guide(guide):
    hidden = np.zeros((SIZE, SIZE), bool)
    gain = tone_gain(guide, film(SKIN), hidden)
    np.testing.assert_allclose(gain, 1, atol=1e-3)


def test_a_slightly_other_film_gives_a_slightly_other_tone(guide, outside):
    rng = np.random.default_rng(1)
    picture = film(SKIN)
    noisy = np.clip(picture + rng.normal(0, 3, picture.shape), 0, 255).astype(np.uint8)
    first, second = (tone_gain(guide, image, outside) for image in (picture, noisy))
    np.testing.assert_allclose(first, second, rtol=0.05)
    gains = [tone_gain(guide, film(SKIN - step), outside) for step in range(40)]
    assert abs(np.diff(np.log(gains), axis=0)).max() < 0.03


def test_gain_keeps_coverage_and_range(guide):
    bright = with_gain(guide, np.array([3.0, 3.0, 3.0]))
    assert bright.coverage is guide.coverage
    assert bright.colour.max() <= 1
    assert bright.colour.mean() > guide.colour.mean()


def test_wrong_shapes_are_refused(guide, outside):
    with pytest.raises(ValueError, match="expected image"):
        tone_gain(guide, film(SKIN)[:-1], outside)
    with pytest.raises(ValueError, match="boolean outside"):
        tone_gain(guide, film(SKIN), outside.astype(np.uint8))


def test_the_white_of_the_eye_does_not_glow_when_skin_lightens(guide):
    dark = with_gain(guide, np.full(3, 0.3))
    skin = float(np.median(dark.colour[guide.coverage > 0.99]))
    picture = np.array(dark.colour)
    picture[30, 30] = 2.2 * skin
    lit = with_gain(replace(dark, colour=picture), np.full(3, 3.0))
    after, before = (linear_from_srgb(p[30, 30]).mean() for p in (lit.colour, picture))
    assert after / before < 1.6


def test_the_white_of_the_eye_darkens_in_the_dark(guide):
    skin = float(np.median(guide.colour[guide.coverage > 0.99]))
    picture = np.array(guide.colour)
    picture[30, 30] = min(1.0, 2.2 * skin)
    dark = with_gain(replace(guide, colour=picture), np.full(3, np.exp(-2.5)))
    after, before = (linear_from_srgb(p[30, 30]).mean() for p in (dark.colour, picture))
    assert after / before < 0.25


def test_the_white_of_the_eye_gets_no_hue_from_other_skin(guide):
    dark = with_gain(guide, np.full(3, 0.3))
    skin = float(np.median(dark.colour[guide.coverage > 0.99]))
    picture = np.array(dark.colour)
    picture[30, 30] = 2.2 * skin
    lit = with_gain(replace(dark, colour=picture), np.exp([1.67, 1.85, 1.94]))
    after, before = (linear_from_srgb(p[30, 30]) for p in (lit.colour, picture))
    red, _, blue = np.log(after / before)
    assert blue - red < 0.12


def told(guide, *, lighter, trust=1.0):
    own = np.log(tone_of(guide) + 0.004)
    skin = np.asarray(own + lighter, np.float32)
    return Evidence(skin, trust=trust, hued=trust, exposure=np.zeros(3, np.float32))


def tone_of(guide):
    solid = (guide.coverage > 0.99) & (guide.normals[..., 2] > 0.8)
    return np.median(linear_from_srgb(guide.colour[solid]), 0)


def test_pigment_explains_lighter_skin_and_no_darker(guide):
    pigments = [told(guide, lighter=by).complexion(guide, 0.6).melanin for by in (-2, 0.5, 1, 9)]
    assert pigments[0] == 0.6
    assert pigments[1] - pigments[2] == pytest.approx(0.5 / 2.665, rel=0.05)
    assert pigments[3] == pytest.approx(0.03)
    assert told(guide, lighter=9).complexion(guide, 0.01).melanin == 0.01


def test_less_pigment_makes_skin_no_lighter_than_light_alone_would(guide):
    """Where the film tells little, too, whatever the pigment is."""
    film = told(guide, lighter=1.0, trust=0.5)
    pale = with_gain(guide, np.full(3, 1.6))
    usual = film.complexion(guide, 0.6).usual
    lit = [with_gain(guide, film.gain(guide)), with_gain(pale, film.gain(pale, usual))]
    assert tone_of(lit[1]) == pytest.approx(tone_of(lit[0]), rel=0.05)


def test_a_frame_that_tells_little_of_skin_counts_little():
    double, same = np.full(3, 2.0), np.ones(3)
    tone = Tone().after(double, 0.1).after(same, 0.9)
    np.testing.assert_allclose(tone.mean, 0.1 * np.log(2), rtol=1e-5)
    assert np.isfinite(Tone().after(double, 0.0).mean).all()


def test_a_hand_after_frames_without_skin_changes_the_tone_little():
    tone = Tone()
    for _ in range(100):
        tone = tone.after(np.ones(3), 0.0)
    after = tone.after(np.full(3, 2.0), 0.97)
    assert 0 < after.mean[0] < 0.1 * np.log(2)


def test_a_face_is_a_little_redder_than_the_skin_around_it(guide):
    """And no lighter."""
    own = tone._own_tone(guide, linear_from_srgb(guide.colour))
    red, green, blue = np.log(
        Evidence(own, trust=1.0, hued=1.0, exposure=np.zeros(3, np.float32)).gain(guide)
    )
    assert 0.04 < red - green < 0.12
    assert 0.02 < blue - green < 0.08
    assert 0.25 * red + 0.6 * green + 0.15 * blue == pytest.approx(0, abs=0.01)


def test_without_skin_the_light_of_a_room_is_followed_a_little(guide, outside):
    cold, grey = (
        tone_gain(guide, np.full((SIZE, SIZE, 3), around, np.uint8), outside)
        for around in ((60, 80, 120), (85, 85, 85))
    )
    assert 1.05 < (cold[2] / cold[0]) / (grey[2] / grey[0]) < 1.35


def test_in_a_warm_room_skin_is_redder_than_light_clothes(outside):
    """Clothes are as red there as skin is elsewhere."""
    clothes, skin = (160, 132, 110), (150, 98, 70)
    told = []
    for around in ((60, 60, 60), (90, 52, 36)):
        picture = np.full((SIZE, SIZE, 3), around, np.uint8)
        picture[54:, :32], picture[54:, 32:] = clothes, skin
        told.append(Evidence.of(picture, outside).skin)
    grey, warm = (float(each[0] - each[1]) for each in told)
    assert warm > grey + 0.04


def test_what_tells_more_than_all_before_changes_a_face_little_by_little():
    """A hand that comes near a face of which little was told."""
    dark, light = np.full(3, 0.4), np.full(3, 1.0)
    track = Tone()
    for _ in range(10):
        track = track.after(dark, 0.1)
    np.testing.assert_allclose(track.gain, np.log(dark), atol=1e-5)
    given = []
    for _ in range(150):
        track = track.after(light, 1.0)
        given.append(track.gain)
    steps = np.diff([np.log(dark), *given], axis=0)
    assert 0 <= steps.min() <= steps.max() <= 0.0101
    assert (track.mean > -0.1).all()
    np.testing.assert_allclose(track.gain, track.mean, atol=0.01)


def test_a_frame_that_tells_nothing_decides_on_no_tone():
    """Such as those before a face was found."""
    track = Tone().after(np.full(3, 0.4), 0.01).after(np.ones(3), 0.9)
    np.testing.assert_allclose(track.gain, track.mean, rtol=1e-5)
    assert (track.mean > -0.1).all()


def test_little_skin_tells_its_hue_and_not_much_of_its_light(guide, outside):
    grey = np.full((SIZE, SIZE, 3), 110, np.uint8)
    seen = grey.copy()
    seen[56:60, 20:30] = 190, 115, 75
    told = Evidence.of(seen, outside)
    assert told.trust < 0.5 < 0.8 < told.hued
    red, green, blue = np.log(told.gain(guide) / Evidence.of(grey, outside).gain(guide))
    assert red - green > 0.15
    assert green - blue > 0.1


def test_hue_is_followed_as_far_as_lamps_go(guide):
    """A film in which skin is twice as red as drawn skin, of which little is seen."""
    own = tone._own_tone(guide, linear_from_srgb(guide.colour))
    warm = np.array([0.5, -0.2, -0.3], np.float32)
    film = Evidence(own + warm - tone.FLUSH, 0.2, hued=1.0, exposure=np.zeros(3, np.float32))
    red, green, _ = np.log(film.gain(guide))
    assert red - green == pytest.approx(0.7, abs=0.1)


def test_light_is_followed_as_far_as_it_is_trusted(guide):
    own = tone._own_tone(guide, linear_from_srgb(guide.colour))
    film = Evidence(own + 1 - tone.FLUSH, 0.2, hued=1.0, exposure=np.zeros(3, np.float32))
    assert np.log(film.gain(guide)) == pytest.approx(0.2, abs=0.02)


def test_what_lies_some_frames_on_counts_for_so_many_and_lets_old_ones_fade():
    dark, light = np.full(3, 0.5), np.ones(3)
    near, far = (Tone().after(dark, 0.2).after(light, 0.2, frames) for frames in (1, 40))
    assert near.mean[0] == pytest.approx(np.log(0.5) / 2, abs=1e-6)
    assert far.weight == pytest.approx(0.2 * np.exp(-39 / tone.STEADY) + 40 * 0.2)
    assert abs(far.mean).max() < 0.05 * abs(near.mean).min()
    assert far.count == 41
    assert Tone().after(dark, 1.0, 10**6).weight == tone.STEADY


def test_looks_that_tell_nothing_make_nothing_known():
    track = Tone()
    for _ in range(6):
        track = track.after(np.full(3, 0.5), 0.0, 24)
    assert not track.known
    assert track.after(np.ones(3), 0.2).known
