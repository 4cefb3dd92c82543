"""What can be set, as nested frozen values that check themselves; TOML in.

A flag beats the TOML file, which beats the default. TOML tables are the sections of ``Settings``; a
table ``[options.NAME]`` holds keywords for the ``build`` of the detector or mediator called NAME.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, get_type_hints

from anonymizer.errors import UsageError
from anonymizer.legal import between, choose, kind, spacing, whole
from anonymizer.networks import Networks, Translation

Replace = Literal["face", "cover", "blur", "mosaic"]
SmallFaces = Literal["cover", "mosaic"]
Recall = Literal["normal", "high"]
Audio = Literal["keep", "drop"]
Init = Literal["guide", "noise", "source"]
Expression = Literal["on", "off"]
Match = Literal["tone", "none"]
OnDoubt = Literal["cover", "stop"]
EmbedderName = Literal["auto", "dlib", "none"]
Codec = Literal[
    "libx264",
    "libx265",
    "libvpx-vp9",
    "libsvtav1",
    "prores_ks",
    "ffv1",
    "h264_nvenc",
    "hevc_nvenc",
    "av1_nvenc",
    "h264_videotoolbox",
    "hevc_videotoolbox",
]
Preset = Literal[
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
    "placebo",
]


@dataclass(frozen=True, slots=True)
class Detection:
    """How faces are looked for."""

    detector: str = "centerface"
    """Name of a file in ``detectors``, or several joined by ``+``: what any of them finds is
    covered."""
    recall: Recall = "normal"
    """``high`` searches every frame again at a larger and a smaller scale and turned by 90, 180 and
    270 degrees, and follows up what is doubtful; about ten times as slow."""

    def __post_init__(self) -> None:
        choose("recall", self.recall, Recall)


@dataclass(frozen=True, slots=True)
class Painting:
    """What is put in place of a face."""

    replace: Replace = "face"
    mediator: str = "medm"
    """Name of a file in ``mediators``, or ``medm+fresco`` for both."""
    coherence: float = 0.8
    """Strength of the mediation in [0, 1]; the paper's w."""
    mediate_every: int | None = None
    """Frames are made to agree on pixels in every so many steps, counted back from the last but
    one; None is 2 for the built-in model, which starts from a drawing, and 1 for others."""
    keyframes: int | Literal["auto"] = "auto"
    """Frames from one that is diffused to the next at most; those between are filled from both
    along the pixels' trajectories, and diffused too where they show too much that is new. ``auto``
    is 5 for the built-in model with ``medm``; others diffuse every frame."""
    model: str = "builtin"
    """``builtin``, or a folder or hub id of a diffusers inpainting pipeline."""
    prompt: str = "photo of a person, natural light"
    negative_prompt: str = "painting, drawing, deformed"
    steps: int | None = None
    """Sampling steps; None leaves it to the model."""
    guidance: float = 5.0
    """Classifier-free guidance scale; only models with a prompt use it."""
    expression: Expression = "on"
    """``on`` lets the new face speak, blink and look as the original does, by numbers that are read
    off it (built-in model only); ``off`` gives a face at rest."""
    match: Match = "tone"
    """``tone`` brings the new skin to the tone of the skin seen around the face (built-in model
    only); ``none`` leaves it to chance, as all else of the new person is."""
    init: Init = "guide"
    """``guide`` starts from the drawn head (built-in) or noise (other models), ``noise`` always
    from noise, ``source`` from the original face, which breaks non-interference (P1)."""
    strength: float = 0.5
    """With ``init = "source"``: share of the noise schedule that is run, in (0, 1]."""
    min_face: int = 24
    """Faces with a longer side below this many pixels get ``small_faces`` instead."""
    small_faces: SmallFaces = "mosaic"

    def __post_init__(self) -> None:
        choose("replace", self.replace, Replace)
        choose("small-faces", self.small_faces, SmallFaces)
        choose("init", self.init, Init)
        choose("expression", self.expression, Expression)
        choose("match", self.match, Match)
        between("coherence", self.coherence, 0, 1)
        if self.mediate_every is not None:
            whole("mediate-every", self.mediate_every, 1)
        if self.keyframes != "auto":
            object.__setattr__(self, "keyframes", spacing("keyframes", self.keyframes))
            if self.keyframes != 1 and (self.model, self.mediator) != ("builtin", "medm"):
                raise UsageError(
                    "keyframes are for the built-in model with medm; leave --keyframes out"
                )
        between("guidance", self.guidance, 1, 50)
        between("strength", self.strength, 0.01, 1)
        whole("min-face", self.min_face, 0)
        if self.steps is not None:
            whole("steps", self.steps, 1, 1000)

    @property
    def non_interference(self) -> bool:
        """Whether nothing inside a protected area reaches what is painted (P1)."""
        return self.replace == "cover" or (self.replace == "face" and self.init != "source")


@dataclass(frozen=True, slots=True)
class Media:
    """How the result is written."""

    crf: int | None = None
    """Constant rate factor, 0 (best) to 51; None takes the sink's default."""
    lossless: bool = False
    """Keep every sample of what is not painted, in the source's own pixel format."""
    audio: Audio = "keep"
    keep_stream: tuple[int, ...] = ()
    """Numbers of streams that are copied whatever they tell: attached pictures, data, files."""
    codec: Codec | None = None
    """Encoder, as FFmpeg calls it; None for one of the source's kind, or H.264."""
    preset: Preset = "medium"
    """How long the encoder may think."""
    smart_copy: bool = True
    """Copy groups of pictures that hold nothing to hide as they are, where that can be done (H.264
    whose codec, quality and preset were not chosen); the report says how many, or why not."""

    def __post_init__(self) -> None:
        choose("audio", self.audio, Audio)
        for number in self.keep_stream:
            whole("keep-stream", number, 0)
        choose("preset", self.preset, Preset)
        if self.codec is not None:
            choose("codec", self.codec, Codec)
        if self.crf is not None:
            whole("crf", self.crf, 0, 51)
            if self.lossless:
                raise UsageError("crf and lossless exclude each other; give one")


@dataclass(frozen=True, slots=True)
class Checking:
    """How a finished film is looked at again before it is published."""

    second_detector: str = "auto"
    """Searches the original once more: a name, ``none``, or ``auto`` for the first one whose
    weights are at hand and that was not used for finding."""
    embedder: EmbedderName = "auto"
    """Looks whether a new face is the old person's; ``auto`` if the extra ``verify`` is there."""
    on_doubt: OnDoubt = "cover"
    """``cover`` hides what is found and looks once more; ``stop`` publishes nothing."""

    def __post_init__(self) -> None:
        choose("on-doubt", self.on_doubt, OnDoubt)
        choose("embedder", self.embedder, EmbedderName)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that decides what a run does."""

    detection: Detection = field(default_factory=Detection)
    painting: Painting = field(default_factory=Painting)
    networks: Networks = field(default_factory=Networks)
    translation: Translation = field(default_factory=Translation)
    media: Media = field(default_factory=Media)
    checking: Checking = field(default_factory=Checking)
    chunk: int = 16
    """New frames painted together."""
    overlap: int = 4
    """Frames of the chunk before that are shown to the next one."""
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``."""
    seed: int | None = None
    """Makes a run repeatable; whoever knows it can repeat the identities."""
    secret_file: Path | None = None
    """File whose bytes decide the identities; None draws a fresh secret for every run (P6)."""
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Keywords for the ``build`` of parts, by their name."""

    def __post_init__(self) -> None:
        whole("chunk", self.chunk, 1)
        whole("overlap", self.overlap, 0)
        if self.chunk <= self.overlap:
            raise UsageError(
                f"chunk length {self.chunk} must exceed overlap {self.overlap}; lower --overlap"
            )
        kind, _, number = self.device.partition(":")
        if kind not in ("auto", "cpu", "cuda", "mps") or (number and not number.isdecimal()):
            raise UsageError(f"device {self.device!r} is not auto, cpu, cuda, cuda:N or mps")
        if self.seed is not None:
            whole("seed", self.seed, 0)
            if self.secret_file is not None:
                raise UsageError("seed and secret-file exclude each other; give one")

    @property
    def follows(self) -> bool:
        """Whether what an original face does is read, for the new one to do the same."""
        painting, networks = self.painting, self.networks
        drawn = networks.controlnet is not None and networks.face_control != "landmarks"
        wanted = painting.replace == "face" and painting.expression == "on"
        return wanted and (painting.model == "builtin" or drawn)

    def with_values(self, values: Mapping[str, object]) -> Settings:
        """A copy in which dotted names (``painting.replace``, ``chunk``) have new values.

        Raises:
            UsageError: for a name that does not exist, listing those that do.
        """
        return _merged(self, _nested(values), "")

    def described(self) -> dict[str, Any]:
        """Plain values for a report. The secret and the seed are left out (P6)."""
        plain = asdict(self)
        del plain["secret_file"], plain["seed"]
        return plain


_SECTIONS = ("detection", "painting", "networks", "translation", "media", "checking")
_Section = TypeVar(
    "_Section", Settings, Detection, Painting, Networks, Translation, Media, Checking
)


def load(path: Path) -> Settings:
    """Read settings from a TOML file.

    Raises:
        UsageError: if the file cannot be read, is not TOML, or has an unknown key or illegal value.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); check --config") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from error
    if isinstance(table.get("secret_file"), str):
        table["secret_file"] = Path(table["secret_file"])
    try:
        return _merged(Settings(), table, "")
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def _nested(values: Mapping[str, object]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for name, value in values.items():
        section, _, key = name.rpartition(".")
        place = table.setdefault(section, {}) if section else table
        place[key] = value
    return table


def _merged(base: _Section, table: Mapping[str, Any], prefix: str) -> _Section:
    known = get_type_hints(type(base))
    changes: dict[str, Any] = {}
    for key, value in table.items():
        if key not in known:
            raise UsageError(f"unknown setting {prefix}{key}; known: {', '.join(known)}")
        if key in _SECTIONS:
            if not isinstance(value, Mapping):
                raise UsageError(f"{prefix}{key} must be a table, got {value!r}")
            value = _merged(getattr(base, key), value, f"{key}.")
        if isinstance(value, list):
            value = tuple(value)
        kind(f"{prefix}{key}", value, known[key])
        changes[key] = value
    return replace(base, **changes)
