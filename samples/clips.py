"""The three sample films: who is in them, where, and what happens."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anonymizer.training.light import FILL, KEY, SKY
from anonymizer.training.light import SIZE as RIG_SIZE
from anonymizer.training.render import Sitter, Studio, invite
from samples.acting import Performance, Signal, glide, still, total, wave
from samples.scenery import corridor, counter, hand, hang, library, motion, office, park
from samples.speech import Speech, speak
from samples.stage import Actor, Panel, Stage

_STEP: Final = 24
"""Units of `samples.film.TICK` between pictures: 25 a second."""
_PEOPLE: Final = 7
"""Seed of the people; each is a number of this data set."""


@dataclass(frozen=True, slots=True, eq=False)
class Take:
    """Pictures from one camera setting: a stage, and when it is shown in `samples.film.TICK`."""

    stage: Stage
    ticks: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Script:
    """One film."""

    name: str
    takes: tuple[Take, ...]
    """One after the other, each a shot; ticks run on."""
    rotation: int = 0
    speech: Speech | None = None
    """What the voice says; None for a silent film."""
    pitch: float = 120.0
    """Of the voice, Hz."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width as displayed."""
        return self.takes[0].stage.size


def light(
    azimuth: float, elevation: float, strength: float, *, warm: float = 0.0, sky: float = 0.55
) -> NDArray[np.float32]:
    """A rig: a key lamp (angles in radians, 0 is the camera), a dim lamp opposite, and the sky."""
    rig = np.zeros(RIG_SIZE, np.float32)
    tint = np.array([1 + warm, 1.0, 1 - warm])
    for place, turn, rise, colour in (
        (KEY, azimuth, elevation, strength * tint), (FILL, azimuth + 2.4, 0.3, 0.18 * tint[::-1]),
    ):  # fmt: skip
        level = np.cos(rise)
        rig[place : place + 3] = np.sin(turn) * level, np.sin(rise), np.cos(turn) * level
        rig[place + 3 : place + 6] = colour
    rig[SKY:] = (sky * np.outer(2 - tint, [1.0, 0.3, 0.15, 0.05])).ravel()
    return rig


def talking(studio: Studio) -> Script:
    """A woman before bookshelves turns, nods, blinks and speaks; the camera drifts."""
    size = (288, 384)
    speech = speak(np.random.default_rng(4), start=0.25, stop=2.6)
    x, y, zoom = wave(1, 5), wave(2, 3), wave(3, 0.012, middle=1.04)
    wall = hang(library((700, 920), 11), size, x, y, zoom)
    performance = Performance(
        x=total(x, wave(4, 5, middle=178)), y=total(y, wave(5, 3, middle=222)),
        scale=wave(6, 0.12, middle=8.3),
        yaw=total(wave(7, 0.13), glide((0.5, -0.1), (1.2, 0.42), (1.7, 0.36), (2.4, -0.28))),
        pitch=total(wave(8, 0.05, middle=0.1), wave(9, 0.06, fastest=0.5)), roll=wave(10, 0.06),
        blinks=(0.55, 1.62, 2.45), speech=speech, seed=3,
        face={"browInnerUp": wave(12, 0.25, middle=0.2), "mouthSmile": wave(13, 0.12, middle=0.12)},
    )  # fmt: skip
    actor = Actor(invite(studio, _PEOPLE, 18), performance, (0.05, 0.12, 0.20))
    stage = Stage(size, studio, (wall, actor), light(-0.7, 0.55, 0.75, warm=0.06), 0.95)
    return Script("talking", (Take(stage, _steady(0, 75)),), speech=speech, pitch=190.0)


def two_people(studio: Studio) -> Script:
    """In a park another walks in from the edge; cut; in a room a hand passes before a face."""
    first, second = invite(studio, _PEOPLE, 24), invite(studio, _PEOPLE, 28)
    takes = (_outdoors(studio, first, second), _indoors(studio, first, second))
    return Script("two_people", takes)


def _outdoors(studio: Studio, first: Sitter, second: Sitter) -> Take:
    size = (288, 384)
    x, y = wave(21, 4), wave(22, 3)
    wall = hang(park((680, 900), 21), size, x, y, wave(23, 0.01, middle=1.04))
    waiting = Performance(
        x=total(x, wave(24, 4, middle=128)), y=total(y, wave(25, 2, middle=188)), scale=still(5.8),
        yaw=total(wave(26, 0.1), glide((0.3, -0.05), (0.9, 0.45))),
        pitch=wave(27, 0.08, middle=0.15), roll=wave(28, 0.05), blinks=(0.75,), seed=21,
        face={"mouthSmile": glide((0.5, 0.1), (1.2, 0.6))},
    )  # fmt: skip
    coming = Performance(
        x=total(x, wave(29, 2), glide((-0.55, 450), (1.5, 268))),
        y=total(y, _steps(1.2, middle=205)), scale=glide((0.0, 6.3), (1.5, 6.0)),
        yaw=total(wave(30, 0.08), glide((0.2, -0.55), (1.4, -0.2))),
        pitch=wave(31, 0.06, middle=0.12), roll=wave(32, 0.05), blinks=(1.1,), seed=22,
        face={"mouthSmile": glide((0.6, 0.1), (1.3, 0.5))},
    )  # fmt: skip
    cast = Actor(first, waiting, (0.30, 0.07, 0.05)), Actor(second, coming, (0.32, 0.30, 0.24))
    stage = Stage(size, studio, (wall, *cast), light(0.6, 0.8, 0.7, warm=0.04, sky=0.6), 0.95)
    return Take(stage, _steady(0, 38))


def _indoors(studio: Studio, first: Sitter, second: Sitter) -> Take:
    size = (288, 384)
    x, y = wave(41, 4), wave(42, 3)
    wall = hang(office((680, 900), 31), size, x, y, wave(43, 0.01, middle=1.04))
    speech = speak(np.random.default_rng(9), start=1.6, stop=3.2)
    left = Performance(
        x=total(x, wave(44, 4, middle=112)), y=total(y, wave(45, 3, middle=232)), scale=still(8.0),
        yaw=wave(46, 0.15, middle=0.3), pitch=wave(47, 0.08, middle=0.1), roll=wave(48, 0.05),
        blinks=(1.95, 2.8), speech=speech, seed=41,
    )  # fmt: skip
    right = Performance(
        x=total(x, wave(49, 4, middle=282)), y=total(y, wave(50, 3, middle=218)), scale=still(7.0),
        yaw=wave(51, 0.12, middle=-0.2), pitch=wave(52, 0.1, middle=0.08), roll=wave(53, 0.06),
        blinks=(2.55,), seed=42, face={"mouthSmile": still(0.4), "browInnerUp": still(0.2)},
    )  # fmt: skip
    cast = Actor(second, left, (0.32, 0.30, 0.24)), Actor(first, right, (0.30, 0.07, 0.05))
    skin, cover = hand(420, (0.34, 0.19, 0.13), (0.10, 0.11, 0.13))
    passing = Panel(skin, cover, motion(
        skin.shape[:2], size, glide((1.5, 250), (2.15, 128), (2.35, 120), (3.0, 260)),
        glide((1.5, 190), (2.15, 74), (2.35, 70), (3.0, 150)), still(1.0),
        glide((1.5, 0.4), (2.15, -0.25), (2.35, -0.32), (3.0, 0.3)),
    ))  # fmt: skip
    stage = Stage(size, studio, (wall, *cast, passing), light(-0.5, 0.5, 0.7, warm=0.02), 0.95)
    return Take(stage, _steady(38, 38))


def walk_away(studio: Studio) -> Script:
    """Somebody steps back from a counter; a rotation flag holds it upright; times are uneven."""
    size = (384, 216)
    x, y = wave(61, 2), wave(62, 2)
    wall = hang(corridor((900, 560), 51), size, x, y, still(1.0))
    wood, cover = counter((420, 560), 52)
    bar = Panel(wood, cover, motion(wood.shape[:2], size, x, total(y, still(128)), still(1.0)))
    scale = _farther(7.2, 1.85, start=0.2, stop=2.8)
    steps = _steps(0.22, middle=7.4)
    walker = Performance(
        x=total(x, lambda time: 106 + 1.3 * scale(time) * float(np.sin(5.6 * time))),
        y=total(y, glide((0.2, 147), (2.8, 165)), lambda time: scale(time) * steps(time)),
        scale=scale, yaw=total(wave(66, 0.1), glide((0.2, 0.2), (1.4, -0.2), (2.6, 0.25))),
        pitch=wave(67, 0.06, middle=0.06), roll=wave(68, 0.05), blinks=(0.7, 1.9), seed=61,
        face={"mouthSmile": glide((0.0, 0.5), (1.5, 0.15))},
    )  # fmt: skip
    actor = Actor(invite(studio, _PEOPLE, 17), walker, (0.16, 0.22, 0.12))
    stage = Stage(size, studio, (wall, actor, bar), light(0.5, 0.7, 0.6, warm=0.03, sky=0.6), 0.95)
    kept = np.random.default_rng(63).random(75) > 0.2
    kept[[0, -1]] = True
    return Script("walk_away", (Take(stage, tuple(np.flatnonzero(kept) * _STEP)),), rotation=90)


SCRIPTS: Final[dict[str, Callable[[Studio], Script]]] = {
    "talking": talking, "two_people": two_people, "walk_away": walk_away,
}  # fmt: skip
"""The films by name."""


def _farther(near: float, far: float, *, start: float, stop: float) -> Signal:
    """Scale of something that moves away evenly, from `near` to `far`."""
    distance = glide((start, 1 / near), (stop, 1 / far))
    return lambda time: 1 / distance(time)


def _steps(height: float, *, middle: float) -> Signal:
    """The rise and fall of a walking head."""
    return lambda time: middle + height * float(np.cos(2 * np.pi * 1.8 * time))


def _steady(start: int, count: int) -> tuple[int, ...]:
    return tuple(_STEP * (start + number) for number in range(count))
