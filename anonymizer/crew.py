"""The parts that settings name, loaded once for any number of films."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from anonymizer import build, fingerprint
from anonymizer.errors import UsageError
from anonymizer.identities import run_secret
from anonymizer.plan import Plan
from anonymizer.protocols import Detector, Embedder
from anonymizer.settings import Settings
from anonymizer.studio import Studio
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

    def refuse_itself(self, source: Path, sha256: str) -> None:
        """Refuse a film that is also the picture which the painter takes as an example.

        Raises:
            UsageError: if it is.
        """
        example = self.settings.networks.ip_adapter_image
        if example is not None and fingerprint.of_file(Path(example)) == sha256:
            raise UsageError(
                f"{source}: is the ip-adapter-image too, so the new faces would be taken from the "
                "old ones; give a picture of somebody else"
            )

    def refuse_prompts(self, plan: Plan) -> None:
        """Refuse prompts of single tracks where the painter takes none.

        Raises:
            UsageError: if there is one.
        """
        painting = self.settings.painting
        asked = [track.id for track in plan.tracks if track.wording]
        if asked and (painting.replace != "face" or painting.model == "builtin"):
            raise UsageError(
                f"track {asked[0]} has a prompt, which only a model with prompts can follow; name "
                "one by --model"
            )


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
