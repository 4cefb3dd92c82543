"""Whether a film that any program made still shows faces of its original."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from anonymizer import build, pipeline, verify
from anonymizer.alongside import gap_of
from anonymizer.errors import UnreadableVideo
from anonymizer.pipeline import Progress
from anonymizer.protocols import Detector
from anonymizer.report import Verification
from anonymizer.scenery import Scenery
from anonymizer.settings import Settings
from anonymizer.video.images import ImageSource
from anonymizer.video.media import open_source
from anonymizer.video.packets import films_of
from anonymizer.video.source import VideoSource


def verified(
    settings: Settings,
    original: Path,
    output: Path,
    *,
    detector: Detector | None = None,
    progress: Progress | None = None,
) -> Verification:
    """Look whether a film, made by any program, still shows faces of its original.

    Args:
        settings: Which detectors look for faces in the original.
        original: The film with the faces.
        output: The film without them.
        detector: Used instead of the first one that the settings name.
        progress: Told after every batch.

    Raises:
        JobError: if one of them cannot be read, or they are not of one shape.
    """
    finder = detector or build.detector(settings)
    second, embedder = build.second(settings), build.embedder(settings)
    seen = []
    for number, (film, made) in enumerate(pairs(original, output)):
        looked = _looked_through(original, number)
        plan = pipeline.analyse(looked, finder, gap=gap_of(film), progress=progress)
        around = Scenery(plan)
        look = verify.examine(
            film,
            made,
            plan,
            second,
            embedder=embedder,
            guessed=False,
            witness=around.look,
            progress=progress,
        )
        seen.append(replace(look, views=around.views))
    return verify.merged(seen)


def _looked_through(original: Path, number: int) -> VideoSource | ImageSource:
    """A film of a file in the colours in which it is searched before it is painted, too.

    What is found at the very threshold would else be found in one of both searches only.
    """
    if number:
        return VideoSource(original, number=number, exact=False)
    return open_source(original, exact=False)


def pairs(
    original: Path, output: Path
) -> Iterator[tuple[VideoSource | ImageSource, VideoSource | ImageSource]]:
    """The films of two files, one by one, or two pictures; what only one of them has is left out.

    Raises:
        JobError: if one of them cannot be read, or they are not of one shape.
    """
    first, made = open_source(original), open_source(output, developed=False)
    _insist_on_shape(first, made, output)
    yield first, made
    if isinstance(first, VideoSource) and isinstance(made, VideoSource):
        for number in range(1, min(len(films_of(original)), len(films_of(output)))):
            film = VideoSource(original, number=number)
            other = VideoSource(output, number=number, developed=False)
            _insist_on_shape(film, other, output)
            yield film, other


def _insist_on_shape(
    film: VideoSource | ImageSource, made: VideoSource | ImageSource, output: Path
) -> None:
    """Refuse a film that cannot show the whole of another one, at any size, stored or displayed.

    Sides may be off by two pixels: programs round them to even numbers.
    """
    (width, height, aspect), (other_width, other_height, other_aspect) = (
        (info.width, info.height, float(info.sample_aspect_ratio or 1))
        for info in (film.info, made.info)
    )
    slack = 1 + 2 / min(width, height, other_width, other_height)
    stored = width * other_height / (height * other_width)
    if not any(1 / slack <= r <= slack for r in (stored, stored * aspect / other_aspect)):
        raise UnreadableVideo(
            output,
            f"is {other_width}x{other_height}, another shape than the original's {width}x{height}; "
            "only what shows the whole picture can be compared",
        )
