"""Plans of films: made without anything that paints, and refused where they are of another film."""

from __future__ import annotations

from pathlib import Path

from anonymizer import alongside, build, fingerprint
from anonymizer.errors import UnreadablePlan
from anonymizer.pipeline import Progress
from anonymizer.plan import Plan
from anonymizer.planfile import PlanFile
from anonymizer.protocols import Detector
from anonymizer.settings import Settings
from anonymizer.video.images import ImageSource
from anonymizer.video.media import open_source
from anonymizer.video.source import VideoSource


def plan_alone(settings: Settings, source: Path, *, progress: Progress | None = None) -> PlanFile:
    """The same as `Anonymizer.plan`; nothing that paints is loaded.

    Raises:
        UsageError: if a part that the settings name does not exist.
        JobError: if the film cannot be read.
    """
    build.insist_on_names(settings)
    finder = build.attentive(settings, build.detector(settings))
    return plan_of(source, finder, settings, progress)


def plan_of(
    source: Path, detector: Detector, settings: Settings, progress: Progress | None
) -> PlanFile:
    """Where a detector sees faces in a film, and which film that is."""
    before = fingerprint.of_file(source)
    found = alongside.planned(source, open_source(source, exact=False), detector, progress)
    return PlanFile(found, before, settings.described())


def insist_on_this(planned: PlanFile, source: Path) -> None:
    """Refuse a plan that is not of a film, before anything is loaded.

    Raises:
        JobError: if it is not, or the film cannot be read.
    """
    of_this(planned, source, open_source(source, exact=False), fingerprint.of_file(source))


def of_this(planned: PlanFile, source: Path, film: VideoSource | ImageSource, sha256: str) -> Plan:
    """The plan, if it was made of this very file and its zones lie in the picture.

    Raises:
        UnreadablePlan: if not.
    """
    if planned.source_sha256 != sha256:
        raise UnreadablePlan(source, "is not the film that the plan was made of; plan it again")
    width, height = film.info.width, film.info.height
    for number, zone in enumerate(planned.plan.zones):
        x0, y0, x1, y1 = zone.box
        if x0 >= width or y0 >= height or x1 <= 0 or y1 <= 0:
            box = ", ".join(f"{edge:g}" for edge in zone.box)
            raise UnreadablePlan(
                source, f"is {width}x{height}; zone {number} of the plan ({box}) lies outside of it"
            )
    return planned.plan
