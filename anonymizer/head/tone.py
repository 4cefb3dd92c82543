"""Bring the guide's tone to the film's: one gain for each channel, from skin seen around the face.

Evidence is every pixel outside the protected area, weighted by how much its colour resembles lit
skin and how near it lies; skin, light and camera cannot be told apart and need not be. Every step
is smooth: weights instead of masks, a prior instead of a threshold, and soft limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.head.guide import Guide, linear_from_srgb, srgb_from_linear
from anonymizer.head.raster import ONES
from anonymizer.head.texture import MELANIN_ABSORPTION

Array = NDArray[np.float32]

LUMA: Final = np.array([0.25, 0.60, 0.15], np.float32)
"""Weights of the channels in brightness."""

BRIGHT: Final = 1.5
"""Power of the light by which skin counts: hair and shadow of the same hue are darker than it."""
FLOOR: Final = 0.004
"""Light added before a logarithm, so that black says little."""
REACH: Final = 0.14
"""Distance from the protected area at which evidence has fallen to 1/e, as a share of the size."""
SKIN_CENTRE: Final = (0.62, 0.42)
"""Middle of log(R/G) and log(G/B) of lit skin in video."""
SKIN_SPREAD: Final = (0.25, 0.26)
"""Their spread over tones, lamps and cameras."""
CHIN: Final = 0.72
"""Row of the chin in a crop, as a share of its side."""
BESIDE: Final = 0.15
"""Weight of what lies above the chin."""
LEAST_RED: Final = 0.22
"""log(R/G) at which a colour becomes too grey to be skin: walls and clothes are everywhere."""
WHITES: Final = 0.85
"""Share of a change of skin that what is three times as bright as the skin does not follow."""
SKINS: Final = (-0.4, 1.4)
"""Gain, natural logarithm, that other skin may explain; what is beyond it must be other light. Dark
skin in a film is often dark for want of light, and then whites are, too."""
FLUSH: Final = np.array([0.055, -0.035, 0.025], np.float32)
"""Log light of faces above that of the skin around them, but for shade: they have more blood."""
WHITE: Final = (0.25, 0.08)
"""Darkness, -log light, at which a colour of a film becomes too near to white, and how fast."""
EVIDENCE: Final = 0.0006
"""Weight of the prior, as a share of the picture fully evident: below it the prior decides."""
HUE: Final = 0.1
"""Weight of the prior of hue as a share of that of light: little skin tells its hue, and shade does
not change it much."""
WARMTH: Final = 0.3
"""Share of the hue of the surroundings, whatever they are, that the hue of skin follows: all
things are redder under a warm lamp."""
MAX_WARMTH: Final = 0.13
"""Limit of that for a channel, natural logarithm."""
DIM: Final = 0.2
"""Power of the light that was added by which skin is trusted less: in the dark only what is lit
stands out, clothes in warm light more than faces."""
EXPOSURE_SHARE: Final = 0.15
"""How far the mean brightness of the surroundings, whatever they are, moves the prior."""
SUDDEN: Final = 3.0
"""Times its even share that a frame changes a mean by at most: others may have told nothing."""
LEAST_MELANIN: Final = 0.03
"""Pigment of the fairest people."""
STEADY: Final = 50
"""Frames, wholly trusted, that the tone of a track is the mean of, about."""
RATE: Final = 0.01
"""The most that a channel changes from frame to frame, natural logarithm: a hand that comes into
sight may tell so much more than all before that within half a second a face became twice as light.
"""
KNOWN: Final = 0.1
"""Trust from which on that holds: before, the film has told nothing that could be kept."""
MAX_BRIGHTNESS: Final = 5.0
"""Limit of the change of brightness, natural logarithm."""
MAX_TINT: Final = 0.80
"""Limit of the change of a channel against brightness, natural logarithm."""


@dataclass(frozen=True, slots=True)
class Tone:
    """The tone of a track so far: the film's does not change when a hand comes near the face."""

    gains: Mapping[int, Array] = field(default_factory=dict)
    """By frame index, of the last frames: natural logarithms (3,) of the gains they were given."""
    mean: Array = field(default_factory=lambda: np.zeros(3, np.float32))
    gain: Array = field(default_factory=lambda: np.zeros(3, np.float32))
    """What the last of them was given: it follows the mean."""
    weight: float = 0.0
    """Of the frames that the mean is of: as much as they were trusted."""
    count: int = 0
    """How many there were."""

    def after(self, gain: NDArray[np.floating], trust: float, frames: int = 1) -> Tone:
        """With one more frame, or one so many frames on: a mean of which old ones fade.

        A frame is given the mean, but once there is one no more than `RATE` beside the one before.
        """
        trust = max(frames * trust, 1e-3)
        left = self.weight * np.exp((1 - frames) / STEADY)
        weight, count = min(left + trust, STEADY), self.count + frames
        share = min(trust / weight, SUDDEN * frames / min(count, STEADY))
        mean = np.asarray(self.mean + share * (np.log(gain) - self.mean), np.float32)
        most = RATE if self.known else np.inf
        given = self.gain + (mean - self.gain).clip(-most, most)
        return replace(self, mean=mean, gain=given.astype(np.float32), weight=weight, count=count)

    @property
    def known(self) -> bool:
        """Whether the film has told anything that could be kept."""
        return self.weight > KNOWN


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What a crop tells of the tone of skin in its film."""

    skin: Array
    """(3,) mean log light of what looks like skin."""
    trust: float
    """How much of that there is, in [0, 1]."""
    hued: float
    """The same for its hue."""
    exposure: Array
    """(3,) change of light and hue, natural logarithm, where there is no skin."""

    @classmethod
    def of(
        cls, image: NDArray[np.uint8], outside: NDArray[np.bool_], light: float = 1.0
    ) -> Evidence:
        """Of an sRGB crop (S, S, 3), in `light` times its light.

        Nothing is read where `outside` (S, S) is False.
        """
        film = np.where(outside[..., None], image, 0).astype(np.float32) / 255
        linear = linear_from_srgb(film)
        logs = _logarithm(linear * np.float32(light))
        far = cv2.distanceTransform(outside.astype(np.uint8), cv2.DIST_L2, 3)
        near = np.exp(-far / (REACH * len(image))) * outside
        around = np.einsum("hwc,hw->c", logs, near) / (near.sum() + 1e-6)
        warm = _soft_limit(WARMTH * (around - around.mean()), MAX_WARMTH)
        brightness = np.minimum(np.exp(logs @ LUMA) / 0.2, 1.5)
        likely = _skin_likeness(logs - warm) * _rise(-_logarithm(linear[..., 1]), *WHITE)
        weights = likely * near * brightness**BRIGHT * _neck(len(image))
        amount = float(weights.mean())
        seen = float(near.sum() / (near.sum() + 1.0))
        exposure = seen * (EXPOSURE_SHARE * (around.mean() + 1.9) + warm)
        trust = amount / (amount + EVIDENCE) * light**-DIM
        hued = amount / (amount + HUE * EVIDENCE)
        return cls(_mean(logs, weights), trust, hued, exposure)

    def gain(self, guide: Guide, usual: Array | None = None) -> Array:
        """Gain (3,) in linear light that brings a neutral guide to the film.

        As far as the film tells nothing skin has the `usual` tone (3,), mean log light, which is
        the guide's own unless said otherwise.
        """
        own = _own_tone(guide, linear_from_srgb(guide.colour))
        expected = (own if usual is None else usual) + self.exposure
        told = self.skin + FLUSH - expected
        light = float((expected - own + self.trust * told) @ LUMA)
        hue = expected - own + self.hued * told
        tint = _soft_limit(hue - hue @ LUMA, MAX_TINT)
        level = _soft_limit(np.array(light), MAX_BRIGHTNESS)
        return np.asarray(np.exp(level + tint), np.float32)

    def complexion(self, guide: Guide, melanin: float) -> Complexion:
        """That of a person in the film, of whom there is a neutral `guide` with some `melanin`.

        Pigment absorbs by the law of Beer and Lambert, as skin is painted (`head.texture`).
        """
        lighter = float(np.log(self.gain(guide)) @ LUMA)
        less = max(LEAST_MELANIN, melanin - lighter / float(MELANIN_ABSORPTION @ LUMA))
        less = min(melanin, less)
        own = _own_tone(guide, linear_from_srgb(guide.colour))
        left = lighter - (melanin - less) * float(MELANIN_ABSORPTION @ LUMA)
        return Complexion(less, own, float(np.exp(left)))


@dataclass(frozen=True, slots=True, eq=False)
class Complexion:
    """A person's skin in the light of a film."""

    melanin: float
    """Its pigment: their own, or as much less as makes it as light as the film's skin."""
    usual: Array
    """(3,) mean log light of their skin with their own pigment."""
    light: float
    """Light of the film that makes skin with that pigment what it is there, 1 for a drawing's."""
    hair: float | None = None
    """Share of light that hair in the film reflects; None where none is seen."""


def _logarithm(linear: Array) -> Array:
    return np.asarray(np.log(linear + FLOOR), np.float32)


def _rise(values: Array, middle: float, width: float) -> Array:
    """A smooth step from 0 to 1 around `middle`."""
    return np.asarray(1 / (1 + np.exp(((middle - values) / width).clip(-60, 60))), np.float32)


def _skin_likeness(logs: Array) -> Array:
    """How much colours (..., 3) in log light look like skin, in [0, 1]; black does not."""
    first = (logs[..., 0] - logs[..., 1] - SKIN_CENTRE[0]) / SKIN_SPREAD[0]
    second = (logs[..., 1] - logs[..., 2] - SKIN_CENTRE[1]) / SKIN_SPREAD[1]
    lit = _rise(logs[..., 1], -4.0, 0.3)
    red = _rise(logs[..., 0] - logs[..., 1], LEAST_RED, 0.05)
    return np.asarray(np.exp(-0.5 * (first**2 + second**2)) * lit * red, np.float32)


def _mean(logs: Array, weights: Array) -> Array:
    """Weighted mean (3,) of log colours, drawn to its own centre once against outliers."""
    flat = weights.ravel()
    evident = np.flatnonzero(flat)
    rows, flat = logs.reshape(-1, 3)[evident], flat[evident]
    centre = flat @ rows / (float(flat.sum()) + 1e-9)
    firm = flat / (1 + np.square(rows - centre) @ ONES / 0.25)
    sums = firm @ rows + 1e-9 * centre
    return np.asarray(sums / (float(firm.sum()) + 1e-9), np.float32)


def _own_tone(guide: Guide, light: Array) -> Array:
    """Mean log light (3,) of the guide's own surface that faces the viewer, of (S, S, 3)."""
    return _mean(_logarithm(light), guide.coverage * guide.normals[..., 2].clip(0, 1))


def _soft_limit(value: NDArray[np.floating], limit: float) -> NDArray[np.floating]:
    """The identity near 0, bending towards +-limit."""
    return np.asarray(limit * np.tanh(value / limit))


@lru_cache(maxsize=4)
def _neck(size: int) -> Array:
    """Weight (S, 1) of the rows of a crop: what is like skin beside a face is hair more often."""
    rows = (np.arange(size, dtype=np.float32)[:, None] + np.float32(0.5)) / np.float32(size)
    return np.asarray(BESIDE + (1 - BESIDE) * _rise(rows, CHIN, 0.03), np.float32)


def tone_gain(
    guide: Guide, image: NDArray[np.uint8], outside: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Gain (3,) in linear light that brings the guide to the film, see `match_tone`."""
    shape = (*guide.coverage.shape, 3)
    if image.shape != shape or outside.shape != shape[:2] or outside.dtype != np.bool_:
        raise ValueError(
            f"expected image {shape} and boolean outside {shape[:2]}, "
            f"got {image.shape} and {outside.shape} {outside.dtype}"
        )
    return Evidence.of(image, outside).gain(guide)


def match_tone(guide: Guide, image: NDArray[np.uint8], outside: NDArray[np.bool_]) -> Guide:
    """Scale the guide's channels so that its skin has the tone of skin in the surroundings.

    Args:
        guide: neutral guide of size S.
        image: (S, S, 3) sRGB crop of the film. Nothing is read where `outside` is False.
        outside: (S, S) True where the film may be read: outside the protected area.

    Returns:
        The same guide in other light. Where no skin can be seen only light and hue of all that is
        around are followed, gently.
    """
    return with_gain(guide, tone_gain(guide, image, outside))


def with_gain(guide: Guide, gain: NDArray[np.floating]) -> Guide:
    """The guide under another light: channels times `gain` (3,), highlights bent below 1.

    What is far brighter than the skin (the white of the eye, teeth) follows only in part: it does
    not become lighter because the skin does, but it does become darker in the dark.
    """
    before = linear_from_srgb(guide.colour)
    level = float(np.exp(_own_tone(guide, before) @ LUMA))
    drawn = guide.colour @ ONES > 0  # the rest is black in any light
    colour = np.zeros_like(before)
    colour[drawn] = srgb_from_linear(_relit(before[drawn], level, gain))
    return replace(guide, colour=colour)


def _relit(before: Array, level: float, gain: NDArray[np.floating]) -> Array:
    """Light (P, 3) times ``gain`` (3,), bent as `with_gain` says; ``level`` is that of the skin."""
    above = np.clip(((before @ LUMA) / level - 1.5) / 1.5, 0, 1)[..., None]
    share = WHITES * above * above * (3 - 2 * above)
    change = np.log(np.asarray(gain, np.float32))
    lighter = float(change @ LUMA)
    skins = change * (np.clip(lighter, *SKINS) / lighter if lighter else 1.0)
    light = before * np.exp(change - share * skins)
    bent = 0.7 + 0.3 * np.tanh((light - 0.7) / 0.3)
    return np.asarray(np.where(light > 0.7, bent, light), np.float32)
