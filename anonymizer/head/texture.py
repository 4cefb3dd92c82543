"""The skin as a picture, painted from an `Appearance`, laid out as `anonymizer.head.layout` says.

Values are linear RGB.
"""

from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.head import anatomy
from anonymizer.head.folds import folded
from anonymizer.head.hairs import beard_cover, brow_cover, lash_cover
from anonymizer.head.layout import HEIGHT, texels, whole
from anonymizer.head.traits import Appearance

Plane = NDArray[np.float32]

SHADOW: Final = 0.4
"""Share of a beard that is shade; the rest is strands."""
PALEST_BROW: Final = 0.6
"""Reflectance of brows as a share of the skin's, at most."""
LID_SHADOW: Final = 0.6
LIPSTICK: Final = 0.7
"""Cover of lids and lips under all the make-up there is."""
_LIPSTICKS = np.array(  # linear RGB
    [
        (0.26, 0.03, 0.03),
        (0.36, 0.12, 0.13),
        (0.24, 0.09, 0.07),
        (0.15, 0.03, 0.06),
        (0.38, 0.10, 0.06),
    ],
    np.float32,
)
SOFTNESS: Final = 0.35
"""Spread of the edge between face and hair, head units."""
MELANIN_ABSORPTION: Final = np.array([2.20, 2.75, 3.10], np.float32)
"""Optical depth of melanin 1 in R, G, B (own choice, judged against published skin tones)."""
BLOOD_ABSORPTION: Final = np.array([0.06, 0.45, 0.38], np.float32)
"""Optical depth of haemoglobin 1 in R, G, B (own choice)."""


def _fill(outline: NDArray[np.float64], size: int, blur: float) -> Plane:
    """Antialiased polygon (N, 2), softened by `blur` texels."""
    picture = np.zeros((size, size), np.uint8)
    cv2.fillPoly(picture, [np.round(outline * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    soft = cv2.GaussianBlur(picture.astype(np.float32) / 255, (0, 0), blur)
    return np.asarray(soft, np.float32)


def _closed(upper: anatomy.Curve, lower: anatomy.Curve, size: int) -> NDArray[np.float64]:
    """Outline between two curves that share their ends."""
    above = anatomy.smooth(texels(upper, size), 8)
    below = anatomy.smooth(texels(lower, size), 8)
    return np.concatenate([above, below[::-1]])


def _spot(size: int, centre: tuple[float, float, float], width: float, height: float) -> Plane:
    """Soft ellipses (head units) around a head point and its mirror image."""
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32)
    total = np.zeros((size, size), np.float32)
    for sign in (1.0, -1.0) if centre[0] else (1.0,):
        x, y, z = sign * centre[0], centre[1], centre[2]
        here, beside = texels(((x, y, z), (x + 0.1, y, z)), size)
        per_x, per_y = (beside[0] - here[0]) * 10, size / HEIGHT
        dx, dy = (columns - here[0]) / (per_x * width), (rows - here[1]) / (per_y * height)
        total += np.exp(-(dx**2) - dy**2)
    return total


@lru_cache(maxsize=4)
def regions(size: int) -> dict[str, Plane]:
    """Masks in [0, 1] of the parts of the face, (size, size) each, the same for everybody."""
    unit = size / 512
    halves = [texels(side(anatomy.BEARD), size) for side in (tuple, anatomy.mirrored)]
    beard = np.concatenate([halves[0], halves[1][::-1]])
    lips = _fill(
        _closed(whole(anatomy.UPPER_LIP), whole(anatomy.LOWER_LIP), size), size, 1.6 * unit
    )
    return {
        "lips": lips,
        "cheek": np.clip(_spot(size, (4.6, 0.2, 9.2), 2.0, 1.7), 0, 1),
        "nose": np.clip(_spot(size, (0.0, 0.5, 12.8), 1.3, 1.2), 0, 1),
        "under": np.clip(_spot(size, (3.0, 2.25, 9.5), 1.35, 0.5), 0, 1),
        "lid": np.clip(_spot(size, (3.2, 4.3, 9.6), 1.45, 0.5), 0, 1),
        "socket": np.clip(_spot(size, (3.2, 3.7, 9.6), 1.9, 1.2), 0, 1),
        "beard": _fill(beard, size, 11 * unit) * (1 - lips),
        "chin": np.clip(
            _spot(size, (0, -2.0, 11.8), 2.3, 0.6) + _spot(size, (0, -6, 11), 2.2, 1.6), 0, 1
        ),
    }


def faceness(
    texture: NDArray[np.floating], outline: anatomy.Curve = anatomy.FACE, size: int = 256
) -> NDArray[np.float32]:
    """How much places on the texture (N, 2) lie within an outline (N,), mirrored: 1 there.

    That of the face leaves out scalp and ears. The edge is as soft as a hair line. What the film
    shows around a face, hair or skin, goes on into it there.
    """
    column, row = (np.asarray(texture, np.float32).T * size - 0.5)[:, :, None]
    plane = _inside(outline, size)
    return np.asarray(cv2.remap(plane, column, row, cv2.INTER_LINEAR)[:, 0], np.float32)


@lru_cache(maxsize=4)
def _inside(outline: anatomy.Curve, size: int) -> Plane:
    halves = [texels(side(outline), size) for side in (tuple, anatomy.mirrored)]
    whole = np.concatenate([halves[0], halves[1][::-1]])
    return _fill(whole, size, SOFTNESS * size / HEIGHT)


def noise(rng: np.random.Generator, size: int, cells: int) -> Plane:
    """Smooth noise (size, size) of about unit spread, with `cells` bumps along a side."""
    grid = rng.standard_normal((cells + 3, cells + 3)).astype(np.float32)
    big = cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.asarray(big * 1.3, np.float32)


def _pigments(look: Appearance, size: int, rng: np.random.Generator) -> tuple[Plane, Plane]:
    """Melanin and haemoglobin of every texel."""
    part = regions(size)
    slow, middle, quick, fine = (noise(rng, size, n) for n in (9, 28, 75, min(size // 2, 190)))
    melanin = look.melanin * (1 + look.blotch * (0.035 * slow + 0.018 * middle + 0.012 * quick))
    melanin = melanin + look.pores * 0.010 * fine + 0.005 * look.blotch * middle
    spots = np.clip(0.55 * quick + 0.6 * fine - 0.75, 0, 1) * look.freckles
    melanin = melanin + 0.28 * spots * np.clip(part["cheek"] + 0.9 * part["nose"] + 0.15, 0, 1)
    melanin = melanin + look.under_eye * (0.07 * part["under"] + 0.03 * part["socket"])
    melanin = melanin + look.lip_melanin * part["lips"]
    blood = look.haemoglobin * (1 + 0.08 * slow + 0.05 * middle + 0.04 * fine * look.pores)
    blood = blood + look.cheek_red * (0.40 * part["cheek"] + 0.36 * part["nose"])
    blood = blood + 0.22 * look.under_eye * part["under"] + 0.12 * part["socket"]
    blood = blood + (0.25 + 1.2 * look.lip_red) * part["lips"] * (1 + 0.06 * quick)
    return np.clip(melanin, 0, 1.2), np.clip(blood, 0, 2.4)


def _mix(skin: Plane, cover: Plane, colour: NDArray[np.floating]) -> Plane:
    """Lay a colour over the skin with a cover (S, S) in [0, 1]."""
    return np.asarray(skin + (colour.astype(np.float32) - skin) * cover[..., None], np.float32)


def _beard(look: Appearance, size: int, rng: np.random.Generator) -> Plane:
    """Cover of the beard: shade of what is under the skin, and strands."""
    part = regions(size)
    where = (
        part["beard"] * (1 - 0.75 * look.moustache) + look.moustache * part["beard"] * part["chin"]
    )
    grain = 0.92 + 0.05 * noise(rng, size, min(size // 2, 200)) + 0.04 * noise(rng, size, 90)
    if not look.stubble:  # only now: what is drawn after it must not change with it
        return np.zeros((size, size), np.float32)
    strands = beard_cover(look, where, size)
    shade = SHADOW * where * grain + (1 - SHADOW) * strands
    return np.asarray(np.clip(look.stubble * shade, 0, 0.9), np.float32)


def _lipstick(look: Appearance) -> NDArray[np.float32]:
    """Linear RGB (3,) of the one that this person would wear: a darker one on darker skin."""
    chosen = _LIPSTICKS[np.random.default_rng([look.seed, 3]).integers(len(_LIPSTICKS))]
    return np.asarray(chosen * (1 - 0.5 * look.melanin), np.float32)


def albedo(appearance: Appearance, size: int = 256) -> NDArray[np.float32]:
    """Paint the whole texture, at twice the size, and average down.

    Args:
        appearance: whose skin; the same appearance always gives the same picture.
        size: side of the texture in texels.

    Returns:
        (size, size, 3) linear RGB reflectance in [0, 1].
    """
    big, look = 2 * size, appearance
    rng = np.random.default_rng(look.seed)
    melanin, blood = _pigments(look, big, rng)
    depth = melanin[..., None] * MELANIN_ABSORPTION + blood[..., None] * BLOOD_ABSORPTION
    skin = np.asarray(look.base, np.float32) * np.exp(-depth)
    skin = _mix(skin, regions(big)["lips"] * (LIPSTICK * look.make_up), _lipstick(look))
    skin = folded(skin, look)
    hair = np.asarray(look.hair, np.float32)
    skin = _mix(skin, _beard(look, big, rng), 0.55 * hair + 0.3 * skin)
    skin = _mix(skin, regions(big)["lid"] * (LID_SHADOW * look.make_up), 0.35 * skin)
    brows = np.minimum(0.7 * hair + 0.12 * skin, PALEST_BROW * skin)
    skin = _mix(skin, brow_cover(look, texels(anatomy.BROW, big), big, rng), brows)
    for side in (tuple, anatomy.mirrored):
        upper, lower = (texels(side(c), big) for c in (anatomy.UPPER_LID, anatomy.LOWER_LID))
        skin = _mix(skin, lash_cover(look, upper, lower, big), 0.25 * hair + 0.004)
    small = cv2.resize(skin, (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(np.clip(small, 0, 1), np.float32)
