"""One file: paths in, report out, published only when it is whole and right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anonymizer import alongside, fingerprint, live, outcomes, verify
from anonymizer.alongside import Companion
from anonymizer.crew import crew_for
from anonymizer.data import Frame
from anonymizer.errors import (
    DamagedVideo,
    Doubtful,
    SourceChanged,
    UnreadableVideo,
)
from anonymizer.head.expression import MOTION
from anonymizer.identities import identities
from anonymizer.pipeline import Progress
from anonymizer.planfile import PlanFile
from anonymizer.planning import of_this, plan_of
from anonymizer.protocols import Detector
from anonymizer.rendering import Task, Written, joined, painted_again, refuse_output, whole
from anonymizer.report import Report, Verification
from anonymizer.settings import Settings
from anonymizer.sparing import Witness, written
from anonymizer.studio import Studio
from anonymizer.video.media import open_source
from anonymizer.video.publish import atomic_output, folder_of
from anonymizer.video.source import VideoSource


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
        self.crew = crew_for(settings, detector=detector, studio=studio)
        self._streams = 0

    @property
    def settings(self) -> Settings:
        """What is to be done."""
        return self.crew.settings

    def file(
        self,
        source: Path,
        destination: Path,
        *,
        planned: PlanFile | None = None,
        parts: Mapping[range, Path] | None = None,
        overwrite: bool = False,
        progress: Progress | None = None,
    ) -> Report:
        """Write ``destination``: the film or picture ``source`` with other faces.

        Its folder is made if it does not exist. Where a plan is given faces are not looked for.

        Args:
            source: The film or picture.
            destination: The file to write.
            planned: Where faces are.
            parts: What `anonymizer.pieces` painted by that plan; it is only joined then.
            overwrite: Whether a file at the destination may be replaced.
            progress: Told after every batch.

        Raises:
            JobError: with the reason. Nothing is then at the destination that was not there before.
        """
        seconds: dict[str, float] = {}
        film = open_source(source, exact=False)
        with folder_of(destination), atomic_output(destination, overwrite=overwrite) as target:
            before = fingerprint.of_file(source)
            self.crew.refuse_itself(source, before)
            refuse_output(self.settings.media, source, film, destination, target)
            with outcomes.timed(seconds, "find"):
                if planned is None:
                    plan = alongside.planned(source, film, self.crew.detector, progress)
                else:
                    plan = of_this(planned, source, film, before)
                self.crew.refuse_prompts(plan)
                others = alongside.companions(film, source, before, self.crew, progress)
            task = Task(source, film, before, plan, self.crew)
            made, seen = self._made(task, others, parts, target, seconds, progress)
            if any(one.doubts for one in seen) and self.settings.checking.on_doubt == "cover":
                with outcomes.timed(seconds, "repair"), ExitStack() as stack:
                    doubted = {doubt.frame for doubt in seen[0].doubts}
                    task = alongside.mended_task(task, seen[0])
                    others = alongside.mended(others, seen[1:])
                    parts = parts and painted_again(task, parts, doubted, target, stack, progress)
                    made, again = self._made(task, others, parts, target, {}, progress)
                    pairs = zip(again, seen, strict=True)
                    seen = [replace(one, repaired=earlier.doubts) for one, earlier in pairs]
            if fingerprint.of_file(source) != before:
                raise SourceChanged(source, "changed while it was read; run again")
            done = self._report(task, others, destination, made, seen, seconds)
            if done.verification.verdict == "doubt":
                reason = f"not published: {done.verification.reason}"
                raise Doubtful(destination, reason, done)
            after = fingerprint.of_file(target)
        return replace(done, output_sha256=after)

    def plan(self, source: Path, *, progress: Progress | None = None) -> PlanFile:
        """Find the faces of a film or picture, and paint nothing.

        Raises:
            JobError: if it cannot be read.
        """
        return plan_of(source, self.crew.detector, self.settings, progress)

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
            self.crew.detector,
            self.crew.studio,
            identities(self.crew.secret, f"stream {self._streams}"),
            chunk=self.settings.chunk,
            overlap=self.settings.overlap,
        )
        return (frame.image for frame in painted)

    def _made(
        self,
        task: Task,
        others: Sequence[Companion],
        parts: Mapping[range, Path] | None,
        target: Path,
        seconds: dict[str, float],
        progress: Progress | None,
    ) -> tuple[Written, list[Verification]]:
        """Write the film and look at it; without copies if those do not decode as they ought to."""
        with ExitStack() as stack:
            with outcomes.timed(seconds, "paint"):
                films = alongside.encoded(others, target, stack, progress)
                task = replace(task, films=films)
                made = _written(task, parts, target, progress)
            with outcomes.timed(seconds, "check"):
                checked = self._verified(task, made, target, progress)
            if checked is None:
                with outcomes.timed(seconds, "paint"):
                    reason = "the film with copies did not decode as it ought to"
                    made = whole(task, target, progress, reason=reason)
                with outcomes.timed(seconds, "check"):
                    checked = self._verified(task, made, target, progress)
        assert checked is not None  # without copies it is looked at, or cannot be read
        with outcomes.timed(seconds, "check"):
            seen = alongside.examined(others, target, self.crew, progress)
        said = alongside.warnings_of(others, films)
        return replace(made, warnings=(*made.warnings, *said)), [checked, *seen]

    def _verified(
        self, task: Task, made: Written, target: Path, progress: Progress | None
    ) -> Verification | None:
        """What there is to see; None if a film with copies does not decode as it ought to."""
        witness, busy = Witness(made), task.plan.busy  # then pictures are made side by side
        try:
            checked = verify.examine(
                open_source(task.source, developed=busy or self.crew.second is not None),
                open_source(target, developed=busy),
                task.plan,
                self.crew.second,
                embedder=self.crew.embedder,
                witness=witness,
                progress=progress,
            )
        except (UnreadableVideo, DamagedVideo):
            if made.copied:
                return None
            raise
        return checked if witness.content else None

    def _report(
        self,
        task: Task,
        others: Sequence[Companion],
        destination: Path,
        made: Written,
        seen: Sequence[Verification],
        seconds: dict[str, float],
    ) -> Report:
        """All that there is to say before the film is published."""
        film, plan, crew = task.film, task.plan, self.crew
        return Report(
            source=task.source.name,
            destination=str(destination),
            source_sha256=task.fingerprint,
            output_sha256=None,
            frames=len(plan.pts),
            duration_s=round(float((plan.pts[-1] - plan.pts[0]) * film.info.time_base), 3),
            shots=len(plan.starts),
            tracks=outcomes.tracks(plan, film.info.time_base),
            unconfirmed=plan.unconfirmed,
            streams=made.streams,
            smart_copy=made.smart_copy,
            skipped_packets=film.skipped,
            warnings=(*film.warnings, *made.warnings),
            non_interference=self.settings.painting.non_interference,
            verification=verify.merged(seen),
            motion=MOTION if self.settings.follows else (),
            settings=self.settings.described(),
            versions=outcomes.versions(),
            devices=outcomes.devices(crew.detector, crew.second, crew.studio),
            seconds=seconds,
            films=tuple(map(alongside.outcome, others, seen[1:])),
        )


def _written(
    task: Task, parts: Mapping[range, Path] | None, target: Path, progress: Progress | None
) -> Written:
    if parts is None:
        return written(task, target, progress)
    if isinstance(task.film, VideoSource):
        task.film.timetable()  # says what is wrong with the film, as reading it whole does
    return joined(task, parts, target)
