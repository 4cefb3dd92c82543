"""What can go wrong, as one short tree.

    VeilframeError
    ├── UsageError             what was asked for makes no sense (exit code 2)
    │   └── UnknownPart        no detector, mediator or replacer of that name
    └── JobError               one input failed; others go on (exit code 1)
        ├── UnreadableVideo    cannot be opened, decoded, or has no picture
        ├── UnreadablePlan     a plan file is absent, or not what it should be
        ├── DamagedVideo       too many damaged packets in a row
        ├── SourceChanged      the second reading differs from the first
        ├── UnwritableOutput   destination exists, is read-only, or the disk is full
        ├── MissingWeights     a model file is absent or not what it should be
        ├── UncoveredFace      a face could not be replaced; nothing is published
        └── Doubtful           the finished film did not stand the test (exit code 3)

Messages name the file, the value, the expectation and the next step. They never carry pixels,
landmarks or embeddings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from anonymizer.report import Report, Verification


class VeilframeError(Exception):
    """Base of everything this program raises on purpose."""


class UsageError(VeilframeError):
    """What was asked for makes no sense."""


class UnknownPart(UsageError):
    """No part of that name is installed."""


class JobError(VeilframeError):
    """One input failed."""

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        """The file concerned."""
        self.reason = reason
        """One sentence, without the path."""

    def __reduce__(self) -> tuple[type[JobError], tuple[Any, ...]]:
        return type(self), (self.path, self.reason)


class UnreadableVideo(JobError):
    """The input cannot be opened or decoded, or holds no picture."""


class DamagedVideo(JobError):
    """More damaged packets in a row than are tolerated."""


class UnreadablePlan(JobError):
    """A plan cannot be read, makes no sense, or belongs to another film."""


class SourceChanged(JobError):
    """The second reading of the input differs from the first."""


class UnwritableOutput(JobError):
    """The output cannot be written."""


class MissingWeights(JobError):
    """A model file is absent, or not what it should be."""


class UncoveredFace(JobError):
    """A face that was found could not be replaced."""


class Doubtful(JobError):
    """A finished film may still show a face, or is not the film it was; it is not published."""

    def __init__(self, path: Path | str, reason: str, report: Report) -> None:
        super().__init__(path, reason)
        self.report = report
        """What was done, and what was seen then."""

    @property
    def verification(self) -> Verification:
        """What was seen."""
        return self.report.verification

    def __reduce__(self) -> tuple[type[JobError], tuple[Any, ...]]:
        return type(self), (self.path, self.reason, self.report)
