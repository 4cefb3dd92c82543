"""One file: paths in, report out, published only when it is whole and right."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anonymizer import build, live, outcomes, pipeline, verify
from anonymizer.data import Frame
from anonymizer.errors import (
    Doubtful,
    JobError,
    SourceChanged,
    UnreadablePlan,
    UnreadableVideo,
)
from anonymizer.head.expression import MOTION
from anonymizer.identities import identities, run_secret
from anonymizer.pipeline import PlanMismatch, Progress, Studio
from anonymizer.plan import Plan
from anonymizer.planfile import PlanFile
from anonymizer.protocols import Detector
from anonymizer.repair import repaired
from anonymizer.report import Report, Verification
from anonymizer.settings import Settings
from anonymizer.video.images import ImageSink, ImageSource
from anonymizer.video.media import open_sink, open_source
from anonymizer.video.publish import atomic_output, folder_of
from anonymizer.video.sink import VideoSink
from anonymizer.video.source import VideoSource

GAP_S = 2
"""Longest time in seconds that a track may bridge without a sighting."""


class Anonymizer:
    """Loads the parts that the settings name once, and paints over any number of films.

    >>> veil = Anonymizer(Settings(seed=1))                    # doctest: +SKIP
    >>> report = veil.file(Path("in.mp4"), Path("out.mp4"))    # doctest: +SKIP
    """

    def __init__(
        self, settings: Settings, *, detector: Detector | None = None, studio: Studio | None = None
    ) -> None:
        """Load the parts.

        Args:
            settings: What is to be done.
            detector: Used instead of the one that the settings name.
            studio: Used instead of the painting parts that the settings name.

        Raises:
            UsageError: if a part, an option or a device does not exist.
            MissingWeights: if a model is not there.
        """
        self.settings = settings
        self._secret = run_secret(settings)
        self._streams = 0
        self._detector = build.attentive(settings, detector or build.detector(settings))
        chosen = studio or build.studio(settings)
        self._studio = replace(chosen, cover=chosen.cover or build.cover())
        self._second = build.second(settings)
        self._embedder = build.embedder(settings)

    def file(
        self,
        source: Path,
        destination: Path,
        *,
        planned: PlanFile | None = None,
        overwrite: bool = False,
        progress: Progress | None = None,
    ) -> Report:
        """Write ``destination``: the film or picture ``source`` with other faces.

        Its folder is made if it does not exist. Where a plan is given faces are not looked for.

        Raises:
            JobError: with the reason. Nothing is then at the destination that was not there before.
        """
        seconds: dict[str, float] = {}
        film = open_source(source)
        with folder_of(destination), atomic_output(destination, overwrite=overwrite) as target:
            before = _sha256(source)
            self._sink(source, film, target)  # refuses what cannot be written before the long work
            with _timed(seconds, "find"):
                plan = _of_this(planned, source, before) or self._plan(source, film, progress)
            with _timed(seconds, "paint"):
                sink = self._write(source, film, plan, target, before, progress)
            with _timed(seconds, "check"):
                checked = self._verified(source, target, plan, progress)
            if checked.doubts and self.settings.checking.on_doubt == "cover":
                with _timed(seconds, "repair"):
                    plan = repaired(plan, checked.doubts, (film.info.width, film.info.height))
                    sink = self._write(source, film, plan, target, before, None)
                    again = self._verified(source, target, plan, None)
                    checked = replace(again, repaired=checked.doubts)
            if _sha256(source) != before:
                raise SourceChanged(source, "changed while it was read; run again")
            done = self._report(source, destination, film, before, plan, sink, checked, seconds)
            if checked.verdict == "doubt":
                raise Doubtful(destination, f"not published: {checked.reason}", done)
            after = _sha256(target)
        return replace(done, output_sha256=after)

    def plan(self, source: Path, *, progress: Progress | None = None) -> PlanFile:
        """Find the faces of a film or picture, and paint nothing.

        Raises:
            JobError: if it cannot be read.
        """
        before = _sha256(source)
        found = self._plan(source, open_source(source), progress)
        return PlanFile(found, before, self.settings.described())

    def frames(self, images: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
        """Paint over the faces of a film that is read once, such as a camera.

        Args:
            images: ``(H, W, 3)`` uint8 RGB, all of one size; copied, so buffers may be reused.

        Yields:
            As many pictures, in order, some way behind: the faces to come must be known first.
        """
        tick = Fraction(1, 30)  # nothing here depends on time
        film = (Frame(index, index, tick, np.array(image)) for index, image in enumerate(images))
        self._streams += 1
        painted = live.stream(
            film,
            self._detector,
            self._studio,
            identities(self._secret, f"stream {self._streams}"),
            chunk=self.settings.chunk,
            overlap=self.settings.overlap,
        )
        return (frame.image for frame in painted)

    def _plan(
        self, source: Path, film: VideoSource | ImageSource, progress: Progress | None
    ) -> Plan:
        gap = round(GAP_S * (film.info.average_rate or 30))
        plan = pipeline.analyse(film, self._detector, gap=gap, progress=progress)
        if not len(plan.pts):
            raise UnreadableVideo(source, "holds no frame that can be decoded")
        return plan

    def _write(
        self,
        source: Path,
        film: VideoSource | ImageSource,
        plan: Plan,
        target: Path,
        fingerprint: str,
        progress: Progress | None,
    ) -> VideoSink | ImageSink:
        settings = self.settings
        frames = pipeline.render(
            film,
            plan,
            self._studio,
            identities(self._secret, fingerprint),
            chunk=settings.chunk,
            overlap=settings.overlap,
            progress=progress,
        )
        sink = self._sink(source, film, target)
        try:
            with sink:
                for frame in frames:
                    sink.write(frame)
        except PlanMismatch as error:
            raise SourceChanged(source, f"read differently the second time: {error}") from error
        return sink

    def _sink(
        self, source: Path, film: VideoSource | ImageSource, target: Path
    ) -> VideoSink | ImageSink:
        """What is going to write ``target``; nothing is written yet."""
        media = self.settings.media
        return open_sink(
            target,
            source,
            film.info,
            crf=media.crf,
            lossless=media.lossless,
            audio=media.audio,
            codec=media.codec,
            preset=media.preset,
        )

    def _verified(
        self, source: Path, target: Path, plan: Plan, progress: Progress | None
    ) -> Verification:
        films = open_source(source), open_source(target)
        return verify.examine(
            *films, plan, self._second, embedder=self._embedder, progress=progress
        )

    def _report(
        self,
        source: Path,
        destination: Path,
        film: VideoSource | ImageSource,
        fingerprint: str,
        plan: Plan,
        sink: VideoSink | ImageSink,
        checked: Verification,
        seconds: dict[str, float],
    ) -> Report:
        """All that there is to say before the film is published."""
        return Report(
            source=source.name,
            destination=str(destination),
            source_sha256=fingerprint,
            output_sha256=None,
            frames=len(plan.pts),
            duration_s=round(float((plan.pts[-1] - plan.pts[0]) * film.info.time_base), 3),
            shots=len(plan.starts),
            tracks=outcomes.tracks(plan, film.info.time_base),
            unconfirmed=plan.unconfirmed,
            streams=sink.streams,
            skipped_packets=film.skipped,
            warnings=(*film.warnings, *sink.warnings),
            non_interference=self.settings.painting.non_interference,
            verification=checked,
            motion=MOTION if self.settings.painting.follows else (),
            settings=self.settings.described(),
            versions=outcomes.versions(),
            devices=outcomes.devices(self._detector, self._second, self._studio),
            seconds=seconds,
        )


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
        JobError: if one of them cannot be read.
    """
    film = open_source(original)
    gap = round(GAP_S * (film.info.average_rate or 30))
    finder = detector or build.detector(settings)
    plan = pipeline.analyse(film, finder, gap=gap, progress=progress)
    second = build.second(settings)
    written = open_source(output)
    embedder = build.embedder(settings)
    return verify.examine(
        film, written, plan, second, embedder=embedder, guessed=False, progress=progress
    )


def _of_this(planned: PlanFile | None, source: Path, fingerprint: str) -> Plan | None:
    """The plan, if there is one and it was made of this very file."""
    if planned is None:
        return None
    if planned.source_sha256 != fingerprint:
        raise UnreadablePlan(source, "is not the film that the plan was made of; plan it again")
    return planned.plan


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise JobError(path, f"cannot be read ({os.strerror(error.errno or 0)})") from error


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[stage] = round(time.perf_counter() - start, 3)
