"""Faces for the motion reader's pictures: speech, blinks and looks, far more varied than calm ones.

Weights are drawn independently for parts of the face, so that no habit of the sampler (a smile that
always squints, a look that always opens the mouth) can stand in for what the picture shows.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

_MOUTH: Final = {
    "mouthSmile": 0.28, "mouthStretch": 0.15, "mouthFrown": 0.13, "mouthFunnel": 0.2,
    "mouthPucker": 0.16, "mouthUpperUp": 0.22, "mouthLowerDown": 0.28, "mouthPress": 0.12,
    "mouthRollLower": 0.1, "mouthRollUpper": 0.1, "mouthShrugLower": 0.08, "mouthShrugUpper": 0.06,
    "mouthDimple": 0.1, "cheekPuff": 0.05, "jawForward": 0.06,
}  # fmt: skip
"""How often a shape of the mouth takes part."""
_ABOVE: Final = {
    "eyeWide": 0.13, "eyeSquint": 0.2, "cheekSquint": 0.2, "noseSneer": 0.1, "browDown": 0.2,
    "browInnerUp": 0.18, "browOuterUp": 0.18,
}  # fmt: skip
"""How often a shape above the mouth takes part."""


class _Cast:
    """Collects weights by name; a name without side means both, not quite evenly."""

    def __init__(self, rng: np.random.Generator, names: tuple[str, ...]) -> None:
        self.rng = rng
        self.place = {name: i for i, name in enumerate(names)}
        self.weights = np.zeros(len(names), np.float32)

    def add(self, name: str, amount: float) -> None:
        if name in self.place:
            self.weights[self.place[name]] += amount
            return
        one_sided = self.rng.random() < 0.12
        silent = int(self.rng.integers(2)) if one_sided else 2
        for side, suffix in enumerate(("_L", "_R")):
            if side != silent:
                even = self.rng.uniform(0.8, 1.2)
                self.weights[self.place[name + suffix]] += amount * even

    def some(self, shares: dict[str, float], most: float) -> None:
        for name, share in shares.items():
            if self.rng.random() < share:
                self.add(name, most * self.rng.beta(1.1, 1.6))


def sample_speech(
    rng: np.random.Generator, names: tuple[str, ...]
) -> tuple[NDArray[np.float32], tuple[float, float]]:
    """Weights (E,) in [0, 1.1] and the gaze (x, y) as offsets of the eyes' axes."""
    cast = _Cast(rng, names)
    if rng.random() < 0.88:
        cast.some(_MOUTH, 0.9)
        _jaw(cast, rng)
    if rng.random() < 0.7:
        cast.some(_ABOVE, 0.85)
    gaze = (
        float(np.clip(rng.normal() * 0.22, -0.5, 0.5)),
        float(np.clip(rng.normal() * 0.13, -0.3, 0.3)),
    )
    _lids(cast, rng, gaze)
    return np.clip(cast.weights, 0, 1.1), gaze


def _jaw(cast: _Cast, rng: np.random.Generator) -> None:
    """Half of the jaws are shut; a few that drop keep the lips together."""
    if rng.random() < 0.55:
        drop = 0.9 * float(rng.beta(0.9, 2.0))
        cast.add("jawOpen", drop)
        if rng.random() < 0.15:
            cast.add("mouthClose", drop * rng.uniform(0.5, 1.0))
    if rng.random() < 0.15:
        side = str(rng.choice(["Left", "Right"]))
        cast.add("jaw" + side, rng.uniform(0, 0.6))
        cast.add("mouth" + side, rng.uniform(0, 0.5))


def _lids(cast: _Cast, rng: np.random.Generator, gaze: tuple[float, float]) -> None:
    """Lids follow the gaze; one eye in four is closing or closed."""
    across, up = 1.5 * gaze[0], 2 * gaze[1]
    moves = {
        "eyeLookIn_R": across, "eyeLookOut_L": across,
        "eyeLookIn_L": -across, "eyeLookOut_R": -across,
        "eyeLookUp_L": up, "eyeLookUp_R": up, "eyeLookDown_L": -up, "eyeLookDown_R": -up,
    }  # fmt: skip
    for name, amount in moves.items():
        cast.weights[cast.place[name]] += float(np.clip(amount, 0, 0.8))
    draw = rng.random()
    if draw < 0.12:
        cast.add("eyeBlink", rng.uniform(0.75, 1.1))
    elif draw < 0.28:
        cast.add("eyeBlink", rng.uniform(0.1, 0.8))
    elif draw < 0.6:
        cast.add("eyeBlink", rng.uniform(0, 0.2))
