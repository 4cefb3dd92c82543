"""One film told anew by a prompt: paths in, report out, published only when it is whole.

This is no anonymization: every frame of the original reaches the model, faces and all.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anonymizer import build, fingerprint, outcomes, shots
from anonymizer.errors import SourceChanged, UnreadableVideo, UnwritableOutput, UsageError
from anonymizer.pipeline import Progress
from anonymizer.protocols import provider_of
from anonymizer.rendering import opened, refuse_output
from anonymizer.report import StreamOutcome
from anonymizer.retelling import Manner, retell
from anonymizer.settings import Settings
from anonymizer.translated import Translated
from anonymizer.video.images import ImageSink, ImageSource
from anonymizer.video.media import is_image, open_source
from anonymizer.video.publish import atomic_output, folder_of
from anonymizer.video.sink import VideoSink
from anonymizer.video.source import VideoSource

TOLD_EVERY: Final = 8
"""Frames between two signs of progress while reading."""
Film = VideoSource | ImageSource


class Translator:
    """Loads the parts that the settings name once, and translates any number of films.

    >>> told = Translator(Settings().with_values({...}))             # doctest: +SKIP
    >>> report = told.file(Path("in.mp4"), Path("out.mp4"))          # doctest: +SKIP
    """

    def __init__(self, settings: Settings) -> None:
        """Load the parts.

        Raises:
            UsageError: if a part, an option or a device does not exist.
            MissingWeights: if a model is not there.
        """
        self.settings = settings
        self._troupe = build.troupe(settings)
        told = settings.translation
        seed = secrets.randbits(63) if settings.seed is None else settings.seed
        self._manner = Manner(seed, settings.chunk, settings.overlap, told.keyframes, told.size)

    def file(
        self,
        source: Path,
        destination: Path,
        *,
        overwrite: bool = False,
        progress: Progress | None = None,
    ) -> Translated:
        """Write ``destination``: the film or picture ``source``, told anew.

        Its folder is made if it does not exist. Sound, times and all else are kept as they are when
        a film is anonymized.

        Raises:
            JobError: with the reason. Nothing is then at the destination that was not there before.
        """
        seconds: dict[str, float] = {}
        film = open_source(source)
        with folder_of(destination), atomic_output(destination, overwrite=overwrite) as target:
            before = fingerprint.of_file(source)
            refuse_output(self.settings.media, source, film, destination, target)
            with outcomes.timed(seconds, "find"):
                times, starts = _read(source, film, progress)
            with outcomes.timed(seconds, "paint"):
                sink = self._write(source, film, starts, target, progress)
            with outcomes.timed(seconds, "check"):
                _check(times, film, target, destination)
            if fingerprint.of_file(source) != before:
                raise SourceChanged(source, "changed while it was read; run again")
            after = fingerprint.of_file(target)
        done = self._report(source, destination, film, times, starts, sink, seconds)
        return replace(done, source_sha256=before, output_sha256=after)

    def _write(
        self,
        source: Path,
        film: Film,
        starts: tuple[int, ...],
        target: Path,
        progress: Progress | None,
    ) -> VideoSink | ImageSink:
        files = self.settings.translation.control_files
        given = _pictures(Path(files)) if files else None
        sink = opened(self.settings.media, source, film, target)
        told = retell(film, starts, self._troupe, self._manner, given=given, progress=progress)
        with sink:
            for frame in told:
                sink.write(frame)
        return sink

    def _report(
        self,
        source: Path,
        destination: Path,
        film: Film,
        times: list[int],
        starts: tuple[int, ...],
        sink: VideoSink | ImageSink,
        seconds: dict[str, float],
    ) -> Translated:
        restyler = self._troupe.restyler
        height, width = restyler.shape((film.info.height, film.info.width), self._manner.size)
        return Translated(
            source=source.name,
            destination=str(destination),
            source_sha256="",
            output_sha256=None,
            frames=len(times),
            duration_s=round(float((times[-1] - times[0]) * film.info.time_base), 3),
            shots=len(starts),
            size=(width, height),
            streams=tuple(map(_named, sink.streams)),
            skipped_packets=film.skipped,
            warnings=(*film.warnings, *sink.warnings),
            settings=self.settings.described(),
            versions=outcomes.versions(),
            devices={"painter": provider_of(restyler)},
            seconds=seconds,
        )


def _named(stream: StreamOutcome) -> StreamOutcome:
    """What sinks call anonymized was translated here."""
    return replace(stream, fate="translated") if stream.fate == "anonymized" else stream


def _read(source: Path, film: Film, progress: Progress | None) -> tuple[list[int], tuple[int, ...]]:
    """Times of all frames, and where shots begin."""
    times: list[int] = []
    signatures: list[shots.Signature] = []
    for frame in film:
        times.append(frame.pts)
        signatures.append(shots.signature(frame.image))
        if progress and not len(times) % TOLD_EVERY:
            progress("find", len(times), 0)
    if not times:
        raise UnreadableVideo(source, "holds no frame that can be decoded")
    if progress:
        progress("find", len(times), 0)
    return times, (0, *shots.find_cuts(signatures))


def _check(times: list[int], film: Film, target: Path, destination: Path) -> None:
    """Decode the result afresh: it must have the same frames at the same times."""
    written = open_source(target)
    base, own = film.info.time_base, written.info.time_base
    found = [frame.pts for frame in written]
    if len(found) != len(times):
        reason = f"{len(found)} frames instead of {len(times)} came back when it was read again"
        raise UnwritableOutput(destination, f"not published: {reason}")
    latest = max(
        abs((there - found[0]) * own - (here - times[0]) * base)
        for here, there in zip(times, found, strict=True)
    )
    if latest > max(base, own) / 2:
        raise UnwritableOutput(destination, f"not published: frames are {float(latest):g} s off")


def _pictures(path: Path) -> Iterator[NDArray[np.uint8]]:
    """The pictures of a film, or of a folder in order of their names.

    Raises:
        UsageError: if the folder holds none.
    """
    files = [path]
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if is_image(file))
        if not files:
            raise UsageError(f"{path}: holds no picture; give --control-files a film or pictures")
    return (frame.image for file in files for frame in open_source(file))
