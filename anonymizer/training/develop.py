"""From linear light to the 8-bit picture a video camera would have recorded."""

import cv2
import numpy as np
from numpy.typing import NDArray

_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)


def develop(
    rng: np.random.Generator, light: NDArray[np.float32], face: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """Expose for the face, roll off highlights, encode, then soften, add noise and compress.

    Args:
        rng: chooses exposure, contrast, colour and the damage.
        light: (S, S, 3) linear light at the final size.
        face: (S, S) weight of visible face pixels, used for the exposure.
    """
    luma = light @ _LUMA
    found = luma[face > 0.5]
    level = max(float(np.median(found)) if found.size > 50 else 0.2, 1e-3)
    aim = 0.30 * (level / 0.25) ** 0.45 * np.exp(rng.normal() * 0.25)
    picture = light * (np.clip(aim, 0.035, 0.55) / level) * rng.uniform(0.95, 1.05, 3)
    picture = np.where(picture < 0.65, picture, 0.65 + 0.35 * (1 - np.exp((0.65 - picture) / 0.35)))
    picture = np.clip(picture, 0, 1) ** (1 / 2.2)
    curve = rng.uniform(0, 0.3)
    picture = picture + curve * (picture**2 * (3 - 2 * picture) - picture)
    grey = (picture @ _LUMA)[..., None]
    picture = grey + (picture - grey) * rng.uniform(0.82, 1.15)
    black = rng.uniform(0, 0.05)
    return _record(rng, (black + picture * (rng.uniform(0.93, 1.0) - black)).astype(np.float32))


def _record(rng: np.random.Generator, picture: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Blur, noise and compression in [0, 1] to uint8."""
    if rng.random() < 0.5:
        picture = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.25, 0.9))).astype(
            np.float32
        )
    noisy = picture + rng.normal(size=picture.shape) * rng.uniform(0, 0.012)
    coded = np.clip(noisy * 255 + 0.5, 0, 255).astype(np.uint8)
    if rng.random() < 0.35:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(55, 96))]
        coded = np.asarray(
            cv2.imdecode(cv2.imencode(".jpg", coded, quality)[1], cv2.IMREAD_COLOR), np.uint8
        )
    return coded
