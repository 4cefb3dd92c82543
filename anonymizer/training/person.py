"""Who is in a training picture and what they do: shape, look, haircut, expression, pose."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anonymizer.head.appearance import Appearance, sample_appearance
from anonymizer.training.hair import Style, sample_style

_PAIRED: Final = ("_L", "_R")


@dataclass(frozen=True, slots=True, eq=False)
class TrainingPerson:
    """What stays the same in all pictures of one person."""

    identity: NDArray[np.float32]
    """(K,) weights of the head model's identity modes."""
    appearance: Appearance
    style: Style
    glasses: bool
    shine: tuple[float, float]
    """Strength and roughness of the skin's highlight."""
    teeth: float


def sample_training_person(rng: np.random.Generator, modes: int) -> TrainingPerson:
    """Draw a person; the appearance is the one the guide is painted with."""
    identity = np.clip(rng.normal(size=modes), -2.5, 2.5).astype(np.float32)
    look = sample_appearance(rng)
    grey = float(np.mean(look.hair)) > 0.15 and float(np.ptp(look.hair)) < 0.05
    return TrainingPerson(
        identity=identity,
        appearance=look,
        style=sample_style(rng, short=look.masculinity > 0.5, grey=grey),
        glasses=bool(rng.random() < 0.06),
        shine=(0.12 + 0.3 * look.sheen, float(rng.uniform(0.45, 0.65))),
        teeth=float(rng.uniform(0.75, 1.0)),
    )


def sample_pose(rng: np.random.Generator) -> tuple[float, float, float]:
    """Yaw, pitch and roll in radians: mostly frontal, with tails to 75, 30 and 25 degrees."""
    yaw = rng.normal() * 0.4 if rng.random() < 0.85 else rng.uniform(-1.3, 1.3)
    pitch, roll = rng.normal() * 0.18, rng.normal() * 0.12
    return (
        float(np.clip(yaw, -1.3, 1.3)),
        float(np.clip(pitch, -0.52, 0.52)),
        float(np.clip(roll, -0.44, 0.44)),
    )


def rotation(yaw: float, pitch: float, roll: float) -> NDArray[np.float32]:
    """Turn a head: pitch, then yaw, then roll; positive yaw turns the nose to the right."""
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (np.cos, np.sin))
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x, np.float32)


class _Face:
    """Collects expression weights by name, both sides of a paired one at once."""

    def __init__(self, rng: np.random.Generator, names: tuple[str, ...]) -> None:
        self.rng = rng
        self.index = {name: i for i, name in enumerate(names)}
        self.weights = np.zeros(len(names), np.float32)

    def add(self, name: str, low: float, high: float) -> None:
        amount = self.rng.uniform(low, high)
        for each in (name, name + "_L", name + "_R"):
            if each in self.index:
                uneven = self.rng.uniform(0.85, 1.15) if each.endswith(_PAIRED) else 1.0
                self.weights[self.index[each]] += amount * uneven


def sample_expression(
    rng: np.random.Generator, names: tuple[str, ...]
) -> tuple[NDArray[np.float32], tuple[float, float]]:
    """Weights (E,) in [0, 1.1] and the gaze (x, y) as offsets of the eyes' axes."""
    face = _Face(rng, names)
    _mouth(face, rng.random())
    for _ in range(int(rng.integers(0, 3))):
        name = names[int(rng.integers(len(names)))]
        if not name.startswith(("Pupil", "eyeLook", "eyeBlink", "jaw", "mouthClose")):
            face.weights[face.index[name]] += rng.uniform(0, 0.35)
    _lids(face, rng.random())
    if rng.random() < 0.3:
        face.add(str(rng.choice(["browInnerUp", "browOuterUp", "browDown"])), 0, 0.6)
    gaze = (float(rng.normal() * 0.15), float(rng.normal() * 0.08))
    _look(face, gaze)
    return np.clip(face.weights, 0, 1.1), gaze


def _mouth(face: _Face, draw: float) -> None:
    if draw < 0.33:
        face.add("mouthSmile", 0.1, 0.9)
        face.add("cheekSquint", 0, 0.5)
    if draw < 0.2:
        face.add("mouthUpperUp", 0, 0.5)
        face.add("mouthLowerDown", 0, 0.5)
        face.add("jawOpen", 0, 0.2)
    elif 0.33 < draw < 0.62:
        face.add("jawOpen", 0.03, 0.5)
        face.add("mouthLowerDown", 0, 0.25)
        face.add("mouthFunnel", -0.3, 0.35)
    elif 0.62 < draw < 0.7:
        face.add("mouthPucker", 0.2, 0.8)
    elif 0.7 < draw < 0.76:
        face.add("mouthFrown", 0.2, 0.8)
        face.add("browDown", 0.2, 0.8)
    face.weights = np.clip(face.weights, 0, None)


def _lids(face: _Face, draw: float) -> None:
    if draw < 0.06:
        face.add("eyeBlink", 0.6, 1)
    elif draw < 0.45:
        face.add("eyeBlink", 0, 0.2)
    elif draw < 0.53:
        face.add("eyeWide", 0.1, 0.6)


def _look(face: _Face, gaze: tuple[float, float]) -> None:
    """Lids follow the gaze."""
    across, up = 1.5 * gaze[0], 2 * gaze[1]
    moves = {
        "eyeLookIn_R": across, "eyeLookOut_L": across,
        "eyeLookIn_L": -across, "eyeLookOut_R": -across,
        "eyeLookUp_L": up, "eyeLookUp_R": up, "eyeLookDown_L": -up, "eyeLookDown_R": -up,
    }  # fmt: skip
    for name, amount in moves.items():
        face.weights[face.index[name]] += float(np.clip(amount, 0, 0.8))


def is_near_neutral(expression: NDArray[np.float32]) -> bool:
    """Whether the face is so relaxed that a neutral guide still describes it."""
    return float(expression.sum()) < 0.5
