"""Settings of diffusion models that a user brings.

What joins them, how they fit into memory, and how whole films are translated by them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from anonymizer.errors import UsageError
from anonymizer.legal import between, choose, whole

Precision = Literal["auto", "fp32", "fp16", "bf16"]
FaceControl = Literal["mesh", "landmarks", "normals", "edges"]
Mode = Literal["sdedit", "controlnet", "ip2p"]
FilmControl = Literal["canny", "hed", "depth", "lineart", "pose", "files"]


@dataclass(frozen=True, slots=True)
class Networks:
    """What joins a diffusers model, and how it is computed. The built-in model needs none of it."""

    lora: tuple[str, ...] = ()
    """Files ``PATH`` or ``PATH:WEIGHT`` (safetensors) whose changes are added to the weights."""
    controlnet: str | None = None
    """Folder or hub id of a ControlNet; None takes the one in the model's folder, if any."""
    face_control: FaceControl = "mesh"
    """What a ControlNet is shown of a face: lines, points, normals or edges of a drawn head. The
    drawing knows the geometry of the track, never the picture of it (P1)."""
    control_scale: float = 1.0
    """Strength of the ControlNet."""
    ip_adapter: str | None = None
    """File (safetensors), or folder of one, of an IP-Adapter, which shows a picture to the model
    beside the prompt."""
    ip_adapter_image: str | None = None
    """That picture: of nobody in the film, for what it shows goes over into what is painted."""
    ip_adapter_encoder: str | None = None
    """Folder of the image encoder that the adapter was trained with; None for ``image_encoder``
    beside the adapter or in the model's folder."""
    ip_adapter_scale: float = 0.6
    """Strength of the picture."""
    mediate_vae: str | None = None
    """Folder or hub id of an autoencoder, such as a tiny one, for mediated steps."""
    precision: Precision = "auto"
    """``auto``: bfloat16 where a GPU has it, float32 elsewhere."""
    batch: int | None = None
    """Frames given to a network at once; None for as many as memory allows."""
    attention_slicing: bool = False
    """Attention head by head: less memory, slower."""
    vae_tiling: bool = False
    """Pictures through the autoencoder tile by tile: less memory, faint seams."""
    offload: bool = False
    """Weights wait in main memory and go to the device layer by layer: far less of its memory."""
    compile: bool = False
    """Compile the denoiser first: minutes at the start, faster steps."""

    def __post_init__(self) -> None:
        choose("face-control", self.face_control, FaceControl)
        choose("precision", self.precision, Precision)
        between("control-scale", self.control_scale, 0, 10)
        between("ip-adapter-scale", self.ip_adapter_scale, 0, 10)
        if (self.ip_adapter is None) != (self.ip_adapter_image is None):
            raise UsageError("ip-adapter and ip-adapter-image belong together; give both")
        if self.ip_adapter is not None and self.attention_slicing:
            raise UsageError("attention-slicing takes an ip-adapter out; use --offload or --batch")
        if self.batch is not None:
            whole("batch", self.batch, 1)
        for given in self.lora:
            adapter(given)

    @property
    def joining(self) -> list[str]:
        """Names of what is to join a model of the Stable Diffusion family."""
        names = ("lora", "controlnet", "ip_adapter", "mediate_vae")
        return [name.replace("_", "-") for name in names if getattr(self, name)]

    @property
    def files(self) -> list[Path]:
        """Files and folders that are named; what is a hub id is none."""
        named = (self.controlnet, self.ip_adapter, self.ip_adapter_image, self.ip_adapter_encoder)
        given = [*(adapter(each)[0] for each in self.lora), *named, self.mediate_vae]
        return [Path(each) for each in given if each is not None]


def adapter(given: str) -> tuple[str, float]:
    """Path and weight of one ``--lora``.

    >>> adapter("a/style.safetensors:0.5"), adapter("plain.safetensors")
    (('a/style.safetensors', 0.5), ('plain.safetensors', 1.0))

    Raises:
        UsageError: if the weight is not a number from -10 to 10.
    """
    path, colon, weight = given.rpartition(":")
    if not colon or "/" in weight or "\\" in weight:
        return given, 1.0
    try:
        number = float(weight)
    except ValueError as error:
        reason = f"lora {given!r}: {weight!r} is not a weight; give PATH or PATH:WEIGHT"
        raise UsageError(reason) from error
    between("lora weight", number, -10, 10)
    return path, number


@dataclass(frozen=True, slots=True)
class Translation:
    """How a whole film is translated by a prompt.

    Model, prompts, steps, guidance, strength and mediator are those of `Painting`.
    """

    mode: Mode = "sdedit"
    """``sdedit`` starts from noised frames, ``controlnet`` from noise with control pictures,
    ``ip2p`` from noise with a network that is shown the frames (InstructPix2Pix)."""
    image_guidance: float = 1.5
    """With ``ip2p``: how closely to keep to the frames."""
    control: FilmControl = "canny"
    """What a ControlNet is shown: ``canny`` finds edges of the frames; all others are made by
    programs of their own and given by ``control_files``."""
    control_files: str | None = None
    """A film, or a folder of pictures in order of their names: one for every frame."""
    keyframes: int = 1
    """Every so many frames are diffused; those between are filled from both neighbours."""
    size: int | None = None
    """Shorter side in pixels at which the network works; None for what it was trained at."""

    def __post_init__(self) -> None:
        choose("mode", self.mode, Mode)
        choose("control", self.control, FilmControl)
        between("image-guidance", self.image_guidance, 1, 50)
        whole("keyframes", self.keyframes, 1)
        if self.size is not None:
            whole("size", self.size, 16, 8192)
        if self.control != "canny" and self.control_files is None:
            raise UsageError(
                f"control {self.control!r} is not drawn here; give its pictures by --control-files"
            )
