"""What a synthetic person looks like apart from the shape of the head: colours, brows, beard, age.

Every number is drawn from a generator; nothing here has ever seen a picture of a person.
"""

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

Colour = tuple[float, float, float]

BASE: Final = (0.80, 0.60, 0.44)
"""Linear RGB of the mean skin without pigment or blood (own choice)."""

_HAIRS = np.array(
    [
        (16, 13, 12), (27, 20, 17), (43, 31, 24), (62, 44, 33), (86, 62, 44),
        (112, 82, 56), (150, 118, 82), (180, 150, 110), (104, 58, 36), (125, 121, 116),
        (182, 180, 175),
    ]
)  # fmt: skip
_HAIRS_DARK = np.array([0.40, 0.30, 0.17, 0.05, 0, 0, 0, 0, 0, 0.05, 0.03])
_HAIRS_LIGHT = np.array([0.08, 0.12, 0.17, 0.18, 0.14, 0.10, 0.07, 0.04, 0.03, 0.05, 0.02])
_GREY = np.array([0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1], bool)
"""Which of these are grey or white."""
GREYING: Final = 4.0
"""How much likelier they are by the square of the age. The mean of that is a quarter, so that of
all people about as many have them as the weights say."""
_IRISES = np.array(
    [
        (50, 34, 25), (62, 41, 28), (78, 50, 31), (94, 64, 38), (106, 84, 50),
        (84, 86, 62), (84, 96, 106), (98, 112, 124), (80, 88, 94),
    ]
)  # fmt: skip
_IRISES_DARK = np.array([0.28, 0.36, 0.26, 0.10, 0, 0, 0, 0, 0])
_IRISES_LIGHT = np.array([0.06, 0.12, 0.18, 0.16, 0.12, 0.12, 0.10, 0.08, 0.06])


@dataclass(frozen=True, slots=True)
class Appearance:
    """Everything about a person's look that is colour or fine relief."""

    melanin: float
    """Pigment of the skin, 0.03 (very fair) to 0.95 (very dark)."""
    haemoglobin: float
    """Blood in the skin, 0.2 to 0.6."""
    base: Colour
    """Linear RGB of skin without pigment or blood."""
    masculinity: float
    """0 or 1 for most people; moves brows, beard and make-up, nothing else."""
    age: float
    """0 (about 18 years) to 1 (about 80)."""
    lip_red: float
    """Extra blood in the lips, 0.3 to 1.6."""
    lip_melanin: float
    """Extra pigment in the lips, -0.03 to 0.12."""
    brow_thickness: float
    """Half the height of the brow at its thickest, head units (cm-like)."""
    brow_density: float
    """How much of the skin under the brow is covered, 0 to 1."""
    brow_height: float
    """Shift of the brow upwards, head units."""
    brow_angle: float
    """Lift of the tail against the inner end, head units."""
    stubble: float
    """Darkness of the shaved or short beard, 0 to 1."""
    moustache: float
    """Share of the beard that stands under the nose and on the chin only, 0 to 1."""
    freckles: float
    """Strength of the freckles, 0 to 1."""
    blotch: float
    """Strength of the slow unevenness of the skin, 0.2 to 1."""
    pores: float
    """Strength of the finest texture, 0.2 to 1."""
    under_eye: float
    """Darkness under the eyes, 0 to 1.2."""
    wrinkles: float
    """Strength of folds and lines, 0 to 1."""
    make_up: float
    """Darkness of lids and lashes, and cover of lipstick, 0 to 1."""
    cheek_red: float
    """Extra blood in cheeks and nose, 0 to 1."""
    sheen: float
    """Strength of the skin's soft highlight, 0 to 1."""
    iris: Colour
    """Linear RGB of the iris."""
    hair: Colour
    """Linear RGB of hair and brows."""
    seed: int
    """Seed of every pattern: freckles, strands, blotches, fibres of the iris."""


def _linear(code: NDArray[np.integer], gain: float) -> Colour:
    red, green, blue = (float(c) for c in np.clip((code / 255.0) ** 2.2 * gain, 0, 1))
    return red, green, blue


def _pick(
    chance: float, palette: NDArray[np.integer], weights: NDArray[np.float64]
) -> NDArray[np.integer]:
    """The colour at a share of all weights, in [0, 1)."""
    sums = np.cumsum(weights)
    chosen: NDArray[np.integer] = palette[np.searchsorted(sums / sums[-1], chance, side="right")]
    return chosen


def sample_melanin(rng: np.random.Generator) -> float:
    """Pigment over the whole human range: fair, medium and dark people in similar numbers."""
    draws = (
        0.03 + 0.25 * rng.beta(1.5, 2),
        0.18 + 0.4 * rng.beta(2, 2),
        0.5 + 0.45 * rng.beta(2, 2),
    )
    return float(draws[int(rng.choice(3, p=(0.40, 0.32, 0.28)))])


def _beard(rng: np.random.Generator, masculinity: float) -> float:
    kinds = (rng.uniform(0, 0.10), rng.uniform(0.10, 0.35), rng.uniform(0.35, 0.85))
    return masculinity * float(kinds[int(rng.choice(3, p=(0.45, 0.38, 0.17)))])


def sample_appearance(rng: np.random.Generator, melanin: float | None = None) -> Appearance:
    """Draw one appearance; `melanin` fixes the skin tone and leaves the rest to chance."""
    drawn = sample_melanin(rng)
    pigment = drawn if melanin is None else float(np.clip(melanin, 0.0, 1.0))
    dark = float(np.clip((pigment - 0.15) / 0.3, 0, 1))
    of_hair, of_iris = rng.random(), rng.random()
    man = float(rng.random() < 0.5)
    age = float(rng.beta(1.4, 1.8))
    hairs = dark * _HAIRS_DARK + (1 - dark) * _HAIRS_LIGHT
    hair = _pick(of_hair, _HAIRS, np.where(_GREY, GREYING * age**2, 1) * hairs)
    iris = _pick(of_iris, _IRISES, dark * _IRISES_DARK + (1 - dark) * _IRISES_LIGHT)
    base = np.array(BASE) * rng.uniform(0.97, 1.03, 3)
    return Appearance(
        melanin=pigment,
        haemoglobin=float(rng.uniform(0.22, 0.55)),
        base=(float(base[0]), float(base[1]), float(base[2])),
        masculinity=man,
        age=age,
        lip_red=float(
            rng.uniform(0.35, 0.85) + (1 - man) * (rng.random() < 0.35) * rng.uniform(0.2, 0.6)
        ),
        lip_melanin=float(rng.uniform(-0.01, 0.06) + 0.05 * dark),
        brow_thickness=float(rng.uniform(0.18, 0.42) + 0.10 * man),
        brow_density=float(rng.uniform(0.45, 0.9) + 0.10 * man),
        brow_height=float(rng.normal() * 0.10 - 0.10 * man),
        brow_angle=float(np.clip(rng.normal() * 0.22, -0.42, 0.42)),
        stubble=_beard(rng, man),
        moustache=float(rng.random() < 0.25),
        freckles=float((rng.random() < 0.25) * rng.uniform(0.3, 1.0) * (1 - dark)),
        blotch=float(rng.uniform(0.2, 0.8) + 0.2 * age),
        pores=float(rng.uniform(0.2, 1.0)),
        under_eye=float(rng.uniform(0.1, 0.7) + 0.4 * age),
        wrinkles=float(np.clip(1.3 * age - rng.uniform(0.15, 0.5), 0, 1)),
        make_up=float((1 - man) * (rng.random() < 0.5) * rng.uniform(0.2, 1.0)),
        cheek_red=float(rng.uniform(0.1, 0.9)),
        sheen=float(rng.uniform(0.15, 0.8)),
        iris=_linear(iris, rng.uniform(0.8, 1.25)),
        hair=_linear(hair, rng.uniform(0.85, 1.2)),
        seed=int(rng.integers(1, 2**31 - 1)),
    )


def vector(appearance: Appearance) -> NDArray[np.float32]:
    """All traits but the pattern seed as one vector, each about centred with unit spread."""
    numbers: list[float] = []
    for field in fields(appearance):
        value = getattr(appearance, field.name)
        if field.name in ("iris", "hair"):
            numbers += [float(np.log(c + 0.02) + 2.7) for c in value]
        elif field.name == "base":
            numbers += [30 * (c - m) for c, m in zip(value, BASE, strict=True)]
        elif field.name != "seed":
            numbers.append(3.0 * (float(value) - 0.4))
    return np.array(numbers, np.float32)
