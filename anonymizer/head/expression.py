"""The numbers that pass from an original face to the new one, and what they mean to the head.

A *motion* is a vector of K numbers in the order of `MOTION`. All but the last two are weights of
expressions: 0 is a face at rest, 1 the full movement; `jawSide` is signed, positive to the right of
the picture. A name that ends in neither L nor R moves both sides. The last two are the gaze,
x to the right of the picture and y up, as offsets of a unit vector in head space.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from anonymizer.head.model import HeadModel

MOTION: Final = (
    "jawOpen", "jawSide", "mouthClose", "mouthFunnel", "mouthPucker", "mouthSmile_L",
    "mouthSmile_R", "mouthStretch", "mouthFrown", "mouthUpperUp", "mouthLowerDown",
    "eyeBlink_L", "eyeBlink_R", "eyeWide", "eyeSquint", "cheekSquint", "browDown", "browInnerUp",
    "browOuterUp_L", "browOuterUp_R", "gazeX", "gazeY",
)  # fmt: skip
"""Names of the numbers; L is the person's left, the viewer's right."""
SHAPES: Final = len(MOTION) - 2
"""How many of them are weights of expressions."""
_GAZE_LIMIT: Final = 0.55
_LEVEL: Final = 0.5
"""Share of a head's nod that eyes make up for: they seek the level, and a reader that is unsure
says that they look straight ahead of the head. New faces had looked past the camera, by up to a
third of a unit vector, where the filmed ones looked at it with the chin up."""
_LIDS: Final = (0.06, 0.56)
"""What the reader says of lids at rest, the median over held-out drawn faces, and of shut ones,
about the least of filmed ones: lids that stay a little open look worse than those that shut early.
"""
_MEETING: Final = (0.03, 0.12)
"""Lips closer than the first, in eye distances, are shut; from the second on they are as read.
Of drawn mouths that are shut nine in ten are read as less than 0.03 apart; of a filmed, speaking
face 68 landmarks of another program (dlib) have the lips half as far apart as is read here."""
_BOLDER: Final = 1.2
"""How much farther lips part than the reader says: the slope of that program's gap on what is read
where they are far apart (75 frames)."""
_GAP: Final = {
    "jawOpen": 0.50, "mouthClose": -0.60, "mouthFunnel": 0.21, "mouthLowerDown": 0.10,
    "mouthUpperUp": 0.11,
}  # fmt: skip
"""How far apart, in eye distances, the full movement brings the lips of the mean head."""
_SIGNED: Final = {"jawSide": (("jawLeft", 1.0), ("jawRight", -1.0))}


_BOTH_WAYS: Final = [MOTION.index(name) for name in ("jawSide", "gazeX", "gazeY")]
_BLINKS: Final = [MOTION.index(name) for name in ("eyeBlink_L", "eyeBlink_R")]
_PARTING: Final = [MOTION.index(name) for name, share in _GAP.items() if share > 0]


def _mirror() -> NDArray[np.float32]:
    """Matrix (K, K) from the motion of a face to that of its mirror image."""
    matrix = np.zeros((len(MOTION), len(MOTION)), np.float32)
    for column, name in enumerate(MOTION):
        side = {"_L": "_R", "_R": "_L"}.get(name[-2:], name[-2:])
        row = MOTION.index(name[:-2] + side)
        matrix[row, column] = -1 if name in ("jawSide", "gazeX") else 1
    matrix.setflags(write=False)
    return matrix


MIRROR: Final = _mirror()
"""(K, K) `MIRROR @ motion` is the motion of the mirrored face."""


def selection(names: tuple[str, ...]) -> NDArray[np.float32]:
    """Matrix (SHAPES, E) from weights of a motion, none negative, to expressions called `names`.

    The row of a signed number holds the expression of its positive side only.
    """
    matrix = np.zeros((SHAPES, len(names)), np.float32)
    for row, name in enumerate(MOTION[:SHAPES]):
        parts = (name, name + "_L", name + "_R") if name not in _SIGNED else (_SIGNED[name][0][0],)
        for part in parts:
            if part in names:
                matrix[row, names.index(part)] = 1
    return matrix


def _settled(values: NDArray[np.float32], seal: float = 0.0) -> NDArray[np.float32]:
    """A motion (K,) as read with lids that shut and lips that meet where they nearly do.

    A reader that is unsure answers with a mean: open eyes a little shut, shut ones a little open,
    and lips that part too little.
    """
    settled = np.clip(values, 0, None)
    settled[_BOTH_WAYS] = values[_BOTH_WAYS]
    rest, shut = _LIDS
    settled[_BLINKS] = ((values[_BLINKS] - rest) / (shut - rest)).clip(0, 1)
    gap = gap_of(settled)
    near, far = _MEETING
    share = min(1.0, max(0.0, (gap - near) / (far - near)))
    opened = share * share * (3 - 2 * share)
    settled[_PARTING] *= _BOLDER * opened
    settled[MOTION.index("mouthClose")] += seal * (1 - opened)
    return settled


def gap_of(motion: NDArray[np.floating]) -> float:
    """How far apart, in eye distances, a motion (K,) as read brings the lips of the mean head."""
    return sum(share * max(0.0, float(motion[MOTION.index(name)])) for name, share in _GAP.items())


def parted(motion: NDArray[np.float32], gap: float, trust: float) -> NDArray[np.float32]:
    """The motion (K,) with the jaw opened or shut until the lips are `gap` apart.

    Points that were marked on the lips say better how far they part than the numbers do; these say
    better in which way.

    Args:
        motion: as read.
        gap: in eye distances.
        trust: 0 to 1, how much of the difference is made up for.
    """
    there = np.array(motion, np.float32)
    wanted = max(0.0, gap_of(motion) + trust * (gap - gap_of(motion)))
    jaw = MOTION.index("jawOpen")
    there[jaw] = max(0.0, float(there[jaw])) + (wanted - gap_of(motion)) / _GAP["jawOpen"]
    if there[jaw] < 0:
        there[jaw] = 0
        shut = -_GAP["mouthClose"] * max(0.0, float(there[MOTION.index("mouthClose")]))
        there[_PARTING] *= (wanted + shut) / (gap_of(there) + shut)
    return there


def expression_of(
    head: HeadModel, motion: NDArray[np.floating], seal: float = 0.0, shut: float = 1.0
) -> tuple[NDArray[np.float32], tuple[float, float]]:
    """What `draw_guide` wants to know of a motion.

    Args:
        head: whose expressions are weighted.
        motion: (K,) numbers as they were read; what no face can do is cut off.
        seal: weight of `mouthClose` that lips which meet get, see `anonymizer.head.lips`.
        shut: weight of `eyeBlink` that lids which meet get, see `anonymizer.head.lids`.

    Returns:
        Weights (E,) of `head.expression_names`, and the gaze (x, y).

    Raises:
        ValueError: if the motion has another length or is not finite.
    """
    values = np.array(motion, np.float32)
    if values.shape != (len(MOTION),) or not np.isfinite(values).all():
        raise ValueError(f"motion must be {len(MOTION)} finite numbers, got shape {values.shape}")
    values = _settled(values, seal)
    names = head.expression_names
    shown = values[:SHAPES].clip(0, 1)
    shown[_BLINKS] *= shut
    weights = shown @ selection(names)
    for name, sides in _SIGNED.items():
        for side, sign in sides:
            weights[names.index(side)] = np.clip(sign * values[MOTION.index(name)], 0, 1)
    x, y = np.clip(values[SHAPES:], -_GAZE_LIMIT, _GAZE_LIMIT).tolist()
    return weights, (x, y)


def level_gaze(gaze: tuple[float, float], rotation: NDArray[np.floating]) -> tuple[float, float]:
    """A gaze (x, y) in head space, lowered where the head (3, 3) looks up and raised where down."""
    x, y = gaze
    limited = np.clip(y - _LEVEL * rotation[1, 2], -_GAZE_LIMIT, _GAZE_LIMIT)
    return x, float(limited)
