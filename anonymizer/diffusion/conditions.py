"""From crops to what a network is told. Nothing here can see an original face."""

from dataclasses import replace
from typing import Final

import cv2
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own name for it
from numpy.typing import NDArray
from torch import Tensor

from anonymizer.data import Clip
from anonymizer.diffusion.scaling import larger
from anonymizer.head.composite import compose, continued, structure
from anonymizer.head.guide import Guide, linear_from_srgb, srgb_from_linear
from anonymizer.head.tone import FLOOR, LUMA, Evidence, Tone, with_gain

SOLID: Final = 0.99
"""Coverage from which the drawing is the head and nothing else."""
DARK: Final = -2.7
"""Mean log light of surroundings below which they are lightened for painting."""
NIGHT: Final = 1e-4
"""Light below which nothing is told apart."""
BRIGHTEST: Final = 0.95
"""Share of surroundings that must not become white by that: faces may be as bright."""
MOST_LIGHT: Final = 3.0
"""The most they are lightened by, natural logarithm."""
BLEND: Final = 1 / 40
"""Spread, as a share of the crop's side, that smooths what a painting misses the film by."""
LARGEST_SHIFT: Final = 24.0
"""Colours are moved no farther than this, of 255, to agree with the film."""
SMOOTHING: Final = 3.0
"""Standard deviation, in frames, of the smoothing of light."""
MEMORY: Final = 4
"""Frames before one that its light is smoothed with: the overlap of chunks."""
LENS: Final = 0.3
"""Spread of the drawing's edges, in pixels of what is painted: no camera draws sharper ones."""
RIM: Final = 16
"""Hidden pixels this part of the crop's side around a face's mask still belong to that face: what
is blanked reaches further than what is pasted, by a few pixels of the frame."""


def pictures(images: NDArray[np.uint8]) -> Tensor:
    """Images (N, S, S, 3) as (N, 3, S, S) float32 in [-1, 1]."""
    return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2) / 127.5 - 1


def images(result: Tensor) -> NDArray[np.uint8]:
    """Pictures (N, 3, S, S) in about [-1, 1] as (N, S, S, 3), rounded and limited.

    Raises:
        FloatingPointError: if a number is not finite.
    """
    if not torch.isfinite(result).all():
        raise FloatingPointError(
            "the painter returned numbers that are not finite; nothing was painted"
        )
    levels = ((result.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return np.ascontiguousarray(levels.permute(0, 2, 3, 1).cpu().numpy())


def blanked(clip: Clip) -> Tensor:
    """The new crops' context (N, 3, S, S) in [-1, 1], exactly 0 where hidden."""
    return pictures(clip.context[clip.lead :]).masked_fill(_new(clip.hidden, clip), 0.0)


def hidden_cells(clip: Clip, factor: int) -> Tensor:
    """Cells (N, 1, h, w) float32 of the latent grid, 1 where any of their pixels is hidden."""
    return F.max_pool2d(_new(clip.hidden, clip).float(), factor)


def composite(clip: Clip, guides: list[Guide]) -> Tensor:
    """What stands for the new crops (N, 3, S, S) in [-1, 1] before they are painted.

    `head.composite.compose` on this face's area and its hidden rim; areas of other faces and what
    lies past the frame are filled from what can be seen around them.
    """
    reach = 2 * max(1, clip.size // RIM) + 1
    near, new = np.ones((reach, reach), np.uint8), slice(clip.lead, None)
    made = [
        compose(image, hidden, cv2.dilate((mask > 0).astype(np.uint8), near) > 0, guide)
        for image, hidden, mask, guide in zip(
            clip.context[new], clip.hidden[new], clip.mask[new], guides, strict=True
        )
    ]
    return torch.from_numpy(np.stack(made)).permute(0, 3, 1, 2)


def structures(guides: list[Guide], factor: int) -> Tensor:
    """Normals and coverage, averaged over latent cells: (N, 4, h, w)."""
    planes = np.stack([structure(guide) for guide in guides])
    return F.avg_pool2d(torch.from_numpy(planes).permute(0, 3, 1, 2), factor)


def evidence(clip: Clip, gains: NDArray[np.float32]) -> list[Evidence]:
    """What T crops tell of the tone of skin in the light that `lightened` will give them.

    Lightened pictures would tell less: what is bright in them is white. Of the film only `context`
    outside `hidden` is read.
    """
    crops = zip(clip.context, clip.hidden, gains, strict=True)
    return [Evidence.of(image, ~hidden, float(gain)) for image, hidden, gain in crops]


def tones(
    clip: Clip,
    guides: list[Guide],
    told: list[Evidence],
    before: Tone | None = None,
    usual: NDArray[np.float32] | None = None,
    apart: int = 1,
) -> tuple[NDArray[np.float32], Tone]:
    """Gains (T, 3) that bring guides to the tone of the film, and the track's tone from then on.

    Crops whose tone is known keep it.

    Args:
        clip: T crops.
        guides: of all of them.
        told: by all of them.
        before: of the track, up to the last chunk; None at its start.
        usual: tone (3,) of skin where the film tells nothing, see `Evidence.gain`.
        apart: frames that each crop stands for.
    """
    tone = before or Tone()
    given: dict[int, NDArray[np.float32]] = {}
    for index, guide, crop in zip(clip.indices, guides, told, strict=True):
        if index not in tone.gains:
            tone = tone.after(crop.gain(guide, usual), crop.trust, apart)
        given[index] = tone.gains.get(index, tone.gain)
    gains = np.exp(np.stack(list(given.values())))
    return gains.astype(np.float32), replace(tone, gains=given)


def lightened(clip: Clip) -> tuple[Clip, NDArray[np.float32]]:
    """A dark clip in the light that painters know, and the gains (T,) of light that it took.

    Gains are 1 where it is light enough, and change no faster than `SMOOTHING` allows but where
    something bright comes into sight. Of the film
    only `context` outside `hidden` is read; `dimmed` is the way back.
    """
    levels, room = [], []
    for image, hidden in zip(clip.context, clip.hidden, strict=True):
        seen = linear_from_srgb(image[~hidden] / 255)
        levels.append(float(np.log(seen @ LUMA + FLOOR).mean()) if len(seen) else DARK)
        brightest = np.quantile(seen.max(-1), BRIGHTEST) if len(seen) else 1.0
        room.append(-float(np.log(brightest + FLOOR)))
    needed = (DARK - np.array(levels, np.float32)).clip(0, MOST_LIGHT)
    most = np.array(room, np.float32).clip(0)
    smooth = _smoothed(np.minimum(needed, most)[:, None])[:, 0]
    gains = np.exp(np.minimum(smooth, most)).astype(np.float32)
    if not (gains > 1).any():
        return clip, gains
    return replace(clip, context=_relit(clip.context, gains)), gains


def dimmed(painted: NDArray[np.uint8], gains: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Crops (N, S, S, 3) without the gains (N,) of light that `lightened` added."""
    return _relit(painted, np.reciprocal(gains)) if (gains > 1).any() else painted


def _relit(images: NDArray[np.uint8], gains: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Images under `gains` times the light, through tables of 256 levels."""
    light = linear_from_srgb(np.arange(256) / 255)
    tables = srgb_from_linear(gains[:, None] * light) * 255
    tables = tables.round().clip(0, 255).astype(np.uint8)
    return np.stack([table[image] for table, image in zip(tables, images, strict=True)])


def toned(guides: list[Guide], gains: NDArray[np.float32]) -> list[Guide]:
    """The guides in the light of `tones`."""
    return [with_gain(guide, gain) for guide, gain in zip(guides, gains, strict=True)]


def levelled(
    painted: NDArray[np.uint8], drawn: NDArray[np.uint8], guides: list[Guide]
) -> NDArray[np.uint8]:
    """Paintings (N, S, S, 3) with faces in the mean light that drawings (N, S, S, 3) have there.

    A painter has light and skin of its own that it likes: dark faces came back twice as light.
    """
    result = painted.copy()
    for crop, drawing, guide in zip(result, drawn, guides, strict=True):
        face = guide.coverage > SOLID
        if not face.any():
            continue
        wanted, found = (linear_from_srgb(each[face] / 255).mean(0) for each in (drawing, crop))
        gains = (wanted + NIGHT) / (found + NIGHT)
        planes = [_relit(crop[None, ..., at], gains[at : at + 1])[0] for at in range(3)]
        change = np.stack(planes, -1).astype(np.float32) - crop
        crop[:] = (crop + guide.coverage[..., None] * change).round()
    return result


def detailed(
    painted: NDArray[np.uint8], drawn: NDArray[np.uint8], guides: list[Guide], scale: float
) -> NDArray[np.uint8]:
    """Fine structure from the drawing, everything coarser from the painting.

    Eyes, brows and lips of a small denoiser are soft and a little different in every frame; those
    of the drawing are neither. Light, colour and blend are the painter's. What the head does not
    cover, and its rim, stay as they were painted.

    Args:
        painted: (N, S, S, 3).
        drawn: (N, S, S, 3) the composites that the painting began with.
        guides: their N guides; coverage says where there is a drawing.
        scale: standard deviation, in pixels, of the Gaussian that parts fine from coarse.
    """
    result = painted.copy()
    for crop, drawing, guide in zip(result, drawn, guides, strict=True):
        coverage = guide.coverage
        opacity = _interior(coverage, 5, scale / 4)
        difference = (drawing.astype(np.float32) - crop) * coverage[..., None]
        spread = cv2.GaussianBlur(coverage, (0, 0), scale)[..., None]
        coarse = cv2.GaussianBlur(difference, (0, 0), scale) / np.maximum(spread, 1e-3)
        crop[:] = (crop + opacity * (difference - coarse)).round().clip(0, 255)
    return result


def blended(painted: NDArray[np.uint8], clip: Clip) -> NDArray[np.uint8]:
    """The painting (N, S, S, 3) with the film's own colours at the edge of what is hidden.

    Painted crops show the surroundings too. What they miss there by, smoothed, goes on into the
    hidden part as `head.composite.continued` says: gradients stay, the edge agrees. Of the film
    only `context` outside `hidden` is read.
    """
    result = painted.copy()
    new = slice(clip.lead, None)
    for crop, image, hidden in zip(result, clip.context[new], clip.hidden[new], strict=True):
        known = ~hidden
        missed = image.astype(np.float32) - crop
        missed = np.where(hidden[..., None], 0, missed.clip(-LARGEST_SHIFT, LARGEST_SHIFT))
        share = cv2.GaussianBlur(known.astype(np.float32), (0, 0), BLEND * clip.size)
        even = cv2.GaussianBlur(missed.astype(np.float32), (0, 0), BLEND * clip.size)
        shift = continued(even / np.maximum(share, 1e-3)[..., None], known)
        crop[:] = (crop + shift).round().clip(0, 255)
    return result


def enlarged(
    painted: NDArray[np.uint8], guides: list[Guide], fine: list[Guide]
) -> NDArray[np.uint8]:
    """The painting at the size of a finer drawing, with what only that shows.

    Args:
        painted: (N, S, S, 3).
        guides: the N drawings at its size.
        fine: the same drawings at a multiple of it, which the result has.
    """
    factor = len(fine[0].coverage) // painted.shape[1]
    if factor == 1:
        return painted
    return np.stack([_enlarged(*each, factor) for each in zip(painted, guides, fine, strict=True)])


def _enlarged(
    painted: NDArray[np.uint8], guide: Guide, fine: Guide, factor: int
) -> NDArray[np.uint8]:
    opacity = _interior(fine.coverage, 2 * factor + 1, factor)
    lens = cv2.GaussianBlur(fine.colour, (0, 0), LENS * factor)
    finest = 255 * (lens - larger(guide.colour, factor))
    result = larger(painted, factor) + opacity * finest
    return np.asarray(result.round().clip(0, 255), np.uint8)


def _interior(coverage: NDArray[np.float32], width: int, softness: float) -> NDArray[np.float32]:
    """Opacity (S, S, 1): 1 where there is nothing but the drawing, 0 towards its rim."""
    solid = (coverage > SOLID).astype(np.float32)
    inner = cv2.erode(solid, np.ones((width, width), np.uint8))
    return np.asarray(cv2.GaussianBlur(inner, (0, 0), softness)[..., None], np.float32)


def _smoothed(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Weighted mean of each row (T, K) with the `MEMORY` rows before it.

    Only the past counts: a chunk that sees as many frames of the one before goes on without a jump.
    """
    time = np.arange(len(values))
    age = time[:, None] - time
    weights = np.exp(-0.5 * (age / SMOOTHING) ** 2) * ((age >= 0) & (age <= MEMORY))
    return np.asarray(weights @ values / weights.sum(1, keepdims=True))


def _new(mask: NDArray[np.bool_], clip: Clip) -> Tensor:
    """A mask (T, S, S) of the clip for its new crops, (N, 1, S, S)."""
    return torch.from_numpy(np.array(mask[clip.lead :]))[:, None]
