"""What a head does over time: it drifts, turns, nods, blinks, looks about and speaks."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from samples.speech import Speech, silence

Signal = Callable[[float], float]
"""A smooth value over time in seconds."""
_SHUT: Final = 1.1
"""Weight of lids that meet."""
_SIDES: Final = ("", "_L", "_R")


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """One head at one time."""

    place: tuple[float, float]
    """Where the neck's pivot is in the picture, pixels."""
    scale: float
    """Pixels per head unit (a face is about 18 units high)."""
    angles: tuple[float, float, float]
    """Yaw, pitch, roll in radians."""
    expression: dict[str, float]
    """Weights by name; a name without side stands for both."""
    gaze: tuple[float, float]
    """Offset (x, y) of the eyes' axes."""


def wave(seed: int, amplitude: float, *, fastest: float = 1.1, middle: float = 0.0) -> Signal:
    """A sum of five sines with periods from `fastest` to five times that, in seconds.

    The slower ones are the larger; the sum stays within about `amplitude` of `middle`.
    """
    rng = np.random.default_rng([seed, 71])
    periods = fastest * 5 ** (np.arange(5) / 4) * rng.uniform(0.9, 1.1, 5)
    sizes = periods / periods.sum() * amplitude * 1.4
    phases = rng.uniform(0, 2 * np.pi, 5)

    def value(time: float) -> float:
        return middle + float(sizes @ np.sin(2 * np.pi * time / periods + phases))

    return value


def glide(*keys: tuple[float, float]) -> Signal:
    """Pass the (time, value) keys, at rest at each of them."""
    times, values = np.array(keys, np.float64).T

    def value(time: float) -> float:
        after = int(np.clip(np.searchsorted(times, time), 1, len(times) - 1))
        share = np.clip((time - times[after - 1]) / (times[after] - times[after - 1]), 0, 1)
        share = share**3 * (share * (6 * share - 15) + 10)
        return float(values[after - 1] + share * (values[after] - values[after - 1]))

    return value


def total(*signals: Signal) -> Signal:
    """The sum of signals."""
    return lambda time: sum(signal(time) for signal in signals)


def still(value: float) -> Signal:
    """The same value always."""
    return lambda time: value


@dataclass(frozen=True, slots=True, eq=False)
class Performance:
    """All signals of one head."""

    x: Signal
    y: Signal
    scale: Signal
    yaw: Signal
    pitch: Signal
    roll: Signal
    blinks: tuple[float, ...] = ()
    """Moments at which the lids are shut, seconds."""
    speech: Speech = field(default_factory=silence)
    face: dict[str, Signal] = field(default_factory=dict)
    """Further expressions."""
    seed: int = 0
    """Chooses where the eyes look."""

    def at(self, time: float) -> Moment:
        """What the head does at one time, seconds."""
        gaze = self._gaze(time)
        face = {name: signal(time) for name, signal in self.face.items()}
        for name, weight in self.speech.mouth(time).items():
            face[name] = face.get(name, 0.0) + weight
        across, up = 1.3 * gaze[0], 2 * gaze[1]
        face |= {
            "eyeLookIn_R": across, "eyeLookOut_L": across, "eyeLookIn_L": -across,
            "eyeLookOut_R": -across, "eyeLookUp": up, "eyeLookDown": -up,
        }  # fmt: skip
        face["eyeBlink"] = _SHUT * max([0.0, *(_lid(time - t) for t in self.blinks)])
        angles = (self.yaw(time), self.pitch(time), self.roll(time))
        place = (self.x(time), self.y(time))
        return Moment(place, self.scale(time), angles, face, gaze)

    def _gaze(self, time: float) -> tuple[float, float]:
        """Quick jumps between rests of half a second, mostly towards the camera."""
        rng = np.random.default_rng([self.seed, 5])
        jumps = np.cumsum(rng.uniform(0.35, 1.0, 12))
        targets = rng.normal(size=(13, 2)) * [0.07, 0.035]
        reached = np.clip((time - jumps) / 0.05, 0, 1)
        offset = targets[0] + np.diff(targets, axis=0).T @ (reached**2 * (3 - 2 * reached))
        x = offset[0] - 0.55 * self.yaw(time)
        y = offset[1] + 0.4 * self.pitch(time)
        return float(np.clip(x, -0.35, 0.35)), float(np.clip(y, -0.2, 0.2))


def _lid(since: float) -> float:
    """How far the lids are down `since` seconds after they met: shut in 0.1 s, open in 0.2 s."""
    share = 1 + since / 0.11 if since < 0 else 1 - max(0.0, since - 0.03) / 0.2
    share = min(1.0, max(0.0, share))
    return share * share * (3 - 2 * share)


def weights(face: dict[str, float], names: tuple[str, ...]) -> NDArray[np.float32]:
    """Expression weights (E,) in [0, 1.1] in the order of `names`.

    Raises:
        KeyError: if a name is none of the head model's.
    """
    place = {name: number for number, name in enumerate(names)}
    made = np.zeros(len(names), np.float32)
    for name, weight in face.items():
        found = [place[name + side] for side in _SIDES if name + side in place]
        if not found:
            raise KeyError(f"the head model has no expression {name!r}; it has {', '.join(names)}")
        made[found] += weight
    return np.clip(made, 0, 1.1)
