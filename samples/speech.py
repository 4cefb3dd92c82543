"""Speech without words: one chain of mouth shapes that both the lips and the voice follow."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

RATE: Final = 48_000
"""Samples per second of the voice."""

MUSCLES: Final = (
    "jawOpen", "mouthFunnel", "mouthPucker", "mouthStretch", "mouthSmile", "mouthLowerDown",
    "mouthUpperUp", "mouthPress", "mouthRollLower",
)  # fmt: skip
"""Expressions of the head model that speech moves; those with two sides move both."""

_SHAPES: Final = {
    "rest": (0.02, 0, 0, 0, 0.06, 0, 0, 0.05, 0),
    "a": (0.46, 0.05, 0, 0.05, 0.05, 0.25, 0.15, 0, 0),
    "e": (0.26, 0, 0, 0.35, 0.15, 0.28, 0.15, 0, 0),
    "i": (0.14, 0, 0, 0.45, 0.25, 0.25, 0.10, 0, 0),
    "o": (0.32, 0.60, 0.10, 0, 0, 0.05, 0, 0, 0),
    "u": (0.14, 0.35, 0.60, 0, 0, 0, 0, 0, 0),
    "m": (0.00, 0, 0, 0.05, 0.05, 0, 0, 0.40, 0.15),
    "f": (0.06, 0, 0, 0.10, 0, 0, 0.18, 0, 0.45),
    "t": (0.13, 0.05, 0, 0.15, 0.05, 0.22, 0.10, 0, 0),
}
_SOUNDS: Final = {
    "rest": (500, 1500, 2500, 0.0),
    "a": (730, 1090, 2440, 1.0),
    "e": (530, 1840, 2480, 0.8),
    "i": (280, 2250, 3000, 0.7),
    "o": (560, 850, 2410, 0.9),
    "u": (310, 870, 2240, 0.7),
    "m": (250, 1100, 2200, 0.25),
    "f": (400, 1400, 2400, 0.04),
    "t": (400, 1700, 2600, 0.03),
}
"""Three resonances in Hz (textbook averages for a man's vowels) and a loudness."""
_WIDTHS: Final = np.array([90.0, 120.0, 180.0])


@dataclass(frozen=True, slots=True, eq=False)
class Speech:
    """Mouth shapes at moments in time, eased into each other."""

    times: NDArray[np.float64]
    """(K,) increasing seconds."""
    shapes: NDArray[np.float64]
    """(K, 9) weights of `MUSCLES`."""
    sounds: NDArray[np.float64]
    """(K, 4) three resonances in Hz, loudness."""

    def mouth(self, time: float) -> dict[str, float]:
        """Weights by expression name at one moment."""
        weights = _eased(self.times, self.shapes, np.array([time]))[0]
        return dict(zip(MUSCLES, weights.tolist(), strict=True))

    def voice(self, seconds: float, *, pitch: float, seed: int) -> NDArray[np.float32]:
        """A hum with these resonances, (seconds * RATE,) in [-1, 1]; `pitch` is in Hz."""
        rng = np.random.default_rng(seed)
        now = np.arange(round(seconds * RATE)) / RATE
        sound = _eased(self.times, self.sounds, now)
        tune = 1 + 0.06 * np.sin(2 * np.pi * 0.55 * now + 1) + 0.012 * np.sin(2 * np.pi * 5.2 * now)
        turns = np.cumsum(pitch * tune * (1 - 0.05 * now / seconds)) / RATE
        tone = _resonate(sound, pitch * tune, turns)
        tone += 0.02 * rng.normal(size=len(now)) * np.sqrt(sound[:, 3])
        return np.asarray(0.5 * tone / np.abs(tone).max(), np.float32)


def speak(rng: np.random.Generator, *, start: float, stop: float) -> Speech:
    """Syllables, four to six a second, from `start` to `stop` seconds, with pauses between some."""
    keys: list[tuple[float, str]] = [(start - 0.3, "rest"), (start, "rest")]
    while keys[-1][0] < stop - 0.4:
        length = rng.uniform(0.17, 0.27)
        begin = keys[-1][0] + (rng.uniform(0.25, 0.4) if rng.random() < 0.1 else 0.0)
        if begin > keys[-1][0]:
            keys.append((begin, "rest"))
        keys.append((begin + 0.4 * length, str(rng.choice(["m", "f", "t", "t", "m"]))))
        keys.append((begin + length, str(rng.choice(["a", "e", "i", "o", "u", "a", "e"]))))
    last = keys[-1][0]
    keys += [(last + 0.12, "m"), (last + 0.3, "rest")]
    return Speech(
        np.array([time for time, _ in keys]),
        np.array([_SHAPES[name] for _, name in keys]),
        np.array([_SOUNDS[name] for _, name in keys]),
    )


def silence() -> Speech:
    """A mouth at rest."""
    return Speech(np.array([0.0]), np.array([_SHAPES["rest"]]), np.array([_SOUNDS["rest"]]))


def _eased(
    times: NDArray[np.float64], values: NDArray[np.float64], now: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Values (K, C) at `now` (n,), passing every key with slope zero."""
    place = np.clip(np.interp(now, times, np.arange(len(times))), 0, len(times) - 1)
    before = place.astype(int)
    after = np.minimum(before + 1, len(times) - 1)
    share = (place - before)[:, None]
    share = share * share * (3 - 2 * share)
    return np.asarray(values[before] * (1 - share) + values[after] * share)


def _resonate(
    sound: NDArray[np.float64], pitch: NDArray[np.float64], turns: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Sum the harmonics of `pitch` (n,) as loud as three resonances (n, 4) make them."""
    tone = np.zeros(len(turns))
    for harmonic in range(1, 31):
        height = harmonic * pitch[:, None]
        gain = 1 / (1 + ((height - sound[:, :3]) / _WIDTHS) ** 2)
        tone += (gain @ [1.0, 0.6, 0.3]) / harmonic**0.6 * np.sin(2 * np.pi * harmonic * turns)
    return tone * sound[:, 3]
