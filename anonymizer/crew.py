"""The parts that settings name, loaded once for any number of films."""

from __future__ import annotations

from dataclasses import dataclass, replace

from anonymizer import build
from anonymizer.identities import run_secret
from anonymizer.pipeline import Studio
from anonymizer.protocols import Detector, Embedder
from anonymizer.settings import Settings
from anonymizer.verify import Second


@dataclass(frozen=True, slots=True)
class Crew:
    """Who does the work."""

    settings: Settings
    detector: Detector
    """Finds faces, and reads what they do."""
    studio: Studio
    """Paints."""
    second: Second | None
    """Looks again."""
    embedder: Embedder | None
    """Tells people apart."""
    secret: bytes
    """Decides who appears (P6)."""


def crew_for(
    settings: Settings, *, detector: Detector | None = None, studio: Studio | None = None
) -> Crew:
    """Load the parts.

    Args:
        settings: What is to be done.
        detector: Used instead of the one that the settings name.
        studio: Used instead of the painting parts that the settings name.

    Raises:
        UsageError: if a part, an option or a device does not exist.
        MissingWeights: if a model is not there.
    """
    secret = run_secret(settings)
    attentive = build.attentive(settings, detector or build.detector(settings))
    chosen = studio or build.studio(settings)
    chosen = replace(chosen, cover=chosen.cover or build.cover())
    second = build.second(settings)
    return Crew(settings, attentive, chosen, second, build.embedder(settings), secret)
