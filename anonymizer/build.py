"""From names and options to parts: the only module that imports detectors and mediators."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from threadpoolctl import threadpool_limits

import detectors
import mediators
from anonymizer import plain
from anonymizer.errors import MissingWeights, UsageError
from anonymizer.protocols import Detector, Embedder, Mediator, Replacer
from anonymizer.reading import Reading
from anonymizer.retelling import Troupe
from anonymizer.settings import Recall, Settings
from anonymizer.studio import Brush, Studio
from anonymizer.verify import Second

if TYPE_CHECKING:
    import torch


_Part = TypeVar("_Part")

SECONDS = {"yunet": 0.8, "scrfd": 0.5, "mediapipe": 0.5}
"""Detectors that may look again, and from which score they are believed: what they find is covered
without a track that confirms it, so hands must not count."""


def cores() -> int:
    """Number of processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def steady() -> None:
    """Let NumPy multiply matrices in one thread: more round sums as they happen to divide them.

    Measured on an AVX2 processor: pictures painted where NumPy had one thread, as in Ray's workers,
    were not those of two. Networks have threads of their own, whose sums do not depend on them.
    """
    threadpool_limits(1, user_api="blas")


def device(name: str) -> torch.device:
    """The torch device that ``name`` means here; ``auto`` takes the best one there is.

    Raises:
        UsageError: if a named device is not there. A slower one is never taken silently.
    """
    import torch

    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        name = next(kind for kind, present in there.items() if present)
    if not there[name.partition(":")[0]]:
        raise UsageError(f"device {name!r} is not available here; use --device auto or cpu")
    return torch.device(name)


def detector(settings: Settings) -> Detector:
    """The detector that the settings name, or several as one (``a+b``)."""
    steady()
    _insist_on_machine(settings)
    names = detectors.named(settings.detection.detector)
    return detectors.united([_one(settings, name, settings.detection.recall) for name in names])


def insist_on_names(settings: Settings) -> None:
    """Refuse parts and devices that do not exist; no part is loaded.

    Raises:
        UsageError: if there is one.
    """
    _insist_on_machine(settings)
    detectors.named(settings.detection.detector)
    _second_names(settings)
    if settings.painting.replace == "face":
        mediators.named(settings.painting.mediator)


def insist_on_teller(settings: Settings) -> None:
    """The same for what tells films anew.

    Raises:
        UsageError: if a part or a device does not exist, or the model paints faces only.
    """
    _insist_on_machine(settings)
    mediators.named(settings.painting.mediator)
    if settings.painting.model == "builtin":
        raise UsageError("the built-in model paints faces only; name a diffusers model by --model")


def _insist_on_machine(settings: Settings) -> None:
    """Refuse a device that is not here, and options for no part."""
    if settings.device not in ("auto", "cpu"):
        device(settings.device)  # the same words for every part
    _insist_on_parts(settings.options)


def _insist_on_parts(options: Mapping[str, object]) -> None:
    """Refuse options for what is no part: a misspelt one would be left out unnoticed."""
    known = [*detectors.available(), *mediators.available()]
    for name in options:
        if name not in known:
            raise UsageError(f"options.{name} are for no part; known: {', '.join(known)}")


def _one(
    settings: Settings, name: str, recall: Recall, *, threshold: float | None = None
) -> Detector:
    common: dict[str, Any] = {"recall": recall, "device": settings.device}
    if threshold is not None:
        common["threshold"] = threshold
    return _built(detectors.load, name, {**common, **settings.options.get(name, {})})


def second(settings: Settings) -> Second | None:
    """The detector that looks for what was missed; None if there is none, or none is wanted.

    Raises:
        UsageError: if a named one does not exist, or is one of those that look first.
        MissingWeights: if a named one has no weights here.
    """
    wanted = settings.checking.second_detector
    for name in _second_names(settings):
        try:
            return Second(name, _one(settings, name, "normal", threshold=SECONDS.get(name)))
        except MissingWeights:
            if wanted != "auto":
                raise
    return None


def _second_names(settings: Settings) -> list[str]:
    """What may look for what was missed, the first choice first."""
    wanted = settings.checking.second_detector
    used = detectors.named(settings.detection.detector)
    if wanted in used:
        raise UsageError(f"second detector {wanted!r} already looks first; name another, or none")
    if wanted == "none":
        return []
    if wanted == "auto":
        return [name for name in SECONDS if name not in used]
    detectors.insist_on(wanted)
    return [wanted]


def embedder(settings: Settings) -> Embedder | None:
    """What tells whether a new face is the old person's; None if there is none, or none is wanted.

    Raises:
        MissingWeights: if a named one is not installed.
    """
    from anonymizer import embedder as room

    wanted = settings.checking.embedder
    if wanted == "none" or (wanted == "auto" and not room.present()):
        return None
    return room.load()


def detector_names() -> list[str]:
    """Names of all detectors, at hand or not."""
    return detectors.available()


def attentive(settings: Settings, finder: Detector) -> Detector:
    """The detector itself, or one that also reads what faces do where the settings want it."""
    if not settings.follows:
        return finder
    import torch

    torch.set_num_threads(cores())  # as for painting: their number decides how sums are rounded
    from anonymizer.diffusion.memory import at_once
    from anonymizer.head.motion import MotionReader
    from anonymizer.head.points import PointReader

    return Reading(finder, MotionReader.load(), PointReader.load(), at_once)


def studio(settings: Settings) -> Studio:
    """The parts that paint, as the settings name them."""
    steady()
    painting = settings.painting
    plainly = mediators.load("none", {})
    small = Brush(plain.build(painting.small_faces), plainly)
    if painting.replace != "face":
        return Studio(Brush(plain.build(painting.replace), plainly), small, 0, cover=cover())
    mediator = _mediator(settings)  # first: a wrong name is said before weights are read
    replacer, larger = _face(settings)
    large = Brush(larger, mediator) if larger else None
    return Studio(Brush(replacer, mediator), small, painting.min_face, large, cover=cover())


def troupe(settings: Settings) -> Troupe:
    """The parts that tell films anew, as the settings name them."""
    steady()
    insist_on_teller(settings)
    import torch

    mediator = _mediator(settings)  # first: a wrong name is said before weights are read
    repository, alone = mediators.load("medm", {}), mediators.load("none", {})
    from anonymizer.diffusion import inbetween, restyler

    torch.set_num_threads(cores())
    teller = restyler.build(settings, device(settings.device))
    return Troupe(teller, mediator, repository, alone, inbetween.filled, inbetween.patched)


def cover() -> Brush:
    """Paints solid covers."""
    return Brush(plain.build("cover"), mediators.load("none", {}))


def mediator(name: str, settings: Settings) -> Mediator:
    """A mediator, or two as one (``a+b``), with the options that the settings have for it."""
    return _built(mediators.united, name, settings.options)


def _mediator(settings: Settings) -> Mediator:
    return mediator(settings.painting.mediator, settings)


def _face(settings: Settings) -> tuple[Replacer, Replacer | None]:
    """What paints faces, and what paints large ones, if that is something else."""
    import torch

    from anonymizer.diffusion import inpainter

    torch.set_num_threads(cores())
    replacer = inpainter.build(settings.painting, device(settings.device), settings.networks)
    return replacer, inpainter.enlarged(replacer)


def _built(
    load: Callable[[str, Mapping[str, Any]], _Part], name: str, options: Mapping[str, Any]
) -> _Part:
    try:
        return load(name, options)
    except (TypeError, ValueError) as error:
        raise UsageError(f"options of {name}: {error}") from error
