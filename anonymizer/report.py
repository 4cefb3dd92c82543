"""What a finished job says of itself: times, counts and settings, nothing that shows a face."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from anonymizer.data import Action, Box, Origin

Verdict = Literal["clean", "repaired", "doubt"]
"""``clean``: nothing was found; ``repaired``: what was found was covered, and then nothing more was
found; ``doubt``: something still is, or the times or pictures are not those of the original."""

MANY = 12
"""Frames that one line names."""
STRAY = 0.05
"""Share of frames that may show something else, one by one: around cuts times slip."""


def percent(share: float) -> str:
    """A share in per cent, to two digits.

    >>> percent(0.00123), percent(1.0)
    ('0.12', '100')
    """
    return f"{100 * share:.2g}" if share < 0.995 else "100"


@dataclass(frozen=True, slots=True)
class Doubt:
    """A face of the original that the output may still show."""

    frame: int
    """Index in the original."""
    frame_written: int
    """Index in the output."""
    seconds: float
    """When, in the original."""
    box: Box
    """Where, in pixels of the original."""
    score: float
    """The finder's confidence that there is a face."""
    finder: str
    """``plan``, or the name of the second detector."""
    likeness: float
    """Correlation of fine structure with the original, as ``anonymizer.likeness`` measures it."""
    distance: float | None = None
    """Of the embedder, where it is the one that took the new face for the original person."""


@dataclass(frozen=True, slots=True)
class Recognition:
    """What a network that tells people apart said."""

    embedder: str
    faces: int
    """Faces it could compare: not small, dark or cut."""
    threshold: float
    """Distance below which it takes two faces for one person's."""
    false_match_rate: float
    """Upper limit of the share of different people that it takes for one."""


@dataclass(frozen=True, slots=True)
class Views:
    """Whether both films show the same section of the same picture, faces apart."""

    frames: int
    """Looked at in which there was something to compare."""
    elsewhere: int
    """Of them, those in which the output shows something else."""
    longest: int
    """Most of those, one after another."""

    @property
    def same(self) -> bool:
        """Whether all but single frames of a long film are the same, or nothing was compared."""
        return self.longest < 2 and self.elsewhere <= STRAY * self.frames


@dataclass(frozen=True, slots=True)
class SmartCopy:
    """Groups of pictures without anything to hide that were copied packet for packet."""

    groups: int
    """Copied as they are."""
    of: int
    """Groups that the film has; 0 where that was not looked at."""
    frames: int
    """In those that were copied; decoded from the output they are bit for bit the original's."""
    reason: str = ""
    """Why nothing was copied; empty if something was."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What a second look at a finished film, decoded afresh, has shown."""

    frames: int
    """Of the original."""
    frames_written: int
    latest_s: float
    """Greatest difference in seconds between the times of the n-th frames."""
    in_time: bool
    """Whether both films have the same frames at the same times."""
    second: str | None
    """The detector that searched the original again, if one was at hand."""
    faces: int
    """Faces compared, each frame of each counted."""
    doubts: tuple[Doubt, ...]
    leak_bound: float
    """Upper limit of the share of faces that are still to be seen."""
    confidence: float
    """Of that limit."""
    recognition: Recognition | None = None
    """Present where an embedder looked."""
    repaired: tuple[Doubt, ...] = ()
    """Found by an earlier look, and covered since."""
    views: Views | None = None
    """Present where it is not known who made the output."""

    @property
    def verdict(self) -> Verdict:
        """All of it in one word."""
        if self.doubts or not self.in_time or not (self.views is None or self.views.same):
            return "doubt"
        return "repaired" if self.repaired else "clean"

    @property
    def reason(self) -> str:
        """What is doubtful, in one line; empty if nothing is."""
        said = []
        if self.frames != self.frames_written:
            said.append(f"{self.frames_written} frames instead of {self.frames}")
        elif not self.in_time:
            said.append(f"frames are up to {self.latest_s:g} s off")
        if self.views is not None and not self.views.same:
            said.append(
                f"{self.views.elsewhere} of {self.views.frames} frames show something else around "
                "the faces (another film, mirrored or zoomed?), so faces cannot be compared"
            )
        if self.doubts:
            frames = sorted({doubt.frame for doubt in self.doubts})
            named = ", ".join(map(str, frames[:MANY])) + (", ..." if len(frames) > MANY else "")
            said.append(
                f"{len(self.doubts)} of {self.faces} faces look as in the original, "
                f"in {len(frames)} frame{'s' * (len(frames) > 1)}: {named}"
            )
        return "; ".join(said)

    @property
    def summary(self) -> str:
        """What was looked at and how sure that is, in one line."""
        by = f"a second detector ({self.second})" if self.second else "no second detector"
        alone = self.views is not None and not self.views.frames
        unseen = "; nothing around them could be compared" if alone and self.faces else ""
        repairs = f"{len(self.repaired)} repaired, " if self.repaired else ""
        return (
            f"{self.frames} frames, {self.faces} faces compared, {repairs}{len(self.doubts)} still "
            f"look as before (at most {percent(self.leak_bound)} % at {self.confidence:.0%} "
            f"confidence), {by}{unseen}"
        )


@dataclass(frozen=True, slots=True)
class Span:
    """Consecutive frames in which a face was placed in one way."""

    origin: Origin
    start: int
    stop: int
    """One past its last frame."""
    start_s: float
    """When its first frame is shown, in seconds from the film's first frame."""
    stop_s: float
    """When the frame after its last one is shown, or the film ends."""


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
    repaired: int
    """Number of frames by origin; their sum is ``stop - start``."""
    spans: tuple[Span, ...]
    """Runs of frames of one origin, in order, from ``start`` to ``stop``."""
    action: Action
    """``keep`` only where a person said so in a plan."""
    prompt: str | None = None
    """What the painter was asked for this face alone; None: what the settings say."""
    negative_prompt: str | None = None
    """The same of what was not wanted."""


Fate = Literal["anonymized", "translated", "copied", "converted", "dropped"]
"""What became of a stream: painted and encoded anew, told anew by a model, taken over bit for bit,
encoded anew as it was, or left out."""


@dataclass(frozen=True, slots=True)
class StreamOutcome:
    """What became of one stream of the input."""

    index: int
    """Its number in the input."""
    kind: str
    """``video``, ``audio``, ``subtitle``, ``data``, ``attachment`` or ``picture``."""
    codec: str
    """As FFmpeg calls it; empty where it has no name for it."""
    language: str | None
    """As the input says."""
    fate: Fate
    reason: str
    """Why it was dropped, or that it was kept by name; empty for others."""


@dataclass(frozen=True, slots=True)
class FilmOutcome:
    """What became of a film that is not the first one of its file."""

    stream: int
    """Its number in the input."""
    frames: int
    shots: int
    tracks: tuple[TrackOutcome, ...]
    unconfirmed: int
    """Sightings at low scores that no track confirms; nothing hides them."""
    skipped_packets: int
    """Damaged packets that could not be decoded."""
    verification: Verification


@dataclass(frozen=True, slots=True)
class Report:
    """What one finished job did. Holds nothing that shows a face."""

    source: str
    """Name of the input, without its folder."""
    destination: str
    """Path of the output."""
    source_sha256: str
    output_sha256: str | None
    """None if nothing was published."""
    frames: int
    duration_s: float
    """From the first frame to the last."""
    shots: int
    tracks: tuple[TrackOutcome, ...]
    unconfirmed: int
    """Sightings at low scores that no track confirms; nothing hides them."""
    streams: tuple[StreamOutcome, ...]
    """Every stream of the input."""
    smart_copy: SmartCopy
    """What of the picture was not encoded again."""
    skipped_packets: int
    """Damaged packets of the input that could not be decoded."""
    warnings: tuple[str, ...]
    """What could not be kept, in sentences."""
    non_interference: bool
    """Whether nothing inside a protected area could reach what was painted (P1)."""
    motion: tuple[str, ...]
    """Names of the numbers read off every original face so that the new one speaks, blinks and
    looks as it did; none with ``--expression off``. Not their values."""
    verification: Verification
    settings: dict[str, object]
    """The resolved settings without secrets: enough to repeat the run."""
    versions: dict[str, str]
    devices: dict[str, str]
    """What the parts run on, as they say themselves: ``detector``, ``second_detector`` where there
    is one, ``painter``."""
    seconds: dict[str, float]
    """Wall time by stage."""
    films: tuple[FilmOutcome, ...] = ()
    """Further films of the input; what is said of frames and tracks elsewhere is of the first one,
    and the verification of all together."""

    @property
    def summary(self) -> str:
        """All of it in one line for a person."""
        further = [track for film in self.films for track in film.tracks]
        hidden = [track for track in self.tracks if track.action != "keep"] + further
        faces = sum(track.stop - track.start for track in hidden)
        kept = len(self.tracks) + len(further) - len(hidden)
        repaired = len(self.verification.repaired)
        took = sum(self.seconds.values())
        return (
            f"{self.destination}  {self.frames} frames, {len(self.tracks) + len(further)} tracks, "
            f"{faces} faces replaced, {f'{kept} tracks kept, ' if kept else ''}"
            f"{f'{repaired} repaired, ' if repaired else ''}{self.verification.verdict}, "
            f"{took:.1f} s ({self.frames / max(took, 1e-9):.1f} frames/s)"
        )
