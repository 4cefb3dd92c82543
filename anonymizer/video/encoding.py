"""Which encoder, pixel format and options a result gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import lcm
from pathlib import Path
from typing import Final

from anonymizer.data import StreamInfo
from anonymizer.errors import UsageError
from anonymizer.video.cards import CARDS, insist_on
from anonymizer.video.containers import insist_on_container
from anonymizer.video.encoders import (
    ENCODERS,
    FFV1,
    MP4,
    PRORES,
    VP9,
    X264,
    X265,
    Encoder,
    Request,
)
from anonymizer.video.native import Layout, layout_of
from anonymizer.video.orientation import orientation_for
from anonymizer.video.packing import converted, packing_of
from anonymizer.video.signals import parameters, signals_in

_MOV: Final = (".mp4", ".m4v", ".mov")
_DECODERS: Final = {"libdav1d": "av1", "libaom-av1": "av1", "libvpx-vp9": "vp9"}
"""Decoders that are not named after what they read."""

_RGB: Final = Layout("gbr")
_USUAL: Final = Layout("yuv", "420")


@dataclass(frozen=True, slots=True)
class Encoding:
    """What to ask of FFmpeg."""

    codec: str
    pixel_format: str
    options: dict[str, str]
    warnings: tuple[str, ...] = ()
    """What is lost by it, in words."""

    @property
    def is_rgb(self) -> bool:
        """Whether the encoder takes RGB, so that nothing is lost on the way."""
        return self.pixel_format.startswith(("rgb", "gbr", "bgr"))


@dataclass(frozen=True, slots=True)
class _Fit:
    """An encoder and the layout in which it would be given a film."""

    encoder: Encoder
    layout: Layout

    @property
    def codec(self) -> str:
        """FFmpeg's name of the encoder; RGB in H.264 is written by a twin."""
        return "libx264rgb" if self.pixel_format == "rgb24" else self.encoder.name

    @property
    def pixel_format(self) -> str:
        """FFmpeg's name."""
        if self.encoder is X264 and self.layout == _RGB:
            return "rgb24"
        return self.encoder.layouts.get(self.layout, self.layout.name)


def encoding_for(
    path: Path,
    info: StreamInfo,
    *,
    crf: int | None = None,
    lossless: bool = False,
    codec: str | None = None,
    preset: str = "medium",
) -> Encoding:
    """Choose by the output's suffix and by what the source is.

    The source's own codec is taken where it can be written and keeps the colour of every pixel and
    at least 10 of more bits; else the first that does, H.264 before others. Lossless, all samples
    must be kept. What must be lost all the same is told in ``warnings``.

    Args:
        path: What is to be written.
        info: What the frames look like, and what they were decoded from.
        crf: Constant rate factor; None for the encoder's usual.
        lossless: Whether samples must be kept exactly.
        codec: An encoder's name; None leaves the choice.
        preset: How long it may think, one of PRESETS.

    Raises:
        UsageError: if the container cannot be written, or hold the codec, or there is
            no such codec, or it cannot be lossless.
    """
    suffix = path.suffix.lower()
    insist_on_container(suffix)
    stored = _stored(info)
    wanted = _wanted(info, stored, lossless=lossless)
    orientation = orientation_for(info.rotation, mirrored=info.mirrored)
    size = orientation.size((info.width, info.height))
    fits = [
        _Fit(encoder, layout)
        for encoder in _candidates(suffix, info, codec, lossless=lossless, alpha=wanted.alpha)
        if (layout := _nearest(encoder, suffix, wanted, size)) is not None
    ]
    if not fits:
        raise UsageError(f"this PyAV cannot write {codec or suffix}; choose another --codec")
    fit = min(fits, key=lambda fit: _cost(fit, wanted, info, exact=lossless))
    extra = parameters(info.colour, fit.encoder.name)
    options = fit.encoder.options(Request(crf, lossless, preset, extra), fit.layout)
    insist_on(fit.encoder, size, fit.pixel_format, options)
    said = _warnings(fit, stored, info, asked=codec is not None)
    if crf is not None and fit.encoder.crf is None:
        said += (f"{fit.encoder.title} has no constant rate factor; --crf is not used",)
    return Encoding(fit.codec, fit.pixel_format, options, said)


def _stored(info: StreamInfo) -> Layout:
    """The layout that would keep all; some formats are known only by the RGB made of them."""
    packing = packing_of(info.pixel_format)
    return packing.layout if packing else _RGB


def _wanted(info: StreamInfo, stored: Layout, *, lossless: bool) -> Layout:
    """The layout to aim at: few players show RGB, so that what is not planar becomes the usual."""
    exact = lossless or stored.depth > 8 or _family(info) == FFV1.family
    if exact or stored.kind != "gbr" or layout_of(info.pixel_format):
        return stored
    return replace(_USUAL, alpha=stored.alpha)


def _candidates(
    suffix: str, info: StreamInfo, codec: str | None, *, lossless: bool, alpha: bool
) -> list[Encoder]:
    """The encoders that may be used, the preferred ones first.

    Raises:
        UsageError: if the one that is asked for cannot be.
    """
    if codec is not None:
        return [_asked(codec, suffix, lossless=lossless)]
    family = _family(info)
    here = [each for each in ENCODERS if suffix in each.containers]
    usual = [each for each in here if each.family == family]
    others = [each for each in here if each.lossless and (lossless or each is not FFV1)]
    others += [PRORES] * (alpha and not lossless and PRORES in here)
    able = [each for each in usual if each.lossless or not lossless] + others
    return [each for each in dict.fromkeys(able) if min(info.width, info.height) >= each.smallest]


def _asked(codec: str, suffix: str, *, lossless: bool) -> Encoder:
    known = {encoder.name: encoder for encoder in (*ENCODERS, *CARDS)}
    if codec not in known:
        raise UsageError(f"codec {codec!r} is not one of {', '.join(known)}")
    encoder = known[codec]
    if suffix not in encoder.containers:
        fitting = ", ".join(each.name for each in ENCODERS if suffix in each.containers)
        raise UsageError(f"{suffix} cannot hold {codec}; use one of {fitting}")
    if lossless and not encoder.lossless:
        raise UsageError(f"{codec} cannot be lossless; use one of libx264, libx265, ffv1")
    return encoder


def _family(info: StreamInfo) -> str:
    return _DECODERS.get(info.codec, info.codec)


def _nearest(encoder: Encoder, suffix: str, wanted: Layout, size: tuple[int, int]) -> Layout | None:
    """What of a layout an encoder can take with least loss; None where it takes nothing."""
    layouts = list(encoder.layouts)
    if encoder is X264 and layouts:
        layouts.append(_RGB)
    if encoder is X265 or (encoder is VP9 and suffix in MP4):  # few players, no place
        layouts = [each for each in layouts if not each.alpha]
    if encoder is VP9:  # other kinds are written, but not read
        layouts = [each for each in layouts if not each.alpha or each.name == "yuva420p"]
    if not encoder.odd:
        layouts = [each for each in layouts if not _halves_odd(each, size)]
    return min(layouts, key=lambda each: _loss(each, wanted, exact=True), default=None)


def _halves_odd(layout: Layout, size: tuple[int, int]) -> bool:
    return any(side % 2 and halved for side, halved in zip(size, layout.halved, strict=True))


def _cost(fit: _Fit, wanted: Layout, info: StreamInfo, *, exact: bool) -> tuple[int, ...]:
    """What speaks against an encoder, worst first; where all is alike the first one is taken."""
    sheer = wanted.alpha and not fit.layout.alpha and fit.encoder.family != _family(info)
    return *_loss(fit.layout, wanted, exact=exact), int(sheer)


def _loss(layout: Layout, wanted: Layout, *, exact: bool) -> tuple[int, ...]:
    """How much a layout loses, worst first; what only wastes room comes last.

    Args:
        layout: What could be had.
        wanted: What would keep all.
        exact: Whether everything counts; else only what the order of encoders does not outweigh.
    """
    colour = _colour_lost(layout, wanted)
    if not exact:
        return colour if colour > _FINER else 0, max(0, min(wanted.depth, 10) - layout.depth)
    return (
        colour,
        max(0, wanted.depth - layout.depth),
        int(wanted.alpha and not layout.alpha),
        abs(layout.depth - wanted.depth) + layout.alpha - sum(layout.halved),
    )


_FINER: Final = 2


def _colour_lost(layout: Layout, wanted: Layout) -> int:
    """0: nothing; up to 2: nothing that is seen; more for chroma of fewer samples."""
    if (layout.kind, layout.chroma) == (wanted.kind, wanted.chroma):
        return 0
    if wanted.kind == "gray" and layout.kind == "yuv":
        return 1
    finer = all(had <= asked for had, asked in zip(layout.halved, wanted.halved, strict=True))
    if layout.kind == "yuv" and finer:
        return _FINER
    return 3 + sum(layout.halved) if layout.kind == "yuv" else 9


def _warnings(fit: _Fit, wanted: Layout, info: StreamInfo, *, asked: bool) -> tuple[str, ...]:
    """What is not as in the source, in words."""
    said: list[str] = []
    if info.codec and not asked and fit.encoder.family != _family(info):
        said.append(f"written as {fit.encoder.title}, not as {_family(info)}")
    if fit.layout.depth < wanted.depth:
        said.append(f"samples of {wanted.depth} bits are rounded to {fit.layout.depth}")
    if wanted.alpha and not fit.layout.alpha:
        said.append(f"{fit.encoder.title} holds no transparency here; left out")
    if _colour_lost(fit.layout, wanted) > _FINER:
        said.append(f"colours are stored as {fit.pixel_format}, coarser than in the source")
    if words := converted(info.pixel_format):
        said.append(words)
    told = signals_in(info.colour)
    if (told.display or told.light) and not parameters(info.colour, fit.encoder.name):
        said.append(f"{fit.encoder.title} cannot tell what display it is for; left out")
    if told.dynamic:
        said.append(
            "what single frames tell of their brightness (HDR10+, Dolby Vision) is left out"
        )
    return tuple(said)


def container_options(
    path: Path, pictures: Sequence[Fraction], others: Sequence[Fraction]
) -> dict[str, str]:
    """Options that keep times exact, from the time bases of films and of other streams.

    MP4 counts every picture in a unit of its own, the same for all films, and delays between
    streams in a unit of the whole, milliseconds unless told otherwise.
    """
    common = {"fflags": "+bitexact"}  # no random ids, no version of ours in the file
    if path.suffix.lower() not in _MOV:
        return common
    film = _shared(pictures) or pictures[0].denominator
    return common | {
        "movflags": "+faststart",
        "video_track_timescale": str(film),
        "movie_timescale": str(_shared([*pictures, *others]) or film),
    }


def _shared(bases: Sequence[Fraction]) -> int | None:
    """A number of units per second in which all of these are whole; None if MP4 cannot hold it."""
    unit = lcm(*(base.denominator for base in bases))
    return unit if unit < 2**31 else None


def lost(path: Path, info: StreamInfo, encoding: Encoding) -> list[str]:
    """What the picture loses by what it is encoded as and by its container, in words."""
    said = list(encoding.warnings)
    if path.suffix.lower() not in _MOV and (info.time_base * 1000).denominator != 1:
        said.append(f"{path.suffix} holds times in milliseconds only; rounded")
    if encoding.codec == VP9.name and info.sample_aspect_ratio not in (None, 1):
        said.append("VP9 films hold square pixels only; shown as if they were")
    return said
