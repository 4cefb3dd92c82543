"""What a finished job says of itself: times, counts and settings, nothing that shows a face."""

from __future__ import annotations

from dataclasses import dataclass

from anonymizer.data import Action


@dataclass(frozen=True, slots=True)
class TrackOutcome:
    """What became of one face. Times and counts only."""

    track: int
    shot: int
    start: int
    """Index of its first frame."""
    stop: int
    """One past its last frame."""
    detected: int
    interpolated: int
    extended: int
    """Number of frames by origin; their sum is ``stop - start``."""
    action: Action
    """``keep`` only where a person said so in a plan."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one finished job did. Holds nothing that shows a face."""

    source: str
    """Name of the input, without its folder."""
    destination: str
    """Path of the output."""
    source_sha256: str
    output_sha256: str
    frames: int
    shots: int
    tracks: tuple[TrackOutcome, ...]
    skipped_packets: int
    """Damaged packets of the input that could not be decoded."""
    warnings: tuple[str, ...]
    """What could not be kept, in sentences."""
    non_interference: bool
    """Whether nothing inside a protected area could reach what was painted (P1)."""
    motion: tuple[str, ...]
    """Names of the numbers read off every original face so that the new one speaks, blinks and
    looks as it did; none with ``--expression off``. Not their values."""
    settings: dict[str, object]
    """The resolved settings without secrets: enough to repeat the run."""
    versions: dict[str, str]
    seconds: dict[str, float]
    """Wall time by stage."""

    @property
    def summary(self) -> str:
        """All of it in one line for a person."""
        hidden = [track for track in self.tracks if track.action != "keep"]
        faces = sum(track.stop - track.start for track in hidden)
        kept = len(self.tracks) - len(hidden)
        took = sum(self.seconds.values())
        return (
            f"{self.destination}  {self.frames} frames, {len(self.tracks)} tracks, "
            f"{faces} faces replaced, {f'{kept} tracks kept, ' if kept else ''}"
            f"{took:.1f} s ({self.frames / max(took, 1e-9):.1f} frames/s)"
        )
